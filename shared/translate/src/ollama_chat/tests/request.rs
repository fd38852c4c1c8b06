use serde_json::{Map, Value, json};

use super::{said, tool_call};
use crate::{
    Effort, Format, Function, LogProbs, Losses, Media, OnUnsupported, Part, Reasoning, ReplyFormat, Request, Role,
    Sampling, Signature, Source, Thinking, Tool, ToolChoice, ToolResult, Unsupported, ollama_chat::write_request,
};

fn written(request: Request) -> (Value, Vec<String>) {
    let mut losses = Losses::new(Format::OllamaChat, OnUnsupported::Refuse);
    let body = write_request(request, "qwen3", &mut losses).expect("a body");
    (body, losses.dropped().to_vec())
}

fn refused(request: Request) -> Unsupported {
    let mut losses = Losses::new(Format::OllamaChat, OnUnsupported::Refuse);
    write_request(request, "qwen3", &mut losses).expect_err("refused")
}

fn asking() -> Request {
    let mut request = Request::new(Format::OpenaiChat, "local");
    request.messages.push(said(Role::User, vec![Part::text("Hi")]));
    request
}

fn function(name: &str) -> Tool {
    let name = name.to_owned();
    Tool::Function(Function { name, description: None, parameters: None, strict: None, cache: None })
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("no object") };
    object
}

#[test]
fn every_member_is_written() {
    let mut request = asking();
    request.stream = true;
    request.system = vec![Part::text("Be brief."), Part::text("Be kind.")].into();
    let parameters = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}});
    request.tools = vec![Tool::Function(Function {
        name: "weather".to_owned(),
        description: Some("The weather".to_owned()),
        parameters: Some(parameters.clone()),
        strict: Some(false),
        cache: None,
    })];
    request.tool_choice = Some(ToolChoice::Auto);
    request.format = Some(ReplyFormat::JsonSchema {
        name: Some("answer".to_owned()),
        description: None,
        schema: json!({"type": "object"}),
        strict: Some(true),
    });
    request.max_tokens = Some(100);
    request.sampling = Sampling {
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        min_p: Some(0.05),
        frequency_penalty: Some(0.25),
        presence_penalty: Some(0.0),
        seed: Some(7),
        stop: vec!["END".to_owned()],
        logit_bias: Map::new(),
    };
    request.logprobs = Some(LogProbs { top: 3 });
    request.choices = Some(1);
    request.reasoning = Some(Reasoning { effort: Some(Effort::Medium), budget_tokens: None, show: Some(true) });
    request.store = Some(false);
    let (body, dropped) = written(request);
    let expected = json!({
        "model": "qwen3",
        "messages": [{"role": "system", "content": "Be brief.\nBe kind."}, {"role": "user", "content": "Hi"}],
        "stream": true,
        "tools": [{"type": "function",
            "function": {"name": "weather", "description": "The weather", "parameters": parameters}}],
        "format": {"type": "object"},
        "think": "medium",
        "logprobs": true,
        "top_logprobs": 3,
        "options": {
            "num_predict": 100, "temperature": 0.5, "top_k": 40, "top_p": 0.9, "min_p": 0.05, "seed": 7, "stop": ["END"],
            "presence_penalty": 0.0, "frequency_penalty": 0.25,
        },
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn only_what_is_given_is_written() {
    let (body, dropped) = written(asking());
    let expected = json!({"model": "qwen3", "messages": [{"role": "user", "content": "Hi"}], "stream": false});
    assert_eq!((body, dropped.len()), (expected, 0));
}

#[test]
fn ollamas_own_members_are_written_whoever_sends_them() {
    let mut request = asking();
    request.sampling.temperature = Some(0.5);
    request.extra = object(json!({
        "options": {"num_gpu": 1, "temperature": 0.1, "mirostat": 2},
        "keep_alive": "10m",
        "think": "max",
        "truncate": false,
        "num_ctx": 8192,
        "repetition_penalty": 1.1,
        "extra_body": {"shift": false, "num_predict": -2},
        "safety_identifier": "u",
    }));
    let (body, dropped) = written(request);
    let expected = json!({
        "model": "qwen3",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": false,
        "keep_alive": "10m",
        "think": "max",
        "truncate": false,
        "shift": false,
        "options": {
            "temperature": 0.1, "num_gpu": 1, "mirostat": 2, "num_ctx": 8192, "repeat_penalty": 1.1, "num_predict": -2,
        },
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, ["safety_identifier"]);
    let mut request = asking();
    request.extra = object(json!({"options": "fast"}));
    assert_eq!(refused(request).param, "options");
    let mut request = asking();
    request.extra = object(json!({"web_search_options": {}}));
    assert_eq!(refused(request).param, "web_search_options");
}

#[test]
fn a_conversation_with_tools_and_thoughts() {
    let thinking = |text: &str, signature| Part::Thinking(Thinking { text: text.to_owned(), signature });
    let image = |data: &str| {
        Part::Image(Media::new(Source::Inline { media_type: "image/png".to_owned(), data: data.to_owned() }))
    };
    let result = |call_id: &str, content| {
        Part::ToolResult(ToolResult { call_id: call_id.to_owned(), content, is_error: false, cache: None })
    };
    let mut request = asking();
    request.messages = vec![
        said(Role::User, vec![Part::text("What is"), image("iVBO"), Part::text("this?")]),
        said(
            Role::Assistant,
            vec![
                thinking("own", Some(Signature::new(Format::OllamaChat, ""))),
                thinking("foreign", Some(Signature::new(Format::AnthropicMessages, "EqQB"))),
                Part::text("Let me see."),
                tool_call("c1", "look", r#"{"at":"x"}"#),
                tool_call("c2", "hear", ""),
            ],
        ),
        said(
            Role::User,
            vec![
                result("c1", vec![Part::text("a cat"), image("/9j/")].into()),
                result("gone", vec![].into()),
                Part::text("So?"),
            ],
        ),
        said(Role::System, vec![Part::text("In French.")]),
    ];
    let (body, dropped) = written(request);
    let expected = json!([
        {"role": "user", "content": "What is\nthis?", "images": ["iVBO"]},
        {"role": "assistant", "content": "Let me see.", "thinking": "own", "tool_calls": [
            {"id": "c1", "function": {"index": 0, "name": "look", "arguments": {"at": "x"}}},
            {"id": "c2", "function": {"index": 1, "name": "hear", "arguments": {}}},
        ]},
        {"role": "tool", "content": "a cat", "images": ["/9j/"], "tool_name": "look", "tool_call_id": "c1"},
        {"role": "tool", "content": "", "tool_call_id": "gone"},
        {"role": "user", "content": "So?"},
        {"role": "system", "content": "In French."},
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(dropped, ["thinking"]);
}

#[test]
fn documents_of_text_are_text_and_others_are_refused() {
    let inline =
        |media_type: &str, data: &str| Source::Inline { media_type: media_type.to_owned(), data: data.to_owned() };
    let mut request = asking();
    request.messages = vec![said(
        Role::User,
        vec![
            Part::File(Media::new(inline("text/csv; charset=utf-8", "YSxi"))),
            Part::File(Media { name: Some("n.txt".to_owned()), ..Media::new(Source::Text("note".to_owned())) }),
            Part::Audio(Media::new(inline("audio/wav", "UklG"))),
        ],
    )];
    let (body, dropped) = written(request);
    assert_eq!(body["messages"], json!([{"role": "user", "content": "a,b\nnote", "images": ["UklG"]}]));
    assert_eq!(dropped, ["filename"]);
    for part in [
        Part::Image(Media::new(Source::Url("https://a.example/b.png".to_owned()))),
        Part::Image(Media::new(Source::Id { format: Format::OpenaiResponses, id: "file-1".to_owned() })),
        Part::File(Media::new(inline("application/pdf", "JVBE"))),
        Part::Video(Media::new(inline("video/mp4", "AAAA"))),
    ] {
        let mut request = asking();
        request.messages.push(said(Role::User, vec![part]));
        assert_eq!(refused(request).param, "messages");
    }
}

#[test]
fn choices_of_tools() {
    let names = |choice: Option<ToolChoice>| {
        let mut request = asking();
        request.tools = vec![function("f"), function("g")];
        request.tool_choice = choice;
        let (body, _) = written(request);
        let tools = body.get("tools").and_then(Value::as_array).cloned().unwrap_or_default();
        tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["f", "g"]);
    assert_eq!(names(Some(ToolChoice::None)), Vec::<String>::new());
    let allowed = |required| ToolChoice::Allowed { functions: vec!["g".to_owned()], required };
    assert_eq!(names(Some(allowed(false))), ["g"]);
    for choice in [ToolChoice::Required, ToolChoice::Function("g".to_owned()), allowed(true)] {
        let mut request = asking();
        request.tools = vec![function("f"), function("g")];
        request.tool_choice = Some(choice);
        assert_eq!(refused(request).param, "tool_choice");
    }
}

#[test]
fn thinking_is_a_level_or_a_switch() {
    for (effort, budget_tokens, show, expected) in [
        (None, None, None, None),
        (None, None, Some(false), None),
        (None, None, Some(true), Some(json!(true))),
        (Some(Effort::None), None, Some(true), Some(json!(false))),
        (Some(Effort::Minimal), None, None, Some(json!("low"))),
        (Some(Effort::High), None, None, Some(json!("high"))),
        (Some(Effort::Max), None, None, Some(json!("max"))),
        (None, Some(8_000), Some(true), Some(json!("medium"))),
    ] {
        let mut request = asking();
        request.reasoning = Some(Reasoning { effort, budget_tokens, show });
        assert_eq!(written(request).0.get("think"), expected.as_ref(), "{effort:?} {budget_tokens:?} {show:?}");
    }
}

#[test]
fn what_ollama_cannot_do_is_refused_by_the_senders_name() {
    type Change = fn(&mut Request);
    let changes: [(Change, &str); 7] = [
        (|request| request.choices = Some(2), "n"),
        (|request| request.sampling.logit_bias = object(json!({"1": 5})), "logit_bias"),
        (|request| request.logprobs = Some(LogProbs { top: 21 }), "top_logprobs"),
        (
            |request| {
                request.tools = vec![function("f")];
                request.parallel_tool_calls = Some(false);
                request.tools.extend(request.tools.clone());
            },
            "parallel_tool_calls",
        ),
        (
            |request| {
                let Tool::Function(plain) = function("f") else { return };
                request.tools = vec![function("g"), Tool::Function(Function { strict: Some(true), ..plain })];
            },
            "tools.1.function.strict",
        ),
        (|request| request.tools = vec![Tool::Native(json!({"type": "web_search"}))], "tools.0"),
        (
            |request| request.messages.push(said(Role::Assistant, vec![tool_call("c", "f", "[1]")])),
            "messages.function.arguments",
        ),
    ];
    for (change, param) in changes {
        let mut request = asking();
        change(&mut request);
        assert_eq!(refused(request.clone()).param, param);
        let mut losses = Losses::new(Format::OllamaChat, OnUnsupported::Drop);
        write_request(request, "qwen3", &mut losses).expect(param);
        assert_eq!(losses.dropped(), [param]);
    }
}

#[test]
fn hints_are_left_out_and_named() {
    let mut request = asking();
    request.verbosity = Some("low".to_owned());
    request.user = Some("u".to_owned());
    request.metadata = object(json!({"a": "b"}));
    request.service_tier = Some("flex".to_owned());
    request.cache_key = Some("k".to_owned());
    let (schema, description) = (json!({}), Some("An answer".to_owned()));
    request.format = Some(ReplyFormat::JsonSchema { name: None, description, schema, strict: None });
    let (_, dropped) = written(request);
    let expected = ["verbosity", "user", "metadata", "service_tier", "prompt_cache_key", "response_format.description"];
    assert_eq!(dropped, expected);
}
