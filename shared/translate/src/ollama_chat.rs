//! Ollama's own `/api/chat`: one JSON object a line.
//!
//! It beats Ollama's compatible API where a request has what only Ollama knows (see `options.rs`), where a model's own
//! defaults for sampling should hold (the compatible one sets `temperature` and `top_p` to 1), and in that thoughts
//! come back and go in again.

mod messages;
mod options;
mod read_reply;
mod stream_reader;
#[cfg(test)]
mod tests;
mod tools;
mod wire;
mod write_request;

pub(crate) use read_reply::read_reply;
pub(crate) use stream_reader::StreamReader;
pub(crate) use write_request::write_request;
