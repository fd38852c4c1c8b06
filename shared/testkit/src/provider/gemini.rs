//! Google's Gemini API: `generateContent`, plain and streamed, and its model list.

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::behaviour::{Conversation, Grammar, Refusal, Turn, act};
use super::{Key, MODELS, ProviderRequest, Script, json_reply};
use crate::serve::Body;

/// What a request may hold; anything else is refused.
const FIELDS: [&str; 9] = [
    "contents",
    "systemInstruction",
    "generationConfig",
    "safetySettings",
    "tools",
    "toolConfig",
    "cachedContent",
    "labels",
    "model",
];

const CONFIG_FIELDS: [&str; 18] = [
    "temperature",
    "topP",
    "topK",
    "maxOutputTokens",
    "stopSequences",
    "candidateCount",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseLogprobs",
    "logprobs",
    "responseModalities",
    "thinkingConfig",
    "speechConfig",
    "mediaResolution",
];

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    if request.query("key").is_some() {
        return invalid("The key came in the address, where logs and proxies read it.");
    }
    let path = request.route().strip_prefix("/v1beta/models").unwrap_or_default();
    let (model, method) = path.strip_prefix('/').and_then(|path| path.rsplit_once(':')).unwrap_or_default();
    let grammar = Generate { request, model };
    match script.judge(request, Some("x-goog-api-key")) {
        Key::Good => {}
        Key::Missing => {
            let message = "Method doesn't allow unregistered callers (callers without established identity).";
            return error(403, "PERMISSION_DENIED", message, &json!([]));
        }
        Key::Bad => return grammar.refusal(&Refusal::Key),
    }
    match (request.method.as_str(), method) {
        ("GET", "") if path.is_empty() => models(request),
        ("POST", "generateContent") => generate(script, &grammar, false).await,
        ("POST", "streamGenerateContent") if request.query("alt").as_deref() != Some("sse") => {
            invalid("The script streams with alt=sse only.")
        }
        ("POST", "streamGenerateContent") => generate(script, &grammar, true).await,
        _ => error(404, "NOT_FOUND", "Requested entity was not found.", &json!([])),
    }
}

async fn generate(script: &Arc<Script>, grammar: &Generate<'_>, streamed: bool) -> Response<Body> {
    let body = &grammar.request.body;
    if let Some(fault) = fault_of(body) {
        return invalid(&fault);
    }
    let turns = list(field(body, "contents")).iter().map(turn).collect();
    let system = turn(field(body, "systemInstruction")).text;
    let asked = Conversation::new(script, grammar.model, streamed, system, turns);
    act(script, grammar, &asked).await
}

/// A page of [`MODELS`] and of two that make no text, 50 unless `pageSize` says otherwise.
fn models(request: &ProviderRequest) -> Response<Body> {
    let texts = MODELS.iter().map(|model| (format!("gemini-{model}"), json!(["generateContent", "countTokens"])));
    let others = [
        ("gemini-embedding-001".to_owned(), json!(["embedContent"])),
        ("imagen-4.0-generate-001".to_owned(), json!(["predict"])),
    ];
    let all: Vec<Value> = texts.chain(others).map(|(id, methods)| listed(&id, &methods)).collect();
    let number = |name: &str| request.query(name).and_then(|value| value.parse::<usize>().ok());
    let start = number("pageToken").unwrap_or(0).min(all.len());
    let end = all.len().min(start + number("pageSize").unwrap_or(50).clamp(1, 1000));
    let mut page = json!({"models": all[start..end]});
    if end < all.len() {
        page["nextPageToken"] = end.to_string().into();
    }
    json_reply(StatusCode::OK, &page)
}

fn listed(id: &str, methods: &Value) -> Value {
    json!({
        "name": format!("models/{id}"),
        "version": "001",
        "displayName": format!("Fake {id}"),
        "description": "A script",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 8192,
        "supportedGenerationMethods": methods,
        "temperature": 1,
        "topP": 0.95,
    })
}

/// What Google would say against a request.
fn fault_of(body: &Value) -> Option<String> {
    let config = field(body, "generationConfig");
    for (place, object, known) in [("", body, &FIELDS[..]), (" at 'generation_config'", config, &CONFIG_FIELDS[..])] {
        let mut names = object.as_object().into_iter().flatten().map(|(name, _)| name);
        if let Some(name) = names.find(|name| !known.contains(&camel_case(name).as_str())) {
            return Some(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."));
        }
    }
    let contents = list(field(body, "contents"));
    if contents.is_empty() {
        return Some("* GenerateContentRequest.contents: contents is not specified".to_owned());
    }
    contents.iter().enumerate().find_map(|(index, content)| {
        if !["user", "model"].contains(&content["role"].as_str().unwrap_or("user")) {
            return Some("Please use a valid role: user, model.".to_owned());
        }
        let parts = list(&content["parts"]);
        let is_empty = |part: &Value| part.as_object().is_none_or(serde_json::Map::is_empty);
        (parts.is_empty() || parts.iter().any(is_empty))
            .then(|| format!("* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty."))
    })
}

fn turn(content: &Value) -> Turn {
    let parts = list(&content["parts"]);
    let role = if content["role"] == "model" { "assistant" } else { "user" };
    let text = parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ");
    let sent = parts.iter().filter_map(|part| field(field(part, "inlineData"), "mimeType").as_str());
    let named = parts.iter().filter(|part| !field(part, "fileData").is_null()).map(|_| "url");
    Turn { role: role.to_owned(), text, images: sent.chain(named).map(str::to_owned).collect() }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A field by its name in camel case; Google reads snake case as well.
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    let mut fields = object.as_object().into_iter().flatten();
    fields.find(|(key, _)| camel_case(key) == name).map_or(&Value::Null, |(_, value)| value)
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        name + &initial.to_uppercase() + rest
    })
}

fn invalid(message: &str) -> Response<Body> {
    error(400, "INVALID_ARGUMENT", message, &json!([]))
}

fn error(code: u16, status: &str, message: &str, details: &Value) -> Response<Body> {
    let body = json!({"error": {"code": code, "message": message, "status": status, "details": details}});
    json_reply(StatusCode::from_u16(code).expect("a status"), &body)
}

struct Generate<'a> {
    request: &'a ProviderRequest,
    model: &'a str,
}

impl Generate<'_> {
    fn response(&self, text: &str, is_last: bool) -> Value {
        let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
        let mut usage = json!({"promptTokenCount": 11, "totalTokenCount": 11});
        if is_last {
            candidate["finishReason"] = "STOP".into();
            usage = json!({"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18});
        }
        json!({
            "candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model, "responseId": "fake",
        })
    }

    /// A key in the vendor's own header is an invalid argument, a bearer token a failed sign-in.
    fn rejected_key(&self) -> Response<Body> {
        let shown = self.request.shown_key("x-goog-api-key");
        let info = |reason: &str| {
            json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }])
        };
        if self.request.header("x-goog-api-key").is_empty() {
            let message = format!("Request had invalid authentication credentials: {shown}.");
            return error(401, "UNAUTHENTICATED", &message, &info("ACCESS_TOKEN_INVALID"));
        }
        let message = format!("API key not valid. Please pass a valid API key: {shown}.");
        error(400, "INVALID_ARGUMENT", &message, &info("API_KEY_INVALID"))
    }
}

/// Google ends its lines with both characters.
fn event(data: &Value) -> String {
    format!("data: {data}\r\n\r\n")
}

impl Grammar for Generate<'_> {
    fn whole(&self, text: &str) -> Value {
        self.response(text, true)
    }

    fn opening(&self) -> Vec<String> {
        Vec::new()
    }

    fn delta(&self, text: &str) -> String {
        event(&self.response(text, false))
    }

    /// There is no end marker: the last answer has a finish reason.
    fn ending(&self) -> Vec<String> {
        vec![event(&self.response("", true))]
    }

    fn broken(&self) -> String {
        "data: {\"candidates\": [\r\n\r\n".to_owned()
    }

    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        match refusal {
            Refusal::RateLimited => {
                let retry = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]);
                error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", &retry)
            }
            Refusal::NoQuota => {
                let message = "You exceeded your current quota, please check your plan and billing details.";
                let violation = json!({"quotaMetric": "generate_content_requests", "quotaId": "RequestsPerDay"});
                let quota =
                    json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]);
                error(429, "RESOURCE_EXHAUSTED", message, &quota)
            }
            Refusal::Key => self.rejected_key(),
            Refusal::Parameter => invalid(
                "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].",
            ),
            Refusal::ContextLength { limit, length } => invalid(&format!(
                "The input token count ({length}) exceeds the maximum number of tokens allowed ({limit})."
            )),
            Refusal::UnknownModel => {
                let message = format!(
                    "models/{} is not found for API version v1beta, or is not supported for generateContent. Call \
                     ListModels to see the list of available models and their supported methods.",
                    self.model
                );
                error(404, "NOT_FOUND", &message, &json!([]))
            }
            Refusal::Failed => error(500, "INTERNAL", "An internal error has occurred. Please retry.", &json!([])),
            Refusal::Overloaded => {
                let message = "The model is overloaded. Please try again later.";
                error(503, "UNAVAILABLE", message, &json!([]))
            }
        }
    }
}
