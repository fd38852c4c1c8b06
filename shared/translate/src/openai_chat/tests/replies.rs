//! The recorded replies are written after the public documentation of those named.

use serde_json::{Value, json};

use super::super::{read_reply, write_reply};
use crate::{
    Finish, Format, Media, Part, Reply, Request, Signature, Source, Stamp, Text, Thinking, ToolCall, Unreadable, Usage,
};

fn read(body: &Value) -> Reply {
    read_reply(body.to_string().as_bytes()).expect("a reply")
}

#[expect(clippy::needless_pass_by_value, reason = "it is written where it is called")]
fn choice(message: Value, finish: &str) -> Reply {
    read(&json!({"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}))
}

fn stamp() -> Stamp {
    Stamp { id: "abc".into(), created: 7, model: "shown".into() }
}

fn reply(parts: Vec<Part>, finish: Finish) -> Reply {
    let usage = Usage::default();
    Reply { id: None, model: None, created: None, parts, finish, usage, logprobs: None, service_tier: None }
}

fn written(reply: Reply) -> Value {
    write_reply(reply, &Request::new(Format::OpenaiChat, "m"), &stamp())
}

fn call(id: &str, name: &str, arguments: &str, signature: Option<Signature>) -> Part {
    let (id, name, arguments) = (id.into(), name.into(), arguments.into());
    Part::ToolCall(ToolCall { id, name, arguments, signature, cache: None })
}

#[test]
fn openai_s_own_reply() {
    let logprob = json!({"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []});
    let citation = json!({"type": "url_citation", "url_citation":
        {"start_index": 0, "end_index": 2, "url": "https://example.org", "title": "t"}});
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_741_569_952, "model": "gpt-5-2025-08-07",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": {"content": [logprob], "refusal": null},
            "message": {"role": "assistant", "content": "Hi", "refusal": null, "annotations": [citation]}}],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 2,
                "accepted_prediction_tokens": 5, "rejected_prediction_tokens": 6}},
        "service_tier": "default", "system_fingerprint": "fp",
    });
    let reply = read(&body);
    assert_eq!(reply.id.as_deref(), Some("chatcmpl-1"));
    assert_eq!((reply.model.as_deref(), reply.created), (Some("gpt-5-2025-08-07"), Some(1_741_569_952)));
    let text = Text { text: "Hi".into(), annotations: vec![citation], cache: None };
    assert_eq!(reply.parts, [Part::Text(text)]);
    assert_eq!(reply.finish, Finish::Stop);
    assert_eq!(reply.logprobs, Some(vec![logprob]));
    let usage = Usage {
        input: Some(19),
        output: Some(10),
        total: Some(29),
        cache_read: Some(4),
        cache_written: Some(2),
        reasoning: Some(3),
        input_audio: Some(1),
        output_audio: Some(2),
        accepted_prediction: Some(5),
        rejected_prediction: Some(6),
        ..Usage::default()
    };
    assert_eq!(reply.usage, usage);
    let mut expected = body;
    expected["id"] = json!("chatcmpl-abc");
    expected["created"] = json!(7);
    expected["model"] = json!("shown");
    expected.as_object_mut().expect("an object").shift_remove("system_fingerprint");
    assert_eq!(written(reply), expected);
}

#[test]
fn thoughts_come_in_many_members() {
    let thought = |seal: &str| {
        Part::Thinking(Thinking { text: "hm".into(), signature: Some(Signature::new(Format::OpenaiChat, seal)) })
    };
    let parts = |mut message: Value| {
        message["role"] = json!("assistant");
        choice(message, "stop").parts
    };
    // DeepSeek, vLLM.
    let deepseek = parts(json!({"reasoning_content": "hm", "content": "a"}));
    assert_eq!(deepseek, [thought("reasoning_content"), Part::text("a")]);
    // Groq.
    assert_eq!(parts(json!({"reasoning": "hm", "content": "a"})), [thought("reasoning"), Part::text("a")]);
    // OpenRouter.
    let router = parts(json!({"reasoning": "hm", "content": "a", "reasoning_details": [
        {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "D", "index": 1}]}));
    let text = r#"{"type":"reasoning.text","signature":"S","format":"anthropic-claude-v1","index":0}"#;
    let hidden = Signature::new(Format::OpenaiChat, r#"{"type":"reasoning.encrypted","data":"D","index":1}"#);
    assert_eq!(router, [thought(text), Part::RedactedThinking(hidden), Part::text("a")]);
    // Mistral.
    let mistral = parts(json!({"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
        {"type": "text", "text": "a"}]}));
    assert_eq!(mistral, [thought("content"), Part::text("a")]);
}

#[test]
fn calls_come_with_and_without_their_members() {
    let reply = choice(
        json!({"content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
             "extra_content": {"google": {"thought_signature": "G"}}},
            {"function": {"name": "g", "arguments": {"x": 1}}},
            {"id": "c", "type": "custom", "custom": {"name": "h", "input": "i"}}]}),
        "stop",
    );
    assert_eq!(reply.finish, Finish::ToolCalls, "a call is a call, whatever the word");
    let Part::ToolCall(second) = &reply.parts[1] else { panic!("{:?}", reply.parts) };
    assert!(second.id.starts_with("call_") && second.id.len() > 8, "{}", second.id);
    assert_eq!(second.arguments, r#"{"x":1}"#);
    assert_eq!(reply.parts[0], call("a", "f", "{}", Some(Signature::new(Format::GoogleGemini, "G"))));
    let custom = json!({"id": "c", "type": "custom", "custom": {"name": "h", "input": "i"}});
    assert_eq!(reply.parts[2], Part::Native { format: Format::OpenaiChat, value: custom });
    let older = choice(json!({"content": null, "function_call": {"name": "f", "arguments": "{}"}}), "function_call");
    assert_eq!(older.finish, Finish::ToolCalls);
    assert!(matches!(&older.parts[..], [Part::ToolCall(call)] if call.name == "f"));
}

#[test]
fn refusals_pictures_and_sound() {
    let refused = choice(json!({"content": null, "refusal": "no"}), "stop");
    assert_eq!((refused.parts, refused.finish), (vec![Part::Refusal("no".into())], Finish::Refusal));
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let audio = json!({"id": "audio_1", "data": "BBBB", "transcript": "t", "expires_at": 9});
    let parts = choice(json!({"content": "", "images": [image], "audio": audio}), "stop").parts;
    let source = Source::Inline { media_type: "image/png".into(), data: "AAAA".into() };
    let sound = Part::Native { format: Format::OpenaiChat, value: json!({"type": "audio", "audio": audio}) };
    assert_eq!(parts, [Part::Image(Media::new(source)), sound]);
    let message = written(reply(parts, Finish::Stop))["choices"][0]["message"].take();
    assert_eq!((&message["images"], &message["audio"]), (&json!([image]), &audio));
}

#[test]
fn every_word_for_the_end_has_a_meaning() {
    for (word, finish) in [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("model_length", Finish::ContextLength),
        ("tool_calls", Finish::ToolCalls),
        ("function_call", Finish::ToolCalls),
        ("content_filter", Finish::ContentFilter),
        ("eos", Finish::Stop),
        ("insufficient_system_resource", Finish::Malformed("insufficient_system_resource".into())),
        ("", Finish::Stop),
    ] {
        assert_eq!(choice(json!({"content": "a"}), word).finish, finish, "{word}");
    }
    // vLLM names the text that it stopped at.
    let choice = json!({"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"});
    let reply = read(&json!({"choices": [choice]}));
    assert_eq!(reply.finish, Finish::StopSequence(Some("END".into())));
    assert_eq!(written(reply)["choices"][0]["stop_reason"], "END");
}

#[test]
fn counts_have_many_names() {
    let usage = |usage: Value| read(&json!({"choices": [{"message": {"content": "a"}}], "usage": usage})).usage;
    let deepseek = usage(json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11.0,
        "prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 4}));
    assert_eq!((deepseek.input, deepseek.total, deepseek.cache_read), (Some(9), Some(11), Some(5)));
    // xAI, and Google's compatible address, which does not even tell how many thoughts.
    let xai = usage(json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 18,
        "completion_tokens_details": {"reasoning_tokens": 7}}));
    assert_eq!((xai.output, xai.reasoning, xai.total), (Some(9), Some(7), Some(18)));
    let google = usage(json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 18}));
    assert_eq!((google.output, google.reasoning), (Some(9), None));
    let litellm = usage(json!({"prompt_tokens": 9, "completion_tokens": 2, "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 4}));
    assert_eq!((litellm.cache_written, litellm.cache_read, litellm.sum()), (Some(3), Some(4), Some(11)));
    for odd in [json!(null), json!("x"), json!({"prompt_tokens": "9", "completion_tokens": -1})] {
        assert_eq!(usage(odd), Usage::default());
    }
}

#[test]
fn what_is_no_reply_is_told_apart() {
    for (body, error) in [
        (r#"{"error":{"message":"x"}}"#, Unreadable::Provider),
        (r#"{"object":"error","message":"x","code":40000}"#, Unreadable::Provider),
        (r#"{"choices":[{"message":{"content":""},"error":{"code":502}}]}"#, Unreadable::Provider),
        (r#"[{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}]"#, Unreadable::Provider),
        ("<html>", Unreadable::OtherForm("it is not valid JSON")),
        ("{", Unreadable::OtherForm("it is not valid JSON")),
        ("7", Unreadable::OtherForm("it is no chat completion")),
        (r#"{"choices":"x"}"#, Unreadable::OtherForm("it is no chat completion")),
        ("{}", Unreadable::OtherForm("it has no choices")),
        (r#"{"choices":[],"error":null}"#, Unreadable::OtherForm("it has no choices")),
    ] {
        assert_eq!(read_reply(body.as_bytes()), Err(error), "{body}");
    }
    let odd = json!({"id": 7, "model": null, "created": "x", "choices": [
        {"message": {"content": "a", "refusal": false, "reasoning": {}, "annotations": "x"}, "logprobs": 3}]});
    assert_eq!(read(&odd).parts, [Part::text("a")]);
}

#[test]
fn a_foreign_reply_keeps_its_thoughts_and_seals() {
    let seal = |format, value: &str| Signature::new(format, value);
    let thought = |text: &str, signature| Part::Thinking(Thinking { text: text.into(), signature });
    let parts = vec![
        thought("one ", Some(seal(Format::AnthropicMessages, "S"))),
        Part::RedactedThinking(seal(Format::BedrockConverse, "D")),
        thought("two", None),
        call("a", "f", "{}", Some(seal(Format::GoogleGemini, "G"))),
        call("b", "g", "{}", Some(seal(Format::OpenaiResponses, "R"))),
    ];
    let message = written(reply(parts, Finish::ToolCalls))["choices"][0]["message"].take();
    let google = |seal: &str| json!({"google": {"thought_signature": seal}});
    let function = |name: &str| json!({"name": name, "arguments": "{}"});
    let expected = json!({
        "role": "assistant", "content": null, "refusal": null, "annotations": [],
        "tool_calls": [
            {"id": "a", "type": "function", "function": function("f"), "extra_content": google("G")},
            {"id": "b", "type": "function", "function": function("g"), "extra_content": google("responses#R")}],
        "reasoning_content": "one two",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "one ", "signature": "S"},
            {"type": "redacted_thinking", "data": "bedrock#D"}],
    });
    assert_eq!(message, expected);
}

#[test]
fn texts_are_one_and_their_sources_are_counted_through() {
    let cited = |text: &str, start: u64| {
        let citation = json!({"start_index": start, "end_index": start + 1, "url": "https://example.org"});
        let annotations = vec![json!({"type": "url_citation", "url_citation": citation})];
        Part::Text(Text { text: text.into(), annotations, cache: None })
    };
    let message =
        written(reply(vec![cited("zürich ", 0), cited("b", 0)], Finish::Stop))["choices"][0]["message"].take();
    assert_eq!(message["content"], "zürich b");
    let second = json!({"start_index": 7, "end_index": 8, "url": "https://example.org", "title": ""});
    assert_eq!(message["annotations"][1]["url_citation"], second);
}

#[test]
fn who_knows_the_older_form_alone_gets_it() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}],"functions":[{"name":"f"}]}"#;
    let request = super::super::read_request(body).expect("a request");
    let reply = reply(vec![call("a", "f", "{}", None), call("b", "g", "{}", None)], Finish::ToolCalls);
    let choice = write_reply(reply, &request, &stamp())["choices"][0].take();
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(choice["message"].get("tool_calls"), None);
}

#[test]
fn every_end_has_a_word_that_clients_know() {
    for (finish, word, native) in [
        (Finish::Stop, "stop", None),
        (Finish::StopSequence(None), "stop", None),
        (Finish::Length, "length", None),
        (Finish::ContextLength, "length", Some("model_length")),
        (Finish::ContentFilter, "content_filter", None),
        (Finish::Refusal, "content_filter", Some("refusal")),
        (Finish::Pause, "stop", Some("pause")),
        (Finish::Malformed("MALFORMED_FUNCTION_CALL".into()), "stop", Some("MALFORMED_FUNCTION_CALL")),
    ] {
        let choice = written(reply(vec![Part::text("a")], finish))["choices"][0].take();
        assert_eq!((choice["finish_reason"].as_str(), choice["native_finish_reason"].as_str()), (Some(word), native));
    }
    let refused = written(reply(vec![Part::Refusal("no".into())], Finish::Refusal))["choices"][0].take();
    assert_eq!((&refused["finish_reason"], &refused["message"]["refusal"]), (&json!("stop"), &json!("no")));
    assert_eq!(refused["message"]["content"], Value::Null);
    let empty = written(reply(vec![], Finish::Stop));
    assert_eq!((&empty["choices"][0]["message"]["content"], empty.get("usage")), (&json!(""), None));
}
