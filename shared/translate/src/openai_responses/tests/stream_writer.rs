use proptest::prelude::*;

use super::*;
use crate::{Finish, LogProbs, Signature, Usage};

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

fn thinking(text: &str) -> Event {
    Event::Thinking(text.to_owned())
}

fn call(index: usize, id: &str, name: &str) -> Event {
    Event::ToolCall { index, id: id.to_owned(), name: name.to_owned(), signature: None }
}

fn arguments(index: usize, delta: &str) -> Event {
    Event::Arguments { index, delta: delta.to_owned() }
}

fn seal(value: &str) -> Signature {
    Signature::new(Format::AnthropicMessages, value)
}

fn whole(events: Vec<Event>, finish: Finish) -> Vec<Event> {
    let start = Event::Start { id: Some("x".to_owned()), model: Some("y".to_owned()), created: None };
    [start].into_iter().chain(events).chain([Event::Finish(finish), Event::End]).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.strip_prefix("response.").unwrap()).collect()
}

/// What holds in every stream: names, numbers, and that what is told in deltas is what stands at the end.
fn check(events: &[(String, Value)]) {
    let mut items: Vec<Value> = Vec::new();
    let mut told = std::collections::BTreeMap::<(u64, String, u64), String>::new();
    for (n, (name, data)) in events.iter().enumerate() {
        assert_eq!(data["type"], *name);
        assert_eq!(data["sequence_number"], n);
        let at = data["output_index"].as_u64();
        let part = data["content_index"].as_u64().or(data["summary_index"].as_u64()).unwrap_or_default();
        if let Some(kind) = name.strip_suffix(".delta") {
            assert_eq!(data["item_id"], items[usize::try_from(at.unwrap()).unwrap()]["id"]);
            *told.entry((at.unwrap(), kind.to_owned(), part)).or_default() += data["delta"].as_str().unwrap();
        }
        match name.as_str() {
            "response.output_item.added" => {
                assert_eq!(at.unwrap(), items.len() as u64);
                items.push(data["item"].clone());
            }
            "response.output_item.done" => {
                let item = &mut items[usize::try_from(at.unwrap()).unwrap()];
                assert_eq!((&item["id"], &item["type"]), (&data["item"]["id"], &data["item"]["type"]));
                *item = data["item"].clone();
            }
            "response.output_text.done"
            | "response.refusal.done"
            | "response.reasoning_summary_text.done"
            | "response.function_call_arguments.done" => {
                let kind = name.strip_suffix(".done").unwrap().to_owned();
                let text = ["text", "refusal", "arguments"].iter().find_map(|member| data[*member].as_str()).unwrap();
                assert_eq!(told.get(&(at.unwrap(), kind, part)).map_or("", String::as_str), text);
            }
            _ => {}
        }
    }
    assert_eq!(events[0].0, "response.created");
    assert_eq!(events[1].0, "response.in_progress");
    let last = &events.last().unwrap().1["response"];
    if last["status"] != "failed" {
        assert_eq!(last["output"], Value::Array(items));
    }
}

#[test]
fn a_text() {
    let usage = Usage { input: Some(3), output: Some(2), ..Usage::default() };
    let citation = json!({ "type": "url_citation", "url_citation": { "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 } });
    let events = vec![
        text("Hi"),
        text(" there"),
        Event::PartEnd,
        Event::Annotation(citation),
        text("More"),
        Event::Usage(usage),
    ];
    let events = stream_of(&asked(), whole(events, Finish::Stop));
    check(&events);
    assert_eq!(
        names(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(
        events[2].1["item"],
        json!({ "id": "msg_abc_0", "type": "message", "status": "in_progress", "content": [], "role": "assistant" })
    );
    assert_eq!(
        events[4].1,
        json!({ "type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_abc_0", "output_index": 0,
        "content_index": 0, "delta": "Hi", "logprobs": [] })
    );
    let flat =
        json!({ "type": "url_citation", "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 });
    assert_eq!(events[6].1["annotation"], flat);
    let response = &events[14].1["response"];
    assert_eq!(response["output"][0]["content"][0]["annotations"], json!([flat]));
    assert_eq!(response["output"][0]["content"][1]["text"], "More");
    assert_eq!(
        (&response["id"], &response["model"], &response["status"]),
        (&json!("resp_abc"), &json!("fast"), &json!("completed"))
    );
    assert_eq!(response["usage"]["total_tokens"], 5);
    assert_eq!(events[0].1["response"]["status"], "in_progress");
    assert!(events[0].1["response"].get("usage").is_none());
}

#[test]
fn calls_in_parallel() {
    let events = vec![
        text("Let me see."),
        call(0, "c1", "f"),
        call(1, "c2", "g"),
        arguments(1, "{}"),
        arguments(0, "{\"a\""),
        Event::PartEnd,
        arguments(1, " "),
        call(2, "c3", "h"),
    ];
    let events = stream_of(&asked(), whole(events, Finish::ToolCalls));
    check(&events);
    assert_eq!(
        names(&events)[7..],
        [
            "output_item.done",
            "output_item.added",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "function_call_arguments.delta",
            "output_item.added",
            "function_call_arguments.done",
            "output_item.done",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let output = events.last().unwrap().1["response"]["output"].as_array().unwrap();
    let calls: Vec<_> = output[1..]
        .iter()
        .map(|call| {
            (call["call_id"].as_str().unwrap(), call["name"].as_str().unwrap(), call["arguments"].as_str().unwrap())
        })
        .collect();
    assert_eq!(calls, [("c1", "f", "{\"a\""), ("c2", "g", "{} "), ("c3", "h", "{}")]);
    assert!(
        events.iter().filter(|(name, _)| name.ends_with("arguments.done")).all(|(_, data)| data["name"].is_string())
    );
}

#[test]
fn thoughts_and_their_seals() {
    let sealed_call = Event::ToolCall {
        index: 0,
        id: "c".to_owned(),
        name: "f".to_owned(),
        signature: Some(Signature::new(Format::GoogleGemini, "Th")),
    };
    let events = vec![
        thinking("Hm"),
        thinking("."),
        Event::PartEnd,
        Event::ThinkingSignature(seal("one")),
        thinking("Next"),
        Event::ThinkingSignature(seal("two")),
        Event::PartEnd,
        Event::ThinkingSignature(seal("three")),
        Event::RedactedThinking(seal("four")),
        sealed_call,
    ];
    let events = stream_of(&asked(), whole(events, Finish::ToolCalls));
    check(&events);
    assert_eq!(
        names(&events)[2..10],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
        ]
    );
    let output = events.last().unwrap().1["response"]["output"].as_array().unwrap();
    let told: Vec<_> = output[..5]
        .iter()
        .map(|item| (item["summary"][0]["text"].as_str(), item["encrypted_content"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("Hm."), "anthropic#one"),
            (Some("Next"), "anthropic#two"),
            (Some(""), "anthropic#three"),
            (None, "anthropic#four"),
            (None, "call:gemini#Th"),
        ]
    );
}

#[test]
fn log_probabilities_come_with_their_text() {
    let mut request = asked();
    request.logprobs = Some(LogProbs { top: 0 });
    let logprob = |token: &str| json!({ "token": token, "logprob": -0.5, "bytes": null, "top_logprobs": [] });
    let events =
        vec![text("a"), Event::Logprobs(vec![logprob("a")]), text("b"), text("c"), Event::Logprobs(vec![logprob("c")])];
    let events = stream_of(&request, whole(events, Finish::Stop));
    check(&events);
    let deltas: Vec<_> = events
        .iter()
        .filter(|(name, _)| name.ends_with("text.delta"))
        .map(|(_, data)| (data["delta"].as_str().unwrap(), data["logprobs"][0]["bytes"][0].as_u64()))
        .collect();
    assert_eq!(deltas, [("a", Some(97)), ("b", None), ("c", Some(99))]);
    let content = &events.last().unwrap().1["response"]["output"][0]["content"][0];
    assert_eq!(content["logprobs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_refusal_and_an_item_of_a_built_in_tool() {
    let search = json!({ "id": "ws_1", "type": "web_search_call", "status": "completed" });
    let events = vec![
        Event::Native { format: OWN, value: search.clone() },
        Event::Native { format: Format::GoogleGemini, value: json!({}) },
        text("Well."),
        Event::Refusal("I can".to_owned()),
        Event::Refusal("not.".to_owned()),
        Event::ServiceTier("priority".to_owned()),
    ];
    let events = stream_of(&asked(), whole(events, Finish::Refusal));
    check(&events);
    let response = &events.last().unwrap().1["response"];
    assert_eq!(response["output"][0], search);
    assert_eq!(response["output"][1]["content"][1], json!({ "type": "refusal", "refusal": "I cannot." }));
    assert_eq!((&response["status"], &response["service_tier"]), (&json!("completed"), &json!("priority")));
}

#[test]
fn how_it_ended() {
    for (finish, status, item) in [
        (Finish::Length, "incomplete", "incomplete"),
        (Finish::ContentFilter, "incomplete", "incomplete"),
        (Finish::Malformed("X".to_owned()), "failed", "incomplete"),
    ] {
        let events = stream_of(&asked(), whole(vec![text("So")], finish));
        let (name, data) = events.last().unwrap();
        assert_eq!(name, &format!("response.{status}"));
        assert_eq!(
            (&data["response"]["status"], &data["response"]["output"][0]["status"]),
            (&json!(status), &json!(item))
        );
    }
    let nothing = stream_of(&asked(), whole(Vec::new(), Finish::Stop));
    assert_eq!(names(&nothing), ["created", "in_progress", "completed"]);
}

#[test]
fn a_stream_that_breaks_off() {
    let error = json!({ "message": "The provider closed the connection.", "type": "rate_limit_error", "param": null, "code": null });
    let mut writer = StreamWriter::new(&asked(), stamp());
    let mut out = Vec::new();
    for event in [thinking("Hm"), text("So"), call(0, "c", "f"), arguments(0, "{"), text("And")] {
        writer.write(event, &mut out);
    }
    writer.fail(&error, &mut out);
    let length = out.len();
    writer.fail(&error, &mut out);
    writer.write(text("late"), &mut out);
    writer.write(Event::End, &mut out);
    assert_eq!(out.len(), length);
    let events = events_of(&out);
    check(&events);
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "response.failed");
    let response = &data["response"];
    assert_eq!(
        response["error"],
        json!({ "code": "rate_limit_exceeded", "message": "The provider closed the connection." })
    );
    let states: Vec<Option<&str>> =
        response["output"].as_array().unwrap().iter().map(|item| item["status"].as_str()).collect();
    assert_eq!(states, [None, Some("completed"), Some("incomplete"), Some("incomplete")]);
    assert!(!names(&events).contains(&"completed"));

    let mut out = Vec::new();
    StreamWriter::new(&asked(), stamp()).fail(&json!({ "code": "invalid_prompt" }), &mut out);
    let events = events_of(&out);
    assert_eq!(names(&events), ["created", "in_progress", "failed"]);
    assert_eq!(events[2].1["response"]["error"]["code"], "invalid_prompt");
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        "[a-zé\n]{0,3}".prop_map(Event::Text),
        "[a-z]{0,3}".prop_map(Event::Refusal),
        "[a-z]{0,3}".prop_map(Event::Thinking),
        "[a-z]{1,3}".prop_map(|value| Event::ThinkingSignature(seal(&value))),
        "[a-z]{1,3}".prop_map(|value| Event::RedactedThinking(seal(&value))),
        (0..3_usize, "[a-z]{0,3}").prop_map(|(index, delta)| Event::Arguments { index, delta }),
        Just(Event::PartEnd),
        Just(Event::Logprobs(vec![json!({ "token": "x", "logprob": -1 })])),
    ]
}

proptest! {
    /// Whatever comes in whatever order, the grammar holds, and what is read of it is what was written.
    #[test]
    fn any_stream_is_well_formed(events in prop::collection::vec(any_event(), 0..20), logprobs in any::<bool>()) {
        let mut request = asked();
        request.logprobs = logprobs.then_some(LogProbs { top: 0 });
        let calls = (0..3).map(|index| call(index, &format!("c{index}"), "f"));
        let events: Vec<Event> = calls.chain(events).collect();
        let written = stream_of(&request, whole(events.clone(), Finish::Stop));
        check(&written);
        let data: Vec<Value> = written.into_iter().map(|(_, data)| data).collect();
        let texts = |events: &[Event]| -> String {
            events.iter().filter_map(|event| if let Event::Text(text) = event { Some(text.as_str()) } else { None }).collect()
        };
        let again = read_stream(&data);
        prop_assert_eq!(texts(&again), texts(&events));
        prop_assert_eq!(again.last(), Some(&Event::End));
    }
}
