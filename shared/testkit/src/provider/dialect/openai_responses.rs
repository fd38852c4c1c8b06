//! The Responses API.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Speech, cut, typed_events};

pub(super) fn whole(speech: &Speech) -> Value {
    response("completed", &items(speech), &usage())
}

pub(super) fn stream(speech: &Speech) -> Bytes {
    let begun = response("in_progress", &[], &Value::Null);
    let mut events = vec![
        json!({ "type": "response.created", "response": begun }),
        json!({ "type": "response.in_progress", "response": begun }),
    ];
    for (index, item) in items(speech).into_iter().enumerate() {
        let pieces = match item["type"].as_str() {
            Some("reasoning") => reasoning(speech.thought),
            Some("message") => message(speech.text),
            _ => call(item["arguments"].as_str().unwrap_or_default()),
        };
        events.push(json!({ "type": "response.output_item.added", "output_index": index, "item": begun_item(&item) }));
        events.extend(pieces.into_iter().map(|mut event| {
            event["item_id"] = item["id"].clone();
            event["output_index"] = index.into();
            event
        }));
        events.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
    }
    events.push(json!({ "type": "response.completed", "response": whole(speech) }));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    typed_events(&events)
}

fn items(speech: &Speech) -> Vec<Value> {
    let mut items = Vec::new();
    if !speech.thought.is_empty() {
        let summary = json!([{ "type": "summary_text", "text": speech.thought }]);
        items.push(json!({
            "id": "rs_fake", "type": "reasoning", "summary": summary, "encrypted_content": Speech::SEAL,
        }));
    }
    if !speech.text.is_empty() {
        let content = json!([{ "type": "output_text", "text": speech.text, "annotations": [], "logprobs": [] }]);
        items.push(json!({
            "id": "msg_fake", "type": "message", "role": "assistant", "status": "completed", "content": content,
        }));
    }
    items.extend(speech.calls.iter().enumerate().map(|(index, (name, arguments))| {
        json!({
            "id": Speech::id("fc_fake", index), "type": "function_call", "status": "completed",
            "call_id": Speech::id("call_fake", index), "name": name, "arguments": arguments,
        })
    }));
    items
}

/// An item as it is before its first piece.
fn begun_item(item: &Value) -> Value {
    let mut item = item.clone();
    match item["type"].as_str() {
        Some("reasoning") => item["summary"] = json!([]),
        Some("message") => (item["status"], item["content"]) = (json!("in_progress"), json!([])),
        _ => (item["status"], item["arguments"]) = (json!("in_progress"), json!("")),
    }
    item
}

fn reasoning(thought: &str) -> Vec<Value> {
    let place = |kind: &str| json!({ "type": format!("response.reasoning_summary_{kind}"), "summary_index": 0 });
    let part = |kind: &str, text: &str| with(place(kind), "part", json!({ "type": "summary_text", "text": text }));
    let mut events = vec![part("part.added", "")];
    events.extend(cut(thought).into_iter().map(|piece| with(place("text.delta"), "delta", piece.into())));
    events.extend([with(place("text.done"), "text", thought.into()), part("part.done", thought)]);
    events
}

fn message(text: &str) -> Vec<Value> {
    let place = |kind: &str| json!({ "type": format!("response.{kind}"), "content_index": 0 });
    let part = |kind: &str, text: &str| {
        with(place(kind), "part", json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] }))
    };
    let logged = |event: Value| with(event, "logprobs", json!([]));
    let mut events = vec![part("content_part.added", "")];
    let deltas = cut(text).into_iter().map(|piece| logged(with(place("output_text.delta"), "delta", piece.into())));
    events.extend(deltas);
    events.extend([logged(with(place("output_text.done"), "text", text.into())), part("content_part.done", text)]);
    events
}

fn call(arguments: &str) -> Vec<Value> {
    let place = |kind: &str| json!({ "type": format!("response.function_call_arguments.{kind}") });
    let mut events: Vec<Value> =
        cut(arguments).into_iter().map(|piece| with(place("delta"), "delta", piece.into())).collect();
    events.push(with(place("done"), "arguments", arguments.into()));
    events
}

fn with(mut event: Value, name: &str, value: Value) -> Value {
    event[name] = value;
    event
}

fn response(status: &str, output: &[Value], usage: &Value) -> Value {
    json!({
        "id": "resp_fake", "object": "response", "created_at": 1_700_000_000, "status": status, "background": false,
        "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null,
        "max_tool_calls": null, "model": "recorded", "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "prompt_cache_key": null, "reasoning": { "effort": "low", "summary": "auto" },
        "safety_identifier": null, "service_tier": "default", "store": false, "temperature": 1.0,
        "text": { "format": { "type": "text" }, "verbosity": "medium" }, "tool_choice": "auto", "tools": [],
        "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
    })
}

fn usage() -> Value {
    json!({
        "input_tokens": 11, "input_tokens_details": { "cached_tokens": 3 }, "output_tokens": 7,
        "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 18,
    })
}
