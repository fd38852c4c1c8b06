//! Google's `generateContent`: calls come whole and without ids, a seal stands beside the first of them or the text.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Speech, cut};

pub(super) fn whole(speech: &Speech) -> Value {
    let mut parts = thought(speech.thought);
    parts.extend(text(speech.text));
    parts.extend(calls(speech));
    response(&parts, true)
}

pub(super) fn stream(speech: &Speech) -> Bytes {
    let mut parts: Vec<Value> = cut(speech.thought).into_iter().flat_map(thought).collect();
    parts.extend(cut(speech.text).into_iter().flat_map(text));
    parts.extend(calls(speech));
    let last = parts.len().saturating_sub(1);
    let event = |(index, part): (usize, &Value)| {
        format!("data: {}\r\n\r\n", response(std::slice::from_ref(part), index == last))
    };
    parts.iter().enumerate().map(event).collect::<String>().into()
}

fn thought(text: &str) -> Vec<Value> {
    if text.is_empty() { Vec::new() } else { vec![json!({ "text": text, "thought": true })] }
}

fn text(text: &str) -> Vec<Value> {
    if text.is_empty() { Vec::new() } else { vec![json!({ "text": text })] }
}

fn calls(speech: &Speech) -> Vec<Value> {
    let call = |(index, (name, arguments)): (usize, &(&str, &str))| {
        let mut part = json!({ "functionCall": { "name": name, "args": Speech::input(arguments) } });
        if index == 0 {
            part["thoughtSignature"] = Speech::SEAL.into();
        }
        part
    };
    speech.calls.iter().enumerate().map(call).collect()
}

fn response(parts: &[Value], is_last: bool) -> Value {
    let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": 0 });
    if is_last {
        candidate["finishReason"] = "STOP".into();
    }
    let usage = json!({
        "promptTokenCount": 11, "cachedContentTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 2,
        "totalTokenCount": 18,
    });
    json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": "recorded", "responseId": "fake" })
}
