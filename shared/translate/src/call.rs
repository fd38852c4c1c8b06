//! Calls of functions at providers that take their arguments as objects, or that give calls no ids.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::{Format, Losses, Unsupported};

/// The arguments that a model wrote, as an object. Models sometimes write what is none; a sender who allows losses has
/// it passed on as a text.
/// `place` is the path of the call.
pub(crate) fn arguments(
    text: &str,
    place: &str,
    origin: Format,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Unsupported> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    if let Ok(object) = serde_json::from_str(text) {
        return Ok(object);
    }
    let member = format!("{place}.{}", arguments_member(place, origin));
    losses.cannot_because(&member, "it has a call whose arguments are no JSON object")?;
    Ok(Map::from_iter([("arguments".to_owned(), json!(text))]))
}

fn arguments_member(place: &str, origin: Format) -> &'static str {
    match origin {
        // The older form of a call has no function in it.
        Format::OpenaiChat if place.ends_with("function_call") => "arguments",
        Format::OpenaiChat | Format::OllamaChat => "function.arguments",
        Format::OpenaiResponses => "arguments",
        Format::AnthropicMessages | Format::BedrockConverse => "input",
        Format::GoogleGemini => "functionCall.args",
    }
}

/// An id for a call that its provider gave none. `reply` is what no other reply of the conversation has in common with
/// this one.
pub(crate) fn made_up_id(reply: &str, index: usize, name: &str, arguments: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (reply, index, name, arguments).hash(&mut hasher);
    format!("call_{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OnUnsupported;

    #[test]
    fn arguments_become_an_object() {
        let mut losses = Losses::new(Format::GoogleGemini, OnUnsupported::Refuse);
        let read =
            |text: &str, losses: &mut Losses| arguments(text, "messages.1.tool_calls.0", Format::OpenaiChat, losses);
        assert_eq!(read(" ", &mut losses), Ok(Map::new()));
        let object = read(r#"{"z":1,"a":2}"#, &mut losses).expect("an object");
        assert_eq!(serde_json::to_string(&object).expect("JSON"), r#"{"z":1,"a":2}"#);
        let refused = read("[1]", &mut losses).expect_err("no object");
        assert_eq!(refused.param, "messages.1.tool_calls.0.function.arguments");
        let mut losses = Losses::new(Format::GoogleGemini, OnUnsupported::Drop);
        let kept = read("{\"city\":", &mut losses).expect("as a text");
        assert_eq!((kept["arguments"].as_str(), losses.dropped().len()), (Some("{\"city\":"), 1));
    }

    #[test]
    fn made_up_ids_differ_by_all_that_they_are_of() {
        let id = made_up_id("r1", 0, "f", "{}");
        assert_eq!(id, made_up_id("r1", 0, "f", "{}"));
        for other in [("r2", 0, "f", "{}"), ("r1", 1, "f", "{}"), ("r1", 0, "g", "{}"), ("r1", 0, "f", "{ }")] {
            assert_ne!(id, made_up_id(other.0, other.1, other.2, other.3));
        }
    }
}
