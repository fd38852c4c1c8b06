//! A provider's whole message.

use serde_json::{Map, Value};

use super::{
    OWN, arguments_of, citation,
    wire::{Message, finish},
};
use crate::{Finish, Part, Reply, Signature, Text, Thinking, ToolCall, Unreadable};

pub(crate) fn read_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let message: Message =
        serde_json::from_slice(body).map_err(|_| Unreadable::OtherForm("the reply is no message of Anthropic's"))?;
    if message.error.is_some() || message.kind.as_deref() == Some("error") {
        return Err(Unreadable::Provider);
    }
    let blocks = message.content.ok_or(Unreadable::OtherForm("the reply has no `content`"))?;
    let mut parts = blocks.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let explanation = message.stop_details.and_then(|details| details.explanation);
    parts.extend(explanation.filter(|text| !text.is_empty()).map(Part::Refusal));
    let counts = message.usage.unwrap_or_default();
    Ok(Reply {
        id: message.id,
        model: message.model,
        created: None,
        parts,
        finish: message.stop_reason.map_or(Finish::Stop, |reason| finish(&reason, message.stop_sequence)),
        usage: counts.usage(),
        logprobs: None,
        service_tier: counts.service_tier(),
    })
}

fn part(mut block: Map<String, Value>) -> Result<Part, Unreadable> {
    let mut take = |name: &str| block.get_mut(name).map(Value::take).unwrap_or_default();
    let string = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(Unreadable::OtherForm("a block of the reply lacks a text that it should have")),
    };
    let kind = take("type");
    match kind.as_str() {
        Some("text") => {
            let text = string(take("text"))?;
            let citations = match take("citations") {
                Value::Array(citations) => citations,
                _ => Vec::new(),
            };
            let characters = if citations.is_empty() { 0 } else { text.chars().count() };
            let annotations = citations.into_iter().map(|cited| citation::annotation(cited, characters)).collect();
            Ok(Part::Text(Text { text, annotations, cache: None }))
        }
        Some("thinking") => {
            let signature = string(take("signature")).ok().filter(|seal| !seal.is_empty());
            let signature = signature.map(|seal| Signature::read_from(OWN, &seal));
            Ok(Part::Thinking(Thinking { text: string(take("thinking"))?, signature }))
        }
        Some("redacted_thinking") => Ok(Part::RedactedThinking(Signature::read_from(OWN, &string(take("data"))?))),
        Some("tool_use") => {
            let arguments = match take("input") {
                Value::Object(input) => arguments_of(input),
                Value::Null => "{}".to_owned(),
                _ => return Err(Unreadable::OtherForm("the `input` of a call is no object")),
            };
            let (id, name) = (string(take("id"))?, string(take("name"))?);
            Ok(Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None }))
        }
        Some(_) => {
            block.insert("type".to_owned(), kind);
            Ok(Part::Native { format: OWN, value: block.into() })
        }
        None => Err(Unreadable::OtherForm("a block of the reply has no `type`")),
    }
}
