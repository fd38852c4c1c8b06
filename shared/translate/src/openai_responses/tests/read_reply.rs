//! Replies as the provider's public API reference shows them.

use super::*;
use crate::{Finish, Part, Reply, Signature, Thinking, ToolCall, Unreadable, Usage};

fn reply(body: &Value) -> Reply {
    read_reply(body.to_string().as_bytes()).unwrap()
}

fn with_output(output: &Value) -> Reply {
    reply(&json!({ "object": "response", "status": "completed", "error": null, "output": output }))
}

#[test]
fn a_text() {
    let reply = reply(&json!({
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "object": "response", "created_at": 1_741_476_542,
        "status": "completed", "completed_at": 1_741_476_543, "error": null, "incomplete_details": null,
        "instructions": null, "max_output_tokens": null, "model": "gpt-5.4",
        "output": [{
            "type": "message", "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "In a peaceful grove", "annotations": [
                { "type": "url_citation", "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 }],
                "logprobs": [{ "token": "In", "logprob": -0.1, "bytes": [73, 110], "top_logprobs": [] }] }]
        }],
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": { "effort": null, "summary": null },
        "store": true, "temperature": 1.0, "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [],
        "top_p": 1.0, "truncation": "disabled", "service_tier": "default",
        "usage": { "input_tokens": 36, "input_tokens_details": { "cached_tokens": 3, "cache_write_tokens": 2 }, "output_tokens": 87,
                   "output_tokens_details": { "reasoning_tokens": 5 }, "total_tokens": 123 },
        "user": null, "metadata": {}
    }));
    assert_eq!(reply.id.as_deref(), Some("resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b"));
    assert_eq!((reply.model.as_deref(), reply.created), (Some("gpt-5.4"), Some(1_741_476_542)));
    assert_eq!((reply.finish, reply.service_tier.as_deref()), (Finish::Stop, Some("default")));
    let Part::Text(text) = &reply.parts[0] else { panic!() };
    assert_eq!(text.text, "In a peaceful grove");
    assert_eq!(text.annotations[0]["url_citation"]["url"], "https://x.test");
    assert_eq!(reply.logprobs.unwrap()[0]["token"], "In");
    let usage = Usage {
        input: Some(36),
        output: Some(87),
        total: Some(123),
        cache_read: Some(3),
        cache_written: Some(2),
        reasoning: Some(5),
        ..Usage::default()
    };
    assert_eq!(reply.usage, usage);
}

#[test]
fn thoughts_calls_and_other_items() {
    let search = json!({ "type": "web_search_call", "id": "ws_1", "status": "completed" });
    let reply = with_output(&json!([
        { "type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
          "summary": [{ "type": "summary_text", "text": "A" }, { "type": "summary_text", "text": "B" }] },
        { "type": "reasoning", "id": "rs_2", "encrypted_content": "gBBB", "summary": [] },
        { "type": "reasoning", "id": "rs_3", "summary": [] },
        search,
        { "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather", "arguments": "{\"c\":1}", "status": "completed" },
        { "type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "get_time", "arguments": "{}", "status": "completed" },
    ]));
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
            cache: None,
        })
    };
    assert_eq!(
        reply.parts,
        [
            Part::Thinking(Thinking { text: "A\n\nB".to_owned(), signature: Some(Signature::new(OWN, "gAAA")) }),
            Part::RedactedThinking(Signature::new(OWN, "gBBB")),
            Part::Native { format: OWN, value: search },
            call("call_1", "get_weather", "{\"c\":1}"),
            call("call_2", "get_time", "{}"),
        ]
    );
    assert_eq!(reply.finish, Finish::ToolCalls);
}

#[test]
fn reasons_to_finish() {
    let refusal = with_output(&json!([{ "type": "message", "content": [{ "type": "refusal", "refusal": "No." }] }]));
    assert_eq!((refusal.parts, refusal.finish), (vec![Part::Refusal("No.".to_owned())], Finish::Refusal));
    let of = |status: &str, reason: Value| {
        let details = json!({ "reason": reason });
        read_reply(json!({ "status": status, "output": [], "incomplete_details": details }).to_string().as_bytes())
            .map(|reply| reply.finish)
    };
    assert_eq!(of("incomplete", json!("max_output_tokens")), Ok(Finish::Length));
    assert_eq!(of("incomplete", json!("content_filter")), Ok(Finish::ContentFilter));
    assert_eq!(of("incomplete", json!("steered")), Ok(Finish::Malformed("steered".to_owned())));
    assert_eq!(of("cancelled", Value::Null), Ok(Finish::Malformed("cancelled".to_owned())));
    assert_eq!(of("failed", Value::Null), Err(Unreadable::Provider));
    assert!(matches!(of("queued", Value::Null), Err(Unreadable::OtherForm(_))));
}

#[test]
fn what_is_no_reply() {
    let failed = json!({ "object": "response", "status": "failed", "output": [], "error": { "code": "server_error", "message": "x" } });
    for body in [failed, json!({ "error": { "message": "x" } }), json!({ "error": "x" })] {
        assert_eq!(read_reply(body.to_string().as_bytes()), Err(Unreadable::Provider));
    }
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"choices":[]}"#,
        r#"{"output":[{}]}"#,
        r#"{"output":[{"type":"message","content":3}]}"#,
    ] {
        assert!(matches!(read_reply(body.as_bytes()), Err(Unreadable::OtherForm(_))), "{body}");
    }
}
