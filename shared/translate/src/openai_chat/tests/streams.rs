//! The recorded streams are written after the public documentation of those named.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{StreamReader, StreamWriter};
use crate::{Event, Finish, Format, Request, Signature, Stamp, Unreadable, Usage};

fn read(chunks: &[Value]) -> Vec<Event> {
    let mut reader = StreamReader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(reader.read(chunk.to_string().as_bytes()).expect("events"));
    }
    events.extend(reader.read(b"[DONE]").expect("the end"));
    assert_eq!(reader.read(b"[DONE]"), Ok(vec![]), "twice is once");
    events
}

#[expect(clippy::needless_pass_by_value, reason = "it is written where it is called")]
fn delta(delta: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 9, "model": "m",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]})
}

fn finish(word: &str) -> Value {
    json!({"id": "chatcmpl-1", "created": 9, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": word}]})
}

fn start() -> Event {
    Event::Start { id: Some("chatcmpl-1".into()), model: Some("m".into()), created: Some(9) }
}

fn begun(index: usize, id: &str, name: &str) -> Event {
    Event::ToolCall { index, id: id.into(), name: name.into(), signature: None }
}

fn arguments(index: usize, delta: &str) -> Event {
    Event::Arguments { index, delta: delta.into() }
}

fn own_seal(value: &str) -> Event {
    Event::ThinkingSignature(Signature::new(Format::OpenaiChat, value))
}

/// What the stream says between its first event and the reason to finish.
fn said(deltas: impl IntoIterator<Item = Value>) -> Vec<Event> {
    let mut chunks: Vec<Value> = deltas.into_iter().map(delta).collect();
    chunks.push(finish("stop"));
    let mut events = read(&chunks);
    assert_eq!(events.remove(0), start());
    assert_eq!(events.pop(), Some(Event::End));
    assert!(matches!(events.pop(), Some(Event::Finish(_))));
    events
}

#[test]
fn openai_s_text_stream() {
    let usage = json!({"id": "chatcmpl-1", "created": 9, "model": "m", "choices": [], "service_tier": "default",
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}});
    let logprob = json!({"token": "Hel", "logprob": -0.1, "bytes": null, "top_logprobs": []});
    let mut first = delta(json!({"role": "assistant", "content": "", "refusal": null}));
    first["obfuscation"] = json!("xyz");
    first["usage"] = Value::Null;
    let mut second = delta(json!({"content": "Hel"}));
    second["choices"][0]["logprobs"] = json!({"content": [logprob], "refusal": null});
    let events = read(&[first, second, delta(json!({"content": "lo"})), finish("stop"), usage]);
    let counts = Usage { input: Some(9), output: Some(2), total: Some(11), ..Usage::default() };
    let expected = [
        start(),
        Event::Text("Hel".into()),
        Event::Logprobs(vec![logprob]),
        Event::Text("lo".into()),
        Event::Finish(Finish::Stop),
        Event::Usage(counts),
        Event::ServiceTier("default".into()),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn openai_s_parallel_calls() {
    let piece = |call: Value| delta(json!({"tool_calls": [call]}));
    let events = read(&[
        piece(json!({"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}})),
        piece(json!({"index": 0, "function": {"arguments": "{\"a\""}})),
        piece(json!({"index": 1, "id": "call_b", "type": "function", "function": {"name": "g", "arguments": ""}})),
        piece(json!({"index": 0, "function": {"arguments": ":1}"}})),
        piece(json!({"index": 1, "function": {"arguments": "{}"}})),
        finish("tool_calls"),
    ]);
    let expected = [
        start(),
        begun(0, "call_a", "f"),
        arguments(0, "{\"a\""),
        begun(1, "call_b", "g"),
        arguments(0, ":1}"),
        arguments(1, "{}"),
        Event::Finish(Finish::ToolCalls),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn calls_as_neighbours_send_them() {
    // Google's compatible address: whole calls under one index, and the seal.
    let google = said([
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "G"}}}]}),
        json!({"tool_calls": [{"index": 0, "id": "b", "function": {"name": "f", "arguments": "{}"}}]}),
    ]);
    let sealed = Event::ToolCall {
        index: 0,
        id: "a".into(),
        name: "f".into(),
        signature: Some(Signature::new(Format::GoogleGemini, "G")),
    };
    assert_eq!(google, [sealed, arguments(0, "{}"), begun(1, "b", "f"), arguments(1, "{}")]);
    // Without indexes; with the name in every piece; with arguments before the name.
    let bare = said([
        json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}),
        json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "}"}}]}),
        json!({"tool_calls": [{"id": "b", "function": {"name": null, "arguments": "{"}}]}),
        json!({"tool_calls": [{"function": {"name": "g", "arguments": "}"}}]}),
    ]);
    let expected = [begun(0, "a", "f"), arguments(0, "{"), arguments(0, "}"), begun(1, "b", "g"), arguments(1, "{}")];
    assert_eq!(bare, expected);
    // Without an id, and in the form before `tool_calls`.
    let older =
        said([json!({"function_call": {"name": "f", "arguments": ""}}), json!({"function_call": {"arguments": "{}"}})]);
    let [Event::ToolCall { index: 0, id, name, .. }, Event::Arguments { index: 0, delta }] = &older[..] else {
        panic!("{older:?}")
    };
    assert!(id.starts_with("call_") && name == "f" && delta == "{}", "{older:?}");
}

#[test]
fn a_custom_tool_s_call_is_whole_at_the_end() {
    let events = said([
        json!({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "h", "input": "x"}}]}),
        json!({"tool_calls": [{"index": 0, "custom": {"input": "y"}}]}),
    ]);
    let value = json!({"id": "a", "type": "custom", "custom": {"name": "h", "input": "xy"}});
    assert_eq!(events, [Event::Native { format: Format::OpenaiChat, value }]);
}

#[test]
fn thoughts_are_sealed_when_they_end() {
    let thought = |text: &str| Event::Thinking(text.into());
    // DeepSeek.
    let deepseek = said([
        json!({"content": null, "reasoning_content": "h"}),
        json!({"content": null, "reasoning_content": "m"}),
        json!({"content": "a", "reasoning_content": null}),
    ]);
    assert_eq!(deepseek, [thought("h"), thought("m"), own_seal("reasoning_content"), Event::Text("a".into())]);
    // Groq, and a call right after.
    let call = json!({"index": 0, "id": "a", "function": {"name": "f"}});
    let groq = said([json!({"reasoning": "hm"}), json!({"tool_calls": [call]})]);
    assert_eq!(groq, [thought("hm"), own_seal("reasoning"), begun(0, "a", "f")]);
    // OpenRouter: the same text twice, then the seal, then what only the provider can read.
    let detail = |text: Value, signature: Value| json!({"type": "reasoning.text", "text": text, "signature": signature, "format": "anthropic-claude-v1", "index": 0});
    let router = said([
        json!({"content": "", "reasoning": "h", "reasoning_details": [detail(json!("h"), json!(null))]}),
        json!({"content": "", "reasoning": "m", "reasoning_details": [detail(json!("m"), json!(null))]}),
        json!({"content": "", "reasoning_details": [detail(json!(null), json!("S"))]}),
        json!({"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "index": 1}]}),
        json!({"content": "a"}),
    ]);
    let seal = r#"{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,"signature":"S"}"#;
    let hidden = Signature::new(Format::OpenaiChat, r#"{"type":"reasoning.encrypted","data":"D","index":1}"#);
    let expected =
        [thought("h"), thought("m"), own_seal(seal), Event::RedactedThinking(hidden), Event::Text("a".into())];
    assert_eq!(router, expected);
    // Mistral.
    let mistral = said([
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        json!({"content": "a"}),
    ]);
    assert_eq!(mistral, [thought("hm"), own_seal("content"), Event::Text("a".into())]);
}

#[test]
fn refusals_sources_and_sound() {
    let events = said([json!({"refusal": "n"}), json!({"refusal": "o"})]);
    assert_eq!(events, [Event::Refusal("n".into()), Event::Refusal("o".into())]);
    let source = json!({"type": "url_citation", "url_citation": {"url": "https://example.org"}});
    let events = said([json!({"content": "a"}), json!({"annotations": [source]})]);
    assert_eq!(events, [Event::Text("a".into()), Event::Annotation(source)]);
    let sound = read(&[
        delta(json!({"audio": {"id": "audio_1", "transcript": "h"}})),
        delta(json!({"audio": {"data": "AA==", "transcript": "i"}})),
        delta(json!({"audio": {"data": "AQ=="}})),
        finish("stop"),
        delta(json!({"audio": {"expires_at": 9}})),
    ]);
    let audio = json!({"id": "audio_1", "transcript": "hi", "expires_at": 9, "data": "AAE="});
    let value = json!({"type": "audio", "audio": audio});
    assert_eq!(sound[1..3], [Event::Finish(Finish::Stop), Event::Native { format: Format::OpenaiChat, value }]);
}

#[test]
fn the_first_words_and_the_last_are_kept_apart_from_the_rest() {
    // Azure tells of the prompt first; another choice is not ours; counts come in every chunk at xAI.
    let azure = json!({"id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": []});
    let mut other = delta(json!({"content": "no"}));
    other["choices"][0]["index"] = json!(1);
    let mut counted = delta(json!({"content": "a"}));
    counted["usage"] = json!({"prompt_tokens": 1});
    let events = read(&[azure, other, counted]);
    let usage = Usage { input: Some(1), ..Usage::default() };
    let expected = [start(), Event::Text("a".into()), Event::Usage(usage), Event::Finish(Finish::Stop), Event::End];
    assert_eq!(events, expected);
    let calls = json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]});
    assert!(read(&[delta(calls), finish("stop")]).contains(&Event::Finish(Finish::ToolCalls)));
}

#[test]
fn errors_and_other_forms_are_told_apart() {
    for (data, error) in [
        (
            r#"{"error":{"message":"x","code":502},"choices":[{"index":0,"finish_reason":"error"}]}"#,
            Unreadable::Provider,
        ),
        (r#"{"choices":[{"error":{"code":502},"delta":{}}]}"#, Unreadable::Provider),
        ("{", Unreadable::OtherForm("it is not valid JSON")),
        ("[]", Unreadable::OtherForm("it is no chat completion")),
        (r#"{"type":"message_start"}"#, Unreadable::OtherForm("it is no chunk of a chat completion")),
        ("[DONE]", Unreadable::OtherForm("its stream has an end and nothing before it")),
    ] {
        assert_eq!(StreamReader::default().read(data.as_bytes()), Err(error), "{data}");
    }
    assert_eq!(StreamReader::default().read(b""), Ok(vec![]));
}

fn writer(include_usage: bool) -> StreamWriter {
    let mut request = Request::new(Format::OpenaiChat, "m");
    request.include_usage = include_usage;
    StreamWriter::new(&request, Stamp { id: "abc".into(), created: 7, model: "shown".into() })
}

/// The data of every event that is written.
fn data(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).expect("text");
    let events = text.strip_suffix("\n\n").expect("a whole event").split("\n\n");
    events.map(|event| event.strip_prefix("data: ").expect("data").to_owned()).collect()
}

fn chunks(mut writer: StreamWriter, events: Vec<Event>) -> Vec<Value> {
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    let mut data = data(&out);
    assert_eq!(data.pop().as_deref(), Some("[DONE]"));
    data.iter().map(|chunk| serde_json::from_str(chunk).expect("JSON")).collect()
}

fn deltas(events: Vec<Event>) -> Vec<Value> {
    chunks(writer(false), events).iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect()
}

#[test]
fn a_stream_is_written_with_every_member() {
    let logprob = json!({"token": "a", "logprob": -0.1, "bytes": null, "top_logprobs": []});
    let events = vec![
        start(),
        Event::ServiceTier("standard".into()),
        Event::Text("a".into()),
        Event::Logprobs(vec![logprob.clone()]),
        Event::Finish(Finish::StopSequence(Some("END".into()))),
        Event::Usage(Usage { input: Some(1), output: Some(2), cache_read: Some(1), ..Usage::default() }),
        Event::End,
    ];
    let chunk = |delta: Value, logprobs: Value, tier: bool| {
        let mut chunk = json!({"id": "chatcmpl-abc", "object": "chat.completion.chunk", "created": 7, "model": "shown",
            "choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": null}]});
        if tier {
            chunk["service_tier"] = json!("default");
        }
        chunk
    };
    let mut last = chunk(json!({}), Value::Null, true);
    last["choices"][0]["finish_reason"] = json!("stop");
    last["choices"][0]["stop_reason"] = json!("END");
    let mut expected = vec![
        chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null, false),
        chunk(json!({"content": "a"}), Value::Null, true),
        chunk(json!({"content": ""}), json!({"content": [logprob], "refusal": null}), true),
        last,
    ];
    assert_eq!(chunks(writer(false), events.clone()), expected);
    for chunk in &mut expected {
        chunk["usage"] = Value::Null;
    }
    let mut counts = chunk(Value::Null, Value::Null, true);
    counts["choices"] = json!([]);
    counts["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {}});
    expected.push(counts);
    assert_eq!(chunks(writer(true), events), expected);
}

#[test]
fn thoughts_and_seals_are_written_for_callers() {
    let seal = |format, value: &str| Signature::new(format, value);
    let written = deltas(vec![
        start(),
        Event::Thinking("h".into()),
        Event::Thinking("m".into()),
        Event::ThinkingSignature(seal(Format::AnthropicMessages, "S")),
        Event::RedactedThinking(seal(Format::BedrockConverse, "D")),
        Event::Thinking("own".into()),
        own_seal("reasoning_content"),
        Event::ToolCall {
            index: 0,
            id: "a".into(),
            name: "f".into(),
            signature: Some(seal(Format::GoogleGemini, "G")),
        },
        arguments(0, "{}"),
        Event::Finish(Finish::ToolCalls),
        Event::End,
    ]);
    let call = json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
        "extra_content": {"google": {"thought_signature": "G"}}});
    let expected = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"reasoning_content": "h"}),
        json!({"reasoning_content": "m"}),
        json!({"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "S", "index": 0}]}),
        json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "bedrock#D", "index": 1}]}),
        json!({"reasoning_content": "own"}),
        json!({"tool_calls": [call]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        json!({}),
    ];
    assert_eq!(written, expected);
}

#[test]
fn sources_go_together_and_are_counted_through() {
    let source = |start: u64| {
        Event::Annotation(json!({"type": "url_citation", "url_citation":
            {"start_index": start, "end_index": start, "url": "https://example.org", "title": "t"}}))
    };
    let written = deltas(vec![
        Event::Text("äö".into()),
        source(1),
        Event::PartEnd,
        Event::Text("b".into()),
        source(0),
        Event::Finish(Finish::Stop),
        Event::End,
    ]);
    let annotation = |index: u64, at: u64| {
        json!({"type": "url_citation", "index": index, "url_citation":
            {"start_index": at, "end_index": at, "url": "https://example.org", "title": "t"}})
    };
    assert_eq!(written[3], json!({"annotations": [annotation(0, 1), annotation(1, 2)]}));
    assert_eq!(written[0]["role"], "assistant", "the role comes first though nothing started");
}

#[test]
fn who_knows_the_older_form_alone_gets_it_streamed() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"functions":[{"name":"f"}]}"#;
    let request = super::super::read_request(body).expect("a request");
    let writer = StreamWriter::new(&request, Stamp { id: "abc".into(), created: 7, model: "m".into() });
    let events = vec![
        start(),
        begun(0, "a", "f"),
        arguments(0, "{}"),
        begun(1, "b", "g"),
        arguments(1, "{}"),
        Event::Finish(Finish::ToolCalls),
        Event::End,
    ];
    let written = chunks(writer, events);
    let deltas: Vec<&Value> = written.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(deltas[1], &json!({"function_call": {"name": "f", "arguments": ""}}));
    assert_eq!(deltas[2], &json!({"function_call": {"arguments": "{}"}}));
    assert_eq!((deltas.len(), &written[3]["choices"][0]["finish_reason"]), (4, &json!("function_call")));
}

#[test]
fn a_broken_stream_ends_with_an_error_and_without_an_end() {
    for error in [json!({"message": "x", "code": null}), json!({"error": {"message": "x", "code": null}})] {
        let (mut writer, mut out) = (writer(true), Vec::new());
        writer.write(start(), &mut out);
        out.clear();
        writer.fail(&error, &mut out);
        assert_eq!(data(&out), [r#"{"error":{"message":"x","code":null}}"#]);
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        "[a-zäß\"\\\\\n]{1,6}".prop_map(Event::Text),
        "[a-z]{1,6}".prop_map(Event::Refusal),
        "[a-z]{1,6}".prop_map(Event::Thinking),
        (0_i64..99).prop_map(|count| Event::Usage(Usage { input: Some(count), output: Some(1), ..Usage::default() })),
        Just(Event::PartEnd),
    ]
}

proptest! {
    /// What is written for a caller, a client reads as what it was.
    #[test]
    fn what_is_written_is_read(events in proptest::collection::vec(any_event(), 0..20)) {
        let mut all = vec![start()];
        all.extend(events.clone());
        all.extend([Event::Finish(Finish::Length), Event::End]);
        let again = read(&chunks(writer(true), all));
        let texts = |events: &[Event]| -> [String; 3] {
            let mut texts = [String::new(), String::new(), String::new()];
            for event in events {
                match event {
                    Event::Text(text) => texts[0].push_str(text),
                    Event::Refusal(text) => texts[1].push_str(text),
                    Event::Thinking(text) => texts[2].push_str(text),
                    _ => {}
                }
            }
            texts
        };
        prop_assert_eq!(texts(&again), texts(&events));
        prop_assert!(again.contains(&Event::Finish(Finish::Length)));
        let count = |event: &Event| if let Event::Usage(usage) = event { usage.input } else { None };
        let counts = |events: &[Event]| events.iter().rev().find_map(count);
        prop_assert_eq!(counts(&again), counts(&events));
    }
}
