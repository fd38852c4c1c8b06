//! OpenAI's chat completions, and what the many providers that speak them add or do otherwise: Azure, DeepSeek, Google's
//! compatible address, Groq, llama.cpp, Mistral, OpenRouter, vLLM and others.

mod finish;
mod read_messages;
mod read_parts;
mod read_reply;
mod read_request;
mod stream_reader;
mod stream_writer;
mod target;
mod thoughts;
mod usage;
mod wire;
mod write_messages;
mod write_parts;
mod write_reply;
mod write_request;

#[cfg(test)]
mod tests;

pub(crate) use read_parts::recording;
pub(crate) use read_reply::read_reply;
pub(crate) use read_request::{forget_older_calls, read_request};
pub(crate) use stream_reader::StreamReader;
pub(crate) use stream_writer::StreamWriter;
pub(crate) use write_reply::{wants_older_calls, write_reply};
pub(crate) use write_request::write_request;
