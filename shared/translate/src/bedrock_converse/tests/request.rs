use serde_json::{Map, Value, json};

use super::super::write_request;
use crate::{
    Cache, Effort, Format, Function, LogProbs, Losses, Media, Message, OnUnsupported, Part, Reasoning, ReplyFormat,
    Request, Role, Signature, Source, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult, Unsupported,
};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const OPUS: &str = "global.anthropic.claude-opus-4-7";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";
const GPT: &str = "openai.gpt-oss-120b-1:0";
const LLAMA: &str = "us.meta.llama4-scout-17b-instruct-v1:0";

fn losses(on_unsupported: OnUnsupported) -> Losses {
    Losses::new(Format::BedrockConverse, on_unsupported)
}

/// What is written of a request that goes through, and what is left out.
fn written(request: Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = losses(OnUnsupported::Refuse);
    let body = write_request(request, model, &mut losses).expect("taken");
    (body, losses.dropped().to_vec())
}

fn refused(request: Request, model: &str) -> Unsupported {
    write_request(request, model, &mut losses(OnUnsupported::Refuse)).expect_err("refused")
}

/// With what is refused left out.
fn lenient(request: Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = losses(OnUnsupported::Drop);
    let body = write_request(request, model, &mut losses).expect("taken");
    (body, losses.dropped().to_vec())
}

fn asking(origin: Format) -> Request {
    let mut request = Request::new(origin, "alias");
    request.messages.push(message(Role::User, vec![Part::text("Hello")]));
    request
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts: parts.into() }
}

fn inline(media_type: &str, data: &str) -> Source {
    Source::Inline { media_type: media_type.into(), data: data.into() }
}

fn function(name: &str) -> Tool {
    let parameters = json!({"properties": {"city": {"type": "string"}}, "required": ["city"]});
    Tool::Function(Function {
        name: name.into(),
        description: Some("Tells the weather.".into()),
        parameters: Some(parameters),
        strict: None,
        cache: None,
    })
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
        cache: None,
    })
}

fn result(id: &str, text: &str, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { call_id: id.into(), content: vec![Part::text(text)].into(), is_error, cache: None })
}

fn with_cache(text: &str, ttl: Option<&str>) -> Part {
    let cache = Some(Cache { ttl: ttl.map(str::to_owned) });
    Part::Text(Text { text: text.into(), annotations: Vec::new(), cache })
}

#[test]
fn everything_has_its_place() {
    let seal = Signature::new(Format::BedrockConverse, "seal==");
    let mut request = Request::new(Format::AnthropicMessages, "alias");
    request.system = vec![with_cache("Be brief.", Some("1h"))].into();
    request.messages = vec![
        message(
            Role::User,
            vec![
                Part::text("What is this?"),
                Part::Image(Media::new(inline("image/png", "aW1n"))),
                Part::File(Media { name: Some("a_b.pdf".into()), ..Media::new(inline("application/pdf", "cGRm")) }),
                Part::File(Media { name: Some("a_b.pdf".into()), ..Media::new(Source::Text("plain".into())) }),
                Part::Video(Media::new(Source::Url("s3://bucket/film.mp4".into()))),
                Part::Audio(Media::new(inline("audio/wav", "d2F2"))),
            ],
        ),
        message(
            Role::Assistant,
            vec![
                Part::Thinking(Thinking { text: "Hm.".into(), signature: Some(seal.clone()) }),
                Part::RedactedThinking(seal),
                Part::text("Let me look."),
                call("toolu_1", "weather", r#"{"city":"Bern"}"#),
                call("toolu_2", "weather", ""),
            ],
        ),
        message(Role::User, vec![result("toolu_1", "sunny", false)]),
        message(Role::User, vec![result("toolu_2", "no city", true), with_cache("And?", None)]),
    ];
    request.tools = vec![function("weather")];
    request.tool_choice = Some(ToolChoice::Required);
    request.max_tokens = Some(500);
    request.sampling.temperature = Some(0.5);
    request.sampling.top_k = Some(40);
    request.sampling.stop = vec!["END".into()];
    request.metadata = Map::from_iter([("team".to_owned(), json!("a-1"))]);
    request.service_tier = Some("priority".into());
    let (body, dropped) = written(request, SONNET);
    let expected = json!({
        "messages": [
            {"role": "user", "content": [
                {"text": "What is this?"},
                {"image": {"format": "png", "source": {"bytes": "aW1n"}}},
                {"document": {"format": "pdf", "name": "a-b", "source": {"bytes": "cGRm"}}},
                {"document": {"format": "txt", "name": "a-b 2", "source": {"bytes": "cGxhaW4="}}},
                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/film.mp4"}}}},
                {"audio": {"format": "wav", "source": {"bytes": "d2F2"}}},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "seal=="}}},
                {"reasoningContent": {"redactedContent": "seal=="}},
                {"text": "Let me look."},
                {"toolUse": {"toolUseId": "toolu_1", "name": "weather", "input": {"city": "Bern"}}},
                {"toolUse": {"toolUseId": "toolu_2", "name": "weather", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "toolu_1", "content": [{"text": "sunny"}]}},
                {"toolResult": {"toolUseId": "toolu_2", "content": [{"text": "no city"}], "status": "error"}},
                {"text": "And?"},
                {"cachePoint": {"type": "default"}},
            ]},
        ],
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "toolConfig": {
            "tools": [{"toolSpec": {
                "name": "weather",
                "description": "Tells the weather.",
                "inputSchema": {"json": {
                    "properties": {"city": {"type": "string"}}, "required": ["city"], "type": "object",
                }},
            }}],
            "toolChoice": {"any": {}},
        },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "requestMetadata": {"team": "a-1"},
        "serviceTier": {"type": "priority"},
        "inferenceConfig": {"maxTokens": 500, "temperature": 0.5, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 40},
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn members_without_a_place_are_refused_or_named() {
    type Change = fn(&mut Request);
    let refusals: [(&str, Change); 12] = [
        ("n", |r| r.choices = Some(2)),
        ("logprobs", |r| r.logprobs = Some(LogProbs { top: 0 })),
        ("seed", |r| r.sampling.seed = Some(7)),
        ("min_p", |r| r.sampling.min_p = Some(0.1)),
        ("frequency_penalty", |r| r.sampling.frequency_penalty = Some(0.5)),
        ("presence_penalty", |r| r.sampling.presence_penalty = Some(-0.5)),
        ("logit_bias", |r| r.sampling.logit_bias = Map::from_iter([("1".to_owned(), json!(2))])),
        ("temperature", |r| r.sampling.temperature = Some(1.5)),
        ("response_format", |r| r.format = Some(ReplyFormat::JsonObject)),
        ("service_tier", |r| r.service_tier = Some("scale".into())),
        ("modalities", |r| r.extra = Map::from_iter([("modalities".to_owned(), json!(["text", "audio"]))])),
        ("tools.0", |r| r.tools = vec![Tool::Native(json!({"type": "web_search"}))]),
    ];
    for (param, change) in refusals {
        let mut request = asking(Format::OpenaiChat);
        change(&mut request);
        assert_eq!(refused(request.clone(), SONNET).param, param);
        assert_eq!(lenient(request, SONNET).1, [param]);
    }
    let hints: [(&str, Change); 9] = [
        ("verbosity", |r| r.verbosity = Some("low".into())),
        ("user", |r| r.user = Some("u".into())),
        ("prompt_cache_key", |r| r.cache_key = Some("k".into())),
        ("store", |r| r.store = Some(false)),
        ("service_tier", |r| r.service_tier = Some("auto".into())),
        ("metadata", |r| r.metadata = Map::from_iter([("a".to_owned(), json!("ü"))])),
        ("messages.name", |r| r.messages[0].name = Some("Ann".into())),
        ("safety_identifier", |r| r.extra = Map::from_iter([("safety_identifier".to_owned(), json!("x"))])),
        ("cache_control", |r| r.extra = Map::from_iter([("cache_control".to_owned(), json!({"type": "ephemeral"}))])),
    ];
    for (param, change) in hints {
        let mut request = asking(Format::OpenaiChat);
        change(&mut request);
        let (body, dropped) = written(request, SONNET);
        assert_eq!(dropped, [param]);
        assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}));
    }
    // What says nothing is left out without a word.
    let mut request = asking(Format::OpenaiChat);
    request.choices = Some(1);
    request.sampling.frequency_penalty = Some(0.0);
    request.tool_choice = Some(ToolChoice::Auto);
    request.parallel_tool_calls = Some(false);
    request.format = Some(ReplyFormat::Text);
    assert_eq!(written(request, LLAMA).1, Vec::<String>::new());
}

#[test]
fn our_own_members_pass_from_any_format() {
    let mut request = asking(Format::OpenaiChat);
    request.sampling.top_k = Some(5);
    request.extra = Map::from_iter([
        ("guardrailConfig".to_owned(), json!({"guardrailIdentifier": "g", "guardrailVersion": "1"})),
        ("additionalModelRequestFields".to_owned(), json!({"top_k": 6, "x": 1})),
        ("anthropic_beta".to_owned(), json!(["b"])),
    ]);
    let (body, _) = written(request, SONNET);
    assert_eq!(body["guardrailConfig"]["guardrailVersion"], "1");
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 6, "x": 1, "anthropic_beta": ["b"]}));
}

#[test]
fn each_family_is_told_to_think_in_its_own_words() {
    use Effort::{High, Low, Max, Medium, Minimal, None as Off};

    let think = |effort: Option<Effort>, budget: Option<i64>, max: Option<i64>, model: &str| {
        let mut request = asking(Format::OpenaiChat);
        request.reasoning = Some(Reasoning { effort, budget_tokens: budget, show: None });
        request.max_tokens = max;
        let (body, dropped) = lenient(request, model);
        let member = |name: &str| body.get(name).cloned().unwrap_or_default();
        (
            member("additionalModelRequestFields"),
            member("outputConfig"),
            body["inferenceConfig"]["maxTokens"].clone(),
            dropped,
        )
    };
    let none = || Value::Null;
    let budget = |tokens: i64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let dropped = || vec!["reasoning_effort".to_owned()];
    let kept = Vec::new;
    for (effort, tokens, max, model, expected) in [
        (Some(Low), None, Some(8_000), SONNET, (budget(2_048), none(), json!(8_000), kept())),
        (Some(High), None, None, SONNET, (budget(16_384), none(), json!(23_552), kept())),
        (Some(Max), None, None, SONNET, (budget(24_576), none(), json!(31_744), kept())),
        // Too little room: half of it, then none.
        (Some(High), None, Some(4_000), SONNET, (budget(2_000), none(), json!(4_000), kept())),
        (Some(High), None, Some(1_024), SONNET, (none(), none(), json!(1_024), dropped())),
        (None, Some(3_000), Some(9_000), SONNET, (budget(3_000), none(), json!(9_000), kept())),
        (None, Some(9_000), Some(9_000), SONNET, (budget(4_500), none(), json!(9_000), dropped())),
        (Some(Off), None, None, SONNET, (none(), none(), none(), kept())),
        (
            Some(Max),
            None,
            Some(9),
            OPUS,
            (json!({"thinking": {"type": "adaptive"}}), json!({"effort": "max"}), json!(9), kept()),
        ),
        (
            None,
            Some(5_000),
            None,
            OPUS,
            (json!({"thinking": {"type": "adaptive"}}), json!({"effort": "medium"}), none(), kept()),
        ),
        (
            Some(Off),
            None,
            None,
            "anthropic.claude-opus-5",
            (json!({"thinking": {"type": "disabled"}}), none(), none(), kept()),
        ),
        (Some(Off), None, None, "anthropic.claude-fable-5", (none(), none(), none(), dropped())),
        (Some(Low), None, None, "anthropic.claude-3-haiku-20240307-v1:0", (none(), none(), none(), dropped())),
        (
            Some(Minimal),
            None,
            None,
            NOVA,
            (json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}), none(), none(), kept()),
        ),
        (
            Some(High),
            None,
            None,
            NOVA,
            (json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}), none(), none(), kept()),
        ),
        (
            Some(High),
            None,
            Some(5),
            NOVA,
            (
                json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
                none(),
                json!(5),
                dropped(),
            ),
        ),
        (Some(Medium), None, None, GPT, (json!({"reasoning_effort": "medium"}), none(), none(), kept())),
        (Some(Off), None, None, GPT, (none(), none(), none(), dropped())),
        (Some(Low), None, None, LLAMA, (none(), none(), none(), dropped())),
        (Some(Off), None, None, LLAMA, (none(), none(), none(), kept())),
    ] {
        assert_eq!(think(effort, tokens, max, model), expected, "{effort:?} {tokens:?} {max:?} {model}");
    }
    let mut request = asking(Format::OpenaiResponses);
    request.reasoning = Some(Reasoning { effort: None, budget_tokens: None, show: Some(true) });
    let fields = written(request, OPUS).0["additionalModelRequestFields"].clone();
    assert_eq!(fields, json!({"thinking": {"type": "adaptive", "display": "summarized"}}));
}

#[test]
fn what_does_not_go_with_thinking_is_refused() {
    let thinking = || {
        let mut request = asking(Format::OpenaiChat);
        request.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
        request
    };
    let mut request = thinking();
    request.sampling.temperature = Some(0.2);
    assert_eq!(refused(request, SONNET).param, "temperature");
    let mut request = thinking();
    request.sampling.temperature = Some(1.0);
    assert_eq!(written(request, SONNET).0["inferenceConfig"], json!({"maxTokens": 9_216}));
    let mut request = thinking();
    request.tools = vec![function("f")];
    request.tool_choice = Some(ToolChoice::Function("f".into()));
    assert_eq!(refused(request.clone(), SONNET).param, "tool_choice");
    assert!(lenient(request, SONNET).0["toolConfig"].get("toolChoice").is_none());
    let mut request = asking(Format::OpenaiChat);
    request.sampling.top_p = Some(0.9);
    assert_eq!(refused(request.clone(), OPUS).param, "top_p");
    assert_eq!(written(request, SONNET).0["inferenceConfig"], json!({"topP": 0.9}));
}

#[test]
fn choices_of_tools_are_told_in_the_words_there_are() {
    let choose = |choice: ToolChoice, parallel: Option<bool>, model: &str| {
        let mut request = asking(Format::OpenaiChat);
        request.tools = vec![function("f"), function("g")];
        request.tool_choice = Some(choice);
        request.parallel_tool_calls = parallel;
        let (body, dropped) = lenient(request, model);
        let tools = body["toolConfig"]["tools"].as_array().map_or(0, Vec::len);
        let own = body["additionalModelRequestFields"]["tool_choice"].clone();
        (tools, body["toolConfig"]["toolChoice"].clone(), own, dropped)
    };
    let (null, kept) = (|| Value::Null, Vec::new);
    assert_eq!(choose(ToolChoice::Auto, Some(true), LLAMA), (2, null(), null(), kept()));
    assert_eq!(choose(ToolChoice::None, None, LLAMA), (0, null(), null(), kept()));
    assert_eq!(choose(ToolChoice::Required, None, SONNET), (2, json!({"any": {}}), null(), kept()));
    let one = ToolChoice::Function("g".into());
    assert_eq!(choose(one.clone(), None, SONNET), (2, json!({"tool": {"name": "g"}}), null(), kept()));
    let allowed = ToolChoice::Allowed { functions: vec!["g".into()], required: true };
    assert_eq!(choose(allowed, None, SONNET), (1, json!({"any": {}}), null(), kept()));
    let single = |choice: Value| (2, null(), choice, kept());
    let auto = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(choose(ToolChoice::Auto, Some(false), SONNET), single(auto));
    let named = json!({"type": "tool", "name": "g", "disable_parallel_tool_use": true});
    assert_eq!(choose(one, Some(false), SONNET), single(named));
    let dropped = vec!["parallel_tool_calls".to_owned()];
    assert_eq!(choose(ToolChoice::Auto, Some(false), LLAMA), (2, null(), null(), dropped));
}

#[test]
fn a_conversation_with_calls_needs_its_tools() {
    let mut request = asking(Format::OpenaiChat);
    request.messages.push(message(Role::Assistant, vec![call("call_1", "f", "[1]")]));
    request.messages.push(message(Role::User, vec![result("call_1", "", false)]));
    assert_eq!(refused(request.clone(), LLAMA).param, "messages.function.arguments");
    let (body, dropped) = lenient(request.clone(), LLAMA);
    let open = json!([{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]);
    assert_eq!(body["toolConfig"]["tools"], open);
    assert_eq!(dropped, ["messages.function.arguments", "tools"]);
    assert_eq!(body.pointer("/messages/1/content/0/toolUse/input"), Some(&json!({"arguments": "[1]"})));
    assert_eq!(body.pointer("/messages/2/content/0/toolResult/content"), Some(&json!([])));
    request.messages[1].parts = vec![call("call_1", "f", "{}")].into();
    assert_eq!(refused(request.clone(), LLAMA).param, "tools");
    request.tools = vec![function("f")];
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(refused(request, LLAMA).param, "tool_choice");
}

#[test]
fn ids_of_calls_and_results_stay_together() {
    let odd = "call.1:ü|with a very long tail that goes on and on and on and on and on";
    let mut request = asking(Format::OpenaiChat);
    request.messages.push(message(Role::Assistant, vec![call(odd, "f", "{}")]));
    request.messages.push(message(Role::User, vec![result(odd, "x", false)]));
    request.tools = vec![function("f")];
    let (body, _) = written(request, LLAMA);
    let of_call = body.pointer("/messages/1/content/0/toolUse/toolUseId");
    assert!(of_call.is_some_and(Value::is_string));
    assert_eq!(of_call, body.pointer("/messages/2/content/0/toolResult/toolUseId"));
}

#[test]
fn schemas_are_texts_for_replies_and_objects_for_tools() {
    let mut request = asking(Format::OpenaiChat);
    let schema = json!({"type": "object", "properties": {"z": {}, "a": {}}, "additionalProperties": false});
    let (name, description) = (Some("answer".to_owned()), Some("What to say".to_owned()));
    request.format = Some(ReplyFormat::JsonSchema { name, description, schema, strict: Some(true) });
    let strict = Function { name: "f".into(), description: None, parameters: None, strict: Some(true), cache: None };
    request.tools = vec![Tool::Function(strict)];
    let (body, _) = written(request.clone(), SONNET);
    let definition = json!({
        "schema": r#"{"type":"object","properties":{"z":{},"a":{}},"additionalProperties":false}"#,
        "name": "answer",
        "description": "What to say",
    });
    let format = json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}});
    assert_eq!(body["outputConfig"], format);
    let spec = json!({"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}, "strict": true});
    assert_eq!(body["toolConfig"]["tools"], json!([{ "toolSpec": spec }]));
    assert_eq!(lenient(request, NOVA).1, ["tools.0.function.strict", "response_format"]);
}

#[test]
fn foreign_thoughts_and_blank_texts_are_left_out() {
    let seal = Signature::new(Format::AnthropicMessages, "x");
    let mut request = asking(Format::AnthropicMessages);
    request.messages.push(message(
        Role::Assistant,
        vec![
            Part::Thinking(Thinking { text: "Hm.".into(), signature: Some(seal.clone()) }),
            Part::RedactedThinking(seal),
            Part::text(" \n"),
            Part::Refusal("I won't.".into()),
        ],
    ));
    request.messages.push(message(Role::User, vec![Part::text("")]));
    request.messages.push(message(Role::System, vec![Part::text("Be kind.")]));
    request.messages.push(message(Role::User, vec![with_cache("Why?", Some("5m"))]));
    let (body, dropped) = written(request, LLAMA);
    let expected = json!({
        "messages": [
            {"role": "user", "content": [{"text": "Hello"}]},
            {"role": "assistant", "content": [{"text": "I won't."}]},
            {"role": "user", "content": [{"text": "Why?"}]},
        ],
        "system": [{"text": "Be kind."}],
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, ["thinking", "messages", "cache_control"]);
}

#[test]
fn media_that_cannot_be_sent_are_refused() {
    for part in [
        Part::Image(Media::new(Source::Url("https://a.test/x.png".into()))),
        Part::Image(Media::new(inline("image/svg+xml", "eA=="))),
        Part::File(Media::new(Source::Id { format: Format::OpenaiChat, id: "file-1".into() })),
        Part::Native { format: Format::AnthropicMessages, value: json!({"type": "container_upload"}) },
    ] {
        let mut request = asking(Format::OpenaiResponses);
        request.messages[0].parts.push(part, "input.0.content.1");
        assert_eq!(refused(request.clone(), SONNET).param, "input.0.content.1");
        let (body, dropped) = lenient(request, SONNET);
        assert_eq!(body["messages"][0]["content"], json!([{"text": "Hello"}]));
        assert_eq!(dropped, ["input.0.content.1"]);
    }
    // A document alone is named, since it may not stand alone.
    let mut request = Request::new(Format::AnthropicMessages, "alias");
    request.messages = vec![message(Role::User, vec![Part::File(Media::new(Source::Text("x".into())))])];
    let (body, _) = written(request, SONNET);
    assert_eq!(body.pointer("/messages/0/content/0/text"), Some(&json!("document")));
}

#[test]
fn a_conversation_begins_with_the_user() {
    let mut request = Request::new(Format::OpenaiResponses, "alias");
    assert_eq!(refused(request.clone(), SONNET).param, "input");
    request.messages = vec![message(Role::Assistant, vec![Part::text("Hi")])];
    assert_eq!(refused(request, SONNET).param, "input");
}
