//! Requests of other formats, on their way to a provider of this one.

use serde_json::{Value, json};

use super::{asking, assistant, losses, user};
use crate::{
    Effort, Format, Function, LogProbs, Losses, Media, Message, OnUnsupported, Part, Parts, Reasoning, ReplyFormat,
    Request, Role, Signature, Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
    anthropic_messages::write_request,
};

const CHAT: Format = Format::OpenaiChat;

fn write(request: Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = losses();
    let written = write_request(request, model, &mut losses).expect("a body");
    (written, losses.dropped().to_vec())
}

fn with(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = asking(CHAT);
    change(&mut request);
    request
}

fn call(id: &str, name: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: r#"{"a":1}"#.into(),
        signature: None,
        cache: None,
    })
}

fn result(id: &str) -> Part {
    Part::ToolResult(ToolResult {
        call_id: id.into(),
        content: vec![Part::text("ok")].into(),
        is_error: false,
        cache: None,
    })
}

fn function(strict: Option<bool>, parameters: Option<Value>) -> Tool {
    Tool::Function(Function { name: "f".into(), description: None, parameters, strict, cache: None })
}

#[test]
fn a_plain_request() {
    let request = with(|request| {
        request.system = vec![Part::text("Be brief.")].into();
        request.stream = true;
        request.user = Some("u".into());
        request.choices = Some(1);
        request.sampling.temperature = Some(1.0);
        request.sampling.top_p = Some(1.0);
        request.sampling.presence_penalty = Some(0.0);
        request.tool_choice = Some(ToolChoice::Auto);
        request.format = Some(ReplyFormat::Text);
    });
    let expected = json!({"model": "claude-opus-4-6", "max_tokens": 4096, "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}], "metadata": {"user_id": "u"}, "stream": true});
    assert_eq!(write(request, "claude-opus-4-6"), (expected, Vec::new()));
}

#[test]
fn what_the_api_cannot_do_is_refused_by_the_senders_name() {
    type Change = fn(&mut Request);
    let cases: [(&str, &str, Change); 18] = [
        ("seed", "", |request| request.sampling.seed = Some(1)),
        ("logprobs", "", |request| request.logprobs = Some(LogProbs { top: 0 })),
        ("n", "", |request| request.choices = Some(2)),
        ("frequency_penalty", "", |request| request.sampling.frequency_penalty = Some(0.5)),
        ("presence_penalty", "", |request| request.sampling.presence_penalty = Some(-0.5)),
        ("min_p", "", |request| request.sampling.min_p = Some(0.1)),
        ("logit_bias", "", |request| {
            request.sampling.logit_bias.insert("1".into(), 5.into());
        }),
        ("temperature", "", |request| request.sampling.temperature = Some(1.5)),
        ("temperature", "claude-opus-4-7", |request| request.sampling.temperature = Some(0.5)),
        ("top_k", "claude-opus-4-7", |request| request.sampling.top_k = Some(5)),
        ("top_p", "claude-opus-4-5", |request| {
            request.sampling.temperature = Some(0.5);
            request.sampling.top_p = Some(0.5);
        }),
        ("temperature", "claude-opus-4-6", |request| {
            request.sampling.temperature = Some(0.5);
            request.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
        }),
        ("stop", "", |request| request.sampling.stop = vec!["END".into(), "\n".into()]),
        ("response_format", "", |request| request.format = Some(ReplyFormat::JsonObject)),
        ("tools.0", "", |request| request.tools = vec![Tool::Native(json!({"type": "custom"}))]),
        ("tool_choice", "", |request| request.tool_choice = Some(ToolChoice::Native(json!({})))),
        ("messages", "", |request| {
            let sound = Source::Inline { media_type: "audio/wav".into(), data: String::new() };
            request.messages = vec![user(vec![Part::Audio(Media::new(sound))])];
        }),
        ("logit_scale", "", |request| {
            request.extra.insert("logit_scale".into(), 2.into());
        }),
    ];
    for (name, model, change) in cases {
        let model = if model.is_empty() { "claude-sonnet-4-6" } else { model };
        let error = write_request(with(change), model, &mut losses()).expect_err(name);
        assert_eq!(error.param, name);
        let mut allowed = Losses::new(Format::AnthropicMessages, OnUnsupported::Drop);
        write_request(with(change), model, &mut allowed).expect("a body");
        assert_eq!(allowed.dropped(), [name]);
    }
}

#[test]
fn hints_are_left_out_where_everybody_sees_it() {
    let request = with(|request| {
        request.metadata.insert("k".into(), "v".into());
        request.store = Some(false);
        request.cache_key = Some("k".into());
        request.verbosity = Some("low".into());
        request.service_tier = Some("flex".into());
        request.extra.insert("prediction".into(), json!({}));
        request.extra.insert("safety_identifier".into(), "s".into());
        request.extra.insert("modalities".into(), json!(["text"]));
        request.messages[0].name = Some("Ann".into());
    });
    let (written, dropped) = write(request, "claude-opus-4-6");
    let expected =
        ["messages.name", "verbosity", "prompt_cache_key", "store", "metadata", "prediction", "service_tier"];
    assert_eq!(dropped, expected);
    assert_eq!(written["metadata"], json!({"user_id": "s"}));
}

#[test]
fn results_of_parallel_calls_are_one_turn_and_come_first() {
    let request = with(|request| {
        request.messages.extend([
            assistant(vec![Part::text(""), call("functions.f:0", "f"), call("b", "g")]),
            user(vec![result("functions.f:0")]),
            user(vec![Part::text("Go on"), result("b")]),
        ]);
    });
    let (written, dropped) = write(request, "claude-opus-4-6");
    assert_eq!(dropped, [""; 0]);
    let messages = written["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[1]["content"].as_array().map(Vec::len), Some(2), "a text without a word is none");
    let kinds: Vec<_> = messages[2]["content"].as_array().into_iter().flatten().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"]);
    assert_eq!(messages[1]["content"][0]["id"], messages[2]["content"][0]["tool_use_id"]);
    assert_ne!(messages[1]["content"][0]["id"], "functions.f:0");
    // The API wants tools where there are calls.
    let tools =
        json!([{"name": "f", "input_schema": {"type": "object"}}, {"name": "g", "input_schema": {"type": "object"}}]);
    assert_eq!((&written["tools"], &written["tool_choice"]), (&tools, &json!({"type": "none"})));
}

#[test]
fn instructions_in_the_middle_stay_where_the_model_takes_them() {
    let request = || {
        with(|request| {
            let system = |text: &str, place: &str| {
                let parts = Parts::one(Part::text(text), place);
                Message { role: Role::System, name: None, parts }
            };
            request.messages.extend([
                system("A", "messages.1.content"),
                system("B", "messages.2.content.0"),
                assistant(vec![Part::text("C")]),
                system("D", "messages.4.content"),
            ]);
        })
    };
    let (written, dropped) = write(request(), "claude-opus-4-8");
    let roles: Vec<_> = written["messages"].as_array().into_iter().flatten().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "system", "assistant"]);
    assert_eq!((&written["system"], dropped), (&json!("D"), vec!["messages.4".to_owned()]));
    let (written, dropped) = write(request(), "claude-opus-4-5");
    assert_eq!(written["system"].as_array().map(Vec::len), Some(3));
    assert_eq!(dropped, ["messages.1", "messages.2", "messages.4"]);
}

#[test]
fn a_prompt_of_instructions_alone_is_the_users() {
    let mut request = Request::new(CHAT, "m");
    request.system = vec![Part::text("Say hi.")].into();
    let (written, dropped) = write(request, "claude-opus-4-6");
    assert_eq!(written["messages"], json!([{"role": "user", "content": "Say hi."}]));
    assert_eq!((written.get("system"), dropped), (None, vec!["messages".to_owned()]));
}

#[test]
fn an_effort_becomes_what_the_model_knows() {
    let wish = |effort, max_tokens, show| {
        with(|request| {
            request.reasoning = Some(Reasoning { effort, budget_tokens: None, show });
            request.max_tokens = max_tokens;
        })
    };
    for (model, request, thinking, effort, max_tokens) in [
        ("claude-opus-4-6", wish(Some(Effort::Max), None, None), json!({"type": "adaptive"}), json!("max"), 32_000),
        ("claude-opus-4-7", wish(Some(Effort::Minimal), Some(50), None), json!({"type": "adaptive"}), json!("low"), 50),
        (
            "claude-opus-4-6",
            wish(None, Some(9), Some(true)),
            json!({"type": "adaptive", "display": "summarized"}),
            json!(null),
            9,
        ),
        (
            "claude-sonnet-4-5-20250929",
            wish(Some(Effort::High), None, None),
            json!({"type": "enabled", "budget_tokens": 16_384}),
            json!(null),
            20_480,
        ),
        (
            "claude-sonnet-4-5-20250929",
            wish(Some(Effort::High), Some(4_000), None),
            json!({"type": "enabled", "budget_tokens": 2_000}),
            json!(null),
            4_000,
        ),
        (
            "claude-opus-4-1",
            wish(Some(Effort::Max), None, Some(false)),
            json!({"type": "enabled", "budget_tokens": 27_904, "display": "omitted"}),
            json!(null),
            32_000,
        ),
        (
            "glm-4.6",
            wish(Some(Effort::Minimal), Some(1_500), None),
            json!({"type": "enabled", "budget_tokens": 1_024}),
            json!(null),
            1_500,
        ),
        ("claude-opus-4-5", wish(Some(Effort::None), None, None), json!({"type": "disabled"}), json!(null), 4_096),
    ] {
        let (written, dropped) = write(request, model);
        let effort_written = written.pointer("/output_config/effort").cloned().unwrap_or_default();
        assert_eq!((&written["thinking"], &effort_written), (&thinking, &effort), "{model}");
        assert_eq!((&written["max_tokens"], dropped.len()), (&json!(max_tokens), 0), "{model}");
    }
    for (model, request) in [
        ("claude-3-5-haiku-20241022", wish(Some(Effort::Low), None, None)),
        ("claude-opus-4-5", wish(Some(Effort::Low), Some(1_000), None)),
    ] {
        let (written, dropped) = write(request, model);
        assert_eq!((written.get("thinking"), dropped), (None, vec!["reasoning_effort".to_owned()]), "{model}");
    }
    let (written, dropped) = write(wish(Some(Effort::None), None, None), "claude-mythos-5");
    assert_eq!((written.get("thinking"), &written["output_config"]), (None, &json!({"effort": "low"})));
    assert_eq!(dropped, ["reasoning_effort"]);
}

#[test]
fn thinking_gives_way_to_a_call_that_is_forced_and_to_calls_without_thoughts() {
    let thinking = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    let forced = with(|request| {
        request.reasoning = thinking;
        request.tools = vec![function(None, None)];
        request.tool_choice = Some(ToolChoice::Required);
    });
    let (written, dropped) = write(forced, "claude-opus-4-6");
    assert_eq!((written.get("thinking"), dropped), (None, vec!["reasoning_effort".to_owned()]));
    let seal = |format| Part::Thinking(Thinking { text: "T".into(), signature: Some(Signature::new(format, "s")) });
    let in_a_loop = |parts| {
        with(|request| {
            request.reasoning = thinking;
            request.tools = vec![function(None, None)];
            request.messages.extend([assistant(parts), user(vec![result("a")])]);
        })
    };
    let own = || vec![seal(Format::AnthropicMessages), call("a", "f")];
    assert!(write(in_a_loop(own()), "claude-opus-4-5").0.get("thinking").is_some());
    let foreign = || vec![seal(Format::GoogleGemini), call("a", "f")];
    let (written, dropped) = write(in_a_loop(foreign()), "claude-opus-4-5");
    assert_eq!(
        (written.get("thinking"), dropped.as_slice()),
        (None, ["reasoning_effort".into(), "thinking".into()].as_slice())
    );
    assert!(write(in_a_loop(foreign()), "claude-opus-4-6").0.get("thinking").is_some());
}

#[test]
fn schemas_are_fitted() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]});
    let asked = |schema: &Value| {
        let schema = schema.clone();
        with(|request| {
            let format = ReplyFormat::JsonSchema {
                name: Some("answer".into()),
                description: Some("The answer.".into()),
                schema,
                strict: Some(true),
            };
            request.format = Some(format);
        })
    };
    let (written, dropped) = write(asked(&schema), "claude-opus-4-6");
    let expected = json!({"format": {"type": "json_schema", "schema": {"type": "object",
        "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}}, "required": ["n"],
        "additionalProperties": false, "description": "The answer."}}});
    assert_eq!((&written["output_config"], dropped), (&expected, vec!["response_format".to_owned()]));
    for (model, schema) in [("claude-opus-4-6", json!({"type": "object"})), ("claude-3-5-sonnet-20241022", schema)] {
        let error = write_request(asked(&schema), model, &mut losses()).expect_err(model);
        assert_eq!(error.param, "response_format");
    }
}

#[test]
fn tools_are_written() {
    let schema = json!({"properties": {"a": {"type": "string"}}});
    let request = with(|request| {
        request.tools = vec![function(Some(true), Some(schema)), function(Some(false), None)];
        request.parallel_tool_calls = Some(false);
    });
    let (written, _) = write(request, "claude-opus-4-6");
    let expected = json!([
        {"name": "f", "input_schema": {"properties": {"a": {"type": "string"}}, "type": "object",
            "additionalProperties": false}, "strict": true},
        {"name": "f", "input_schema": {"type": "object"}},
    ]);
    assert_eq!(written["tools"], expected);
    assert_eq!(written["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    let only = with(|request| {
        let named = |name: &str| {
            Tool::Function(Function {
                name: name.into(),
                description: None,
                parameters: None,
                strict: None,
                cache: None,
            })
        };
        request.tools = vec![named("a"), named("b")];
        request.tool_choice = Some(ToolChoice::Allowed { functions: vec!["b".into()], required: true });
    });
    let (written, _) = write(only, "claude-opus-4-6");
    assert_eq!(written["tools"], json!([{"name": "b", "input_schema": {"type": "object"}}]));
    assert_eq!(written["tool_choice"], json!({"type": "any"}));
}

#[test]
fn media_become_what_the_api_takes() {
    let inline = |media_type: &str, data: &str| Source::Inline { media_type: media_type.into(), data: data.into() };
    let mut named = Media::new(inline("application/pdf", "JVBE"));
    named.name = Some("r.pdf".into());
    let request = with(|request| {
        request.messages = vec![user(vec![
            Part::Image(Media::new(inline("image/webp", "UklG"))),
            Part::File(named),
            Part::File(Media::new(inline("text/csv; charset=utf-8", "YSxi"))),
        ])];
    });
    let (written, _) = write(request, "claude-opus-4-6");
    let expected = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "UklG"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, "title": "r.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
    ]);
    assert_eq!(written["messages"][0]["content"], expected);
    for part in [
        Part::Image(Media::new(inline("image/bmp", ""))),
        Part::File(Media::new(inline("application/msword", ""))),
        Part::File(Media::new(Source::Id { format: CHAT, id: "file-1".into() })),
        Part::Native { format: CHAT, value: json!({}) },
    ] {
        let request = with(|request| {
            let mut message = user(vec![Part::text("Look:")]);
            message.parts.push(part, "messages.3.content.1");
            request.messages = vec![message];
        });
        let error = write_request(request, "claude-opus-4-6", &mut losses()).expect_err("a loss");
        assert_eq!(error.param, "messages.3.content.1");
    }
}

#[test]
fn anthropics_thinking_in_a_chat_request_is_itself() {
    let request = with(|request| {
        request.extra.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": 2_000}));
        request.max_tokens = Some(4_000);
    });
    let (written, dropped) = write(request, "claude-opus-4-5");
    assert_eq!((&written["thinking"], dropped.len()), (&json!({"type": "enabled", "budget_tokens": 2_000}), 0));
}
