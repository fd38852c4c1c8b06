use serde_json::{Value, json};

use super::stamp;
use crate::{
    Finish, Format, Part, Reply, Signature, Text, Thinking, ToolCall, Unreadable, Usage,
    anthropic_messages::{read_reply, write_reply},
};

/// After the examples of Anthropic's public documentation: extended thinking, tool use, web search.
fn recorded() -> Value {
    json!({
        "id": "msg_01Aq9w938a90dw8q", "type": "message", "role": "assistant", "model": "claude-opus-4-6",
        "content": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "EqQBCkYIBRgC"},
            {"type": "redacted_thinking", "data": "EmwKAhgB"},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather"}},
            {"type": "text", "text": "I look.", "citations": [{"type": "web_search_result_location", "cited_text": "I",
                "encrypted_index": "Eo8B", "title": "W", "url": "https://example.com/w"}]},
            {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"location": "Zürich"},
                "caller": {"type": "direct"}},
            {"type": "tool_use", "id": "toolu_02", "name": "get_time", "input": {}, "caller": {"type": "direct"}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null, "stop_details": null, "container": null,
        "usage": {"input_tokens": 11, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5}, "output_tokens": 37,
            "output_tokens_details": {"thinking_tokens": 9}, "server_tool_use": null, "service_tier": "standard",
            "inference_geo": null},
    })
}

#[test]
fn a_message_is_read() {
    let reply = read_reply(recorded().to_string().as_bytes()).expect("a reply");
    assert_eq!((reply.id.as_deref(), reply.model.as_deref()), (Some("msg_01Aq9w938a90dw8q"), Some("claude-opus-4-6")));
    assert_eq!((&reply.finish, reply.service_tier.as_deref()), (&Finish::ToolCalls, Some("default")));
    let expected = Usage {
        input: Some(131),
        output: Some(37),
        cache_read: Some(100),
        cache_written: Some(20),
        cache_written_5m: Some(15),
        cache_written_1h: Some(5),
        reasoning: Some(9),
        ..Usage::default()
    };
    assert_eq!(reply.usage, expected);
    let kinds: Vec<_> = reply.parts.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 6);
    assert!(matches!(&reply.parts[0], Part::Thinking(thinking) if thinking.signature.is_some()));
    assert!(matches!(&reply.parts[2], Part::Native { value, .. } if value["type"] == "server_tool_use"));
    assert!(matches!(&reply.parts[4], Part::ToolCall(call) if call.arguments == r#"{"location":"Zürich"}"#));
}

#[test]
fn a_message_is_written_with_every_member() {
    let reply = read_reply(recorded().to_string().as_bytes()).expect("a reply");
    let mut expected = recorded();
    expected["id"] = "msg_01".into();
    assert_eq!(write_reply(reply, &stamp()), expected);
}

fn reply(parts: Vec<Part>, finish: Finish) -> Reply {
    Reply {
        id: None,
        model: None,
        created: None,
        parts,
        finish,
        usage: Usage::default(),
        logprobs: None,
        service_tier: None,
    }
}

#[test]
fn what_nobody_counted_is_null_where_that_may_be() {
    let written = write_reply(reply(vec![Part::text("Hi")], Finish::Stop), &stamp());
    let expected = json!({"input_tokens": 0, "cache_creation_input_tokens": null, "cache_read_input_tokens": null,
        "cache_creation": null, "output_tokens": 0, "output_tokens_details": null, "server_tool_use": null,
        "service_tier": null, "inference_geo": null});
    assert_eq!(written["usage"], expected);
    assert_eq!(written["content"], json!([{"type": "text", "text": "Hi", "citations": []}]), "a list, never null");
}

#[test]
fn reasons_go_there_and_back() {
    for (reason, finish) in [
        ("end_turn", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("stop_sequence", Finish::StopSequence(Some("END".into()))),
        ("tool_use", Finish::ToolCalls),
        ("pause_turn", Finish::Pause),
        ("refusal", Finish::Refusal),
    ] {
        let written = write_reply(reply(Vec::new(), finish.clone()), &stamp());
        assert_eq!(written["stop_reason"], reason);
        let read = read_reply(written.to_string().as_bytes()).expect("a reply");
        assert_eq!(read.finish, finish);
    }
    for (finish, reason) in [
        (Finish::ContextLength, "max_tokens"),
        (Finish::ContentFilter, "refusal"),
        (Finish::Malformed("MALFORMED_FUNCTION_CALL".into()), "end_turn"),
    ] {
        assert_eq!(write_reply(reply(Vec::new(), finish), &stamp())["stop_reason"], reason);
    }
}

#[test]
fn replies_of_others_are_written() {
    let seal = Signature::new(Format::GoogleGemini, "abc=");
    let call = ToolCall {
        id: "functions.f:0".into(),
        name: "f".into(),
        arguments: "{\"a".into(),
        signature: Some(seal.clone()),
        cache: None,
    };
    let parts = vec![
        Part::Thinking(Thinking { text: "Hm".into(), signature: Some(seal) }),
        Part::Thinking(Thinking { text: "Open".into(), signature: None }),
        Part::Text(Text {
            text: "See there.".into(),
            annotations: vec![json!({"type": "url_citation", "url_citation":
                {"url": "https://example.com", "title": "E", "start_index": 0, "end_index": 3}})],
            cache: None,
        }),
        Part::ToolCall(call),
        Part::Native { format: Format::OpenaiResponses, value: json!({"type": "web_search_call"}) },
    ];
    let written = write_reply(reply(parts, Finish::Stop), &stamp());
    let id = &written["content"][4]["id"];
    let expected = json!([
        {"type": "thinking", "thinking": "Hm", "signature": "gemini#abc="},
        {"type": "thinking", "thinking": "Open", "signature": ""},
        {"type": "text", "text": "See there.", "citations": [{"type": "web_search_result_location", "cited_text": "See",
            "encrypted_index": "", "title": "E", "url": "https://example.com"}]},
        {"type": "redacted_thinking", "data": "call:gemini#abc="},
        {"type": "tool_use", "id": id, "name": "f", "input": {"INVALID_JSON": "{\"a"}, "caller": {"type": "direct"}},
    ]);
    assert_eq!(written["content"], expected);
    assert_eq!(written["stop_reason"], "tool_use", "callers go by it");
}

#[test]
fn a_refusal_is_text_and_an_explanation() {
    let written = write_reply(reply(vec![Part::Refusal("I cannot.".into())], Finish::Stop), &stamp());
    assert_eq!(written["content"], json!([{"type": "text", "text": "I cannot.", "citations": []}]));
    assert_eq!(written["stop_reason"], "refusal");
    let details = json!({"type": "refusal", "category": null, "explanation": "I cannot."});
    assert_eq!(written["stop_details"], details);
    let refused = r#"{"type":"message","content":[],"stop_reason":"refusal","stop_details":{"type":"refusal",
        "category":"cyber","explanation":"Not this."},"usage":{"input_tokens":3,"output_tokens":1}}"#;
    let read = read_reply(refused.as_bytes()).expect("a reply");
    assert_eq!((read.finish, read.parts), (Finish::Refusal, vec![Part::Refusal("Not this.".into())]));
}

#[test]
fn what_is_no_message_is_told_apart() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
    let chat = r#"{"error":{"message":"x","code":400}}"#;
    for body in [error, chat] {
        assert_eq!(read_reply(body.as_bytes()), Err(Unreadable::Provider));
    }
    for body in ["<html>", "{}", "[]", r#"{"content":"x"}"#, r#"{"content":[{"type":"text"}]}"#, r#"{"content":[{}]}"#]
    {
        assert!(matches!(read_reply(body.as_bytes()), Err(Unreadable::OtherForm(_))), "{body}");
    }
}
