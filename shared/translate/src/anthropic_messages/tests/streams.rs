use proptest::prelude::*;
use serde_json::{Value, json};

use super::{asking, stamp};
use crate::{
    Event, Finish, Format, Signature, Unreadable, Usage,
    anthropic_messages::{StreamReader, StreamWriter},
};

fn read(events: &[Value]) -> Vec<Event> {
    let mut reader = StreamReader::default();
    events.iter().flat_map(|event| reader.read(event.to_string().as_bytes()).expect("events")).collect()
}

/// The events as an SDK sees them, after a look at their form: names are types, blocks come one after the other.
fn written(events: Vec<Event>) -> Vec<Value> {
    let mut writer = StreamWriter::new(&asking(Format::AnthropicMessages), stamp());
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    parsed(&out)
}

fn parsed(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with("\n\n"));
    let events: Vec<Value> = text
        .split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').expect("two lines");
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect();
    let (mut at, mut open) = (0, false);
    for (place, event) in events.iter().enumerate() {
        match event["type"].as_str().expect("a type") {
            "message_start" => assert_eq!(place, 0),
            "content_block_start" => {
                assert!(!open);
                assert_eq!(event["index"], at);
                open = true;
            }
            "content_block_delta" => assert!(open && event["index"] == at),
            "content_block_stop" => {
                assert!(open && event["index"] == at);
                open = false;
                at += 1;
            }
            "message_delta" => assert!(!open && place == events.len() - 2),
            "message_stop" => assert_eq!(place, events.len() - 1),
            kind => assert_eq!(kind, "error"),
        }
    }
    events
}

/// From Anthropic's public documentation of streams: a text, then a call whose input comes in pieces.
fn recorded_call() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "msg_014p7gG3wDgGV9EUtLvnow3U", "type": "message",
            "role": "assistant", "model": "claude-opus-4-6", "stop_sequence": null,
            "usage": {"input_tokens": 472, "output_tokens": 2}, "content": [], "stop_reason": null}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Okay"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ","}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use",
            "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "name": "get_weather", "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta":
            {"type": "input_json_delta", "partial_json": "{\"location\":"}}),
        json!({"type": "content_block_delta", "index": 1, "delta":
            {"type": "input_json_delta", "partial_json": " \"San Francisco\"}"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"output_tokens": 89}}),
        json!({"type": "message_stop"}),
    ]
}

fn usage(input: i64, output: Option<i64>) -> Usage {
    Usage { input: Some(input), output, ..Usage::default() }
}

fn call(index: usize, id: &str) -> Event {
    Event::ToolCall { index, id: id.into(), name: "f".into(), signature: None }
}

fn piece(index: usize, delta: &str) -> Event {
    Event::Arguments { index, delta: delta.into() }
}

#[test]
fn a_recorded_call_is_read() {
    let start = Event::Start {
        id: Some("msg_014p7gG3wDgGV9EUtLvnow3U".into()),
        model: Some("claude-opus-4-6".into()),
        created: None,
    };
    let name = Event::ToolCall {
        index: 0,
        id: "toolu_01T1x1fJ34qAmk2tNTrN7Up6".into(),
        name: "get_weather".into(),
        signature: None,
    };
    let expected = vec![
        start,
        Event::Usage(usage(472, None)),
        Event::Text("Okay".into()),
        Event::Text(",".into()),
        Event::PartEnd,
        name,
        piece(0, "{\"location\":"),
        piece(0, " \"San Francisco\"}"),
        Event::PartEnd,
        Event::Usage(usage(472, Some(89))),
        Event::Finish(Finish::ToolCalls),
        Event::End,
    ];
    assert_eq!(read(&recorded_call()), expected);
}

#[test]
fn a_recorded_call_comes_through() {
    let events = written(read(&recorded_call()));
    assert_eq!(events.len(), 11, "without the ping and the empty piece");
    let usage = json!({"input_tokens": 0, "cache_creation_input_tokens": null, "cache_read_input_tokens": null,
        "cache_creation": null, "output_tokens": 0, "output_tokens_details": null, "server_tool_use": null,
        "service_tier": null, "inference_geo": null});
    let message = json!({"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-opus-4-6",
        "content": [], "stop_reason": null, "stop_sequence": null, "stop_details": null, "container": null,
        "usage": usage});
    assert_eq!(events[0], json!({"type": "message_start", "message": message}));
    let start = json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use",
        "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "name": "get_weather", "input": {}, "caller": {"type": "direct"}}});
    assert_eq!(events[5], start);
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null,
        "stop_details": null, "container": null}, "usage": {"input_tokens": 472, "cache_creation_input_tokens": null,
        "cache_read_input_tokens": null, "output_tokens": 89, "output_tokens_details": null, "server_tool_use": null}});
    assert_eq!(events[9], end);
    assert_eq!(events[10], json!({"type": "message_stop"}));
}

/// After Anthropic's public documentation of extended thinking, of web search and of refusals in streams.
#[test]
fn thoughts_citations_tools_of_the_provider_and_refusals_are_read() {
    let block =
        |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let citation = json!({"type": "web_search_result_location", "cited_text": "c", "encrypted_index": "E", "title": "T",
        "url": "https://example.com"});
    let events = read(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3,
            "cache_read_input_tokens": 7, "output_tokens": 1, "service_tier": "priority"}}}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Let me"})),
        delta(0, json!({"type": "signature_delta", "signature": "EqQB"})),
        stop(0),
        block(1, json!({"type": "redacted_thinking", "data": "Emw="})),
        stop(1),
        block(2, json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"query\":\"q\"}"})),
        stop(2),
        block(3, json!({"type": "text", "text": "", "citations": []})),
        delta(3, json!({"type": "citations_delta", "citation": citation})),
        delta(3, json!({"type": "text_delta", "text": "Zürich"})),
        stop(3),
        block(4, json!({"type": "tool_use", "id": "t", "name": "f"})),
        stop(4),
        json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details":
            {"type": "refusal", "category": null, "explanation": "No."}}, "usage": {"output_tokens": 5}}),
        json!({"type": "newer_event"}),
        json!({"type": "message_stop"}),
    ]);
    let at_start = Usage { cache_read: Some(7), ..usage(10, None) };
    let annotation = json!({"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "T",
        "start_index": 0, "end_index": 6, "cited_text": "c", "encrypted_index": "E"}});
    let native = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}});
    let own = Format::AnthropicMessages;
    let expected = vec![
        Event::Start { id: Some("msg_1".into()), model: Some("m".into()), created: None },
        Event::Usage(at_start.clone()),
        Event::ServiceTier("priority".into()),
        Event::Thinking("Let me".into()),
        Event::ThinkingSignature(Signature::new(own, "EqQB")),
        Event::PartEnd,
        Event::RedactedThinking(Signature::new(own, "Emw=")),
        Event::Native { format: own, value: native },
        Event::Text("Zürich".into()),
        Event::Annotation(annotation),
        Event::PartEnd,
        call(0, "t"),
        piece(0, "{}"),
        Event::PartEnd,
        Event::Usage(Usage { output: Some(5), ..at_start }),
        Event::Refusal("No.".into()),
        Event::Finish(Finish::Refusal),
        Event::End,
    ];
    assert_eq!(events, expected);
    let kinds: Vec<_> = written(events)
        .iter()
        .filter(|event| event["type"] == "content_block_start")
        .map(|event| event["content_block"]["type"].as_str().map(str::to_owned))
        .collect();
    let expected = ["thinking", "redacted_thinking", "server_tool_use", "text", "tool_use", "text"];
    assert_eq!(kinds, expected.map(|kind| Some(kind.to_owned())));
}

#[test]
fn errors_and_other_forms_are_told_apart() {
    let read = |data: &str| StreamReader::default().read(data.as_bytes());
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(read(overloaded), Err(Unreadable::Provider));
    for data in ["[DONE]", "", "7", "{\"type\":", r#"{"type":"content_block_start","index":0}"#] {
        assert!(matches!(read(data), Err(Unreadable::OtherForm(_))), "{data}");
    }
    assert_eq!(read(r#"{"type":"ping"}"#), Ok(Vec::new()));
}

/// What each block said in the end: its type, and its text or arguments.
fn blocks(events: &[Value]) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for event in events {
        if event["type"] == "content_block_start" {
            let block = &event["content_block"];
            let name = block.get("id").unwrap_or(&block["type"]);
            blocks.push((name.as_str().unwrap_or_default().to_owned(), String::new()));
        } else if event["type"] == "content_block_delta"
            && let Some((_, said)) = blocks.last_mut()
        {
            let delta = &event["delta"];
            for name in ["text", "thinking", "partial_json"] {
                said.push_str(delta[name].as_str().unwrap_or_default());
            }
        }
    }
    blocks
}

#[test]
fn calls_that_come_by_turns_are_written_one_after_the_other() {
    let events = written(vec![
        Event::Start { id: None, model: None, created: None },
        call(0, "a"),
        piece(0, "{\"x\":"),
        call(1, "b"),
        piece(1, "{\"y\""),
        Event::Text("Meanwhile".into()),
        piece(0, "{}}"),
        piece(1, ":2}"),
        call(2, "c"),
        Event::Finish(Finish::Stop),
        Event::End,
    ]);
    let expected = [("a", "{\"x\":{}}"), ("b", "{\"y\":2}"), ("text", "Meanwhile"), ("c", "")];
    assert_eq!(blocks(&events), expected.map(|(name, said)| (name.to_owned(), said.to_owned())));
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn pieces_are_written_as_they_come() {
    let mut writer = StreamWriter::new(&asking(Format::AnthropicMessages), stamp());
    let mut step = |event: Event| {
        let mut out = Vec::new();
        writer.write(event, &mut out);
        String::from_utf8(out).expect("UTF-8").matches("event: ").count()
    };
    let start = Event::Start { id: None, model: None, created: None };
    let steps = [
        (start, 1),
        (Event::Thinking("a".into()), 2),
        (Event::ThinkingSignature(Signature::new(Format::GoogleGemini, "s")), 2),
        (Event::Text("b".into()), 2),
        (Event::Text("c".into()), 1),
        (Event::PartEnd, 1),
        (call(0, "a"), 1),
        (piece(0, "{"), 1),
        (piece(0, "}"), 1),
        // The first call is whole: it is closed, and the second one opened.
        (call(1, "b"), 2),
        (piece(1, "{}"), 1),
        (Event::PartEnd, 1),
        (Event::Usage(Usage::default()), 0),
        (Event::Finish(Finish::ToolCalls), 0),
        (Event::End, 2),
        (Event::Text("late".into()), 0),
    ];
    for (at, (event, expected)) in steps.into_iter().enumerate() {
        assert_eq!(step(event), expected, "step {at}");
    }
}

#[test]
fn seals_and_sources_are_written() {
    let gemini = Signature::new(Format::GoogleGemini, "abc=");
    let sealed = Event::ToolCall { index: 0, id: "a".into(), name: "f".into(), signature: Some(gemini.clone()) };
    let source = json!({"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "E",
        "start_index": 0, "end_index": 2}});
    let events = written(vec![
        Event::Thinking("T".into()),
        Event::ThinkingSignature(gemini),
        Event::Text("Hello".into()),
        Event::Annotation(source),
        sealed,
        piece(0, "{}"),
        Event::End,
    ]);
    let deltas: Vec<_> = events.iter().filter_map(|event| event.get("delta")).collect();
    assert_eq!(deltas[1], &json!({"type": "signature_delta", "signature": "gemini#abc="}));
    let citation = json!({"type": "web_search_result_location", "cited_text": "He", "encrypted_index": "", "title": "E",
        "url": "https://example.com"});
    assert_eq!(deltas[3], &json!({"type": "citations_delta", "citation": citation}));
    let seal = events.iter().find(|event| event["content_block"]["type"] == "redacted_thinking");
    assert_eq!(seal.map(|event| &event["content_block"]["data"]), Some(&json!("call:gemini#abc=")));
}

#[test]
fn a_block_without_its_beginning_is_read() {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let events = read(&[
        json!({"type": "message_start", "message": {"id": "msg_1"}}),
        delta(json!({"type": "text_delta", "text": "Hel"})),
        delta(json!({"type": "text_delta", "text": "lo"})),
        json!({"type": "content_block_stop", "index": 0}),
    ]);
    assert_eq!(events[1..], [Event::Text("Hel".into()), Event::Text("lo".into()), Event::PartEnd]);
    let call = delta(json!({"type": "input_json_delta", "partial_json": "{"}));
    let error = StreamReader::default().read(call.to_string().as_bytes()).expect_err("whose input?");
    assert!(matches!(error, Unreadable::OtherForm(_)));
}

#[test]
fn a_stream_that_broke_off_ends_in_an_error() {
    let error = json!({"type": "overloaded_error", "message": "Overloaded"});
    let whole = json!({"type": "error", "error": error, "request_id": "req_1"});
    let mut writer = StreamWriter::new(&asking(Format::AnthropicMessages), stamp());
    let mut out = Vec::new();
    writer.write(Event::Text("Half".into()), &mut out);
    writer.fail(&whole, &mut out);
    writer.write(Event::End, &mut out);
    writer.fail(&whole, &mut out);
    let events = parsed(&out);
    assert_eq!(events.iter().filter(|event| event["type"] == "error").count(), 1);
    assert_eq!(events.last(), Some(&whole));
}

/// Calls of whole objects, their pieces shuffled among each other, with texts between them.
fn turns() -> impl Strategy<Value = Vec<(usize, Vec<String>)>> {
    let value = prop_oneof![Just("1"), Just("{\"b\":[]}"), Just("\"ü}\""), Just("null")];
    let arguments = prop::collection::vec(value, 1..4).prop_map(|values| {
        let members: Vec<_> = values.iter().enumerate().map(|(at, value)| format!("\"{at}\":{value}")).collect();
        let whole: Vec<char> = format!("{{{}}}", members.join(",")).chars().collect();
        whole.chunks(3).map(|piece| piece.iter().collect::<String>()).collect::<Vec<String>>()
    });
    prop::collection::vec(arguments, 1..4).prop_map(|calls| calls.into_iter().enumerate().collect())
}

proptest! {
    #[test]
    fn no_piece_of_any_call_is_lost(calls in turns(), order in prop::collection::vec(any::<prop::sample::Index>(), 40)) {
        let expected: Vec<_> = calls.iter().map(|(at, pieces)| (format!("c{at}"), pieces.concat())).collect();
        let mut events: Vec<_> = calls.iter().map(|(at, _)| call(*at, &format!("c{at}"))).collect();
        let mut waiting = calls;
        for pick in order {
            waiting.retain(|(_, pieces)| !pieces.is_empty());
            if waiting.is_empty() {
                break;
            }
            let pick = pick.index(waiting.len());
            let (at, pieces) = &mut waiting[pick];
            events.push(piece(*at, &pieces.remove(0)));
        }
        events.extend(waiting.into_iter().flat_map(|(at, pieces)| pieces.into_iter().map(move |text| piece(at, &text))));
        events.push(Event::Finish(Finish::ToolCalls));
        events.push(Event::End);
        let read_again = written(events);
        prop_assert_eq!(blocks(&read_again), expected.clone());
        let again = written(read(&read_again));
        prop_assert_eq!(blocks(&again), expected);
    }
}
