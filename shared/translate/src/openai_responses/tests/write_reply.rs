use super::*;
use crate::{Finish, Media, Part, Reply, Signature, Source, Text, Thinking, ToolCall, Usage};

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

fn call(signature: Option<Signature>) -> Part {
    Part::ToolCall(ToolCall {
        id: "c1".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        signature,
        cache: None,
    })
}

#[test]
fn a_response_has_all_its_members() {
    let request = read(&json!({
        "model": "fast", "input": "Hi", "instructions": "Be brief.", "temperature": 0.5, "max_output_tokens": 50,
        "tools": [{ "type": "function", "name": "f", "parameters": { "type": "object" } }, { "type": "web_search" }],
        "tool_choice": "required", "reasoning": { "effort": "low" }, "metadata": { "a": "b" }, "store": false,
        "text": { "verbosity": "low" }, "conversation": "conv_1", "safety_identifier": "s", "service_tier": "standard_only",
    }));
    let mut reply = reply(vec![Part::text("Hello")], Finish::Stop);
    reply.usage =
        Usage { input: Some(3), output: Some(4), cache_read: Some(2), output_audio: Some(1), ..Usage::default() };
    reply.logprobs = Some(vec![
        json!({ "token": "Hé", "logprob": -0.5, "bytes": null, "top_logprobs": [{ "token": "x", "logprob": -1 }] }),
    ]);
    let written = write_reply(reply, &request, &stamp());
    let expected = json!({
        "id": "resp_abc", "object": "response", "created_at": 1_741_476_777, "status": "completed", "background": false,
        "error": null, "incomplete_details": null, "instructions": "Be brief.", "max_output_tokens": 50, "max_tool_calls": null,
        "model": "fast",
        "output": [{ "id": "msg_abc_0", "type": "message", "status": "completed", "role": "assistant", "content": [{
            "type": "output_text", "annotations": [], "text": "Hello",
            "logprobs": [{ "token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169], "top_logprobs": [{ "token": "x", "logprob": -1, "bytes": [120] }] }],
        }] }],
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": { "effort": "low", "summary": null },
        "service_tier": "default", "temperature": 0.5, "text": { "format": { "type": "text" }, "verbosity": "low" },
        "tool_choice": "required",
        "tools": [{ "type": "function", "name": "f", "parameters": { "type": "object" }, "strict": null }, { "type": "web_search" }],
        "top_logprobs": 0, "top_p": null, "truncation": "disabled",
        "usage": { "input_tokens": 3, "input_tokens_details": { "cached_tokens": 2, "cache_write_tokens": 0 }, "output_tokens": 4,
                   "output_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 1 }, "total_tokens": 7 },
        "metadata": { "a": "b" }, "conversation": { "id": "conv_1" }, "store": false, "user": "s",
    });
    assert_eq!(written, expected);
}

#[test]
fn every_part_is_an_item_or_a_part_of_one() {
    let seal = Signature::new(Format::AnthropicMessages, "Eq");
    let cited = json!({ "type": "url_citation", "url_citation": { "url": "https://x.test" } });
    let native = json!({ "type": "web_search_call", "id": "ws_1", "status": "completed" });
    let parts = vec![
        Part::Thinking(Thinking { text: "Hm".to_owned(), signature: Some(seal.clone()) }),
        Part::RedactedThinking(seal),
        Part::text("One"),
        Part::Text(Text { text: "Two".to_owned(), annotations: vec![cited], cache: None }),
        call(Some(Signature::new(Format::GoogleGemini, "Th"))),
        Part::Image(Media::new(Source::Inline { media_type: "image/png".to_owned(), data: "iVBO".to_owned() })),
        Part::Native { format: OWN, value: native.clone() },
    ];
    let written = write_reply(reply(parts, Finish::ToolCalls), &asked(), &stamp());
    let text = |text: &str, annotations: Value| json!({ "type": "output_text", "annotations": annotations, "logprobs": [], "text": text });
    let cited =
        json!([{ "type": "url_citation", "url": "https://x.test", "start_index": 0, "end_index": 0, "title": "" }]);
    assert_eq!(
        written["output"],
        json!([
            { "id": "rs_abc_0", "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm" }], "encrypted_content": "anthropic#Eq" },
            { "id": "rs_abc_1", "type": "reasoning", "summary": [], "encrypted_content": "anthropic#Eq" },
            { "id": "msg_abc_2", "type": "message", "status": "completed", "role": "assistant",
              "content": [text("One", json!([])), text("Two", cited)] },
            { "id": "rs_abc_3", "type": "reasoning", "summary": [], "encrypted_content": "call:gemini#Th" },
            { "id": "fc_abc_4", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "c1", "name": "f" },
            { "id": "ig_abc_5", "type": "image_generation_call", "status": "completed", "result": "iVBO" },
            native,
        ])
    );
    assert_eq!((&written["status"], &written["usage"]["total_tokens"]), (&json!("completed"), &json!(0)));
}

#[test]
fn what_a_caller_gives_back_is_what_it_got() {
    let parts = vec![
        Part::Thinking(Thinking {
            text: String::new(),
            signature: Some(Signature::new(Format::AnthropicMessages, "Eq")),
        }),
        Part::RedactedThinking(Signature::new(Format::AnthropicMessages, "Re")),
        Part::text("Let me see."),
        call(Some(Signature::new(Format::GoogleGemini, "Th"))),
    ];
    let written = write_reply(reply(parts.clone(), Finish::ToolCalls), &asked(), &stamp());
    let again = read(&json!({ "model": "m", "input": written["output"] }));
    assert_eq!(*again.messages[0].parts, *parts);
}

#[test]
fn how_it_ended() {
    let of = |finish: Finish, part: Part| {
        let written = write_reply(reply(vec![part], finish), &asked(), &stamp());
        let item = written["output"][0]["status"].clone();
        (written["status"].clone(), written["incomplete_details"]["reason"].clone(), item)
    };
    let whole = (json!("completed"), Value::Null, json!("completed"));
    let cut = (json!("incomplete"), json!("max_output_tokens"), json!("incomplete"));
    let held_back = (json!("incomplete"), json!("content_filter"), json!("incomplete"));
    let text = || Part::text("x");
    assert_eq!(of(Finish::StopSequence(None), text()), whole);
    assert_eq!(of(Finish::Length, text()), cut);
    assert_eq!(of(Finish::ContextLength, call(None)), cut);
    assert_eq!(of(Finish::Pause, text()), cut);
    assert_eq!(of(Finish::ContentFilter, text()), held_back);
    assert_eq!(of(Finish::Refusal, text()), held_back);
    assert_eq!(of(Finish::Refusal, Part::Refusal("No.".to_owned())), whole);
    let failed = write_reply(reply(Vec::new(), Finish::Malformed("BAD_CALL".to_owned())), &asked(), &stamp());
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"]["code"], "server_error");
    assert!(failed["error"]["message"].as_str().unwrap().contains("BAD_CALL"));
}
