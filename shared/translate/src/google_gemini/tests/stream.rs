use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Event, Finish, Media, Source, Unreadable, Usage, google_gemini::StreamReader};

fn read_all(chunks: &[Value]) -> Vec<Event> {
    let mut reader = StreamReader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(reader.read(chunk.to_string().as_bytes()).expect("events"));
    }
    events.extend(reader.finish());
    assert_eq!(reader.finish(), []);
    events
}

fn chunk(parts: &Value, more: Value) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    let Value::Object(more) = more else { panic!("no object") };
    candidate.as_object_mut().expect("an object").extend(more);
    json!({"candidates": [candidate], "modelVersion": "gemini-3.5-flash", "responseId": "r1"})
}

fn start() -> Event {
    Event::Start { id: Some("r1".to_owned()), model: Some("gemini-3.5-flash".to_owned()), created: None }
}

#[test]
fn thoughts_text_and_the_last_seal() {
    let mut last = chunk(&json!([{"text": "", "thoughtSignature": "c2VhbA=="}]), json!({"finishReason": "STOP"}));
    last["usageMetadata"] = json!({"promptTokenCount": 4, "candidatesTokenCount": 2, "thoughtsTokenCount": 9});
    let mut first = chunk(&json!([{"text": "Hm…", "thought": true}]), json!({}));
    first["usageMetadata"] = json!({"promptTokenCount": 4, "totalTokenCount": 4});
    let events = read_all(&[
        first,
        chunk(&json!([{"text": "Hel"}]), json!({})),
        chunk(&json!([{"text": "lo"}]), json!({})),
        last,
    ]);
    let expected = [
        start(),
        Event::Thinking("Hm…".to_owned()),
        Event::Usage(Usage { input: Some(4), total: Some(4), ..Usage::default() }),
        Event::Text("Hel".to_owned()),
        Event::Text("lo".to_owned()),
        Event::RedactedThinking(seal("c2VhbA==")),
        Event::Usage(Usage { input: Some(4), output: Some(11), reasoning: Some(9), ..Usage::default() }),
        Event::Finish(Finish::Stop),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn calls_come_whole_and_each_with_its_number() {
    let calls = json!([
        {"functionCall": {"name": "a", "args": {"x": 1}}, "thoughtSignature": "c2VhbA=="},
        {"functionCall": {"id": "fc2", "name": "b", "args": {}}},
    ]);
    let events = read_all(&[chunk(&calls, json!({})), chunk(&json!([{"text": ""}]), json!({"finishReason": "STOP"}))]);
    let Some(Event::ToolCall { id, .. }) = events.get(1) else { panic!("no call: {events:?}") };
    let begun = |index, id: &str, name: &str, signature| {
        let (id, name) = (id.to_owned(), name.to_owned());
        Event::ToolCall { index, id, name, signature }
    };
    let arguments = |index, delta: &str| Event::Arguments { index, delta: delta.to_owned() };
    let expected = [
        start(),
        begun(0, id, "a", Some(seal("c2VhbA=="))),
        arguments(0, r#"{"x":1}"#),
        Event::PartEnd,
        begun(1, "fc2", "b", None),
        arguments(1, "{}"),
        Event::PartEnd,
        Event::Finish(Finish::ToolCalls),
        Event::End,
    ];
    assert_eq!(events, expected);
    // Another reply's call has another id, and the same reply read whole the same.
    let other = json!({"candidates": [{"content": {"parts": calls}}], "responseId": "r2"});
    let Some(Event::ToolCall { id: other, .. }) = read_all(&[other]).into_iter().nth(1) else { panic!("no call") };
    assert_ne!(id, &other);
    let whole = json!({"candidates": [{"content": {"parts": calls}}], "responseId": "r1"}).to_string();
    let whole = crate::google_gemini::read_reply(whole.as_bytes()).expect("a reply");
    assert!(matches!(&whole.parts[0], Part::ToolCall(call) if &call.id == id));
}

#[test]
fn sources_count_in_the_whole_text_and_come_once() {
    let grounding = json!({
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "a"}}],
        "groundingSupports": [{"segment": {"startIndex": 5, "endIndex": 8}, "groundingChunkIndices": [0]}],
    });
    let events = read_all(&[
        chunk(&json!([{"text": "für "}]), json!({})),
        chunk(&json!([{"text": "dich"}]), json!({"groundingMetadata": grounding})),
        chunk(&json!([]), json!({"groundingMetadata": grounding, "finishReason": "STOP"})),
    ]);
    let annotations: Vec<&Event> = events.iter().filter(|event| matches!(event, Event::Annotation(_))).collect();
    let citation = json!({"start_index": 4, "end_index": 7, "url": "https://a.example", "title": "a"});
    assert_eq!(annotations, [&Event::Annotation(json!({"type": "url_citation", "url_citation": citation}))]);
}

#[test]
fn what_google_runs_comes_as_it_is() {
    let parts = json!([
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
    ]);
    let events = read_all(&[chunk(&parts, json!({"finishReason": "MAX_TOKENS"}))]);
    let native = Event::Native { format: Format::GoogleGemini, value: parts[0].clone() };
    let source = Source::Inline { media_type: "image/png".to_owned(), data: "iVBO".to_owned() };
    let drawn = Event::Media(Part::Image(Media::new(source)));
    assert_eq!(events, [start(), native, drawn, Event::Finish(Finish::Length), Event::End]);
}

#[test]
fn a_stream_that_breaks_off_has_no_end() {
    let events = read_all(&[chunk(&json!([{"text": "Hel"}]), json!({}))]);
    assert_eq!(events, [start(), Event::Text("Hel".to_owned())]);
    for (data, error) in [
        (r#"{"error":{"code":500,"status":"INTERNAL"}}"#, Unreadable::Provider),
        (
            r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4}}"#,
            Unreadable::Blocked("PROHIBITED_CONTENT".to_owned()),
        ),
        ("[DONE]", Unreadable::OtherForm("the reply is not in the form of Google's Gemini API")),
    ] {
        assert_eq!(StreamReader::default().read(data.as_bytes()), Err(error), "{data}");
    }
}

/// What both ways of reading have in common: kinds and contents, with what follows each other of one kind as one.
fn outline(pieces: impl IntoIterator<Item = (&'static str, String)>) -> Vec<(&'static str, String)> {
    let mut outline: Vec<(&'static str, String)> = Vec::new();
    for (kind, said) in pieces {
        match outline.last_mut() {
            Some((last, before)) if *last == kind && kind != "call" => before.push_str(&said),
            _ => outline.push((kind, said)),
        }
    }
    outline
}

fn piece() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{1,8}".prop_map(|text| json!({"text": text})),
        "\\PC{1,8}".prop_map(|text| json!({"text": text, "thought": true})),
        "[a-z]{1,4}".prop_map(|name| json!({"functionCall": {"name": name, "args": {"x": name}}})),
        Just(json!({"text": ""})),
    ]
}

proptest! {
    #[test]
    fn a_stream_says_what_the_whole_reply_says(pieces in prop::collection::vec(piece(), 0..12)) {
        let whole = json!({"candidates": [{"content": {"parts": pieces}, "finishReason": "STOP"}], "responseId": "r1"});
        let reply = crate::google_gemini::read_reply(whole.to_string().as_bytes()).expect("a reply");
        let whole = outline(reply.parts.into_iter().map(|part| match part {
            Part::Text(text) => ("text", text.text),
            Part::Thinking(thinking) => ("thought", thinking.text),
            Part::ToolCall(call) => ("call", format!("{} {} {}", call.id, call.name, call.arguments)),
            other => panic!("no such part was sent: {other:?}"),
        }));
        let mut chunks: Vec<Value> = pieces.iter().map(|piece| chunk(&json!([piece]), json!({}))).collect();
        chunks.push(chunk(&json!([]), json!({"finishReason": "STOP"})));
        let mut begun = String::new();
        let mut finish = None;
        let streamed = outline(read_all(&chunks).into_iter().filter_map(|event| match event {
            Event::Text(text) => Some(("text", text)),
            Event::Thinking(text) => Some(("thought", text)),
            Event::ToolCall { id, name, .. } => {
                begun = format!("{id} {name}");
                None
            }
            Event::Arguments { delta, .. } => Some(("call", format!("{begun} {delta}"))),
            Event::Finish(reason) => {
                finish = Some(reason);
                None
            }
            _ => None,
        }));
        prop_assert_eq!(streamed, whole);
        prop_assert_eq!(finish, Some(reply.finish));
    }
}
