//! Sources and log probabilities: the Responses API writes them a little otherwise than chat completions do, whose form
//! is the neutral one.

use serde_json::{Map, Value, json};

/// `{"type":"url_citation","url":…}` as `{"type":"url_citation","url_citation":{"url":…}}`.
pub(super) fn nested(annotation: Value) -> Value {
    let Value::Object(mut members) = annotation else { return annotation };
    let Some(Value::String(kind)) = members.shift_remove("type") else { return Value::Object(members) };
    let mut outer = Map::new();
    outer.insert("type".to_owned(), Value::String(kind.clone()));
    outer.insert(kind, Value::Object(members));
    Value::Object(outer)
}

/// The reverse of [`nested`], with the members that the API always sends.
pub(super) fn flat(annotation: Value) -> Value {
    let Value::Object(mut outer) = annotation else { return annotation };
    let Some(kind) = outer.get("type").and_then(Value::as_str).map(str::to_owned) else { return Value::Object(outer) };
    let Some(Value::Object(inner)) = outer.shift_remove(&kind) else { return Value::Object(outer) };
    outer.extend(inner);
    if kind == "url_citation" {
        for (name, default) in [("start_index", json!(0)), ("end_index", json!(0)), ("title", json!(""))] {
            let member = outer.entry(name).or_insert(Value::Null);
            if member.is_null() {
                *member = default;
            }
        }
    }
    Value::Object(outer)
}

/// A source that another format's reply named, as the API takes it back: an address on the web, and nothing of another
/// provider's.
pub(super) fn known(annotation: Value) -> Option<Value> {
    let Value::Object(mut source) = flat(annotation) else { return None };
    if source.get("type").is_none_or(|kind| kind != "url_citation") || !source.get("url").is_some_and(Value::is_string)
    {
        return None;
    }
    source.retain(|name, _| ["type", "url", "title", "start_index", "end_index"].contains(&name.as_str()));
    Some(Value::Object(source))
}

/// Log probabilities as the API writes them: `bytes` and `top_logprobs` are lists, never null.
pub(super) fn logprobs(mut list: Vec<Value>) -> Vec<Value> {
    for entry in &mut list {
        with_bytes(entry);
        if let Value::Object(entry) = entry {
            let top = entry.entry("top_logprobs").or_insert(Value::Null);
            match top {
                Value::Array(top) => top.iter_mut().for_each(with_bytes),
                other => *other = json!([]),
            }
        }
    }
    list
}

fn with_bytes(entry: &mut Value) {
    let Value::Object(entry) = entry else { return };
    if entry.get("bytes").is_none_or(Value::is_null) {
        let bytes: Vec<u8> = entry.get("token").and_then(Value::as_str).unwrap_or_default().bytes().collect();
        entry.insert("bytes".to_owned(), json!(bytes));
    }
}
