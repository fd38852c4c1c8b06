//! Bodies and lines are in the form of Ollama's public documentation (`docs/api.md`, `docs/openapi.yaml` and
//! `docs/capabilities` of its repository) and of the types its server writes them with (`api/types.go`).

mod reply;
mod request;

use crate::{Message, Part, Role, ToolCall};

fn said(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts: parts.into() }
}

fn tool_call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None })
}
