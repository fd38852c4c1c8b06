//! What is approximated, left out, refused, or in Google's own words already.

use serde_json::{Map, Value, json};

use super::*;
use crate::{Cache, Effort, Reasoning, Text, Tool, ToolChoice};

#[test]
fn thinking_is_a_budget_or_a_level() {
    let thinking = |model: &str, effort, budget_tokens| {
        let mut request = asking();
        request.reasoning = Some(Reasoning { effort, budget_tokens, show: None });
        let (body, dropped) = written(request, model);
        (body["generationConfig"]["thinkingConfig"].clone(), dropped.len())
    };
    let budget = |tokens: i64| json!({"thinkingBudget": tokens});
    let level = |level: &str| json!({"thinkingLevel": level});
    for (model, effort, tokens, expected) in [
        (OLD, Some(Effort::None), None, (budget(0), 0)),
        (OLD, Some(Effort::Medium), None, (budget(8_192), 0)),
        (OLD, Some(Effort::Max), None, (budget(24_576), 1)),
        (OLD, Some(Effort::Low), Some(5_000), (budget(5_000), 0)),
        ("gemini-2.5-pro", Some(Effort::None), None, (budget(128), 1)),
        ("gemini-2.5-pro", Some(Effort::Max), None, (budget(32_768), 0)),
        ("gemini-2.5-flash-lite", None, Some(100), (budget(512), 1)),
        ("gemini-2.5-flash-lite", None, Some(0), (budget(0), 0)),
        (NEW, Some(Effort::None), None, (level("MINIMAL"), 1)),
        (NEW, Some(Effort::Minimal), None, (level("MINIMAL"), 0)),
        ("gemini-3.1-pro-preview", Some(Effort::Minimal), None, (level("LOW"), 1)),
        (NEW, Some(Effort::High), None, (level("HIGH"), 0)),
        (NEW, Some(Effort::Max), None, (level("HIGH"), 1)),
        (NEW, None, Some(8_000), (level("MEDIUM"), 0)),
        (NEW, Some(Effort::Low), Some(8_000), (level("LOW"), 0)),
    ] {
        assert_eq!(thinking(model, effort, tokens), expected, "{model} {effort:?} {tokens:?}");
    }
}

#[test]
fn what_google_cannot_do_is_refused_by_the_senders_name() {
    type Change = fn(&mut Request);
    let changes: [(Change, &str); 9] = [
        (|request| request.choices = Some(2), "n"),
        (|request| request.sampling.min_p = Some(0.1), "min_p"),
        (|request| request.sampling.logit_bias = Map::from_iter([("1".to_owned(), json!(5))]), "logit_bias"),
        (|request| request.sampling.stop = vec!["x".to_owned(); 6], "stop"),
        (|request| request.service_tier = Some("scale".to_owned()), "service_tier"),
        (
            |request| {
                request.tools = vec![Tool::Function(function("f"))];
                request.parallel_tool_calls = Some(false);
                request.tools.extend(request.tools.clone());
            },
            "parallel_tool_calls",
        ),
        (|request| request.tool_choice = Some(ToolChoice::Native(json!({"type": "custom"}))), "tool_choice"),
        (
            |request| request.extra = Map::from_iter([("web_search_options".to_owned(), json!({}))]),
            "web_search_options",
        ),
        (
            |request| {
                let value = json!({"type": "web_search_call"});
                let part = Part::Native { format: Format::OpenaiResponses, value };
                request.messages.push(said(Role::Assistant, vec![part]));
            },
            "messages",
        ),
    ];
    for (change, param) in changes {
        let mut request = asking();
        change(&mut request);
        assert_eq!(refused(request.clone()).param, param);
        let mut losses = Losses::new(Format::GoogleGemini, OnUnsupported::Drop);
        write_request(request, NEW, &mut losses).expect(param);
        assert_eq!(losses.dropped(), [param]);
    }
}

#[test]
fn hints_are_left_out_and_named() {
    let mut request = asking();
    request.origin = Format::AnthropicMessages;
    request.verbosity = Some("low".to_owned());
    request.user = Some("u".to_owned());
    request.metadata = Map::from_iter([("a".to_owned(), json!("b"))]);
    request.cache_key = Some("k".to_owned());
    request.store = Some(true);
    request.service_tier = Some("auto".to_owned());
    let cached = Text { text: "x".to_owned(), annotations: vec![json!({})], cache: Some(Cache::default()) };
    request.messages.push(Message {
        role: Role::User,
        name: Some("Ada".to_owned()),
        parts: vec![Part::Text(cached)].into(),
    });
    let (body, dropped) = written(request, NEW);
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}, {"text": "x"}]}]}));
    let expected = [
        "output_config.verbosity",
        "metadata.user_id",
        "metadata",
        "prompt_cache_key",
        "store",
        "messages.name",
        "messages.citations",
        "cache_control",
    ];
    assert_eq!(dropped, expected);
}

#[test]
fn googles_own_members_are_written_whoever_sends_them() {
    let mut request = asking();
    request.max_tokens = Some(5);
    request.reasoning = Some(Reasoning { effort: Some(Effort::Low), budget_tokens: None, show: None });
    let Value::Object(extra) = json!({
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "generationConfig": {"maxOutputTokens": 9},
        "response_modalities": ["TEXT", "IMAGE"],
        "extra_body": {"google": {"cached_content": "cachedContents/1", "thinking_config": {"thinkingLevel": "HIGH"}}},
    }) else {
        panic!("no object")
    };
    request.extra = extra;
    let (body, dropped) = written(request, NEW);
    let expected = json!({
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {
            "maxOutputTokens": 9,
            "thinkingConfig": {"thinkingLevel": "HIGH"},
            "responseModalities": ["TEXT", "IMAGE"],
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn long_seeds_are_folded() {
    for (seed, expected) in [(-5, -5), (i64::from(i32::MAX), i64::from(i32::MAX)), (1 << 32, 1), (i64::MIN, 0)] {
        let mut request = asking();
        request.sampling.seed = Some(seed);
        let written = written(request, NEW).0["generationConfig"]["seed"].as_i64().expect("a seed");
        assert!(i32::try_from(written).is_ok());
        if seed != i64::MIN {
            assert_eq!(written, expected);
        }
    }
}
