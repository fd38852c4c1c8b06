//! The `response` object: what the request said, and how the reply stands.

use serde_json::{Map, Value, json};

use super::{OWN, tools, write_request};
use crate::{Finish, Part, Request, Stamp, Tool, Usage};

/// The codes that an error of a reply may have.
const ERROR_CODES: [&str; 18] = [
    "server_error",
    "rate_limit_exceeded",
    "invalid_prompt",
    "vector_store_timeout",
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_content_policy_violation",
    "invalid_image_mode",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
];

const SERVICE_TIERS: [&str; 5] = ["auto", "default", "flex", "scale", "priority"];

/// How a reply stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    InProgress,
    Completed,
    /// Why it is not whole.
    Incomplete(&'static str),
    /// `{code, message}`.
    Failed(Value),
}

impl Outcome {
    /// `refused` is whether the reply says itself that the model refused.
    pub(super) fn of(finish: &Finish, refused: bool) -> Self {
        match finish {
            Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => Self::Completed,
            Finish::Refusal if refused => Self::Completed,
            Finish::Refusal | Finish::ContentFilter => Self::Incomplete("content_filter"),
            Finish::Length | Finish::ContextLength | Finish::Pause => Self::Incomplete("max_output_tokens"),
            Finish::Malformed(word) => Self::Failed(json!({
                "code": "server_error",
                "message": format!("The model did not finish its reply: {word}."),
            })),
        }
    }

    /// From an error object of the API: `{message, type, param, code}`.
    pub(super) fn failed(error: &Value) -> Self {
        let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let known = [word("code"), word("type")].into_iter().find(|word| ERROR_CODES.contains(word));
        let code = match known {
            Some(code) => code,
            None if word("type").contains("rate_limit") || word("code").contains("rate_limit") => "rate_limit_exceeded",
            None => "server_error",
        };
        let message = match word("message") {
            "" => "The reply broke off.",
            message => message,
        };
        Self::Failed(json!({ "code": code, "message": message }))
    }

    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// What all `response` objects of one reply have in common.
#[derive(Debug)]
pub(super) struct Envelope(Map<String, Value>);

impl Envelope {
    pub(super) fn new(request: &Request, stamp: &Stamp) -> Self {
        let extra = |name: &str| match request.extra.get(name) {
            Some(value) if request.origin == OWN => value.clone(),
            _ => Value::Null,
        };
        let or = |value: Value, default: Value| if value.is_null() { default } else { value };
        let map = [
            ("id", json!(format!("resp_{}", stamp.id))),
            ("object", json!("response")),
            ("created_at", json!(stamp.created)),
            ("status", Value::Null),
            ("background", or(extra("background"), json!(false))),
            ("error", Value::Null),
            ("incomplete_details", Value::Null),
            ("instructions", instructions(&request.system)),
            ("max_output_tokens", json!(request.max_tokens)),
            ("max_tool_calls", extra("max_tool_calls")),
            ("model", json!(stamp.model)),
            ("output", Value::Null),
            ("parallel_tool_calls", json!(request.parallel_tool_calls.unwrap_or(true))),
            ("previous_response_id", extra("previous_response_id")),
            ("reasoning", reasoning(request)),
            ("service_tier", tier(request.service_tier.as_deref())),
            ("temperature", json!(request.sampling.temperature)),
            ("text", text(request)),
            ("tool_choice", tool_choice(request)),
            ("tools", tools_of(request)),
            ("top_logprobs", json!(request.logprobs.map_or(0, |logprobs| logprobs.top))),
            ("top_p", json!(request.sampling.top_p)),
            ("truncation", or(extra("truncation"), json!("disabled"))),
            ("usage", Value::Null),
            ("metadata", Value::Object(request.metadata.clone())),
        ];
        let mut map: Map<String, Value> = map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let conversation = match extra("conversation") {
            Value::String(id) => json!({ "id": id }),
            other => other,
        };
        let seldom = [
            ("conversation", conversation),
            ("prompt", extra("prompt")),
            ("prompt_cache_key", json!(request.cache_key)),
            ("prompt_cache_retention", extra("prompt_cache_retention")),
            ("safety_identifier", extra("safety_identifier")),
            ("store", json!(request.store)),
            ("user", json!(request.user)),
        ];
        let given = seldom.into_iter().filter(|(_, value)| !value.is_null());
        map.extend(given.map(|(name, value)| (name.to_owned(), value)));
        Self(map)
    }

    pub(super) fn serve_with(&mut self, service_tier: &str) {
        self.0.insert("service_tier".to_owned(), tier(Some(service_tier)));
    }

    pub(super) fn response(&self, outcome: &Outcome, output: Vec<Value>, usage: Option<&Usage>) -> Value {
        let mut map = self.0.clone();
        let mut set = |name: &str, value: Value| map.insert(name.to_owned(), value);
        set("status", json!(outcome.status()));
        match outcome {
            Outcome::InProgress | Outcome::Completed => {}
            Outcome::Incomplete(reason) => drop(set("incomplete_details", json!({ "reason": reason }))),
            Outcome::Failed(error) => drop(set("error", error.clone())),
        }
        set("output", Value::Array(output));
        let counts = usage.filter(|usage| usage.sum().or(usage.output).or(usage.input).is_some());
        match (outcome, counts) {
            // Clients read the counts of a reply that ended without asking whether there are any.
            (Outcome::Completed | Outcome::Incomplete(_), None) => drop(set("usage", write_usage(&Usage::default()))),
            (_, Some(usage)) => drop(set("usage", write_usage(usage))),
            // Not null: the schema has an object or nothing.
            (Outcome::InProgress | Outcome::Failed(_), None) => drop(map.shift_remove("usage")),
        }
        Value::Object(map)
    }
}

fn instructions(system: &[Part]) -> Value {
    let texts: Vec<&str> = system
        .iter()
        .filter_map(|part| if let Part::Text(text) = part { Some(text.text.as_str()) } else { None })
        .collect();
    if texts.is_empty() { Value::Null } else { Value::String(texts.join("\n\n")) }
}

fn reasoning(request: &Request) -> Value {
    let mut members = request.reasoning.map(write_request::write_reasoning).unwrap_or_default();
    for name in ["effort", "summary"] {
        members.entry(name).or_insert(Value::Null);
    }
    Value::Object(members)
}

fn text(request: &Request) -> Value {
    let format = request.format.clone().map_or_else(|| json!({ "type": "text" }), write_request::write_format);
    let mut text = json!({ "format": format });
    if let Some(verbosity) = &request.verbosity {
        text["verbosity"] = json!(verbosity);
    }
    text
}

fn tool_choice(request: &Request) -> Value {
    request.tool_choice.clone().map_or_else(|| json!("auto"), tools::write_choice)
}

fn tools_of(request: &Request) -> Value {
    let tools = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => {
            let mut tool = tools::write_function(function.clone(), request.origin);
            if tool.get("strict").is_none() {
                tool["strict"] = Value::Null;
            }
            Some(tool)
        }
        Tool::Native(value) => (request.origin == OWN).then(|| value.clone()),
    });
    tools.collect()
}

/// One of the API's own words for it.
fn tier(word: Option<&str>) -> Value {
    match word {
        None => Value::Null,
        Some(word) if SERVICE_TIERS.contains(&word) => json!(word),
        Some(_) => json!("default"),
    }
}

/// The API always sends the counts below; what was not counted is 0 there.
fn write_usage(usage: &Usage) -> Value {
    let total = usage.sum().or(usage.output).or(usage.input).unwrap_or(0);
    let mut input = json!({
        "cached_tokens": usage.cache_read.unwrap_or(0),
        "cache_write_tokens": usage.cache_written.unwrap_or(0),
    });
    let mut output = json!({ "reasoning_tokens": usage.reasoning.unwrap_or(0) });
    if let Some(count) = usage.input_audio {
        input["audio_tokens"] = json!(count);
    }
    for (name, count) in [
        ("audio_tokens", usage.output_audio),
        ("accepted_prediction_tokens", usage.accepted_prediction),
        ("rejected_prediction_tokens", usage.rejected_prediction),
    ] {
        if let Some(count) = count {
            output[name] = json!(count);
        }
    }
    json!({
        "input_tokens": usage.input.unwrap_or(0),
        "input_tokens_details": input,
        "output_tokens": usage.output.unwrap_or(0),
        "output_tokens_details": output,
        "total_tokens": total,
    })
}
