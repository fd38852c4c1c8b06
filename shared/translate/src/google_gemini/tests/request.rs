use serde_json::{Map, json};

use super::*;
use crate::{Effort, LogProbs, Media, Reasoning, ReplyFormat, Sampling, Source, Thinking, Tool, ToolChoice};

#[test]
fn every_member_is_written() {
    let mut request = asking();
    request.system = vec![Part::text("Be brief."), Part::text("Be kind.")].into();
    request.tools = vec![Tool::Function(Function {
        description: Some("The weather".to_owned()),
        parameters: Some(
            json!({"type": "object", "properties": {"city": {"$ref": "#/$defs/c"}}, "$defs": {"c": {"type": "string"}},
            "additionalProperties": false}),
        ),
        ..function("weather")
    })];
    request.tool_choice = Some(ToolChoice::Required);
    request.parallel_tool_calls = Some(true);
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    request.format = Some(ReplyFormat::JsonSchema {
        name: Some("answer".to_owned()),
        description: Some("An answer".to_owned()),
        schema,
        strict: Some(true),
    });
    request.max_tokens = Some(100);
    request.sampling = Sampling {
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        min_p: Some(0.0),
        frequency_penalty: Some(0.25),
        presence_penalty: Some(0.0),
        seed: Some(7),
        stop: vec!["END".to_owned()],
        logit_bias: Map::new(),
    };
    request.logprobs = Some(LogProbs { top: 3 });
    request.choices = Some(1);
    request.reasoning = Some(Reasoning { effort: Some(Effort::Low), budget_tokens: None, show: Some(true) });
    request.service_tier = Some("flex".to_owned());
    request.store = Some(false);
    let (body, dropped) = written(request, NEW);
    let expected = json!({
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "tools": [{"functionDeclarations": [{
            "name": "weather",
            "description": "The weather",
            "parametersJsonSchema": {"type": "object", "properties": {"city": {"$ref": "#/$defs/c"}},
                "$defs": {"c": {"type": "string"}}, "additionalProperties": false},
        }]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "frequencyPenalty": 0.25,
            "seed": 7,
            "stopSequences": ["END"],
            "responseLogprobs": true,
            "logprobs": 3,
            "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "integer"}}, "title": "answer",
                "description": "An answer"},
            "responseMimeType": "application/json",
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true},
        },
        "serviceTier": "flex",
        "store": false,
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, Vec::<String>::new());
    // The order of a schema's keys is the model's order of writing.
    assert!(body.to_string().contains(r##"{"type":"object","properties":{"city":{"$ref":"#/$defs/c"}},"$defs""##));
}

#[test]
fn calls_and_results_stand_as_the_model_wants_them() {
    let mut request = asking();
    request.messages = vec![
        said(Role::User, vec![Part::text("Weather in two cities?")]),
        said(
            Role::Assistant,
            vec![
                tool_call("c1", "weather", r#"{"city":"Bern"}"#, Some(seal("c2VhbA=="))),
                tool_call("c2", "weather", r#"{"city":"Rome"}"#, None),
            ],
        ),
        // In another order than they were asked for, and in messages of their own.
        said(Role::User, vec![tool_result("c2", vec![Part::text("hot")])]),
        said(Role::User, vec![Part::text("So?"), tool_result("c1", vec![Part::text("cold"), Part::text("wet")])]),
    ];
    let (body, dropped) = written(request, NEW);
    let expected = json!([
        {"role": "user", "parts": [{"text": "Weather in two cities?"}]},
        {"role": "model", "parts": [
            {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": "c2VhbA=="},
            {"functionCall": {"id": "c2", "name": "weather", "args": {"city": "Rome"}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "c1", "name": "weather", "response": {"output": "cold\nwet"}}},
            {"functionResponse": {"id": "c2", "name": "weather", "response": {"output": "hot"}}},
        ]},
        {"role": "user", "parts": [{"text": "So?"}]},
    ]);
    assert_eq!(body["contents"], expected);
    assert_eq!(dropped, Vec::<String>::new());

    let mut request = asking();
    request.messages.push(said(Role::User, vec![tool_result("gone", vec![])]));
    let error = refused(request);
    assert_eq!(error.param, "messages");
    assert!(error.message.contains("the call `gone`"), "{}", error.message);
}

#[test]
fn failures_and_images_of_tools_are_told() {
    let image =
        || Part::Image(Media::new(Source::Inline { media_type: "image/png".to_owned(), data: "iVBO".to_owned() }));
    let failed =
        |content| Part::ToolResult(ToolResult { call_id: "c1".to_owned(), content, is_error: true, cache: None });
    let request = || {
        let mut request = asking();
        request.messages.push(said(Role::Assistant, vec![tool_call("c1", "draw", "", None)]));
        request.messages.push(said(Role::User, vec![failed(vec![Part::text("no ink"), image()].into())]));
        request
    };
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "iVBO"}});
    let (body, _) = written(request(), NEW);
    let response = json!({"id": "c1", "name": "draw", "response": {"error": "no ink"}, "parts": [blob]});
    assert_eq!(body["contents"][2]["parts"], json!([{"functionResponse": response}]));
    let (body, _) = written(request(), OLD);
    let response = json!({"id": "c1", "name": "draw", "response": {"error": "no ink"}});
    assert_eq!(body["contents"][2]["parts"], json!([{"functionResponse": response}, blob]));
}

#[test]
fn seals_go_back_to_where_they_were() {
    let thinking = |text: &str, signature| Part::Thinking(Thinking { text: text.to_owned(), signature });
    let foreign = || Signature::new(Format::AnthropicMessages, "EqQB");
    let parts_of = |parts: Vec<Part>, model: &str| {
        let mut request = asking();
        request.messages.push(said(Role::Assistant, parts));
        let (body, dropped) = written(request, model);
        (body["contents"][1]["parts"].clone(), dropped)
    };
    // A seal that stands alone belongs to the call behind it; thoughts stay.
    let (parts, dropped) = parts_of(
        vec![thinking("hm", Some(seal("a"))), tool_call("c1", "f", "{}", None), tool_call("c2", "g", "{}", None)],
        NEW,
    );
    assert_eq!(parts[0], json!({"text": "hm", "thought": true}));
    assert_eq!((&parts[1]["thoughtSignature"], parts[2].get("thoughtSignature")), (&json!("a"), None));
    assert_eq!(dropped, Vec::<String>::new());
    // A call with its own leaves the one before it alone, and so does a text.
    let (parts, _) = parts_of(
        vec![Part::text("x"), Part::RedactedThinking(seal("a")), tool_call("c", "f", "{}", Some(seal("b")))],
        NEW,
    );
    assert_eq!(parts[1], json!({"text": "", "thoughtSignature": "a"}));
    assert_eq!(parts[2]["thoughtSignature"], "b");
    let (parts, _) = parts_of(vec![thinking("hm", Some(seal("a"))), Part::text("x")], NEW);
    assert_eq!(parts, json!([{"text": "hm", "thought": true, "thoughtSignature": "a"}, {"text": "x"}]));
    // Those of others are left out with their thoughts; the first call says that there is none.
    let history =
        || vec![thinking("hm", Some(foreign())), thinking("hm", None), tool_call("c", "f", "{}", Some(foreign()))];
    let (parts, dropped) = parts_of(history(), NEW);
    let call = json!({"id": "c", "name": "f", "args": {}});
    assert_eq!(parts, json!([{"functionCall": call, "thoughtSignature": "skip_thought_signature_validator"}]));
    assert_eq!(dropped, ["thinking"]);
    let (parts, _) = parts_of(history(), OLD);
    assert_eq!(parts, json!([{"functionCall": call}]));
}

#[test]
fn images_and_documents() {
    let mut request = asking();
    let inline = |media_type: &str| Source::Inline { media_type: media_type.to_owned(), data: "AAAA".to_owned() };
    let linked = |url: &str| Source::Url(url.to_owned());
    request.messages = vec![said(
        Role::User,
        vec![
            Part::Image(Media {
                detail: Some("low".to_owned()),
                ..Media::new(linked("https://a.example/b.PNG?x=1.txt"))
            }),
            Part::Image(Media { detail: Some("auto".to_owned()), ..Media::new(linked("https://a.example")) }),
            Part::File(Media { name: Some("r.pdf".to_owned()), ..Media::new(inline("application/pdf")) }),
            Part::File(Media::new(Source::Text("plain".to_owned()))),
            Part::Audio(Media::new(inline("audio/wav"))),
            Part::Video(Media::new(Source::Id {
                format: Format::GoogleGemini,
                id: "https://g.example/files/1".to_owned(),
            })),
        ],
    )];
    let (body, dropped) = written(request, NEW);
    let expected = json!([
        {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/b.PNG?x=1.txt"}},
        {"fileData": {"fileUri": "https://a.example"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        {"inlineData": {"mimeType": "text/plain", "data": "cGxhaW4="}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"fileData": {"fileUri": "https://g.example/files/1"}},
    ]);
    assert_eq!(body["contents"][0]["parts"], expected);
    assert_eq!(dropped, ["detail", "filename"]);
    for source in [
        Source::Url("http://a.example/b.png".to_owned()),
        Source::Id { format: Format::AnthropicMessages, id: "file_1".to_owned() },
    ] {
        let mut request = asking();
        request.messages.push(said(Role::User, vec![Part::Image(Media::new(source))]));
        assert_eq!(refused(request).param, "messages");
    }
}

#[test]
fn instructions_have_one_place() {
    let mut request = asking();
    request.messages.push(said(Role::System, vec![Part::text("Now in French.")]));
    let (body, dropped) = written(request, NEW);
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "Now in French."}]}));
    assert_eq!((body["contents"].as_array().map(Vec::len), dropped), (Some(1), vec!["messages".to_owned()]));
    // Without a conversation, they are what is said.
    let mut request = Request::new(Format::OpenaiChat, "g");
    request.system.push(Part::text("Say hi."), "messages.0.content");
    let (body, dropped) = written(request, NEW);
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}));
    assert_eq!(dropped, Vec::<String>::new());
    let mut request = asking();
    request
        .system
        .push(Part::Image(Media::new(Source::Url("https://a.example/b.png".to_owned()))), "messages.0.content.0");
    assert_eq!(refused(request).param, "messages.0.content.0");
}

#[test]
fn choices_of_tools() {
    let config = |choice: Option<ToolChoice>, strict: Option<bool>| {
        let mut request = asking();
        request.tools = vec![Tool::Function(Function { strict, ..function("f") })];
        request.tool_choice = choice;
        written(request, NEW).0.get("toolConfig").map(|config| config["functionCallingConfig"].clone())
    };
    let allowed = |required| ToolChoice::Allowed { functions: vec!["f".to_owned()], required };
    for (choice, strict, expected) in [
        (None, None, None),
        (None, Some(true), Some(json!({"mode": "VALIDATED"}))),
        (Some(ToolChoice::Auto), Some(false), Some(json!({"mode": "AUTO"}))),
        (Some(ToolChoice::Auto), Some(true), Some(json!({"mode": "VALIDATED"}))),
        (Some(ToolChoice::None), None, Some(json!({"mode": "NONE"}))),
        (Some(ToolChoice::Required), Some(true), Some(json!({"mode": "ANY"}))),
        (Some(ToolChoice::Function("f".to_owned())), None, Some(json!({"mode": "ANY", "allowedFunctionNames": ["f"]}))),
        (Some(allowed(true)), None, Some(json!({"mode": "ANY", "allowedFunctionNames": ["f"]}))),
        (Some(allowed(false)), None, Some(json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}))),
    ] {
        let name = format!("{choice:?} {strict:?}");
        assert_eq!(config(choice, strict), expected, "{name}");
    }
    let mut request = asking();
    request.tool_choice = Some(ToolChoice::Auto);
    assert_eq!(written(request, NEW).0.get("toolConfig"), None);
    let mut request = asking();
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(refused(request).param, "tool_choice");
}

#[test]
fn tools_of_google_are_written_and_of_others_refused() {
    let mut request = asking();
    request.tools = vec![Tool::Native(json!({"googleSearch": {}})), Tool::Function(function("f"))];
    let (body, _) = written(request, NEW);
    assert_eq!(body["tools"], json!([{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]));
    let mut request = asking();
    request.tools = vec![Tool::Function(function("f")), Tool::Native(json!({"type": "web_search"}))];
    assert_eq!(refused(request).param, "tools.1");
}
