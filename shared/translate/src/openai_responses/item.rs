//! The items of a reply, with the members that the API always sends.

use serde_json::{Value, json};

use super::{OF_CALL, OWN};
use crate::json::object;
use crate::{Signature, Stamp};

/// Some providers write nothing for a call without arguments; clients read JSON.
pub(super) const NO_ARGUMENTS: &str = "{}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// `prefix` says what it is, `n` is its place in the reply.
pub(super) fn id(prefix: &str, stamp: &Stamp, n: usize) -> String {
    format!("{prefix}_{}_{n}", stamp.id)
}

pub(super) fn message(id: &str, status: Status, content: Vec<Value>) -> Value {
    object([
        ("id", json!(id)),
        ("type", json!("message")),
        ("status", json!(status.name())),
        ("content", Value::Array(content)),
        ("role", json!("assistant")),
    ])
}

/// With sources and log probabilities as the API writes them.
pub(super) fn text(text: String, annotations: Vec<Value>, logprobs: Vec<Value>) -> Value {
    object([
        ("type", json!("output_text")),
        ("annotations", Value::Array(annotations)),
        ("logprobs", Value::Array(logprobs)),
        ("text", Value::String(text)),
    ])
}

pub(super) fn refusal(text: String) -> Value {
    object([("type", json!("refusal")), ("refusal", Value::String(text))])
}

pub(super) fn summary(text: String) -> Value {
    object([("type", json!("summary_text")), ("text", Value::String(text))])
}

pub(super) fn call(id: &str, status: Status, call_id: &str, name: &str, arguments: String) -> Value {
    object([
        ("id", json!(id)),
        ("type", json!("function_call")),
        ("status", json!(status.name())),
        ("arguments", Value::String(arguments)),
        ("call_id", json!(call_id)),
        ("name", json!(name)),
    ])
}

/// Thoughts and their seal; `text` is nothing where only the provider can read them.
pub(super) fn reasoning(id: &str, text: Option<String>, seal: Option<&Signature>) -> Value {
    sealed(id, text, seal.map(|seal| seal.written_in(OWN)))
}

/// The seal of the call that follows: a call has no member for it.
pub(super) fn seal_of_call(id: &str, seal: &Signature) -> Value {
    sealed(id, None, Some(format!("{OF_CALL}{}", seal.written_in(OWN))))
}

fn sealed(id: &str, text: Option<String>, seal: Option<String>) -> Value {
    object([
        ("id", json!(id)),
        ("type", json!("reasoning")),
        ("summary", text.map(summary).into_iter().collect()),
        ("encrypted_content", seal.map_or(Value::Null, Value::String)),
    ])
}

pub(super) fn image(id: &str, data: String) -> Value {
    object([
        ("id", json!(id)),
        ("type", json!("image_generation_call")),
        ("status", json!("completed")),
        ("result", Value::String(data)),
    ])
}
