use serde_json::Value;

use crate::{Format, Losses, OnUnsupported, Request, Stamp};

mod fitted;
mod replies;
mod requests;
mod streams;

fn losses() -> Losses {
    Losses::new(Format::AnthropicMessages, OnUnsupported::Refuse)
}

fn stamp() -> Stamp {
    Stamp { id: "01".to_owned(), created: 1_750_000_000, model: "claude-opus-4-6".to_owned() }
}

fn read(body: &Value) -> Request {
    super::read_request(body.to_string().as_bytes()).expect("a request")
}

/// A request in nobody's format that asks one thing.
fn asking(origin: Format) -> Request {
    let mut request = Request::new(origin, "m");
    request.messages.push(user(vec![crate::Part::text("Hi")]));
    request
}

fn user(parts: Vec<crate::Part>) -> crate::Message {
    crate::Message { role: crate::Role::User, name: None, parts: parts.into() }
}

fn assistant(parts: Vec<crate::Part>) -> crate::Message {
    crate::Message { role: crate::Role::Assistant, name: None, parts: parts.into() }
}
