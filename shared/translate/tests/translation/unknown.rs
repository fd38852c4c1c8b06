//! What a caller sends and nobody knows is named by its path, wherever it stands.

use llm_api_translate::{Format, Losses, OnUnsupported, Unsupported, read_request, write_request};
use serde_json::{Value, json};

use crate::{
    golden::{CALLERS, read_json},
    requests::{MODELS, callers_of, features},
};

const NAME: &str = "x_unknown_member";

/// Objects whose members are the caller's own: JSON schemas, arguments, notes.
const FREE: [&str; 6] = ["parameters", "schema", "input_schema", "input_examples", "metadata", "logit_bias"];

/// Members that no other format has anything like: they are left out as a whole, and named so.
const WHOLE: [&str; 10] = [
    "audio",
    // Somebody else than the model.
    "caller",
    "client_metadata",
    "context_management",
    "mcp_servers",
    "prediction",
    "stream_options",
    "web_search_options",
    // The sources of what was said are no part of what is asked.
    "annotations",
    "citations",
];

/// Parts, items and tools whose types begin so are their own format's alone, and left out as a whole.
const NATIVE: [&str; 6] = ["code_", "custom", "mcp", "memory_", "search_result", "web_search"];

/// Thoughts with all that their provider said of them: they are told as what they are.
const THOUGHTS: (&str, &str) = (".reasoning_details.", "thinking");

fn is_free(path: &str) -> bool {
    let mut steps = path.split('.').enumerate();
    // Of a call at Anthropic; the first step is the conversation of a request in OpenAI's Responses API.
    steps.any(|(depth, step)| FREE.contains(&step) || (depth > 0 && step == "input"))
}

/// The paths of all objects; that of the body is empty.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    let under = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    match value {
        Value::Object(members) => {
            found.push(path.to_owned());
            members.iter().for_each(|(name, value)| objects(value, &under(name), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| objects(item, &under(&index.to_string()), found));
        }
        _ => {}
    }
}

fn pointer(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("/{}", path.replace('.', "/")) }
}

fn with_member(body: &Value, path: &str) -> Value {
    let mut body = body.clone();
    body.pointer_mut(&pointer(path)).expect(path)[NAME] = json!(1);
    body
}

fn losses(
    caller: Format,
    body: &Value,
    (target, model): (Format, &str),
    on_unsupported: OnUnsupported,
) -> Result<Vec<String>, Unsupported> {
    let request = read_request(caller, body.to_string().as_bytes()).expect("a request of its format");
    let mut losses = Losses::new(target, on_unsupported);
    write_request(target, request, model, &mut losses)?;
    Ok(losses.dropped().to_vec())
}

/// Whether what `path` stands in is left out as a whole, for one of the reasons above.
fn is_left_out_with_all(body: &Value, path: &str, named: &[String]) -> bool {
    let (member, thinking) = THOUGHTS;
    if path.contains(member) && named.iter().any(|name| name == thinking) {
        return true;
    }
    named.iter().filter(|whole| path.starts_with(&format!("{whole}."))).any(|whole| {
        let kind = body.pointer(&pointer(whole)).and_then(|whole| whole["type"].as_str()).unwrap_or_default();
        let name = whole.rsplit('.').next().unwrap_or_default();
        WHOLE.contains(&name) || NATIVE.iter().any(|native| kind.starts_with(native))
    })
}

/// Each object of a body gets one member too much; tells where nobody says so, and counts what was looked at.
fn passed_over(caller: Format, body: &Value, what: &str, silent: &mut Vec<String>) -> usize {
    let mut places = Vec::new();
    objects(body, "", &mut places);
    let mut looked_at = 0;
    for place in places.into_iter().filter(|place| !is_free(place)) {
        let path = if place.is_empty() { NAME.to_owned() } else { format!("{place}.{NAME}") };
        let changed = with_member(body, &place);
        for target in MODELS.into_iter().filter(|(target, _)| *target != caller) {
            // Some things are refused whatever the caller allows.
            if losses(caller, body, target, OnUnsupported::Drop).is_err() {
                continue;
            }
            looked_at += 1;
            let named = losses(caller, &changed, target, OnUnsupported::Drop).expect(&path);
            if !named.contains(&path) && !is_left_out_with_all(body, &path, &named) {
                silent.push(format!("{what}, {} to {}: {path} is not in {named:?}", caller.name(), target.0.name()));
            }
        }
    }
    looked_at
}

#[test]
fn an_unknown_member_is_named_wherever_it_stands() {
    let (mut silent, mut looked_at) = (Vec::new(), 0);
    for feature in features() {
        for caller in callers_of(&feature) {
            let body = read_json(&format!("requests/{feature}/{}.json", caller.name()));
            looked_at += passed_over(caller, &body, &feature, &mut silent);
        }
    }
    for (caller, body) in [
        (Format::OpenaiChat, rich_chat()),
        (Format::OpenaiResponses, rich_responses()),
        (Format::AnthropicMessages, rich_messages()),
    ] {
        looked_at += passed_over(caller, &body, "rich", &mut silent);
    }
    assert!(looked_at > 3_000, "{looked_at}");
    assert!(silent.is_empty(), "{}\n{}", silent.len(), silent.join("\n"));
}

/// It is the first thing that a request is refused for.
#[test]
fn an_unknown_member_is_refused_by_its_path() {
    for (caller, path) in [
        (Format::OpenaiChat, "messages.1.tool_calls.0.function"),
        (Format::OpenaiChat, "messages.0.content.0.image_url"),
        (Format::OpenaiChat, "tools.0.function"),
        (Format::OpenaiResponses, "input.0.content.0"),
        (Format::OpenaiResponses, "input.1"),
        (Format::OpenaiResponses, "input.2.summary.0"),
        (Format::OpenaiResponses, "input.4"),
        (Format::AnthropicMessages, "system.0.cache_control"),
        (Format::AnthropicMessages, "messages.0.content.1.source"),
        (Format::AnthropicMessages, "messages.2.content.0.content.0"),
    ] {
        let body = with_member(&plain(caller), path);
        let path = format!("{path}.{NAME}");
        for target in MODELS.into_iter().filter(|(target, _)| *target != caller) {
            let refused = losses(caller, &body, target, OnUnsupported::Refuse).expect_err(&path);
            assert_eq!(refused.param, path, "to {}", target.0.name());
            assert!(refused.message.contains(&path), "{}", refused.message);
        }
    }
    assert_eq!(CALLERS.len(), 3);
}

/// Every provider can be sent these.
fn plain(caller: Format) -> Value {
    let schema = json!({"type": "object", "properties": {}});
    let png = "data:image/png;base64,AAAA";
    match caller {
        Format::OpenaiChat => json!({
            "model": "m",
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": png}}]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "x"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        }),
        Format::OpenaiResponses => json!({
            "model": "m",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": png}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "x"},
            ],
            "tools": [{"type": "function", "name": "f", "parameters": schema, "strict": false}],
        }),
        _ => json!({
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "x"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "x"}]}]},
            ],
            "tools": [{"name": "f", "input_schema": schema}],
        }),
    }
}

/// Objects of chat completions that no golden request has.
fn rich_chat() -> Value {
    let mark = json!({"type": "ephemeral", "ttl": "5m"});
    json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "x", "cache_control": mark}]},
            {"role": "user", "cache_control": mark, "content": [{"type": "text", "text": "x"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}]},
            {"role": "assistant", "thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"}], "content": [{"type": "text", "text": "x"},
                {"type": "refusal", "refusal": "x"}], "audio": {"id": "a"}, "annotations": [],
                "tool_calls": [{"id": "c", "index": 0, "type": "function", "cache_control": mark,
                    "extra_content": {"google": {"thought_signature": "s"}},
                    "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "x"}], "content": "x"},
            {"role": "tool", "tool_call_id": "c", "name": "f", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "x"},
        ],
        "tools": [{"type": "function", "cache_control": mark, "function": {"name": "f", "parameters": {}}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": "f"}}]}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "stream_options": {"include_usage": true},
        "reasoning": {"effort": "low"},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    })
}

/// The same of the Responses API.
fn rich_responses() -> Value {
    let mark = json!({"mode": "explicit"});
    json!({
        "model": "m",
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "x", "prompt_cache_breakpoint": mark}]},
            {"role": "user", "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]},
            {"type": "reasoning", "id": "rs", "status": "completed", "encrypted_content": "s",
                "summary": [{"type": "summary_text", "text": "x"}], "content": [{"type": "reasoning_text", "text": "x"}]},
            {"type": "reasoning", "id": "rs", "encrypted_content": "call:gemini#s", "summary": []},
            {"type": "message", "role": "assistant", "id": "m", "status": "completed", "phase": "final_answer",
                "content": [{"type": "output_text", "text": "x", "annotations": [], "logprobs": []},
                    {"type": "refusal", "refusal": "x"}]},
            {"type": "function_call", "id": "fc", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}",
                "caller": {"type": "direct"}},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": true, "defer_loading": false}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream_options": {"include_obfuscation": false},
    })
}

/// The same of Anthropic's Messages.
fn rich_messages() -> Value {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let cited = json!({"type": "web_search_result_location", "url": "https://example.com", "title": "T",
        "cited_text": "c", "encrypted_index": "e"});
    json!({
        "model": "m",
        "max_tokens": 9000,
        "cache_control": mark,
        "system": [{"type": "text", "text": "x", "cache_control": mark}],
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "title": "t", "citations": {"enabled": false}, "cache_control": mark,
                    "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"}, {"type": "text", "text": "x", "citations": [cited]},
                {"type": "tool_use", "id": "c", "name": "f", "input": {}, "caller": {"type": "direct"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "is_error": true, "content": [{"type": "text", "text": "x"}]},
                {"type": "mid_conv_system", "content": [{"type": "text", "text": "x"}], "cache_control": mark}]},
        ],
        "tools": [{"type": "custom", "name": "f", "input_schema": {"type": "object"}, "cache_control": mark,
            "allowed_callers": ["direct"]}],
        "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    })
}
