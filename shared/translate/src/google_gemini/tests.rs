//! Bodies and events are in the form of Google's public documentation: the API's reference at
//! <https://ai.google.dev/api/generate-content> and its pages on thinking, thought signatures, function calling and
//! grounding.

mod losses;
mod reply;
mod request;
mod stream;

use serde_json::Value;

use super::write_request;
use crate::{
    Format, Function, Losses, Message, OnUnsupported, Part, Request, Role, Signature, ToolCall, ToolResult, Unsupported,
};

const NEW: &str = "gemini-3.5-flash";
const OLD: &str = "models/gemini-2.5-flash";

fn losses() -> Losses {
    Losses::new(Format::GoogleGemini, OnUnsupported::Refuse)
}

/// The body, and what was left out of it.
fn written(request: Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = losses();
    let body = write_request(request, model, &mut losses).expect("a body");
    (body, losses.dropped().to_vec())
}

fn refused(request: Request) -> Unsupported {
    write_request(request, NEW, &mut losses()).expect_err("refused")
}

/// A request of one word.
fn asking() -> Request {
    let mut request = Request::new(Format::OpenaiChat, "g");
    request.messages.push(said(Role::User, vec![Part::text("Hi")]));
    request
}

fn said(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts: parts.into() }
}

fn seal(value: &str) -> Signature {
    Signature::new(Format::GoogleGemini, value)
}

fn function(name: &str) -> Function {
    Function { name: name.to_owned(), description: None, parameters: None, strict: None, cache: None }
}

fn tool_call(id: &str, name: &str, arguments: &str, signature: Option<Signature>) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::ToolCall(ToolCall { id, name, arguments, signature, cache: None })
}

fn tool_result(call_id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { call_id: call_id.to_owned(), content: content.into(), is_error: false, cache: None })
}
