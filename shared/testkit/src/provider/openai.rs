//! `OpenAI` chat completions, its model list, and `DeepSeek`'s balance.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::behaviour::{Conversation, Grammar, Refusal, Turn, act};
use super::responses;
use super::{Key, MODELS, ProviderRequest, Script, json_reply};
use crate::serve::Body;

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    let grammar = Chat::of(request);
    if script.judge(request, None) != Key::Good {
        return grammar.refusal(&Refusal::Key);
    }
    match (request.method.as_str(), request.route()) {
        ("GET", "/v1/models") => models(MODELS.iter().copied(), "fake"),
        ("POST", "/v1/chat/completions") => act(script, &grammar, &grammar.conversation(script)).await,
        ("POST", "/v1/responses") => responses::answer(script, request).await,
        ("POST", "/v1/embeddings") => embeddings(&grammar),
        ("GET", "/user/balance") => balance(request),
        _ => unknown_url(request),
    }
}

pub(super) fn models<'a>(ids: impl Iterator<Item = &'a str>, owner: &str) -> Response<Body> {
    let data: Vec<Value> =
        ids.map(|id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": owner})).collect();
    json_reply(StatusCode::OK, &json!({"object": "list", "data": data}))
}

pub(super) fn unknown_url(request: &ProviderRequest) -> Response<Body> {
    let message = format!("Unknown request URL: {}", request.path);
    error(StatusCode::NOT_FOUND, &message, "invalid_request_error", [None, None])
}

/// Of each text its length and its place, as far as these are numbers.
fn embeddings(grammar: &Chat<'_>) -> Response<Body> {
    if let Some(refusal) = Refusal::by(grammar.model) {
        return refusal.answer(grammar);
    }
    let input = &grammar.request.body["input"];
    let texts = input.as_array().map_or_else(|| std::slice::from_ref(input), Vec::as_slice);
    let in_base64 = grammar.request.body["encoding_format"] == "base64";
    let of = |(index, text): (usize, &Value)| {
        let length = text.as_str().map_or(0, str::len);
        let vector = if in_base64 { in_bytes([length, index]) } else { json!([length, index]) };
        json!({"object": "embedding", "index": index, "embedding": vector})
    };
    let data: Vec<Value> = texts.iter().enumerate().map(of).collect();
    let usage = json!({"prompt_tokens": 11, "total_tokens": 11});
    json_reply(StatusCode::OK, &json!({"object": "list", "data": data, "model": grammar.model, "usage": usage}))
}

/// Small numbers as `OpenAI` packs them: floats of 32 bits, the lowest byte first.
fn in_bytes(numbers: [usize; 2]) -> Value {
    let float = |number| f32::from(u16::try_from(number).expect("a small number")).to_le_bytes();
    STANDARD.encode(numbers.map(float).concat()).into()
}

/// `DeepSeek`'s; a key with `broke` in it has no money left.
fn balance(request: &ProviderRequest) -> Response<Body> {
    let has_money = !request.bearer().contains("broke");
    let total = if has_money { "4.20" } else { "0.00" };
    let balance = json!({
        "currency": "USD", "total_balance": total, "granted_balance": "0.00", "topped_up_balance": total,
    });
    json_reply(StatusCode::OK, &json!({"is_available": has_money, "balance_infos": [balance]}))
}

/// One chat completion, as `OpenAI` writes it.
pub(super) struct Chat<'a> {
    pub(super) request: &'a ProviderRequest,
    pub(super) model: &'a str,
    with_usage: bool,
}

impl<'a> Chat<'a> {
    pub(super) fn of(request: &'a ProviderRequest) -> Self {
        let model = request.body["model"].as_str().unwrap_or_default();
        Self { request, model, with_usage: request.body["stream_options"]["include_usage"] == true }
    }

    pub(super) fn conversation(&self, script: &Script) -> Conversation {
        self.conversation_with(script, self.model)
    }

    /// The same, asked of another model than the body says.
    pub(super) fn conversation_with(&self, script: &Script, model: &str) -> Conversation {
        let body = &self.request.body;
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let turns =
            messages.iter().map(|message| turn(message["role"].as_str().unwrap_or_default(), &message["content"]));
        let (system, turns): (Vec<_>, Vec<_>) =
            turns.partition(|turn| matches!(turn.role.as_str(), "system" | "developer"));
        let system = system.into_iter().map(|turn| turn.text).collect();
        Conversation::new(script, model, body["stream"] == true, system, turns)
    }

    fn choice(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        event(&self.chunk(&json!([choice])))
    }

    pub(super) fn chunk(&self, choices: &Value) -> Value {
        let mut chunk = json!({
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": self.model,
            "system_fingerprint": "fp_fake",
            "choices": choices,
        });
        if self.with_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}

/// A message whose content is a text or a list of parts.
fn turn(role: &str, content: &Value) -> Turn {
    let parts = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = content.as_str().map_or_else(
        || parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        str::to_owned,
    );
    let images = parts.iter().filter_map(|part| part["image_url"]["url"].as_str()).map(media_type).collect();
    Turn { role: role.to_owned(), text, images }
}

/// A data URL's declared type.
fn media_type(url: &str) -> String {
    let declared = url.strip_prefix("data:").and_then(|rest| rest.split([';', ',']).next());
    declared.unwrap_or("url").to_owned()
}

impl Grammar for Chat<'_> {
    fn whole(&self, text: &str) -> Value {
        json!({
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": usage(),
            "system_fingerprint": "fp_fake",
        })
    }

    fn opening(&self) -> Vec<String> {
        vec![self.choice(&json!({"role": "assistant", "content": "", "refusal": null}), None)]
    }

    fn delta(&self, text: &str) -> String {
        self.choice(&json!({"content": text}), None)
    }

    /// Finish reason, usage if it was asked for, `[DONE]`.
    fn ending(&self) -> Vec<String> {
        let mut events = vec![self.choice(&json!({}), Some("stop"))];
        if self.with_usage {
            let mut chunk = self.chunk(&json!([]));
            chunk["usage"] = usage();
            events.push(event(&chunk));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn broken(&self) -> String {
        "data: {\"choices\": [\n\n".to_owned()
    }

    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        let invalid = "invalid_request_error";
        let (status, message, kind, param_and_code) = match refusal {
            Refusal::RateLimited => {
                (429, "Rate limit reached for requests".to_owned(), "requests", [None, Some("rate_limit_exceeded")])
            }
            Refusal::NoQuota => {
                let message = "You exceeded your current quota, please check your plan and billing details.";
                (429, message.to_owned(), "insufficient_quota", [None, Some("insufficient_quota")])
            }
            Refusal::Key => {
                let shown = self.request.header(AUTHORIZATION.as_str());
                let advice = "You can find your API key in your account settings.";
                let message = format!("Incorrect API key provided: {shown}. {advice}");
                (401, message, invalid, [None, Some("invalid_api_key")])
            }
            Refusal::Parameter => {
                let message = "Unsupported value: 'temperature' does not support 0.2 with this model.";
                (400, message.to_owned(), invalid, [Some("temperature"), Some("unsupported_value")])
            }
            Refusal::ContextLength { limit, length } => {
                let message = format!(
                    "This model's maximum context length is {limit} tokens. However, your messages resulted in {length} \
                     tokens. Please reduce the length of the messages."
                );
                (400, message, invalid, [Some("messages"), Some("context_length_exceeded")])
            }
            Refusal::UnknownModel => {
                let message = format!("The model `{}` does not exist or you do not have access to it.", self.model);
                (404, message, invalid, [None, Some("model_not_found")])
            }
            Refusal::Failed => {
                let message = "The server had an error while processing your request.";
                (500, message.to_owned(), "server_error", [None, None])
            }
            Refusal::Overloaded => {
                (503, "The engine is currently overloaded.".to_owned(), "server_error", [None, None])
            }
        };
        error(StatusCode::from_u16(status).expect("a status"), &message, kind, param_and_code)
    }
}

fn usage() -> Value {
    json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
}

pub(super) fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

pub(super) fn error(status: StatusCode, message: &str, kind: &str, [param, code]: [Option<&str>; 2]) -> Response<Body> {
    json_reply(status, &json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}
