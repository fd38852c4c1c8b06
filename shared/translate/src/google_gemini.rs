//! Google's `generateContent` and `streamGenerateContent?alt=sse`. The model and the wish for a stream stand in the
//! address.

mod config;
mod contents;
mod grounding;
mod media;
mod members;
mod model;
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
