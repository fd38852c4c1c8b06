use serde_json::{Value, json};

use super::super::read_reply;
use crate::{Finish, Format, Part, Reply, Signature, Source, Text, Thinking, ToolCall, Unreadable, Usage};

fn read(value: &Value) -> Reply {
    read_reply(value.to_string().as_bytes()).expect("a reply")
}

fn answer(content: &Value, reason: &str) -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reason,
        "usage": {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42},
        "metrics": {"latencyMs": 551},
    })
}

/// The members are those of the service's public API model.
#[test]
fn every_block_becomes_a_part() {
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2Vh"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "Here:"},
        {"toolUse": {"toolUseId": "tooluse_a", "name": "f", "input": {"z": 1, "a": 2}}},
        {"toolUse": {"toolUseId": "tooluse_b", "name": "g", "input": {}}},
        {"image": {"format": "png", "source": {"bytes": "aW1n"}}},
        {"toolUse": {"toolUseId": "tooluse_c", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
    ]);
    let mut value = answer(&content, "tool_use");
    value["usage"] = json!({
        "inputTokens": 10, "outputTokens": 5, "totalTokens": 135, "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 20,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}],
    });
    value["serviceTier"] = json!({"type": "flex"});
    value["trace"] = json!({"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/m"}});
    let reply = read(&value);
    let seal = |value: &str| Signature::new(Format::BedrockConverse, value);
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            signature: None,
            cache: None,
        })
    };
    assert_eq!(
        reply.parts[..5],
        [
            Part::Thinking(Thinking { text: "Hm.".into(), signature: Some(seal("c2Vh")) }),
            Part::RedactedThinking(seal("cmVk")),
            Part::text("Here:"),
            call("tooluse_a", "f", r#"{"z":1,"a":2}"#),
            call("tooluse_b", "g", "{}"),
        ]
    );
    let Part::Image(image) = &reply.parts[5] else { panic!("an image") };
    assert_eq!(image.source, Source::Inline { media_type: "image/png".into(), data: "aW1n".into() });
    assert_eq!(reply.parts[6], Part::Native { format: Format::BedrockConverse, value: content[6].clone() });
    let usage = Usage {
        input: Some(130),
        output: Some(5),
        total: Some(135),
        cache_read: Some(100),
        cache_written: Some(20),
        cache_written_5m: Some(5),
        cache_written_1h: Some(15),
        ..Usage::default()
    };
    assert_eq!(reply.usage, usage);
    assert_eq!(reply.finish, Finish::ToolCalls);
    assert_eq!(reply.service_tier.as_deref(), Some("flex"));
    assert_eq!(reply.model.as_deref(), Some("arn:aws:bedrock:us-east-1::foundation-model/m"));
}

#[test]
fn a_total_without_the_cached_tokens_is_none() {
    let mut value = answer(&json!([{"text": "x"}]), "end_turn");
    value["usage"] = json!({"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 100});
    let usage = read(&value).usage;
    assert_eq!((usage.total, usage.sum()), (None, Some(115)));
}

#[test]
fn every_reason_to_stop_has_its_word() {
    for (reason, finish) in [
        ("end_turn", Finish::Stop),
        ("tool_use", Finish::ToolCalls),
        ("max_tokens", Finish::Length),
        ("stop_sequence", Finish::StopSequence(None)),
        ("guardrail_intervened", Finish::ContentFilter),
        ("content_filtered", Finish::ContentFilter),
        ("malformed_model_output", Finish::Malformed("malformed_model_output".into())),
        ("malformed_tool_use", Finish::Malformed("malformed_tool_use".into())),
        ("model_context_window_exceeded", Finish::ContextLength),
        ("refusal", Finish::Refusal),
    ] {
        assert_eq!(read(&answer(&json!([{"text": "x"}]), reason)).finish, finish);
    }
    let mut value = answer(&json!([]), "stop_sequence");
    value["additionalModelResponseFields"] = json!({"stop_sequence": "END"});
    assert_eq!(read(&value).finish, Finish::StopSequence(Some("END".into())));
}

#[test]
fn sources_on_the_web_are_annotations_and_others_are_kept() {
    let page = json!({"title": "Doc", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}});
    let content = json!([{"citationsContent": {
        "content": [{"text": "It is "}, {"text": "größer."}],
        "citations": [{"location": {"web": {"url": "https://a.test/x", "domain": "a.test"}}}, page],
    }}]);
    let reply = read(&answer(&content, "end_turn"));
    let place = json!({"start_index": 0, "end_index": 13, "url": "https://a.test/x", "title": "a.test"});
    let annotations = vec![json!({"type": "url_citation", "url_citation": place})];
    let value = json!({"citationsContent": {"content": [], "citations": [page]}});
    assert_eq!(
        reply.parts,
        [
            Part::Text(Text { text: "It is größer.".into(), annotations, cache: None }),
            Part::Native { format: Format::BedrockConverse, value },
        ]
    );
}

#[test]
fn what_is_no_reply_is_told_apart() {
    for error in [
        json!({"message": "Too many requests, please wait before trying again."}),
        json!({"Message": "User is not authorized"}),
        json!({"__type": "ValidationException"}),
    ] {
        assert_eq!(read_reply(error.to_string().as_bytes()), Err(Unreadable::Provider));
    }
    for other in [
        "",
        "<html>",
        "{}",
        "[]",
        r#"{"output":{}}"#,
        r#"{"output":{"message":{"content":[{"text":1}]}},"stopReason":"x"}"#,
    ] {
        assert!(matches!(read_reply(other.as_bytes()), Err(Unreadable::OtherForm(_))), "{other}");
    }
}
