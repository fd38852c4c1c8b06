//! Amazon Bedrock's `Converse` and `ConverseStream`. The model's id stands in the address, and a stream is asked for by
//! another address: neither is in the body. Members and their limits are those of the service's public API model.

mod conversation;
mod family;
mod media;
mod read_reply;
mod stream_reader;
mod thinking;
mod tools;
mod wire;
mod write_request;

pub(crate) use read_reply::read_reply;
pub(crate) use stream_reader::StreamReader;
pub(crate) use write_request::write_request;

#[cfg(test)]
mod tests;
