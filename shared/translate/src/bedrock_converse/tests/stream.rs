//! The events are written after the service's public API reference and API model; nothing is recorded.

use serde_json::{Value, json};

use super::super::StreamReader;
use crate::{Event, Finish, Format, Media, Part, Signature, Source, Unreadable, Usage};

fn read(events: &[(&str, Value)]) -> Vec<Event> {
    let mut reader = StreamReader::default();
    let mut all = Vec::new();
    for (name, value) in events {
        all.extend(reader.read(Some(name), value.to_string().as_bytes()).expect("an event"));
    }
    assert_eq!(reader.finish(), []);
    all
}

fn delta(index: u64, delta: &Value) -> (&'static str, Value) {
    // Payloads are padded, so that their lengths tell nothing.
    ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta, "p": "abcdefgh"}))
}

fn stop(index: u64) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": index, "p": "ab"}))
}

fn beginning() -> (&'static str, Value) {
    ("messageStart", json!({"role": "assistant", "p": "abc"}))
}

fn ending(reason: &str) -> [(&'static str, Value); 2] {
    let usage = json!({"inputTokens": 12, "outputTokens": 3, "totalTokens": 15});
    [
        ("messageStop", json!({"stopReason": reason, "p": "a"})),
        ("metadata", json!({"usage": usage, "metrics": {"latencyMs": 9}, "serviceTier": {"type": "default"}, "p": ""})),
    ]
}

fn start() -> Event {
    Event::Start { id: None, model: None, created: None }
}

fn end(finish: Finish) -> [Event; 4] {
    let usage = Usage { input: Some(12), output: Some(3), total: Some(15), ..Usage::default() };
    [Event::Finish(finish), Event::ServiceTier("default".into()), Event::Usage(usage), Event::End]
}

fn seal(value: &str) -> Signature {
    Signature::new(Format::BedrockConverse, value)
}

#[test]
fn thoughts_text_and_calls_come_in_order() {
    let tool = |index: u64, id: &str, name: &str| {
        (
            "contentBlockStart",
            json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}}),
        )
    };
    let mut events = vec![
        beginning(),
        delta(0, &json!({"reasoningContent": {"text": "Hm"}})),
        delta(0, &json!({"reasoningContent": {"text": "."}})),
        delta(0, &json!({"reasoningContent": {"signature": "c2Vh"}})),
        stop(0),
        // One byte and two: each in base64 of its own.
        delta(1, &json!({"reasoningContent": {"redactedContent": "YQ=="}})),
        delta(1, &json!({"reasoningContent": {"redactedContent": "YmM="}})),
        stop(1),
        delta(2, &json!({"text": "Let "})),
        delta(2, &json!({"text": "me see."})),
        delta(2, &json!({"citation": {"title": "T", "location": {"web": {"url": "https://a.test/"}}}})),
        stop(2),
        tool(3, "tooluse_a", "f"),
        delta(3, &json!({"toolUse": {"input": "{\"a\":"}})),
        delta(3, &json!({"toolUse": {"input": "1}"}})),
        stop(3),
        tool(4, "tooluse_b", "g"),
        stop(4),
    ];
    events.extend(ending("tool_use"));
    let call =
        |index, id: &str, name: &str| Event::ToolCall { index, id: id.into(), name: name.into(), signature: None };
    let arguments = |index, delta: &str| Event::Arguments { index, delta: delta.into() };
    let place = json!({"start_index": 0, "end_index": 11, "url": "https://a.test/", "title": "T"});
    let mut expected = vec![
        start(),
        Event::Thinking("Hm".into()),
        Event::Thinking(".".into()),
        Event::ThinkingSignature(seal("c2Vh")),
        Event::PartEnd,
        Event::RedactedThinking(seal("YWJj")),
        Event::PartEnd,
        Event::Text("Let ".into()),
        Event::Text("me see.".into()),
        Event::Annotation(json!({"type": "url_citation", "url_citation": place})),
        Event::PartEnd,
        call(0, "tooluse_a", "f"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        Event::PartEnd,
        call(1, "tooluse_b", "g"),
        arguments(1, "{}"),
        Event::PartEnd,
    ];
    expected.extend(end(Finish::ToolCalls));
    assert_eq!(read(&events), expected);
}

#[test]
fn what_the_service_runs_itself_is_kept_whole() {
    let mut events = vec![
        beginning(),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "s", "name": "n", "type": "server_tool_use"}}}),
        ),
        delta(0, &json!({"toolUse": {"input": "{\"q\":1}"}})),
        stop(0),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "s", "status": "success"}}}),
        ),
        delta(1, &json!({"toolResult": [{"text": "found"}]})),
        stop(1),
        ("contentBlockStart", json!({"contentBlockIndex": 2, "start": {"image": {"format": "png"}}})),
        delta(2, &json!({"image": {"source": {"bytes": "aW1n"}}})),
        stop(2),
    ];
    events.extend(ending("end_turn"));
    let native = |value| Event::Native { format: Format::BedrockConverse, value };
    let mut expected = vec![
        start(),
        native(json!({"toolUse": {"toolUseId": "s", "name": "n", "type": "server_tool_use", "input": {"q": 1}}})),
        Event::PartEnd,
        native(json!({"toolResult": {"toolUseId": "s", "status": "success", "content": [{"text": "found"}]}})),
        Event::PartEnd,
        Event::Media(Part::Image(Media::new(Source::Inline { media_type: "image/png".into(), data: "aW1n".into() }))),
        Event::PartEnd,
    ];
    expected.extend(end(Finish::Stop));
    assert_eq!(read(&events), expected);
}

#[test]
fn the_reply_is_complete_with_its_counts_or_without() {
    let mut reader = StreamReader::default();
    let data = json!({"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END"}});
    let events = reader.read(Some("messageStop"), data.to_string().as_bytes()).expect("an event");
    assert_eq!(events, [start(), Event::Finish(Finish::StopSequence(Some("END".into())))]);
    assert_eq!(reader.finish(), [Event::End]);
    assert_eq!(reader.finish(), []);
    let mut reader = StreamReader::default();
    reader.read(Some("contentBlockDelta"), delta(0, &json!({"text": "x"})).1.to_string().as_bytes()).expect("an event");
    assert_eq!(reader.finish(), [], "it broke off");
}

#[test]
fn exceptions_are_the_providers_errors() {
    for name in [
        "throttlingException",
        "modelStreamErrorException",
        "internalServerException",
        "validationException",
        "serviceUnavailableException",
    ] {
        let body = br#"{"message":"no"}"#;
        assert_eq!(StreamReader::default().read(Some(name), body), Err(Unreadable::Provider));
        let wrapped = json!({ name: {"message": "no"} }).to_string();
        assert_eq!(StreamReader::default().read(None, wrapped.as_bytes()), Err(Unreadable::Provider));
    }
}

#[test]
fn names_may_stand_in_the_events_and_new_ones_are_passed_over() {
    let mut reader = StreamReader::default();
    let event = br#"{"contentBlockDelta":{"delta":{"text":"x"},"contentBlockIndex":0}}"#;
    assert_eq!(reader.read(None, event), Ok(vec![start(), Event::Text("x".into())]));
    assert_eq!(reader.read(Some("initial-response"), b"{}"), Ok(Vec::new()));
    for (name, data) in [
        ("contentBlockDelta", "{}"),
        ("metadata", "x"),
        ("contentBlockDelta", r#"{"contentBlockIndex":9,"delta":{"toolUse":{"input":"x"}}}"#),
    ] {
        assert!(matches!(reader.read(Some(name), data.as_bytes()), Err(Unreadable::OtherForm(_))), "{name}");
    }
}
