//! Amazon Bedrock's Converse, streamed in its own frames.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Speech, cut, frame};

pub(super) fn whole(speech: &Speech) -> Value {
    let mut content = Vec::new();
    if !speech.thought.is_empty() {
        let text = json!({ "text": speech.thought, "signature": Speech::SEAL });
        content.push(json!({ "reasoningContent": { "reasoningText": text } }));
    }
    if !speech.text.is_empty() {
        content.push(json!({ "text": speech.text }));
    }
    content.extend(speech.calls.iter().enumerate().map(|(index, (name, arguments))| {
        json!({ "toolUse": { "toolUseId": id(index), "name": name, "input": Speech::input(arguments) } })
    }));
    json!({
        "output": { "message": { "role": "assistant", "content": content } }, "stopReason": stop_reason(speech),
        "usage": usage(), "metrics": { "latencyMs": 5 },
    })
}

pub(super) fn stream(speech: &Speech) -> Bytes {
    let mut events = vec![("messageStart", json!({ "role": "assistant" }))];
    let mut index = 0;
    let mut block = |start: Option<Value>, deltas: Vec<Value>| {
        if deltas.is_empty() {
            return;
        }
        let start = start.map(|start| ("contentBlockStart", json!({ "contentBlockIndex": index, "start": start })));
        events.extend(start);
        let delta = |delta: Value| ("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta }));
        events.extend(deltas.into_iter().map(delta));
        events.push(("contentBlockStop", json!({ "contentBlockIndex": index })));
        index += 1;
    };
    let mut thought: Vec<Value> =
        cut(speech.thought).into_iter().map(|piece| json!({ "reasoningContent": { "text": piece } })).collect();
    if !thought.is_empty() {
        thought.push(json!({ "reasoningContent": { "signature": Speech::SEAL } }));
    }
    block(None, thought);
    block(None, cut(speech.text).into_iter().map(|piece| json!({ "text": piece })).collect());
    for (call, (name, arguments)) in speech.calls.iter().enumerate() {
        let start = json!({ "toolUse": { "toolUseId": id(call), "name": name } });
        let input = cut(arguments).into_iter().map(|piece| json!({ "toolUse": { "input": piece } })).collect();
        block(Some(start), input);
    }
    events.push(("messageStop", json!({ "stopReason": stop_reason(speech) })));
    events.push(("metadata", json!({ "usage": usage(), "metrics": { "latencyMs": 5 } })));
    events.iter().flat_map(|(name, payload)| frame::event(name, payload)).collect()
}

fn id(index: usize) -> String {
    Speech::id("tooluse_fake", index)
}

fn stop_reason(speech: &Speech) -> &'static str {
    if speech.calls.is_empty() { "end_turn" } else { "tool_use" }
}

fn usage() -> Value {
    json!({
        "inputTokens": 8, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 0, "outputTokens": 7, "totalTokens": 18,
    })
}
