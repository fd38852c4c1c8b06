use serde_json::Map;

use super::*;
use crate::{
    Cache, Effort, Function, LogProbs, Media, Message, Part, Reasoning, ReplyFormat, Role, Signature, Source, Text,
    Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};

fn user(parts: Vec<Part>) -> Message {
    Message { role: Role::User, name: None, parts: parts.into() }
}

fn assistant(parts: Vec<Part>) -> Message {
    Message { role: Role::Assistant, name: None, parts: parts.into() }
}

fn items(input: &Value) -> Request {
    read(&json!({ "model": "m", "input": input }))
}

fn fault(body: &Value) -> (String, String) {
    let fault = read_request(body.to_string().as_bytes()).unwrap_err();
    (fault.param.unwrap_or_default(), fault.message)
}

#[test]
fn members_stand_where_they_belong() {
    let request = read(&json!({
        "model": "gpt-5", "input": "Hi", "instructions": "Be brief.", "stream": true, "max_output_tokens": 87.0,
        "temperature": 1, "top_p": 0.5, "parallel_tool_calls": false, "store": false, "metadata": { "a": "b" },
        "user": "u1", "safety_identifier": "u1", "prompt_cache_key": "k", "service_tier": "flex",
        "top_logprobs": 3, "stream_options": { "include_obfuscation": false },
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
        "text": { "verbosity": "low", "format": {
            "type": "json_schema", "name": "city", "description": "A city", "strict": true,
            "schema": { "type": "object", "default": null, "properties": { "z": {}, "a": {} } } } },
        "reasoning": { "effort": "xhigh", "summary": "auto", "context": "auto" },
        "previous_response_id": "resp_1", "truncation": "auto", "max_tool_calls": 4, "conversation": null,
        "background": false, "seed": 7,
    }));
    assert_eq!(request.system, [Part::text("Be brief.")]);
    assert_eq!(request.messages, [user(vec![Part::text("Hi")])]);
    assert!(request.stream && request.include_usage);
    assert_eq!(
        (request.max_tokens, request.sampling.temperature, request.sampling.top_p),
        (Some(87), Some(1.0), Some(0.5))
    );
    assert_eq!((request.parallel_tool_calls, request.store), (Some(false), Some(false)));
    assert_eq!(request.metadata["a"], "b");
    assert_eq!(request.user.as_deref(), Some("u1"));
    assert_eq!(request.cache_key.as_deref(), Some("k"));
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
    assert_eq!(request.logprobs, Some(LogProbs { top: 3 }));
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    let reasoning = Reasoning { effort: Some(Effort::Max), budget_tokens: None, show: Some(true) };
    assert_eq!(request.reasoning, Some(reasoning));
    let Some(ReplyFormat::JsonSchema { name, description, schema, strict }) = request.format else { panic!() };
    assert_eq!((name.as_deref(), description.as_deref(), strict), (Some("city"), Some("A city"), Some(true)));
    assert_eq!(schema.to_string(), r#"{"type":"object","default":null,"properties":{"z":{},"a":{}}}"#);
    let extra = json!({
        "include": ["file_search_call.results"], "reasoning.context": "auto", "background": false, "stream_options": { "include_obfuscation": false },
        "previous_response_id": "resp_1", "truncation": "auto", "max_tool_calls": 4, "seed": 7,
    });
    assert_eq!(Value::Object(request.extra), extra);
}

#[test]
fn items_become_turns() {
    let request = items(&json!([
        { "role": "developer", "content": "Be kind." },
        { "type": "message", "role": "user", "content": [
            { "type": "input_text", "text": "See", "prompt_cache_breakpoint": { "mode": "explicit", "ttl": "30m" } },
            { "type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "high" },
            { "type": "input_image", "image_url": "https://x.test/a.png" },
            { "type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0" },
            { "type": "input_file", "file_url": "https://x.test/a.pdf" },
            { "type": "input_file", "file_id": "file-1" },
            { "type": "input_audio", "input_audio": { "data": "SUQz", "format": "mp3" } },
        ] },
        { "type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
          "summary": [{ "type": "summary_text", "text": "A" }, { "type": "summary_text", "text": "B" }] },
        { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}", "status": "completed" },
        { "type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}", "caller": { "type": "direct" } },
        { "type": "function_call_output", "call_id": "c1", "output": "1" },
        { "type": "function_call_output", "call_id": "c2", "output": [
            { "type": "input_text", "text": "two" }, { "type": "input_image", "file_id": "file-2", "detail": "auto" }] },
        { "type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "final_answer", "content": [
            { "type": "output_text", "text": "So", "logprobs": [], "annotations": [
                { "type": "url_citation", "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 }] },
            { "type": "refusal", "refusal": "No." }] },
        { "role": "system", "content": "Now in French." },
        { "role": "user", "content": "And?" },
        { "role": "user", "content": "Well?" },
    ]));
    assert_eq!(request.system, [Part::text("Be kind.")]);
    let cache = Some(Cache { ttl: Some("30m".to_owned()) });
    let inline =
        |media_type: &str, data: &str| Source::Inline { media_type: media_type.to_owned(), data: data.to_owned() };
    let image = Media { detail: Some("high".to_owned()), ..Media::new(inline("image/png", "iVBO")) };
    let pdf = Media { name: Some("a.pdf".to_owned()), ..Media::new(inline("application/pdf", "JVBERi0")) };
    let id = |id: &str| Source::Id { format: OWN, id: id.to_owned() };
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
            cache: None,
        })
    };
    let result = |id: &str, content: Vec<Part>| {
        Part::ToolResult(ToolResult { call_id: id.to_owned(), content: content.into(), is_error: false, cache: None })
    };
    let second = Media { detail: Some("auto".to_owned()), ..Media::new(id("file-2")) };
    let cited = json!({ "type": "url_citation",
        "url_citation": { "url": "https://x.test", "title": "T", "start_index": 0, "end_index": 2 } });
    assert_eq!(
        request.messages,
        [
            user(vec![
                Part::Text(Text { text: "See".to_owned(), annotations: Vec::new(), cache }),
                Part::Image(image),
                Part::Image(Media::new(Source::Url("https://x.test/a.png".to_owned()))),
                Part::File(pdf),
                Part::File(Media::new(Source::Url("https://x.test/a.pdf".to_owned()))),
                Part::File(Media::new(id("file-1"))),
                Part::Audio(Media::new(inline("audio/mpeg", "SUQz"))),
            ]),
            assistant(vec![
                Part::Thinking(Thinking { text: "A\n\nB".to_owned(), signature: Some(Signature::new(OWN, "gAAA")) }),
                call("c1", "f", "{\"a\":1}"),
                call("c2", "g", "{}"),
            ]),
            user(vec![result("c1", vec![Part::text("1")]), result("c2", vec![Part::text("two"), Part::Image(second)])]),
            assistant(vec![
                Part::Text(Text { text: "So".to_owned(), annotations: vec![cited], cache: None }),
                Part::Refusal("No.".to_owned()),
            ]),
            Message { role: Role::System, name: None, parts: vec![Part::text("Now in French.")].into() },
            user(vec![Part::text("And?")]),
            user(vec![Part::text("Well?")]),
        ]
    );
}

#[test]
fn seals_of_others_come_back() {
    let request = items(&json!([
        { "role": "user", "content": "Hi" },
        { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "" }], "encrypted_content": "anthropic#Eq" },
        { "type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "anthropic#Re" },
        { "type": "reasoning", "id": "rs_3", "summary": [], "content": [{ "type": "reasoning_text", "text": "open" }] },
        { "type": "reasoning", "id": "rs_4", "summary": [], "encrypted_content": null },
        { "type": "reasoning", "id": "rs_5", "summary": [], "encrypted_content": "call:gemini#Th" },
        { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
    ]));
    let seal = |value: &str| Signature::new(Format::AnthropicMessages, value);
    let call = ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        signature: Some(Signature::new(Format::GoogleGemini, "Th")),
        cache: None,
    };
    assert_eq!(
        request.messages[1].parts,
        [
            Part::Thinking(Thinking { text: String::new(), signature: Some(seal("Eq")) }),
            Part::RedactedThinking(seal("Re")),
            Part::Thinking(Thinking { text: "open".to_owned(), signature: None }),
            Part::ToolCall(call),
        ]
    );
}

#[test]
fn what_only_this_format_knows_is_native() {
    let input = json!([
        { "id": "msg_1" },
        { "type": "item_reference", "id": "rs_1" },
        { "type": "web_search_call", "id": "ws_1", "status": "completed" },
        { "type": "custom_tool_call_output", "call_id": "c", "output": "x" },
        { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "crm" },
        { "role": "user", "content": [{ "type": "input_future", "x": 1 }] },
    ]);
    let request = items(&input);
    let native = |n: usize| Part::Native { format: OWN, value: input[n].clone() };
    assert_eq!(request.messages[0], assistant(vec![native(0), native(1), native(2)]));
    assert_eq!(request.messages[1], user(vec![native(3)]));
    assert_eq!(request.messages[2], assistant(vec![native(4)]));
    let part = Part::Native { format: OWN, value: input[5]["content"][0].clone() };
    assert_eq!(request.messages[3], user(vec![part]));
}

#[test]
fn tools_and_choices() {
    let weather = json!({ "type": "function", "name": "weather", "description": "Tells it", "strict": true,
        "parameters": { "type": "object" }, "defer_loading": false });
    let search = json!({ "type": "web_search", "search_context_size": "low" });
    let deferred =
        json!({ "type": "function", "name": "late", "parameters": null, "strict": null, "defer_loading": true });
    let request = read(&json!({ "model": "m", "input": "Hi", "tools": [weather, search, deferred] }));
    let function = Function {
        name: "weather".to_owned(),
        description: Some("Tells it".to_owned()),
        parameters: Some(json!({ "type": "object" })),
        strict: Some(true),
        cache: None,
    };
    let late = Function { name: "late".to_owned(), description: None, parameters: None, strict: None, cache: None };
    assert_eq!(request.tools, [Tool::Function(function), Tool::Native(search), Tool::Function(late)]);
    assert_eq!(request.extra, Map::from_iter([("tools.2.defer_loading".to_owned(), json!(true))]));

    let choice =
        |choice: Value| read(&json!({ "model": "m", "input": "", "tool_choice": choice })).tool_choice.unwrap();
    assert_eq!(choice(json!("auto")), ToolChoice::Auto);
    assert_eq!(choice(json!("none")), ToolChoice::None);
    assert_eq!(choice(json!("required")), ToolChoice::Required);
    assert_eq!(choice(json!({ "type": "function", "name": "f" })), ToolChoice::Function("f".to_owned()));
    let function = json!({ "type": "function", "name": "f" });
    let allowed = json!({ "type": "allowed_tools", "mode": "required", "tools": [function] });
    assert_eq!(choice(allowed), ToolChoice::Allowed { functions: vec!["f".to_owned()], required: true });
    for native in [
        json!({ "type": "web_search_preview" }),
        json!({ "type": "allowed_tools", "mode": "auto", "tools": [function, { "type": "image_generation" }] }),
    ] {
        assert_eq!(choice(native.clone()), ToolChoice::Native(native));
    }
}

#[test]
fn two_names_for_who_asks() {
    let who = |body: Value| {
        let request = read(&body);
        (request.user, request.extra.get("safety_identifier").cloned())
    };
    assert_eq!(who(json!({ "model": "m", "input": "", "safety_identifier": "s" })), (Some("s".to_owned()), None));
    let both = json!({ "model": "m", "input": "", "user": "u", "safety_identifier": "s" });
    assert_eq!(who(both), (Some("u".to_owned()), Some(json!("s"))));
}

#[test]
fn faults_name_their_place() {
    for (body, path) in [
        (json!({ "input": "Hi" }), "model"),
        (json!({ "model": "m" }), "input"),
        (json!({ "model": "m", "input": 3 }), "input"),
        (json!({ "model": "m", "input": ["x"] }), "input.0"),
        (json!({ "model": "m", "input": [{}] }), "input.0.type"),
        (json!({ "model": "m", "input": [{ "role": "bot", "content": "" }] }), "input.0.role"),
        (json!({ "model": "m", "input": [{ "role": "user" }] }), "input.0.content"),
        (
            json!({ "model": "m", "input": [{ "role": "user", "content": [{ "text": "x" }] }] }),
            "input.0.content.0.type",
        ),
        (
            json!({ "model": "m", "input": [{ "role": "user", "content": [{ "type": "input_text" }] }] }),
            "input.0.content.0.text",
        ),
        (
            json!({ "model": "m", "input": [{ "role": "user", "content": [{ "type": "input_image" }] }] }),
            "input.0.content.0.image_url",
        ),
        (
            json!({ "model": "m", "input": [{ "type": "function_call", "call_id": "c", "name": "f" }] }),
            "input.0.arguments",
        ),
        (json!({ "model": "m", "input": [{ "type": "function_call_output", "call_id": "c" }] }), "input.0.output"),
        (
            json!({ "model": "m", "input": [{ "type": "reasoning", "summary": [{ "text": 1 }] }] }),
            "input.0.summary.0.text",
        ),
        (json!({ "model": "m", "input": "", "tools": {} }), "tools"),
        (
            json!({ "model": "m", "input": "", "tools": [{ "type": "function", "function": { "name": "f" } }] }),
            "tools.0.name",
        ),
        (
            json!({ "model": "m", "input": "", "tools": [{ "type": "function", "name": "f", "parameters": "x" }] }),
            "tools.0.parameters",
        ),
        (json!({ "model": "m", "input": "", "tool_choice": "maybe" }), "tool_choice"),
        (json!({ "model": "m", "input": "", "tool_choice": { "type": "allowed_tools" } }), "tool_choice.tools"),
        (json!({ "model": "m", "input": "", "text": { "format": { "type": "xml" } } }), "text.format.type"),
        (
            json!({ "model": "m", "input": "", "text": { "format": { "type": "json_schema", "name": "n" } } }),
            "text.format.schema",
        ),
        (json!({ "model": "m", "input": "", "reasoning": { "effort": "huge" } }), "reasoning.effort"),
        (json!({ "model": "m", "input": "", "max_output_tokens": 1.5 }), "max_output_tokens"),
        (json!({ "model": "m", "input": "", "temperature": "hot" }), "temperature"),
        (json!({ "model": "m", "input": "", "stream": "yes" }), "stream"),
        (json!({ "model": "m", "input": "", "metadata": [] }), "metadata"),
        (json!({ "model": "m", "input": "", "conversation": 1 }), "conversation"),
    ] {
        let (param, message) = fault(&body);
        assert_eq!(param, path, "{body}");
        assert!(message.ends_with('.'), "{message}");
    }
    assert_eq!(read_request(b"[]").unwrap_err().message, "The body must be a JSON object.");
    assert!(read_request(b"{").unwrap_err().message.starts_with("The body is not valid JSON"));
    assert!(read_request(br#"{"model":"m","previous_response_id":"resp_1"}"#).is_ok());
}
