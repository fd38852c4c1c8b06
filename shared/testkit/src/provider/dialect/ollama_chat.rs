//! Ollama's `/api/chat`: a JSON text in each line, calls whole and without ids, arguments as objects.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Speech, cut};

pub(super) fn whole(speech: &Speech) -> Value {
    let mut message = json!({ "role": "assistant", "content": speech.text });
    if !speech.thought.is_empty() {
        message["thinking"] = speech.thought.into();
    }
    if !speech.calls.is_empty() {
        message["tool_calls"] = calls(speech);
    }
    last(&message)
}

pub(super) fn stream(speech: &Speech) -> Bytes {
    let message = |name: &str, value: Value| {
        let mut message = json!({ "role": "assistant", "content": "" });
        message[name] = value;
        json!({ "model": "recorded", "created_at": "2026-11-22T12:00:00.123456Z", "message": message, "done": false })
    };
    let mut lines: Vec<Value> =
        cut(speech.thought).into_iter().map(|piece| message("thinking", piece.into())).collect();
    lines.extend(cut(speech.text).into_iter().map(|piece| message("content", piece.into())));
    if !speech.calls.is_empty() {
        lines.push(message("tool_calls", calls(speech)));
    }
    lines.push(last(&json!({ "role": "assistant", "content": "" })));
    let mut text = String::new();
    for line in lines {
        text += &line.to_string();
        text.push('\n');
    }
    text.into()
}

fn calls(speech: &Speech) -> Value {
    let call = |(name, arguments): &(&str, &str)| json!({ "function": { "name": name, "arguments": Speech::input(arguments) } });
    speech.calls.iter().map(call).collect()
}

fn last(message: &Value) -> Value {
    json!({
        "model": "recorded", "created_at": "2026-11-22T12:00:01.123456Z", "message": message, "done": true,
        "done_reason": "stop", "total_duration": 5_000_000, "load_duration": 1_000_000, "prompt_eval_count": 11,
        "prompt_eval_duration": 1_000_000, "eval_count": 7, "eval_duration": 1_000_000,
    })
}
