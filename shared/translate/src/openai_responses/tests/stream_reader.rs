//! Streams as the provider's public API reference and guides show them, event by event.

use super::*;
use crate::{Finish, Signature, Unreadable, Usage};

fn created() -> Value {
    json!({ "type": "response.created", "sequence_number": 0, "response": {
        "id": "resp_1", "object": "response", "created_at": 1_741_290_958, "status": "in_progress", "error": null,
        "model": "gpt-5.4", "output": [], "usage": null } })
}

fn start() -> Event {
    Event::Start { id: Some("resp_1".to_owned()), model: Some("gpt-5.4".to_owned()), created: Some(1_741_290_958) }
}

fn last(kind: &str, reason: &Value) -> Value {
    json!({ "type": format!("response.{kind}"), "response": {
        "id": "resp_1", "status": kind, "incomplete_details": { "reason": reason }, "service_tier": "default", "output": [],
        "usage": { "input_tokens": 37, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": 11,
                   "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 48 } } })
}

fn end(finish: Finish) -> Vec<Event> {
    let usage = Usage {
        input: Some(37),
        output: Some(11),
        total: Some(48),
        cache_read: Some(0),
        reasoning: Some(0),
        ..Usage::default()
    };
    vec![Event::Usage(usage), Event::ServiceTier("default".to_owned()), Event::Finish(finish), Event::End]
}

fn check(data: &[Value], expected: Vec<Event>, finish: Finish) {
    let data: Vec<Value> = [created(), json!({ "type": "response.in_progress", "response": {} })]
        .into_iter()
        .chain(data.iter().cloned())
        .chain([last("completed", &Value::Null)])
        .collect();
    let expected: Vec<Event> = [start()].into_iter().chain(expected).chain(end(finish)).collect();
    assert_eq!(read_stream(&data), expected);
}

fn added(at: u64, item: impl Into<Value>) -> Value {
    json!({ "type": "response.output_item.added", "output_index": at, "item": item.into() })
}

fn done(at: u64, item: impl Into<Value>) -> Value {
    json!({ "type": "response.output_item.done", "output_index": at, "item": item.into() })
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

#[test]
fn a_text() {
    let message = |content: Value| json!({ "id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": content });
    let citation =
        json!({ "type": "url_citation", "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 });
    let data = [
        added(0, message(json!([]))),
        json!({ "type": "response.content_part.added", "item_id": "msg_1", "output_index": 0, "content_index": 0,
                "part": { "type": "output_text", "text": "", "annotations": [] } }),
        json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hi",
                "logprobs": [{ "token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": [] }], "obfuscation": "x8" }),
        json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": " there" }),
        json!({ "type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation_index": 0, "annotation": citation }),
        json!({ "type": "response.output_text.done", "item_id": "msg_1", "output_index": 0, "content_index": 0, "text": "Hi there" }),
        json!({ "type": "response.content_part.done", "item_id": "msg_1", "output_index": 0, "content_index": 0,
                "part": { "type": "output_text", "text": "Hi there", "annotations": [] } }),
        done(0, message(json!([{ "type": "output_text", "text": "Hi there", "annotations": [] }]))),
    ];
    let logprob = json!({ "token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": [] });
    let nested = json!({ "type": "url_citation", "url_citation": { "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 } });
    let expected =
        vec![text("Hi"), Event::Logprobs(vec![logprob]), text(" there"), Event::Annotation(nested), Event::PartEnd];
    check(&data, expected, Finish::Stop);
}

#[test]
fn calls_in_parallel() {
    let call = |id: &str, name: &str, arguments: &str| json!({ "id": format!("fc_{id}"), "type": "function_call", "status": "completed", "arguments": arguments, "call_id": id, "name": name });
    let delta = |at: u64, delta: &str| json!({ "type": "response.function_call_arguments.delta", "item_id": "x", "output_index": at, "delta": delta });
    let data = [
        added(0, call("c1", "f", "")),
        added(1, call("c2", "g", "")),
        delta(0, "{\"a\""),
        delta(1, "{}"),
        delta(0, ":1}"),
        json!({ "type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"a\":1}" }),
        done(0, call("c1", "f", "{\"a\":1}")),
        done(1, call("c2", "g", "{}")),
        added(2, call("c3", "h", "")),
        json!({ "type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{\"z\":0}" }),
        done(2, call("c3", "h", "{\"z\":0}")),
        added(3, call("c4", "i", "")),
        done(3, call("c4", "i", "[]")),
    ];
    let call = |index: usize, id: &str, name: &str| Event::ToolCall {
        index,
        id: id.to_owned(),
        name: name.to_owned(),
        signature: None,
    };
    let arguments = |index: usize, delta: &str| Event::Arguments { index, delta: delta.to_owned() };
    let expected = vec![
        call(0, "c1", "f"),
        call(1, "c2", "g"),
        arguments(0, "{\"a\""),
        arguments(1, "{}"),
        arguments(0, ":1}"),
        call(2, "c3", "h"),
        arguments(2, "{\"z\":0}"),
        call(3, "c4", "i"),
        arguments(3, "[]"),
    ];
    check(&data, expected, Finish::ToolCalls);
}

#[test]
fn thoughts_and_their_seals() {
    let reasoning = |summary: Value, seal: Value| json!({ "id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": seal });
    let delta = |kind: &str, at: u64, delta: &str| json!({ "type": format!("response.{kind}.delta"), "output_index": at, "delta": delta });
    let part = |n: u64| json!({ "type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": n, "part": {} });
    let two = json!([{ "type": "summary_text", "text": "A" }, { "type": "summary_text", "text": "B" }]);
    let data = [
        added(0, reasoning(json!([]), json!(""))),
        part(0),
        delta("reasoning_summary_text", 0, "A"),
        json!({ "type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 0, "text": "A" }),
        part(1),
        delta("reasoning_summary_text", 0, "B"),
        done(0, reasoning(two, json!("gAAA"))),
        added(1, reasoning(json!([]), json!(""))),
        done(1, reasoning(json!([]), json!("gBBB"))),
        added(2, reasoning(json!([]), Value::Null)),
        delta("reasoning_text", 2, "open"),
        delta("reasoning_summary_text", 2, "again"),
        done(2, reasoning(json!([]), Value::Null)),
    ];
    let thinking = |text: &str| Event::Thinking(text.to_owned());
    let expected = vec![
        thinking("A"),
        thinking("\n\n"),
        thinking("B"),
        Event::ThinkingSignature(Signature::new(OWN, "gAAA")),
        Event::PartEnd,
        Event::RedactedThinking(Signature::new(OWN, "gBBB")),
        thinking("open"),
        Event::PartEnd,
    ];
    check(&data, expected, Finish::Stop);
}

#[test]
fn a_refusal_and_an_item_of_a_built_in_tool() {
    let search = json!({ "id": "ws_1", "type": "web_search_call", "status": "completed" });
    let data = [
        added(0, search.clone()),
        json!({ "type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1" }),
        done(0, search.clone()),
        added(1, json!({ "id": "msg_1", "type": "message", "content": [] })),
        json!({ "type": "response.refusal.delta", "output_index": 1, "content_index": 0, "delta": "I can" }),
        json!({ "type": "response.refusal.delta", "output_index": 1, "content_index": 0, "delta": "not." }),
        json!({ "type": "response.refusal.done", "output_index": 1, "content_index": 0, "refusal": "I cannot." }),
        done(
            1,
            json!({ "id": "msg_1", "type": "message", "content": [{ "type": "refusal", "refusal": "I cannot." }] }),
        ),
    ];
    let refusal = |text: &str| Event::Refusal(text.to_owned());
    let expected =
        vec![Event::Native { format: OWN, value: search }, refusal("I can"), refusal("not."), Event::PartEnd];
    check(&data, expected, Finish::Refusal);
}

#[test]
fn what_comes_without_deltas_comes_once() {
    let message = json!({ "type": "message", "content": [{ "type": "output_text", "text": "Hi" }, { "type": "output_text", "text": "Ho" }] });
    let expected = vec![text("Hi"), Event::PartEnd, text("Ho"), Event::PartEnd];
    check(&[added(0, json!({ "type": "message" })), done(0, message.clone())], expected.clone(), Finish::Stop);
    check(&[done(0, message.clone())], expected.clone(), Finish::Stop);
    let told = json!({ "type": "response.output_text.done", "output_index": 0, "text": "Hi" });
    check(&[told, done(0, message.clone())], vec![text("Hi"), Event::PartEnd], Finish::Stop);
    let whole = json!({ "type": "response.completed", "response": { "output": [message] } });
    let ended = [Event::Finish(Finish::Stop), Event::End];
    let expected: Vec<Event> = [start()].into_iter().chain(expected).chain(ended).collect();
    assert_eq!(read_stream(&[created(), whole]), expected);
}

#[test]
fn how_it_ended() {
    for (reason, finish) in [("max_output_tokens", Finish::Length), ("content_filter", Finish::ContentFilter)] {
        let events =
            read_stream(&[created(), last("incomplete", &json!(reason)), json!({ "type": "response.completed" })]);
        assert_eq!(events[1..], end(finish));
    }
    let mut reader = StreamReader::default();
    assert!(reader.read(b"[DONE]").unwrap().is_empty());
    for error in [
        json!({ "type": "error", "code": "server_error", "message": "x", "param": null, "sequence_number": 3 }),
        json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "server_error", "message": "x" } } }),
        json!({ "error": { "message": "x" } }),
    ] {
        assert_eq!(reader.read(error.to_string().as_bytes()), Err(Unreadable::Provider));
    }
    for data in ["", "{", "[]", "{}", "3", r#"{"type":"response.output_text.delta","delta":3}"#] {
        assert!(matches!(reader.read(data.as_bytes()), Err(Unreadable::OtherForm(_))), "{data}");
    }
}
