use serde_json::{Map, Value, json};

use super::super::{read_request, write_request};
use crate::{
    Cache, Effort, Format, Function, LogProbs, Losses, Media, Message, OnUnsupported, Part, Reasoning, ReplyFormat,
    Request, Role, Signature, Source, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult, Unsupported,
};

fn losses() -> Losses {
    Losses::new(Format::OpenaiChat, OnUnsupported::Refuse)
}

fn written(request: Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = losses();
    let body = write_request(request, model, &mut losses).expect("a body");
    (body, losses.dropped().to_vec())
}

fn refused(request: Request, model: &str) -> Unsupported {
    write_request(request, model, &mut losses()).expect_err("a refusal")
}

/// One of another format.
fn foreign(parts: Vec<Part>) -> Request {
    let mut request = Request::new(Format::AnthropicMessages, "asked");
    request.messages.push(Message { role: Role::User, name: None, parts: parts.into() });
    request
}

fn said(role: Role, parts: Vec<Part>) -> Value {
    let mut request = foreign(vec![Part::text("x")]);
    request.messages.insert(0, Message { role, name: None, parts: parts.into() });
    written(request, "some-model").0["messages"].take()
}

fn function(name: &str) -> Tool {
    let name = name.to_owned();
    Tool::Function(Function { name, description: None, parameters: None, strict: None, cache: None })
}

fn call(id: &str) -> ToolCall {
    let (id, name, arguments) = (id.into(), "f".into(), "{}".into());
    ToolCall { id, name, arguments, signature: None, cache: None }
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { call_id: id.into(), content: content.into(), is_error, cache: None })
}

#[test]
fn a_rich_request_of_the_same_format_loses_nothing() {
    let body = json!({
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "hologram", "hologram": 1}]},
            {"role": "assistant", "content": "a", "audio": {"id": "audio_1"}},
            {"role": "assistant", "content": null, "refusal": "no"},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"},
                 "extra_content": {"google": {"thought_signature": "G"}}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "i"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
            {"role": "system", "content": "m", "name": "narrator"},
            {"role": "user", "content": "end"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
            {"type": "custom", "custom": {"name": "g"}}],
        "tool_choice": {"type": "custom", "custom": {"name": "g"}},
        "parallel_tool_calls": true,
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": true}},
        "max_completion_tokens": 87,
        "temperature": 0.5, "top_p": 0.5, "frequency_penalty": 0.5, "presence_penalty": -0.5,
        "top_k": 4, "min_p": 0.5, "seed": 7, "stop": ["a", "b"], "logit_bias": {"1": -100},
        "logprobs": true, "top_logprobs": 3, "n": 2, "reasoning_effort": "minimal",
        "user": "u", "verbosity": "low", "prompt_cache_key": "k", "service_tier": "flex",
        "metadata": {"k": "v"}, "store": true, "stream": true, "stream_options": {"include_usage": true},
        "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"},
        "prediction": {"type": "content", "content": "p"}, "web_search_options": {}, "prompt_cache_retention": "24h",
        "unheard_of": [1],
    });
    let request = read_request(body.to_string().as_bytes()).expect("a request");
    let (again, dropped) = written(request.clone(), "gpt-5");
    assert_eq!(again, body);
    assert_eq!(dropped, Vec::<String>::new());
    assert_eq!(read_request(again.to_string().as_bytes()).expect("a request"), request);
}

#[test]
fn texts_become_one_where_parts_are_not_needed() {
    let (system, user) = (vec![Part::text("a"), Part::text("b")], vec![Part::text("c"), Part::text("d")]);
    let mut request = foreign(user);
    request.system = system.into();
    let expected = json!([{"role": "system", "content": "a\n\nb"}, {"role": "user", "content": "c\n\nd"}]);
    assert_eq!(written(request, "deepseek-chat").0["messages"], expected);
}

#[test]
fn results_stand_before_what_the_user_says_and_pictures_behind_them() {
    let picture = Part::Image(Media::new(Source::Url("https://example.org/a.png".into())));
    let parts = vec![
        Part::text("and?"),
        result("a", vec![Part::text("1"), Part::text("2")], false),
        result("b", vec![picture], false),
        result("c", vec![Part::text("gone")], true),
    ];
    let (body, dropped) = written(foreign(parts), "some-model");
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}});
    let expected = json!([
        {"role": "tool", "tool_call_id": "a", "content": "1\n2"},
        {"role": "tool", "tool_call_id": "b", "content": "What the tool gave back is in the next message."},
        {"role": "tool", "tool_call_id": "c", "content": "Error: gone"},
        {"role": "user", "content": [image, {"type": "text", "text": "and?"}]},
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(dropped, ["messages"]);
}

#[test]
fn a_reply_goes_back_with_its_calls() {
    let parts = vec![Part::text("a"), Part::text("b"), Part::ToolCall(call("toolu_1"))];
    let calls = json!([{"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    assert_eq!(said(Role::Assistant, parts)[0], json!({"role": "assistant", "content": "ab", "tool_calls": calls}));
    let silent = said(Role::Assistant, vec![Part::ToolCall(call("toolu_1"))]);
    assert_eq!(silent[0], json!({"role": "assistant", "content": null, "tool_calls": calls}));
    assert_eq!(said(Role::Assistant, vec![])[0], json!({"role": "assistant", "content": ""}));
    assert_eq!(said(Role::System, vec![Part::text("s")])[0], json!({"role": "system", "content": "s"}));
}

#[test]
fn ids_that_a_provider_refuses_are_made_anew_alike_for_call_and_result() {
    let long = "toolu_".repeat(10);
    for (model, id, kept) in
        [("mistral-large", "toolu_1", false), ("gpt-4o", &long, false), ("gpt-4o", "toolu_1", true), ("x", &long, true)]
    {
        let mut request = foreign(vec![result(id, vec![], false)]);
        let parts = vec![Part::ToolCall(call(id))];
        request.messages.insert(0, Message { role: Role::Assistant, name: None, parts: parts.into() });
        let (body, _) = written(request, model);
        let (of_call, of_result) = (&body["messages"][0]["tool_calls"][0]["id"], &body["messages"][1]["tool_call_id"]);
        assert_eq!(of_call, of_result);
        assert_eq!(of_call == id, kept, "{model} {of_call}");
        let longest = if model == "mistral-large" { 9 } else { 60 };
        assert!(of_call.as_str().expect("an id").len() <= longest);
    }
}

#[test]
fn thoughts_go_back_only_to_where_they_came_from() {
    let think = |format, seal: &str| {
        let signature = Some(Signature::new(format, seal));
        vec![Part::Thinking(Thinking { text: "hm".into(), signature }), Part::text("a")]
    };
    let of = |parts, model: &str| {
        let mut request = foreign(vec![Part::text("x")]);
        request.messages.insert(0, Message { role: Role::Assistant, name: None, parts });
        let (mut body, dropped) = written(request, model);
        (body["messages"][0].take(), dropped)
    };
    let own = of(think(Format::OpenaiChat, "reasoning_content").into(), "deepseek-reasoner");
    assert_eq!(own, (json!({"role": "assistant", "content": "a", "reasoning_content": "hm"}), vec![]));
    let item = of(think(Format::OpenaiChat, r#"{"type":"reasoning.text","signature":"S"}"#).into(), "anthropic/claude");
    let details = json!([{"type": "reasoning.text", "signature": "S", "text": "hm"}]);
    assert_eq!(item, (json!({"role": "assistant", "content": "a", "reasoning_details": details}), vec![]));
    let content = of(think(Format::OpenaiChat, "content").into(), "magistral-medium").0;
    let thought = json!({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]});
    assert_eq!(content["content"], json!([thought, {"type": "text", "text": "a"}]));
    let bare = json!({"role": "assistant", "content": "a"});
    for (parts, model) in [
        (think(Format::AnthropicMessages, "S"), "deepseek-reasoner"),
        (think(Format::OpenaiChat, "reasoning_content"), "gpt-5"),
        (vec![Part::RedactedThinking(Signature::new(Format::AnthropicMessages, "S")), Part::text("a")], "x"),
        (vec![Part::Thinking(Thinking { text: "hm".into(), signature: None }), Part::text("a")], "x"),
    ] {
        assert_eq!(of(parts.into(), model), (bare.clone(), vec!["thinking".to_owned()]), "{model}");
    }
}

#[test]
fn googles_seal_on_a_call_goes_to_google_alone() {
    let sealed = ToolCall { signature: Some(Signature::new(Format::GoogleGemini, "G")), ..call("c") };
    for (model, expected) in [("gemini-3-pro", json!({"google": {"thought_signature": "G"}})), ("gpt-4o", Value::Null)]
    {
        let mut request = foreign(vec![result("c", vec![], false)]);
        let parts = vec![Part::ToolCall(sealed.clone())];
        request.messages.insert(0, Message { role: Role::Assistant, name: None, parts: parts.into() });
        assert_eq!(written(request, model).0["messages"][0]["tool_calls"][0]["extra_content"], expected);
    }
}

#[test]
fn documents_go_as_data_or_as_text() {
    let file = |source, name: Option<&str>| Part::File(Media { name: name.map(str::to_owned), ..Media::new(source) });
    let inline = |media_type: &str, data: &str| Source::Inline { media_type: media_type.into(), data: data.into() };
    let parts = vec![
        file(inline("application/pdf", "AAAA"), None),
        file(Source::Text("words".into()), Some("a.txt")),
        file(inline("text/plain", "aGk="), None),
        file(Source::Id { format: Format::OpenaiResponses, id: "file-1".into() }, None),
    ];
    let expected = json!([
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "document.pdf"}},
        {"type": "text", "text": "a.txt:\n\nwords"},
        {"type": "text", "text": "hi"},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]);
    assert_eq!(written(foreign(parts), "gpt-4o").0["messages"][0]["content"], expected);
    for part in [
        file(Source::Url("https://example.org/a.pdf".into()), None),
        file(Source::Id { format: Format::AnthropicMessages, id: "file_1".into() }, None),
        Part::Image(Media::new(Source::Id { format: Format::AnthropicMessages, id: "file_1".into() })),
        Part::Video(Media::new(Source::Url("https://example.org/a.mp4".into()))),
        Part::Native { format: Format::AnthropicMessages, value: json!({"type": "search_result"}) },
    ] {
        let mut request = foreign(vec![Part::text("x")]);
        request.messages[0].parts.push(part, "messages.5.content.1");
        let error = refused(request, "gpt-4o");
        assert_eq!(error.param, "messages.5.content.1", "{error}");
    }
}

#[test]
fn limits_have_the_name_that_the_model_knows() {
    for (model, name) in [
        ("gpt-5-mini", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
        ("x", "max_tokens"),
    ] {
        let mut request = foreign(vec![Part::text("x")]);
        request.max_tokens = Some(5);
        assert_eq!(written(request, model).0[name], json!(5), "{model}");
    }
}

#[test]
fn thinking_is_asked_for_where_there_is_some() {
    let ask = |effort, budget_tokens, show, model| {
        let mut request = foreign(vec![Part::text("x")]);
        request.reasoning = Some(Reasoning { effort, budget_tokens, show });
        let (mut body, dropped) = written(request, model);
        (body["reasoning_effort"].take(), dropped.len())
    };
    assert_eq!(ask(Some(Effort::Max), None, None, "gpt-5"), (json!("xhigh"), 0));
    assert_eq!(ask(None, Some(10_000), None, "gpt-5"), (json!("medium"), 0));
    assert_eq!(ask(None, Some(2_048), Some(true), "o3"), (json!("low"), 1));
    assert_eq!(ask(Some(Effort::None), None, None, "gpt-5.1"), (json!("none"), 0));
    assert_eq!(ask(Some(Effort::None), None, None, "gpt-4o"), (Value::Null, 0));
    assert_eq!(ask(Some(Effort::None), None, None, "deepseek-chat"), (Value::Null, 1));
    assert_eq!(ask(Some(Effort::High), None, None, "gpt-4o"), (Value::Null, 1));
    assert_eq!(ask(Some(Effort::High), None, Some(true), "grok-4"), (json!("high"), 0));
    assert_eq!(ask(None, None, None, "x"), (Value::Null, 0));
}

#[test]
fn a_choice_among_some_tools_is_kept_by_leaving_out_the_others() {
    let of = |model| {
        let mut request = foreign(vec![Part::text("x")]);
        request.tools = vec![function("f"), function("g")];
        request.tool_choice = Some(ToolChoice::Allowed { functions: vec!["g".into()], required: true });
        request.parallel_tool_calls = Some(false);
        written(request, model).0
    };
    let (native, other) = (of("gpt-5"), of("x"));
    assert_eq!(native["tools"].as_array().map(Vec::len), Some(2));
    let tools = json!([{"type": "function", "function": {"name": "g"}}]);
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}});
    assert_eq!(native["tool_choice"], allowed);
    assert_eq!((&other["tools"], &other["tool_choice"]), (&tools, &json!("required")));
    assert_eq!(other["parallel_tool_calls"], json!(false));
}

#[test]
fn defaults_pass_silently() {
    let mut request = foreign(vec![Part::text("x")]);
    request.tool_choice = Some(ToolChoice::Auto);
    request.parallel_tool_calls = Some(true);
    request.format = Some(ReplyFormat::Text);
    request.service_tier = Some("auto".into());
    request.store = Some(false);
    request.choices = Some(1);
    let (body, dropped) = written(request, "x");
    assert_eq!(body, json!({"model": "x", "messages": [{"role": "user", "content": "x"}]}));
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn what_only_openai_takes_is_named_when_left_out() {
    let of = |model| {
        let cache = Some(Cache::default());
        let mut request = foreign(vec![Part::Text(Text { text: "x".into(), annotations: vec![], cache })]);
        request.verbosity = Some("low".into());
        request.cache_key = Some("k".into());
        request.service_tier = Some("flex".into());
        request.store = Some(true);
        request.metadata = Map::from_iter([("k".to_owned(), json!("v"))]);
        request.logprobs = Some(LogProbs { top: 0 });
        request.user = Some("u".into());
        written(request, model)
    };
    let (body, dropped) = of("gpt-5");
    assert_eq!(dropped, ["cache_control"]);
    for (name, value) in
        [("verbosity", json!("low")), ("prompt_cache_key", json!("k")), ("service_tier", json!("flex"))]
    {
        assert_eq!(body[name], value);
    }
    assert_eq!((&body["store"], &body["metadata"]["k"], &body["logprobs"]), (&json!(true), &json!("v"), &json!(true)));
    let (body, dropped) = of("qwen3");
    let names = ["cache_control", "output_config.verbosity", "prompt_cache_key", "service_tier", "metadata", "store"];
    assert_eq!(dropped, names);
    assert_eq!((&body["user"], &body["messages"][0]["content"]), (&json!("u"), &json!("x")));
    let (body, dropped) = of("anthropic/claude-sonnet-4.5");
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(!dropped.contains(&"cache_control".to_owned()));
}

type Change = fn(&mut Request);

#[test]
fn what_would_change_the_reply_is_refused_or_dropped_by_name() {
    let cases: [(&str, &str, Change); 5] = [
        ("top_k", "gpt-4o", |request| request.sampling.top_k = Some(4)),
        ("stop_sequences", "gpt-4o", |request| request.sampling.stop = vec!["x".into(); 5]),
        ("tools.1", "x", |request| request.tools = vec![function("f"), Tool::Native(json!({"type": "web_search"}))]),
        ("mcp_servers", "x", |request| {
            request.extra.insert("mcp_servers".into(), json!({}));
        }),
        ("tool_choice", "x", |request| {
            request.tools.push(function("f"));
            request.tool_choice = Some(ToolChoice::Native(json!({"type": "odd"})));
        }),
    ];
    for (param, model, change) in cases {
        let mut request = foreign(vec![Part::text("x")]);
        change(&mut request);
        let error = refused(request.clone(), model);
        assert_eq!(error.param, param, "{error}");
        let mut losses = Losses::new(Format::OpenaiChat, OnUnsupported::Drop);
        write_request(request, model, &mut losses).expect("a body");
        assert_eq!(losses.dropped(), [param]);
    }
    let mut forced = foreign(vec![Part::text("x")]);
    forced.tool_choice = Some(ToolChoice::Required);
    assert_eq!(refused(forced, "x").param, "tool_choice");
}

#[test]
fn what_many_neighbours_take_goes_to_them() {
    let mut request = foreign(vec![Part::text("x")]);
    request.sampling.top_k = Some(4);
    request.sampling.stop = vec!["x".into(); 5];
    let (body, dropped) = written(request, "qwen3");
    assert_eq!((&body["top_k"], body["stop"].as_array().map(Vec::len)), (&json!(4), Some(5)));
    assert!(dropped.is_empty());
}

#[test]
fn a_reply_that_is_to_be_gone_on_with_is_named() {
    let mut request = foreign(vec![Part::text("x")]);
    request.messages.push(Message { role: Role::Assistant, name: None, parts: vec![Part::text("{")].into() });
    assert_eq!(written(request, "x").1, ["messages"]);
}

#[test]
fn mistral_gets_what_its_own_reference_has() {
    let mut request = foreign(vec![Part::text("x")]);
    request.stream = true;
    request.user = Some("u".into());
    request.sampling.seed = Some(7);
    let (body, dropped) = written(request.clone(), "mistral-large-latest");
    let messages = json!([{"role": "user", "content": "x"}]);
    let expected = json!({"model": "mistral-large-latest", "messages": messages, "random_seed": 7, "stream": true});
    assert_eq!((body, dropped), (expected, vec!["metadata.user_id".to_owned()]));
    let (elsewhere, _) = written(request.clone(), "mistral:7b");
    assert_eq!((&elsewhere["seed"], &elsewhere["stream_options"]), (&json!(7), &json!({"include_usage": true})));
    request.logprobs = Some(LogProbs { top: 1 });
    assert_eq!(refused(request, "mistral-large-latest").param, "logprobs");
}
