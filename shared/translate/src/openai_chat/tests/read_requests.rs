use serde_json::{Value, json};

use super::super::read_request;
use crate::{
    Cache, Effort, Format, LogProbs, Media, Message, Part, Parts, Reasoning, ReplyFormat, Request, Role, Signature,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};

fn read(body: &Value) -> Request {
    read_request(body.to_string().as_bytes()).expect("a request")
}

fn with_messages(messages: &Value) -> Request {
    read(&json!({"model": "m", "messages": messages}))
}

fn user(content: &Value) -> Parts {
    let mut request = with_messages(&json!([{"role": "user", "content": content}]));
    assert!(request.extra.is_empty(), "{:?}", request.extra);
    request.messages.remove(0).parts
}

#[test]
fn instructions_stand_before_the_conversation_or_within() {
    let request = with_messages(&json!([
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "c", "name": "ann"},
        {"role": "developer", "content": "d"},
    ]));
    assert_eq!(request.system, [Part::text("a"), Part::text("b")]);
    assert_eq!(
        request.messages,
        [
            Message { role: Role::User, name: Some("ann".into()), parts: vec![Part::text("c")].into() },
            Message { role: Role::System, name: None, parts: vec![Part::text("d")].into() },
        ]
    );
}

#[test]
fn content_has_parts_of_many_kinds() {
    let parts = user(&json!([
        {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "DDDD"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"type": "hologram", "hologram": 1},
    ]));
    let inline =
        |media_type: &str, data: &str| Media::new(Source::Inline { media_type: media_type.into(), data: data.into() });
    let Part::Text(text) = &parts[0] else { panic!("{parts:?}") };
    assert_eq!(text.cache, Some(Cache { ttl: Some("1h".into()) }));
    assert_eq!(parts[1], Part::Image(Media { detail: Some("low".into()), ..inline("image/png", "AAAA") }));
    assert_eq!(parts[2], Part::Image(Media::new(Source::Url("https://example.org/a.png".into()))));
    assert_eq!(parts[3], Part::Audio(inline("audio/mpeg", "BBBB")));
    assert_eq!(parts[4], Part::File(Media { name: Some("a.pdf".into()), ..inline("application/pdf", "CCCC") }));
    assert_eq!(parts[5], Part::File(Media { name: Some("a.txt".into()), ..inline("text/plain", "DDDD") }));
    assert_eq!(parts[6], Part::File(Media::new(Source::Id { format: Format::OpenaiChat, id: "file-1".into() })));
    assert_eq!(parts[7], Part::Video(Media::new(Source::Url("https://example.org/a.mp4".into()))));
    let native = Part::Native { format: Format::OpenaiChat, value: json!({"type": "hologram", "hologram": 1}) };
    assert_eq!(parts[8], native);
}

#[test]
fn calls_and_results_in_both_forms() {
    let request = with_messages(&json!([
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
             "extra_content": {"google": {"thought_signature": "SEAL"}}},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "next"},
        {"role": "assistant", "content": null, "function_call": {"name": "h", "arguments": "{\"x\":1}"}},
        {"role": "function", "name": "h", "content": "3"},
    ]));
    let call = |id: &str, name: &str, arguments: &str, signature| {
        let (id, name, arguments) = (id.into(), name.into(), arguments.into());
        Part::ToolCall(ToolCall { id, name, arguments, signature, cache: None })
    };
    let result = |call_id: &str, text: &str| {
        let content = vec![Part::text(text)];
        Part::ToolResult(ToolResult { call_id: call_id.into(), content: content.into(), is_error: false, cache: None })
    };
    let parts: Vec<&[Part]> = request.messages.iter().map(|message| &*message.parts).collect();
    let custom = json!({"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}});
    let seal = Some(Signature::new(Format::GoogleGemini, "SEAL"));
    assert_eq!(parts[0], [call("a", "f", "{}", seal), Part::Native { format: Format::OpenaiChat, value: custom }]);
    assert_eq!(parts[1], [result("a", "1"), result("b", "2")]);
    assert_eq!(parts[2], [Part::text("next")]);
    assert_eq!(parts[3], [call("call_4_h", "h", "{\"x\":1}", None)]);
    assert_eq!(parts[4], [result("call_4_h", "3")]);
}

#[test]
fn thoughts_come_back_as_they_were_given() {
    let assistant = |said: Value| {
        let mut message = json!({"role": "assistant", "content": "x"});
        message.as_object_mut().expect("an object").extend(said.as_object().cloned().expect("an object"));
        let mut request = with_messages(&json!([message]));
        assert!(request.extra.is_empty(), "{:?}", request.extra);
        let mut parts = request.messages.remove(0).parts;
        assert_eq!(parts.pop(), Some(Part::text("x")));
        parts
    };
    let thought = |format, seal: &str| {
        Part::Thinking(Thinking { text: "hm".into(), signature: Some(Signature::new(format, seal)) })
    };
    // The blocks tell more than the text, which is the same.
    let blocks = json!({"reasoning_content": "hm", "thinking_blocks": [
        {"type": "thinking", "thinking": "hm", "signature": "SEAL", "index": 0},
        {"type": "redacted_thinking", "data": "bedrock#DATA"}]});
    let redacted = Part::RedactedThinking(Signature::new(Format::BedrockConverse, "DATA"));
    assert_eq!(assistant(blocks), [thought(Format::AnthropicMessages, "SEAL"), redacted]);
    let plain = json!({"reasoning_content": "hm"});
    assert_eq!(assistant(plain), [thought(Format::OpenaiChat, "reasoning_content")]);
    assert_eq!(assistant(json!({"reasoning": "hm"})), [thought(Format::OpenaiChat, "reasoning")]);
    let details = json!({"reasoning": "hm", "reasoning_details": [
        {"type": "reasoning.text", "text": "hm", "signature": "S", "index": 0}]});
    let seal = r#"{"type":"reasoning.text","signature":"S","index":0}"#;
    assert_eq!(assistant(details), [thought(Format::OpenaiChat, seal)]);
    assert_eq!(assistant(json!({"refusal": null, "audio": null, "tool_calls": null})), []);
}

#[test]
fn every_wish_is_read() {
    let request = read(&json!({
        "model": "m", "messages": [{"role": "user", "content": "x"}],
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "strict": true,
                "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}},
            {"type": "custom", "custom": {"name": "g"}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required",
            "tools": [{"type": "function", "function": {"name": "f"}}]}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "max_completion_tokens": 87.0, "temperature": 1, "top_p": 0.5, "top_k": 4, "min_p": 0.1,
        "frequency_penalty": 0.2, "presence_penalty": -0.2, "seed": 7, "stop": "END", "logit_bias": {"50256": -100},
        "logprobs": true, "top_logprobs": 3, "n": 2, "reasoning_effort": "xhigh", "verbosity": "low",
        "safety_identifier": "s", "user": "u", "metadata": {"k": "v"}, "service_tier": "flex", "store": true,
        "prompt_cache_retention": "24h", "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"},
        "prediction": {"type": "content", "content": "p"}, "web_search_options": {}, "unheard_of": 1, "nothing": null,
    }));
    assert!(request.stream && request.include_usage);
    let Tool::Function(function) = &request.tools[0] else { panic!("{:?}", request.tools) };
    assert_eq!((function.name.as_str(), function.strict), ("f", Some(true)));
    let parameters = function.parameters.as_ref().expect("parameters").to_string();
    assert_eq!(parameters, r#"{"type":"object","properties":{"z":{},"a":{}}}"#, "the order of keys is kept");
    assert_eq!(request.tools[1], Tool::Native(json!({"type": "custom", "custom": {"name": "g"}})));
    assert_eq!(request.tool_choice, Some(ToolChoice::Allowed { functions: vec!["f".into()], required: true }));
    assert_eq!(request.parallel_tool_calls, Some(false));
    let format = ReplyFormat::JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: json!({"type": "object"}),
        strict: Some(true),
    };
    assert_eq!(request.format, Some(format));
    assert_eq!((request.max_tokens, request.choices), (Some(87), Some(2)));
    let sampling = &request.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.min_p), (Some(1.0), Some(0.5), Some(0.1)));
    assert_eq!((sampling.top_k, sampling.seed), (Some(4), Some(7)));
    assert_eq!((sampling.frequency_penalty, sampling.presence_penalty), (Some(0.2), Some(-0.2)));
    assert_eq!((sampling.stop.as_slice(), sampling.logit_bias.len()), (["END".to_owned()].as_slice(), 1));
    assert_eq!(request.logprobs, Some(LogProbs { top: 3 }));
    assert_eq!(request.reasoning, Some(Reasoning { effort: Some(Effort::Max), ..Reasoning::default() }));
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    assert_eq!((request.user.as_deref(), request.cache_key.as_deref()), (Some("s"), Some("u")));
    assert_eq!((request.metadata.len(), request.service_tier.as_deref(), request.store), (1, Some("flex"), Some(true)));
    let extra: Vec<&str> = request.extra.keys().map(String::as_str).collect();
    let expected = ["prompt_cache_retention", "modalities", "audio", "prediction", "web_search_options", "unheard_of"];
    assert_eq!(extra, expected);
}

#[test]
fn what_says_nothing_is_nothing() {
    let request = read(&json!({
        "model": "m", "messages": [{"role": "user", "content": "x", "name": null}],
        "n": 1, "logprobs": false, "modalities": ["text"], "stop": null, "max_tokens": -1, "tools": [], "metadata": null,
        "stream_options": null, "logit_bias": null,
    }));
    let mut bare = Request::new(Format::OpenaiChat, "m");
    bare.include_usage = false;
    bare.messages.push(Message { role: Role::User, name: None, parts: vec![Part::text("x")].into() });
    assert_eq!(request, bare);
}

#[test]
fn thinking_is_asked_for_in_many_words() {
    let wish = |wish: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().expect("an object").extend(wish.as_object().cloned().expect("an object"));
        read(&body).reasoning
    };
    let reasoning = |effort, budget_tokens, show| Some(Reasoning { effort, budget_tokens, show });
    assert_eq!(wish(json!({"reasoning_effort": "none"})), reasoning(Some(Effort::None), None, None));
    let router = json!({"reasoning": {"effort": "high", "exclude": true}});
    assert_eq!(wish(router), reasoning(Some(Effort::High), None, Some(false)));
    assert_eq!(wish(json!({"reasoning": {"max_tokens": 2000}})), reasoning(None, Some(2000), None));
    assert_eq!(wish(json!({"reasoning": {"enabled": false}})), reasoning(Some(Effort::None), None, None));
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    assert_eq!(wish(thinking), reasoning(None, Some(1024), None));
    assert_eq!(wish(json!({"thinking": {"type": "disabled"}})), reasoning(Some(Effort::None), None, None));
    assert_eq!(wish(json!({"include_reasoning": true})), reasoning(None, None, Some(true)));
    assert_eq!(wish(json!({})), None);
}

#[test]
fn the_older_form_of_calls_is_remembered_and_forgotten() {
    let mut request = read(&json!({
        "model": "m", "messages": [{"role": "user", "content": "x"}],
        "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"},
    }));
    assert_eq!(request.tools.len(), 1);
    assert_eq!(request.tool_choice, Some(ToolChoice::Function("f".into())));
    assert!(super::super::write_reply::wants_older_calls(&request));
    super::super::forget_older_calls(&mut request);
    assert!(request.extra.is_empty());
}

#[test]
fn unknown_members_of_members_are_kept_by_their_path() {
    let request = read(&json!({
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "odd": 1}], "mood": "good"}],
        "stream_options": {"continuous_usage_stats": true},
    }));
    let extra: Vec<&str> = request.extra.keys().map(String::as_str).collect();
    assert_eq!(extra, ["messages.0.content.0.odd", "messages.0.mood", "stream_options.continuous_usage_stats"]);
}

#[test]
fn wrong_types_are_told_with_their_path() {
    let message = |message: Value| json!({"model": "m", "messages": [message]});
    let wish =
        |name: &str, value: Value| json!({"model": "m", "messages": [{"role": "user", "content": "x"}], name: value});
    for (body, param) in [
        (json!([]), None),
        (json!({}), Some("model")),
        (json!({"model": 7}), Some("model")),
        (json!({"model": "m"}), Some("messages")),
        (json!({"model": "m", "messages": []}), Some("messages")),
        (json!({"model": "m", "messages": "x"}), Some("messages")),
        (message(json!("x")), Some("messages.0")),
        (message(json!({"content": "x"})), Some("messages.0.role")),
        (message(json!({"role": "robot", "content": "x"})), Some("messages.0.role")),
        (message(json!({"role": "user"})), Some("messages.0.content")),
        (message(json!({"role": "user", "content": 7})), Some("messages.0.content")),
        (message(json!({"role": "user", "content": [7]})), Some("messages.0.content.0")),
        (message(json!({"role": "user", "content": [{}]})), Some("messages.0.content.0.type")),
        (message(json!({"role": "user", "content": [{"type": "text"}]})), Some("messages.0.content.0.text")),
        (
            message(json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]})),
            Some("messages.0.content.0.image_url.url"),
        ),
        (
            message(json!({"role": "user", "content": [{"type": "file", "file": {}}]})),
            Some("messages.0.content.0.file.file_data"),
        ),
        (message(json!({"role": "tool", "content": "x"})), Some("messages.0.tool_call_id")),
        (
            message(json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]})),
            Some("messages.0.tool_calls.0.function.name"),
        ),
        (
            message(json!({"role": "assistant", "thinking_blocks": [{"type": "thinking"}]})),
            Some("messages.0.thinking_blocks.0.thinking"),
        ),
        (wish("temperature", json!("hot")), Some("temperature")),
        (wish("max_tokens", json!(1.5)), Some("max_tokens")),
        (wish("stop", json!(["a", 1])), Some("stop.1")),
        (wish("stream", json!("yes")), Some("stream")),
        (wish("top_logprobs", json!(3)), Some("top_logprobs")),
        (wish("tools", json!([{"type": "function"}])), Some("tools.0.function")),
        (wish("tools", json!([{"function": {}}])), Some("tools.0.type")),
        (wish("tool_choice", json!("maybe")), Some("tool_choice")),
        (wish("tool_choice", json!({"type": "function"})), Some("tool_choice.function")),
        (wish("response_format", json!({"type": "xml"})), Some("response_format.type")),
        (wish("response_format", json!({"type": "json_schema"})), Some("response_format.json_schema")),
        (wish("reasoning_effort", json!("huge")), Some("reasoning_effort")),
        (wish("metadata", json!("x")), Some("metadata")),
    ] {
        let error = read_request(body.to_string().as_bytes()).expect_err("not a request");
        assert_eq!(error.param.as_deref(), param, "{body}: {error}");
        assert!(param.is_none_or(|param| error.message.contains(&format!("`{param}`"))), "{error}");
    }
    let error = read_request(b"{").expect_err("no JSON");
    assert!(error.param.is_none() && error.message.contains("JSON"), "{error}");
}
