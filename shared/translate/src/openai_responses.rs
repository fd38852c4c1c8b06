//! OpenAI's Responses API: what callers send to `/v1/responses`, and what a provider of it is sent.
//!
//! Three things about the labels of the format's own store: `id`, `status` and `phase` of items that are given back say
//! nothing to another provider and are not read; items that only the store can resolve (`item_reference`) and those of
//! built-in tools are [`Part::Native`]; a reasoning item carries the seal of any provider in `encrypted_content`.

mod annotation;
mod envelope;
mod item;
mod open_item;
mod read_input;
mod read_reply;
mod read_request;
mod sse;
mod stream_reader;
mod stream_writer;
#[cfg(test)]
mod tests;
mod tools;
mod wire;
mod write_input;
mod write_reply;
mod write_request;

pub(crate) use read_reply::read_reply;
pub(crate) use read_request::read_request;
pub(crate) use stream_reader::StreamReader;
pub(crate) use stream_writer::StreamWriter;
pub(crate) use write_reply::write_reply;
pub(crate) use write_request::write_request;

use crate::Format;

const OWN: Format = Format::OpenaiResponses;

/// Stands before a seal that belongs to the function call after it, not to the thoughts of its own item.
const OF_CALL: &str = "call:";

/// Of `include`: that thoughts come with their seals.
const INCLUDE_SEALS: &str = "reasoning.encrypted_content";

/// Of `include`: that texts come with their log probabilities.
const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";
