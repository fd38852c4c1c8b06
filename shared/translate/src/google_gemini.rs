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

/// An object that takes its values as they are: `json!` would copy them, and they may be megabytes.
fn object<const N: usize>(members: [(&str, serde_json::Value); N]) -> serde_json::Value {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
