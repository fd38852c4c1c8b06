use serde_json::{Value, json};

use super::{losses, read};
use crate::{
    Cache, Effort, Format, Part, Reasoning, ReplyFormat, Role, Signature, Source, Tool, ToolChoice,
    anthropic_messages::{read_count_request, read_request, write_request},
};

/// What a request of this format becomes on its way to a provider of this format.
fn through(body: &Value) -> Value {
    let mut losses = losses();
    let written = write_request(read(body), "claude-opus-4-6", &mut losses).expect("a body");
    assert_eq!(losses.dropped(), [""; 0], "{body}");
    written
}

fn rich() -> Value {
    json!({
        "model": "claude-opus-4-6",
        "max_tokens": 2048,
        "system": [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Long rules.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.jpg"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                    "title": "Report", "cache_control": {"type": "ephemeral"}},
                {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Plain."}},
                {"type": "document", "source": {"type": "file", "file_id": "file_2"}},
                {"type": "document", "source": {"type": "content", "content": "In parts."}, "context": "Notes",
                    "citations": {"enabled": true}},
                {"type": "search_result", "source": "https://example.com", "title": "T",
                    "content": [{"type": "text", "text": "Found."}]},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYIBRgC"},
                {"type": "redacted_thinking", "data": "EmwKAhgB"},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "text", "text": "A cat.", "citations": [
                    {"type": "web_search_result_location", "cited_text": "cat", "encrypted_index": "Eo8B", "title": "C",
                        "url": "https://example.com/cat"},
                    {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "Report",
                        "start_char_index": 0, "end_char_index": 1},
                ]},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"z": 1, "city": "Zürich", "a": [1.5]}},
                {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {},
                    "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "15 °C"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [
                    {"type": "text", "text": "No such"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}},
                    {"type": "tool_reference", "tool_name": "weather"},
                ], "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "And?"},
            ]},
            {"role": "system", "content": "From now on in German."},
            {"role": "assistant", "content": "Es ist"},
        ],
        "tools": [
            {"name": "weather", "description": "Tells the weather.", "input_schema":
                {"type": "object", "properties": {"z": {"type": "integer"}, "city": {"type": "string"}},
                    "required": ["city"]}, "strict": true, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20260209", "name": "web_search", "max_uses": 3},
            {"name": "later", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object", "properties":
            {"b": {"type": "string"}, "a": {"type": "string"}}, "additionalProperties": false}},
            "task_budget": {"type": "tokens", "total": 4000}},
        "metadata": {"user_id": "u-1", "team": "t"},
        "temperature": 1.0,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END", "\n\n"],
        "container": "c-1",
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "mcp_servers": [{"type": "url", "name": "m", "url": "https://example.com/mcp"}],
        "inference_geo": "eu",
        "service_tier": "standard_only",
        "stream": true,
    })
}

#[test]
fn a_rich_request_comes_through_as_it_was() {
    let body = rich();
    let written = through(&body);
    for (name, value) in body.as_object().expect("an object") {
        assert_eq!(&written[name], value, "{name}");
    }
    assert_eq!(written.as_object().map(serde_json::Map::len), body.as_object().map(serde_json::Map::len));
    // The order of a schema's and an input's members is the sender's.
    let names = |path: &str| written.pointer(path).and_then(Value::as_object).map(|map| map.keys().cloned().collect());
    assert_eq!(names("/output_config/format/schema/properties"), Some(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(names("/messages/1/content/5/input"), Some(vec!["z".to_owned(), "city".to_owned(), "a".to_owned()]));
}

#[test]
fn the_neutral_form_has_what_others_can_be_told() {
    let request = read(&rich());
    assert_eq!(request.system.len(), 2);
    assert_eq!(request.max_tokens, Some(2048));
    assert_eq!(request.user.as_deref(), Some("u-1"));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.tool_choice, Some(ToolChoice::Auto));
    assert_eq!(request.sampling.stop, ["END", "\n\n"]);
    let expected = Reasoning { effort: Some(Effort::High), budget_tokens: None, show: Some(false) };
    assert_eq!(request.reasoning, Some(expected));
    assert!(matches!(&request.format, Some(ReplyFormat::JsonSchema { name: None, .. })));
    let natives = request.tools.iter().filter(|tool| matches!(tool, Tool::Native(_))).count();
    assert_eq!(natives, 1, "the provider's own tool");
    let extra: Vec<_> = request.extra.keys().map(String::as_str).collect();
    let expected = ["output_config.task_budget", "container", "context_management", "mcp_servers", "inference_geo"];
    assert_eq!(extra, expected);
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::System, Role::Assistant]);
    let Part::File(report) = &request.messages[0].parts[4] else { panic!("no file") };
    assert_eq!((report.name.as_deref(), &report.cache), (Some("Report"), &Some(Cache { ttl: None })));
    assert!(matches!(&request.messages[0].parts[6], Part::File(file) if file.source == Source::Text("Plain.".into())));
    let Part::Text(cat) = &request.messages[1].parts[4] else { panic!("no text") };
    assert_eq!(cat.annotations[0]["url_citation"]["end_index"], 6);
    let Part::ToolCall(call) = &request.messages[1].parts[5] else { panic!("no call") };
    assert_eq!(call.arguments, r#"{"z":1,"city":"Zürich","a":[1.5]}"#);
}

fn small(more: &Value) -> Value {
    let mut body =
        json!({"model": "claude-opus-4-6", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn thinking_comes_through_in_each_form() {
    for more in [
        json!({"thinking": {"type": "disabled"}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "medium"}}),
        json!({"thinking": {"type": "adaptive", "display": "summarized"}}),
        json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}}),
        json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
        json!({"output_config": {"effort": "low"}}),
        json!({"thinking": {"type": "adaptive", "display": "summarized", "new": 1}}),
    ] {
        let body = small(&more);
        assert_eq!(through(&body), body);
    }
    // The document's default is written out.
    let adaptive = through(&small(&json!({"thinking": {"type": "adaptive"}})));
    assert_eq!(adaptive["thinking"], json!({"type": "adaptive", "display": "summarized"}));
}

#[test]
fn choices_of_tools_come_through() {
    for choice in [
        json!({"type": "any"}),
        json!({"type": "none"}),
        json!({"type": "tool", "name": "f", "disable_parallel_tool_use": false}),
        json!({"type": "newer", "names": ["f"]}),
    ] {
        let body = small(&json!({"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": choice}));
        assert_eq!(through(&body), body);
    }
}

#[test]
fn a_mark_on_the_whole_request_goes_to_its_last_block() {
    let control = json!({"type": "ephemeral", "ttl": "1h"});
    let written = through(&small(&json!({"cache_control": control})));
    let expected = json!([{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": control}]}]);
    assert_eq!(written["messages"], expected);
    assert_eq!(written.get("cache_control"), None);
    let native = json!([{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]);
    let written = through(&small(&json!({"cache_control": control, "messages": native})));
    assert_eq!(written["messages"][0]["content"][0]["cache_control"], control);
}

#[test]
fn instructions_between_blocks_stand_between_messages() {
    let blocks = json!([{"role": "user", "content": [
        {"type": "text", "text": "One"},
        {"type": "mid_conv_system", "content": [{"type": "text", "text": "In German"}],
            "cache_control": {"type": "ephemeral"}},
    ]}]);
    let request = read(&small(&json!({"messages": blocks})));
    assert_eq!(request.messages.len(), 2);
    assert_eq!(request.messages[1].role, Role::System);
    assert!(matches!(&request.messages[1].parts[0], Part::Text(text) if text.cache.is_some()));
    let first = json!([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]);
    let request = read(&small(&json!({"messages": first, "system": "R"})));
    assert_eq!(request.system, [Part::text("R"), Part::text("S")]);
    assert_eq!(request.messages.len(), 1);
}

#[test]
fn seals_of_others_come_back_to_them() {
    let said = json!([{"role": "user", "content": "U"}, {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "T", "signature": "gemini#abc="},
        {"type": "redacted_thinking", "data": "responses#def"},
        {"type": "redacted_thinking", "data": "call:gemini#xyz"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {"INVALID_JSON": "{\"a"}},
    ]}]);
    let request = read(&small(&json!({"messages": said})));
    let parts = &request.messages[1].parts;
    assert_eq!(parts.len(), 4);
    let gemini = |value: &str| Some(Signature::new(Format::GoogleGemini, value));
    assert!(matches!(&parts[0], Part::Thinking(thinking) if thinking.signature == gemini("abc=")));
    assert_eq!(parts[1], Part::RedactedThinking(Signature::new(Format::OpenaiResponses, "def")));
    assert!(matches!(&parts[2], Part::ToolCall(call) if call.signature == gemini("xyz") && call.arguments == "{}"));
    assert!(matches!(&parts[3], Part::ToolCall(call) if call.arguments == "{\"a"));
    // Anthropic gets none of them.
    let mut losses = losses();
    let written = write_request(request, "claude-opus-4-6", &mut losses).expect("a body");
    assert_eq!(losses.dropped(), ["thinking"]);
    let kinds: Vec<_> =
        written["messages"][1]["content"].as_array().into_iter().flatten().map(|b| &b["type"]).collect();
    assert_eq!(kinds, ["tool_use", "tool_use"]);
    assert_eq!(written["messages"][1]["content"][1]["input"], json!({"INVALID_JSON": "{\"a"}));
}

#[test]
fn what_is_no_request_is_told_with_its_path() {
    for (more, path) in [
        (json!({"model": null}), "model"),
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"messages": "Hi"}), "messages"),
        (json!({"messages": ["Hi"]}), "messages.0"),
        (json!({"messages": [{"role": "tool", "content": ""}]}), "messages.0.role"),
        (json!({"messages": [{"role": "user"}]}), "messages.0.content"),
        (json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}), "messages.0.content.0.type"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}),
            "messages.0.content.0.text",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]}),
            "messages.0.content.0.source.url",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a",
                "content": [{"type": "image"}]}]}]}),
            "messages.0.content.0.content.0.source",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f",
                "input": "{}"}]}]}),
            "messages.0.content.0.input",
        ),
        (json!({"tools": [{"name": "f"}]}), "tools.0.input_schema"),
        (json!({"tools": [7]}), "tools.0"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name"),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"output_config": {"effort": "extreme"}}), "output_config.effort"),
        (json!({"output_config": {"format": {"type": "json"}}}), "output_config.format.type"),
        (json!({"stop_sequences": [1]}), "stop_sequences.0"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"metadata": {"user_id": 7}}), "metadata.user_id"),
    ] {
        let error = read_request(small(&more).to_string().as_bytes()).expect_err(path);
        assert_eq!(error.param.as_deref(), Some(path), "{more}");
        assert!(error.message.contains(path), "{}", error.message);
    }
    for body in ["", "{", "[]", "7"] {
        let error = read_request(body.as_bytes()).expect_err(body);
        assert!(error.param.is_none() && !error.message.is_empty());
    }
}

#[test]
fn a_count_needs_no_cap() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hello, Claude"}]}"#;
    let request = read_count_request(body.as_bytes()).expect("a request");
    assert_eq!(request.max_tokens, None);
    assert_eq!(read(&small(&json!({"max_tokens": 87.0}))).max_tokens, Some(87));
    assert_eq!(read(&small(&json!({"max_tokens": 0}))).max_tokens, Some(0));
}
