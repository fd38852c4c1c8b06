//! Anthropic's Messages API and its model list.

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::behaviour::{Conversation, Grammar, Refusal, Turn, act};
use super::{Key, MODELS, ProviderRequest, Script, json_reply};
use crate::serve::Body;

/// What a request may hold; anything else is refused.
const FIELDS: [&str; 14] = [
    "model",
    "messages",
    "max_tokens",
    "system",
    "stream",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "metadata",
    "thinking",
    "tools",
    "tool_choice",
    "service_tier",
];

const BLOCKS: [&str; 7] = ["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"];

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    match script.judge(request, Some("x-api-key")) {
        Key::Good => {}
        Key::Missing => return error(401, "authentication_error", "x-api-key header is required"),
        Key::Bad => return Messages(request).refusal(&Refusal::Key),
    }
    if request.header("anthropic-version").is_empty() {
        return invalid("anthropic-version: header is required");
    }
    match (request.method.as_str(), request.route()) {
        ("GET", "/v1/models") => models(request),
        ("POST", "/v1/messages/count_tokens") => json_reply(StatusCode::OK, &json!({"input_tokens": 11})),
        ("POST", "/v1/messages") => match fault_of(&request.body) {
            Some(fault) => invalid(&fault),
            None => act(script, &Messages(request), &conversation(script, &request.body)).await,
        },
        _ => error(404, "not_found_error", "Not found"),
    }
}

/// A page of [`MODELS`], 20 unless `limit` says otherwise.
fn models(request: &ProviderRequest) -> Response<Body> {
    let limit = request.query("limit").map_or(20, |limit| limit.parse().unwrap_or_default());
    if !(1..=1000).contains(&limit) {
        return invalid("limit: Input should be between 1 and 1000");
    }
    let after = request.query("after_id");
    let start = after.and_then(|id| MODELS.iter().position(|model| *model == id)).map_or(0, |index| index + 1);
    let page = &MODELS[start..MODELS.len().min(start + limit)];
    let model = |id: &&str| json!({"type": "model", "id": id, "display_name": format!("Claude {id}"), "created_at": "2026-01-02T00:00:00Z"});
    let list = json!({
        "data": page.iter().map(model).collect::<Vec<_>>(),
        "has_more": start + page.len() < MODELS.len(),
        "first_id": page.first(),
        "last_id": page.last(),
    });
    json_reply(StatusCode::OK, &list)
}

/// What the Messages API would say against a request.
fn fault_of(body: &Value) -> Option<String> {
    let unknown = body.as_object().and_then(|body| body.keys().find(|key| !FIELDS.contains(&key.as_str())));
    if let Some(field) = unknown {
        return Some(format!("{field}: Extra inputs are not permitted"));
    }
    if !body["model"].is_string() {
        return Some("model: Field required".to_owned());
    }
    if body["max_tokens"].as_u64().is_none_or(|tokens| tokens == 0) {
        return Some("max_tokens: Field required".to_owned());
    }
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return Some("messages: at least one message is required".to_owned());
    }
    fault_of_roles(messages).or_else(|| {
        messages.iter().enumerate().find_map(|(index, message)| fault_of_content(index, &message["content"]))
    })
}

fn fault_of_roles(messages: &[Value]) -> Option<String> {
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap_or_default()).collect();
    if let Some(role) = roles.iter().find(|role| !["user", "assistant"].contains(role)) {
        let advice =
            "The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.";
        return Some(format!("messages: Unexpected role \"{role}\". {advice}"));
    }
    if roles[0] != "user" {
        return Some("messages: first message must use the \"user\" role".to_owned());
    }
    roles.windows(2).find(|two| two[0] == two[1]).map(|two| {
        let role = two[0];
        format!(
            "messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"{role}\" roles in a \
             row"
        )
    })
}

fn fault_of_content(index: usize, content: &Value) -> Option<String> {
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    if blocks.is_empty() && content.as_str().is_none_or(str::is_empty) {
        return Some(format!("messages.{index}: all messages must have non-empty content"));
    }
    blocks.iter().enumerate().find_map(|(block, value)| {
        let kind = value["type"].as_str().unwrap_or_default();
        if !BLOCKS.contains(&kind) {
            let place = format!("messages.{index}.content.{block}");
            return Some(format!("{place}: Input tag '{kind}' does not match any of the expected tags"));
        }
        let is_empty = kind == "text" && value["text"].as_str().is_none_or(str::is_empty);
        is_empty.then(|| "messages: text content blocks must be non-empty".to_owned())
    })
}

fn conversation(script: &Script, body: &Value) -> Conversation {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let turns = messages.iter().map(|message| Turn {
        role: message["role"].as_str().unwrap_or_default().to_owned(),
        text: text_of(&message["content"]),
        images: images_of(&message["content"]),
    });
    let model = body["model"].as_str().unwrap_or_default();
    Conversation::new(script, model, body["stream"] == true, text_of(&body["system"]), turns.collect())
}

fn text_of(content: &Value) -> String {
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let joined = || blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join(" ");
    content.as_str().map_or_else(joined, str::to_owned)
}

fn images_of(content: &Value) -> Vec<String> {
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let sources = blocks.iter().filter(|block| block["type"] == "image").map(|block| &block["source"]);
    sources.map(|source| source["media_type"].as_str().unwrap_or("url").to_owned()).collect()
}

fn invalid(message: &str) -> Response<Body> {
    error(400, "invalid_request_error", message)
}

fn error(status: u16, kind: &str, message: &str) -> Response<Body> {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"});
    json_reply(status, &body)
}

struct Messages<'a>(&'a ProviderRequest);

impl Messages<'_> {
    fn message(&self, content: &Value, stop_reason: Option<&str>, output_tokens: u32) -> Value {
        json!({
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": self.0.body["model"],
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {
                "input_tokens": 11,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": output_tokens,
                "service_tier": "standard",
            },
        })
    }
}

/// The event's name is its data's type.
fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

impl Grammar for Messages<'_> {
    fn whole(&self, text: &str) -> Value {
        self.message(&json!([{"type": "text", "text": text}]), Some("end_turn"), 7)
    }

    fn opening(&self) -> Vec<String> {
        let message = self.message(&json!([]), None, 1);
        vec![
            event(&json!({"type": "message_start", "message": message})),
            event(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
            event(&json!({"type": "ping"})),
        ]
    }

    fn delta(&self, text: &str) -> String {
        let delta = json!({"type": "text_delta", "text": text});
        event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    }

    /// A text before the start of its block would be no such stream.
    fn first(&self, text: &str) -> String {
        self.opening().concat() + &self.delta(text)
    }

    fn ending(&self) -> Vec<String> {
        let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
        vec![
            event(&json!({"type": "content_block_stop", "index": 0})),
            event(&json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})),
            event(&json!({"type": "message_stop"})),
        ]
    }

    fn broken(&self) -> String {
        "event: content_block_delta\ndata: {\"type\": \"content_block_delta\", \n\n".to_owned()
    }

    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        match refusal {
            Refusal::RateLimited => {
                error(429, "rate_limit_error", "This request would exceed your organization's rate limit.")
            }
            Refusal::NoQuota => invalid(
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or \
                 purchase credits.",
            ),
            Refusal::Key => {
                let shown = self.0.shown_key("x-api-key");
                error(401, "authentication_error", &format!("invalid x-api-key: {shown}"))
            }
            Refusal::Parameter => invalid("temperature: Input should be less than or equal to 1"),
            Refusal::ContextLength { limit, length } => {
                invalid(&format!("prompt is too long: {length} tokens > {limit} maximum"))
            }
            Refusal::UnknownModel => {
                let model = self.0.body["model"].as_str().unwrap_or_default();
                error(404, "not_found_error", &format!("model: {model}"))
            }
            Refusal::Failed => error(500, "api_error", "Internal server error"),
            Refusal::Overloaded => error(529, "overloaded_error", "Overloaded"),
        }
    }
}
