//! Chat completions, with thoughts as `DeepSeek` and vLLM write them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Speech, cut, or_null};

pub(super) fn whole(speech: &Speech) -> Value {
    let mut message =
        json!({ "role": "assistant", "content": or_null(speech.text), "refusal": null, "annotations": [] });
    if !speech.thought.is_empty() {
        message["reasoning_content"] = speech.thought.into();
    }
    let call = |(index, (name, arguments)): (usize, &(&str, &str))| json!({ "id": id(index), "type": "function", "function": { "name": name, "arguments": arguments } });
    if !speech.calls.is_empty() {
        message["tool_calls"] = speech.calls.iter().enumerate().map(call).collect();
    }
    json!({
        "id": "chatcmpl-9fake", "object": "chat.completion", "created": 1_700_000_000, "model": "recorded",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish(speech) }],
        "usage": usage(), "service_tier": "default", "system_fingerprint": "fp_fake",
    })
}

pub(super) fn stream(speech: &Speech) -> Bytes {
    let mut chunks = vec![choice(&json!({ "role": "assistant", "content": "", "refusal": null }), None)];
    chunks.extend(cut(speech.thought).into_iter().map(|piece| choice(&json!({ "reasoning_content": piece }), None)));
    chunks.extend(cut(speech.text).into_iter().map(|piece| choice(&json!({ "content": piece }), None)));
    for (index, (name, arguments)) in speech.calls.iter().enumerate() {
        let begun = json!({ "index": index, "id": id(index), "type": "function", "function": { "name": name, "arguments": "" } });
        chunks.push(choice(&json!({ "tool_calls": [begun] }), None));
        chunks.extend(cut(arguments).into_iter().map(|piece| {
            choice(&json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] }), None)
        }));
    }
    chunks.push(choice(&json!({}), Some(finish(speech))));
    let mut last = chunk(&json!([]));
    last["usage"] = usage();
    chunks.push(last);
    let mut events = chunks.iter().map(Value::to_string).collect::<Vec<_>>();
    events.push("[DONE]".to_owned());
    format!("data: {}\n\n", events.join("\n\ndata: ")).into()
}

fn id(index: usize) -> String {
    Speech::id("call_fake", index)
}

fn finish(speech: &Speech) -> &'static str {
    if speech.calls.is_empty() { "stop" } else { "tool_calls" }
}

fn choice(delta: &Value, finish: Option<&str>) -> Value {
    chunk(&json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]))
}

fn chunk(choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-9fake", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "recorded",
        "service_tier": "default", "system_fingerprint": "fp_fake", "choices": choices, "usage": null,
    })
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
        "prompt_tokens_details": { "cached_tokens": 3, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": 2, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}
