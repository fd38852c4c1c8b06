use serde_json::Value;

use super::wire::{self, Answer, Function, Message};
use crate::{Format, Media, Part, Reply, Signature, Source, Thinking, ToolCall, Unreadable, call};

pub(crate) fn read_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let mut answer = Answer::parse(body)?;
    if !answer.done {
        return Err(Unreadable::OtherForm("the reply is not done"));
    }
    let Message { content, thinking, images, tool_calls } = answer.message.take().unwrap_or_default();
    let mut parts = Vec::new();
    if let Some(text) = thinking.filter(|text| !text.is_empty()) {
        parts.push(Part::Thinking(Thinking { text, signature: Some(seal()) }));
    }
    parts.extend(content.filter(|text| !text.is_empty()).map(Part::text));
    parts.extend(images.unwrap_or_default().into_iter().map(|data| Part::Image(image(data))));
    let calls = tool_calls.unwrap_or_default();
    let has_calls = !calls.is_empty();
    let calls = calls.into_iter().enumerate();
    parts.extend(calls.map(|(index, call)| Part::ToolCall(tool_call(call, index, &answer.created_at))));
    Ok(Reply {
        id: None,
        created: None,
        finish: answer.finish(has_calls),
        usage: answer.usage(),
        logprobs: answer.take_logprobs(),
        model: answer.model,
        parts,
        service_tier: None,
    })
}

/// Marks thoughts as a local model's, so that they are given back to it and to nobody else.
pub(super) fn seal() -> Signature {
    Signature::new(Format::OllamaChat, "")
}

pub(super) fn tool_call(theirs: wire::ToolCall, index: usize, reply: &str) -> ToolCall {
    let wire::ToolCall { id, function: Function { name, arguments } } = theirs;
    let arguments = Value::Object(arguments.unwrap_or_default()).to_string();
    let made_up = || call::made_up_id(reply, index, &name, &arguments);
    let id = id.filter(|id| !id.is_empty()).unwrap_or_else(made_up);
    ToolCall { id, name, arguments, signature: None, cache: None }
}

/// What a model drew. Ollama does not tell the type; the first bytes do.
pub(super) fn image(data: String) -> Media {
    let media_type = match data.get(..4) {
        Some("/9j/") => "image/jpeg",
        Some("UklG") => "image/webp",
        Some("R0lG") => "image/gif",
        _ => "image/png",
    };
    Media::new(Source::Inline { media_type: media_type.to_owned(), data })
}
