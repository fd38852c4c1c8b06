//! Anthropic's Messages API, as callers and as providers speak it.
//!
//! Where the sender's format is another one, the writer fits the request to what the model takes by its name: how it
//! thinks, which sampling it allows, whether instructions may come in the middle.

use serde_json::{Map, Value};

use crate::Format;
use crate::json::{map, object};

mod blocks;
mod citation;
mod identifier;
mod model;
mod read_blocks;
mod read_reply;
mod read_request;
mod schema;
mod settings;
mod stream_reader;
mod stream_writer;
mod thinking;
mod tools;
mod wire;
mod write_reply;
mod write_request;

#[cfg(test)]
mod tests;

pub(crate) use read_reply::read_reply;
pub use read_request::read_count_request;
pub(crate) use read_request::read_request;
pub(crate) use stream_reader::StreamReader;
pub(crate) use stream_writer::StreamWriter;
pub(crate) use write_reply::write_reply;
pub(crate) use write_request::write_request;

const OWN: Format = Format::AnthropicMessages;

/// The API wants a cap; this is written where the sender gave none, beside what thinking may take.
const DEFAULT_MAX_TOKENS: i64 = 4_096;

/// Before a seal that belongs to the call after it: a `tool_use` block has no place for one, a `redacted_thinking` block
/// before it has. Base64 has no `:`.
const SEAL_OF_CALL: &str = "call:";

/// What a model wrote that is no JSON object stands in this member, as Anthropic's guide to fine-grained streaming of
/// tools has it.
const INVALID_JSON: &str = "INVALID_JSON";

/// The `input` of a call, as the model wrote it.
fn input_of(arguments: String) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(&arguments) {
        Ok(Value::Object(input)) => Value::Object(input),
        _ => object([(INVALID_JSON, arguments.into())]),
    }
}

/// The reverse of [`input_of`].
fn arguments_of(input: Map<String, Value>) -> String {
    match input.get(INVALID_JSON) {
        Some(Value::String(written)) if input.len() == 1 => written.clone(),
        _ => Value::Object(input).to_string(),
    }
}
