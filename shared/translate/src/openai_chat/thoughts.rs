//! Where chat completions carry a model's thoughts. OpenAI itself does not show them; others do, each in a member of
//! its own, and want them back there: the seal says where.

use serde_json::{Map, Value, json};

use crate::{Format, Part, Signature, Thinking};

/// Members that are one text: DeepSeek's and vLLM's older name, that of Groq, OpenRouter and vLLM's newer one.
pub(super) const MEMBERS: [&str; 2] = ["reasoning_content", "reasoning"];

/// The place of Mistral's thoughts: parts of the content.
pub(super) const CONTENT: &str = "content";

/// Says that thoughts came in `member`.
pub(super) fn seal(member: &str) -> Signature {
    Signature::new(Format::OpenaiChat, member)
}

pub(super) fn plain(text: String, member: &str) -> Part {
    Part::Thinking(Thinking { text, signature: Some(seal(member)) })
}

/// The name of the text in an item of OpenRouter's `reasoning_details`, or of `thinking_blocks`; nothing where only the
/// provider can read it.
pub(super) fn text_name(detail: &Map<String, Value>) -> Option<&'static str> {
    match detail.get("type").and_then(Value::as_str) {
        Some("reasoning.text") => Some("text"),
        Some("reasoning.summary") => Some("summary"),
        Some("thinking") => Some("thinking"),
        _ => None,
    }
}

/// A whole item; its seal is all of it but the text.
pub(super) fn detail(mut detail: Map<String, Value>) -> Part {
    match text_name(&detail) {
        Some(name) => {
            let text = match detail.shift_remove(name) {
                Some(Value::String(text)) => text,
                _ => String::new(),
            };
            Part::Thinking(Thinking { text, signature: Some(detail_seal(detail)) })
        }
        None => Part::RedactedThinking(detail_seal(detail)),
    }
}

pub(super) fn detail_seal(detail: Map<String, Value>) -> Signature {
    Signature::new(Format::OpenaiChat, Value::Object(detail).to_string())
}

/// Where thoughts with this seal of ours belong.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    Member(&'static str),
    /// An item of `reasoning_details` or `thinking_blocks`, with the text again.
    Item {
        list: &'static str,
        item: Value,
    },
    /// Parts of the content.
    Content,
}

/// Nothing for a seal that is not from a chat completion.
pub(super) fn place(signature: &Signature, text: &str) -> Option<Place> {
    let seal = signature.for_format(Format::OpenaiChat)?;
    if seal == CONTENT {
        return Some(Place::Content);
    }
    if let Some(member) = MEMBERS.into_iter().find(|member| *member == seal) {
        return Some(Place::Member(member));
    }
    let mut item: Map<String, Value> = serde_json::from_str(seal).ok()?;
    if let Some(name) = text_name(&item) {
        item.insert(name.into(), text.into());
    }
    let is_detail = item.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("reasoning."));
    let list = if is_detail { "reasoning_details" } else { "thinking_blocks" };
    Some(Place::Item { list, item: Value::Object(item) })
}

/// A foreign thought for a caller, in Anthropic's form.
pub(super) fn block(text: &str, signature: &Signature) -> Value {
    json!({"type": "thinking", "thinking": text, "signature": signature.written_in(Format::AnthropicMessages)})
}

pub(super) fn redacted_block(signature: &Signature) -> Value {
    json!({"type": "redacted_thinking", "data": signature.written_in(Format::AnthropicMessages)})
}

/// Adds to a list in `message`.
pub(super) fn push(message: &mut Map<String, Value>, list: &str, item: Value) {
    match message.get_mut(list) {
        Some(Value::Array(items)) => items.push(item),
        _ => {
            message.insert(list.into(), Value::Array(vec![item]));
        }
    }
}

/// Adds to a text in `message`.
pub(super) fn append(message: &mut Map<String, Value>, member: &str, text: &str) {
    match message.get_mut(member) {
        Some(Value::String(before)) => before.push_str(text),
        _ => {
            message.insert(member.into(), text.into());
        }
    }
}
