//! Members of one format at a provider that does not know them.

use serde_json::{Map, Value, json, map::Entry};

use crate::{Losses, Unsupported};

/// They tell the provider how to serve a request, not what to answer.
const HINTS: [&str; 13] = [
    "include",
    "max_tool_calls",
    "prediction",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "prompt_cache_options",
    "inference_geo",
    "context_management",
    "diagnostics",
    "speed",
    "user_profile_id",
    // What OpenAI's agent for the command line says of itself.
    "client_metadata",
];

/// They stand for what the provider keeps and nobody else has.
const KEPT: [&str; 4] = ["previous_response_id", "conversation", "prompt", "container"];

/// Leaves out a member of another format. `name` may be a path into one, such as `stream_options.x`.
pub(crate) fn leave_out(name: &str, value: &Value, losses: &mut Losses) -> Result<(), Unsupported> {
    let first = name.split('.').next().unwrap_or(name);
    if means_nothing(name, value) {
        Ok(())
    } else if HINTS.contains(&first) {
        losses.hint(name);
        Ok(())
    } else if KEPT.contains(&first) {
        Err(losses.never(name, "what it names is kept by another provider"))
    } else {
        losses.cannot(name)
    }
}

/// Puts what nobody read of a member into what was written of it: for the format it came in. What is in a list may
/// stand elsewhere now, and is left out.
pub(crate) fn put_back(body: &mut Map<String, Value>, path: &str, value: Value, losses: &mut Losses) {
    let (owner, name) = path.rsplit_once('.').map_or((None, path), |(owner, name)| (Some(owner), name));
    let mut object = Some(body);
    for step in owner.into_iter().flat_map(|owner| owner.split('.')) {
        object =
            object.and_then(|object| object.entry(step).or_insert_with(|| Value::Object(Map::new())).as_object_mut());
    }
    match (object.map(|object| object.entry(name)), value) {
        (None, _) => losses.hint(path),
        (Some(Entry::Occupied(mut known)), value) => match (known.get_mut(), value) {
            (Value::Array(known), Value::Array(rest)) => known.extend(rest),
            (known, value) => *known = value,
        },
        (Some(Entry::Vacant(place)), value) => drop(place.insert(value)),
    }
}

/// Whether it says what would happen without it.
fn means_nothing(name: &str, value: &Value) -> bool {
    match name {
        "background" => value == &json!(false),
        "truncation" => value == &json!("disabled"),
        "modalities" => value == &json!(["text"]),
        _ => value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, OnUnsupported};

    #[test]
    fn what_is_left_out_is_told_by_what_its_absence_does() {
        let mut losses = Losses::new(Format::GoogleGemini, OnUnsupported::Refuse);
        for (name, value) in [
            ("background", json!(false)),
            ("truncation", json!("disabled")),
            ("modalities", json!(["text"])),
            ("anything", Value::Null),
        ] {
            assert_eq!(leave_out(name, &value, &mut losses), Ok(()), "{name}");
        }
        assert!(losses.dropped().is_empty());
        assert_eq!(leave_out("safety_identifier", &json!("u"), &mut losses), Ok(()));
        assert_eq!(leave_out("stream_options.x", &json!(1), &mut losses), Ok(()));
        assert_eq!(leave_out("context_management", &json!({"edits": []}), &mut losses), Ok(()));
        assert_eq!(losses.dropped(), ["safety_identifier", "stream_options.x", "context_management"]);
        for name in ["background", "modalities", "anything", "previous_response_id", "prompt.id"] {
            assert_eq!(leave_out(name, &json!("x"), &mut losses).expect_err(name).param, name);
        }
        let mut losses = Losses::new(Format::GoogleGemini, OnUnsupported::Drop);
        assert_eq!(leave_out("messages.0.x", &json!(1), &mut losses), Ok(()));
        assert_eq!(leave_out("anything", &json!(1), &mut losses), Ok(()));
        assert!(leave_out("previous_response_id", &json!("resp_1"), &mut losses).is_err());
    }

    #[test]
    fn what_was_not_read_of_a_member_goes_back_into_it() {
        let mut losses = Losses::new(Format::OpenaiChat, OnUnsupported::Refuse);
        let mut body = Map::from_iter([
            ("text".to_owned(), json!({"verbosity": "low"})),
            ("messages".to_owned(), json!([{}])),
            ("include".to_owned(), json!(["a"])),
        ]);
        for (path, value) in
            [("text.x", json!(1)), ("a.b.c", json!(2)), ("messages.0.x", json!(3)), ("include", json!(["b"]))]
        {
            put_back(&mut body, path, value, &mut losses);
        }
        let expected = json!({"text": {"verbosity": "low", "x": 1}, "messages": [{}], "include": ["a", "b"],
            "a": {"b": {"c": 2}}});
        assert_eq!((Value::Object(body), losses.dropped()), (expected, &["messages.0.x".to_owned()][..]));
    }
}
