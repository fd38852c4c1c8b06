//! Anthropic's Messages API.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Speech, cut, typed_events};

pub(super) fn whole(speech: &Speech) -> Value {
    let mut message = begun();
    message["content"] = blocks(speech).into();
    message["stop_reason"] = stop_reason(speech).into();
    message["usage"]["output_tokens"] = 7.into();
    message
}

pub(super) fn stream(speech: &Speech) -> Bytes {
    let mut events = vec![json!({ "type": "message_start", "message": begun() }), json!({ "type": "ping" })];
    for (index, block) in blocks(speech).into_iter().enumerate() {
        let pieces = |kind: &str, name: &str, text: &str| -> Vec<Value> {
            cut(text).into_iter().map(|piece| json!({ "type": kind, name: piece })).collect()
        };
        let (start, deltas) = match block["type"].as_str() {
            Some("thinking") => {
                let mut deltas = pieces("thinking_delta", "thinking", speech.thought);
                deltas.push(json!({ "type": "signature_delta", "signature": Speech::SEAL }));
                (json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas)
            }
            Some("text") => (json!({ "type": "text", "text": "" }), pieces("text_delta", "text", speech.text)),
            _ => {
                let input = block["input"].to_string();
                let mut start = block;
                start["input"] = json!({});
                (start, pieces("input_json_delta", "partial_json", &input))
            }
        };
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        let delta = |delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
        events.extend(deltas.into_iter().map(delta));
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let delta = json!({ "stop_reason": stop_reason(speech), "stop_sequence": null });
    events.push(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 7 } }));
    events.push(json!({ "type": "message_stop" }));
    typed_events(&events)
}

fn blocks(speech: &Speech) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !speech.thought.is_empty() {
        blocks.push(json!({ "type": "thinking", "thinking": speech.thought, "signature": Speech::SEAL }));
    }
    if !speech.text.is_empty() {
        blocks.push(json!({ "type": "text", "text": speech.text }));
    }
    blocks.extend(speech.calls.iter().enumerate().map(|(index, (name, arguments))| {
        let id = Speech::id("toolu_fake", index);
        json!({ "type": "tool_use", "id": id, "name": name, "input": Speech::input(arguments) })
    }));
    blocks
}

fn stop_reason(speech: &Speech) -> &'static str {
    if speech.calls.is_empty() { "end_turn" } else { "tool_use" }
}

fn begun() -> Value {
    json!({
        "id": "msg_fake", "type": "message", "role": "assistant", "model": "recorded", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {
            "input_tokens": 8, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 1,
            "service_tier": "standard",
        },
    })
}
