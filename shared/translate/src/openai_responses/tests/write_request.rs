use super::*;
use crate::{
    Cache, Effort, Function, LogProbs, Media, Message, Part, Reasoning, ReplyFormat, Role, Sampling, Signature, Source,
    Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};

/// Something that another format asks for.
fn foreign(origin: Format) -> Request {
    let mut request = Request::new(origin, "fast");
    request.messages.push(Message { role: Role::User, name: None, parts: vec![Part::text("Hi")].into() });
    request
}

fn with(change: impl FnOnce(&mut Request)) -> Result<(Value, Vec<String>), Unsupported> {
    let mut request = foreign(Format::OpenaiChat);
    change(&mut request);
    written(request)
}

#[test]
fn its_own_requests_come_out_as_they_went_in() {
    let body = json!({
        "model": "gpt-5",
        "instructions": "Be brief.",
        "input": [
            { "type": "message", "role": "user", "content": [
                { "type": "input_text", "text": "See", "prompt_cache_breakpoint": { "mode": "explicit", "ttl": "30m" } },
                { "type": "input_image", "detail": "low", "image_url": "data:image/png;base64,iVBO" },
                { "type": "input_image", "detail": "auto", "file_id": "file-1" },
                { "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0" },
                { "type": "input_file", "file_url": "https://x.test/a.pdf" },
                { "type": "input_audio", "input_audio": { "format": "wav", "data": "UklG" } },
                { "type": "input_future", "x": 1 },
            ] },
            { "type": "item_reference", "id": "rs_0" },
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "A" }], "encrypted_content": "gAAA" },
            { "type": "reasoning", "summary": [], "encrypted_content": "gBBB" },
            { "type": "message", "role": "assistant", "content": [
                { "type": "output_text", "text": "So", "annotations": [
                    { "type": "file_citation", "file_id": "file-1", "index": 2, "filename": "a.txt" }] },
                { "type": "refusal", "refusal": "No." } ] },
            { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}" },
            { "type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c1", "output": "1" },
            { "type": "function_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "a" }, { "type": "input_text", "text": "b" }] },
            { "type": "mcp_approval_response", "approval_request_id": "m1", "approve": true },
            { "type": "message", "role": "system", "content": [{ "type": "input_text", "text": "In French." }] },
        ],
        "tools": [
            { "type": "function", "name": "f", "description": "F", "parameters": { "type": "object" }, "strict": true },
            { "type": "function", "name": "g", "parameters": { "type": "object" } },
            { "type": "web_search" },
        ],
        "tool_choice": { "type": "allowed_tools", "mode": "auto", "tools": [{ "type": "function", "name": "f" }] },
        "parallel_tool_calls": true,
        "max_output_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "text": { "format": { "type": "json_schema", "name": "n", "description": "N", "schema": { "b": 1, "a": 2 }, "strict": true },
                  "verbosity": "low", "future": 1 },
        "reasoning": { "effort": "high", "summary": "auto", "context": "auto" },
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content", "file_search_call.results"],
        "user": "u",
        "metadata": { "a": "b" },
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "store": false,
        "stream": true,
        "previous_response_id": "resp_1",
        "max_tool_calls": 3,
        "truncation": "auto",
        "safety_identifier": "s",
        "prompt_cache_retention": "24h",
    });
    let (again, dropped) = written(read(&body)).unwrap();
    assert_eq!(again, body);
    assert_eq!(again["text"]["format"]["schema"].to_string(), r#"{"b":1,"a":2}"#);
    assert!(dropped.is_empty(), "{dropped:?}");
}

#[test]
fn a_request_of_another_format() {
    let mut request = foreign(Format::AnthropicMessages);
    request.system = vec![
        Part::text("One."),
        Part::Text(Text { text: "Two.".to_owned(), annotations: Vec::new(), cache: Some(Cache::default()) }),
    ]
    .into();
    request.tools.push(Tool::Function(Function {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    }));
    request.tool_choice = Some(ToolChoice::Required);
    request.max_tokens = Some(64);
    request.reasoning = Some(Reasoning { effort: None, budget_tokens: Some(8_000), show: Some(true) });
    request.service_tier = Some("standard_only".to_owned());
    request.format = Some(ReplyFormat::JsonSchema { name: None, description: None, schema: json!({}), strict: None });
    let (body, dropped) = written(request).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "gpt-5",
            "instructions": "One.\n\nTwo.",
            "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Hi" }] }],
            "tools": [{ "type": "function", "name": "f", "parameters": { "type": "object", "properties": {} }, "strict": false }],
            "tool_choice": "required",
            "max_output_tokens": 64,
            "text": { "format": { "type": "json_schema", "name": "reply", "schema": {} } },
            "reasoning": { "effort": "medium", "summary": "auto" },
            "include": ["reasoning.encrypted_content"],
            "service_tier": "default",
            "store": false,
        })
    );
    assert_eq!(dropped, ["cache_control"]);
}

#[test]
fn a_system_that_is_more_than_text_goes_first() {
    let (body, _) = with(|request| {
        request.system =
            vec![Part::text("See"), Part::Image(Media::new(Source::Url("https://x.test/a".to_owned())))].into();
    })
    .unwrap();
    assert!(body.get("instructions").is_none());
    assert_eq!(body["input"][0]["role"], "system");
    assert_eq!(
        body["input"][0]["content"][1],
        json!({ "type": "input_image", "detail": "auto", "image_url": "https://x.test/a" })
    );
}

#[test]
fn what_it_cannot_say_is_refused_by_the_senders_name() {
    type Change = fn(&mut Request);
    let changes: [(&str, Change); 14] = [
        ("n", |request| request.choices = Some(2)),
        ("top_k", |request| request.sampling.top_k = Some(4)),
        ("min_p", |request| request.sampling.min_p = Some(0.1)),
        ("frequency_penalty", |request| request.sampling.frequency_penalty = Some(1.0)),
        ("presence_penalty", |request| request.sampling.presence_penalty = Some(1.0)),
        ("seed", |request| request.sampling.seed = Some(1)),
        ("stop", |request| request.sampling.stop = vec!["x".to_owned()]),
        ("logit_bias", |request| drop(request.sampling.logit_bias.insert("5".to_owned(), json!(1)))),
        ("tools.0", |request| request.tools.push(Tool::Native(json!({ "type": "custom" })))),
        ("tool_choice", |request| request.tool_choice = Some(ToolChoice::Native(json!({})))),
        ("audio", |request| drop(request.extra.insert("audio".to_owned(), json!({})))),
        ("messages.0.content.1", |request| {
            request.messages[0].parts.push(Part::Video(Media::new(Source::Url(String::new()))), "messages.0.content.1");
        }),
        ("messages.0.content.1", |request| {
            let inline = Source::Inline { media_type: "audio/wav".to_owned(), data: String::new() };
            request.messages[0].parts.push(Part::Audio(Media::new(inline)), "messages.0.content.1");
        }),
        ("messages.0.content.1", |request| {
            let value = json!({ "type": "server_tool_use" });
            request.messages[0]
                .parts
                .push(Part::Native { format: Format::AnthropicMessages, value }, "messages.0.content.1");
        }),
    ];
    for (param, change) in changes {
        let refused = with(change).unwrap_err();
        assert_eq!(refused.param, param);
        let mut request = foreign(Format::OpenaiChat);
        change(&mut request);
        let mut losses = Losses::new(OWN, OnUnsupported::Drop);
        let body = write_request(request, "m", &mut losses).unwrap();
        assert_eq!(losses.dropped(), [param]);
        assert_eq!(body["input"][0]["content"].as_array().unwrap().len(), 1);
    }
    let file = Source::Id { format: Format::GoogleGemini, id: "f".to_owned() };
    let mut request = foreign(Format::OpenaiChat);
    request.messages[0].parts.push(Part::File(Media::new(file)), "messages.0.content.1");
    assert!(write_request(request, "m", &mut Losses::new(OWN, OnUnsupported::Drop)).is_err());
}

#[test]
fn what_means_nothing_passes() {
    let (body, dropped) = with(|request| {
        request.choices = Some(1);
        request.sampling = Sampling {
            min_p: Some(0.0),
            presence_penalty: Some(0.0),
            frequency_penalty: Some(0.0),
            ..Sampling::default()
        };
        request.tool_choice = Some(ToolChoice::Auto);
        request.extra.insert("modalities".to_owned(), json!(["text"]));
        request.extra.insert("prompt_cache_retention".to_owned(), json!("24h"));
    })
    .unwrap();
    assert!(dropped.is_empty(), "{dropped:?}");
    assert_eq!(body["prompt_cache_retention"], "24h");
    assert!(body.get("tool_choice").is_none());
}

#[test]
fn log_probabilities_are_asked_for_twice() {
    let (body, _) = with(|request| request.logprobs = Some(LogProbs { top: 0 })).unwrap();
    assert_eq!(body["top_logprobs"], 0);
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
}

#[test]
fn thoughts_go_back_to_their_own_provider_alone() {
    let thought = |seal: Signature| {
        with(|request| {
            request.reasoning = Some(Reasoning { effort: Some(Effort::None), ..Reasoning::default() });
            let parts = vec![
                Part::Thinking(Thinking { text: "Hm".to_owned(), signature: Some(seal.clone()) }),
                Part::RedactedThinking(seal),
                Part::text("So"),
            ];
            request.messages.push(Message { role: Role::Assistant, name: None, parts: parts.into() });
        })
        .unwrap()
    };
    let (body, dropped) = thought(Signature::new(OWN, "gAAA"));
    assert!(dropped.is_empty());
    assert_eq!(body["input"][1]["encrypted_content"], "gAAA");
    assert_eq!(body["input"][2], json!({ "type": "reasoning", "summary": [], "encrypted_content": "gAAA" }));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    let (body, dropped) = thought(Signature::new(Format::AnthropicMessages, "Eq"));
    assert_eq!(dropped, ["thinking"]);
    assert_eq!(body["input"].as_array().unwrap().len(), 2);
    assert!(body.get("include").is_none());
}

#[test]
fn calls_and_results() {
    let long = "x".repeat(80);
    let (body, dropped) = with(|request| {
        let call = ToolCall {
            id: long.clone(),
            name: "f".to_owned(),
            arguments: "{".to_owned(),
            signature: Some(Signature::new(Format::GoogleGemini, "T")),
            cache: None,
        };
        request.messages.push(Message {
            role: Role::Assistant,
            name: None,
            parts: vec![Part::text("Let me see."), Part::ToolCall(call)].into(),
        });
        let document = Media::new(Source::Text("plain".to_owned()));
        let result = ToolResult {
            call_id: long.clone(),
            content: vec![Part::File(document)].into(),
            is_error: true,
            cache: None,
        };
        let empty = ToolResult { call_id: "b".to_owned(), content: Vec::new().into(), is_error: false, cache: None };
        let parts = vec![Part::ToolResult(result), Part::ToolResult(empty), Part::text("Go on")];
        request.messages.push(Message { role: Role::User, name: None, parts: parts.into() });
    })
    .unwrap();
    let input = body["input"].as_array().unwrap();
    let kinds: Vec<&str> = input.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["message", "message", "function_call", "function_call_output", "function_call_output", "message"]
    );
    let id = input[2]["call_id"].as_str().unwrap();
    assert!(id.len() <= 64 && id.starts_with("call_"));
    assert_eq!(input[3]["call_id"], id);
    assert_eq!(input[2]["arguments"], "{");
    assert_eq!(
        input[3]["output"][0],
        json!({ "type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,cGxhaW4=" })
    );
    assert_eq!(input[4]["output"], "");
    assert_eq!(dropped, ["is_error"]);
}

#[test]
fn a_name_of_a_participant_is_left_out() {
    let (_, dropped) = with(|request| request.messages[0].name = Some("ann".to_owned())).unwrap();
    assert_eq!(dropped, ["messages.name"]);
}
