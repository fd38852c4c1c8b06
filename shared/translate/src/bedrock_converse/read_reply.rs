//! A whole answer of Converse.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire::{self, Answer, CitedText, Image, Reasoning, ToolUse};
use crate::{Format, Media, Part, Reply, Source, Text, ToolCall, Unreadable, Usage};

pub(crate) fn read_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::OtherForm("the answer is no JSON"))?;
    if value.get("output").is_none() && is_error(&value) {
        return Err(Unreadable::Provider);
    }
    let Answer { output, stop_reason, usage, additional_model_response_fields: fields, trace, service_tier } =
        typed(value, "the answer is none of Converse")?;
    let output = output.ok_or(Unreadable::OtherForm("the answer has no output"))?;
    let reason = stop_reason.ok_or(Unreadable::OtherForm("the answer has no reason to stop"))?;
    let mut parts = Vec::with_capacity(output.message.content.len());
    for block in output.message.content {
        read_block(block, &mut parts)?;
    }
    Ok(Reply {
        id: None,
        model: trace.and_then(wire::Trace::model),
        created: None,
        parts,
        finish: wire::finish(&reason, fields.as_ref()),
        usage: usage.map(Usage::from).unwrap_or_default(),
        logprobs: None,
        service_tier: service_tier.map(|tier| tier.tier),
    })
}

/// Errors have a message; what kind they are stands in a header.
pub(super) fn is_error(value: &Value) -> bool {
    ["message", "Message", "__type"].iter().any(|name| value.get(name).is_some_and(Value::is_string))
}

pub(super) fn typed<T: DeserializeOwned>(value: Value, otherwise: &'static str) -> Result<T, Unreadable> {
    serde_json::from_value(value).map_err(|_| Unreadable::OtherForm(otherwise))
}

/// A block is an object of one member.
fn read_block(mut block: Value, parts: &mut Vec<Part>) -> Result<(), Unreadable> {
    const OTHER: &str = "a block of the answer has another form";
    let member = block.as_object().and_then(|members| members.iter().find(|(_, value)| !value.is_null()));
    let name = member.map(|(name, _)| name.clone()).ok_or(Unreadable::OtherForm(OTHER))?;
    let native = |value| Part::Native { format: Format::BedrockConverse, value };
    match name.as_str() {
        "text" => parts.push(Part::text(typed::<wire::Text>(block, OTHER)?.text)),
        "reasoningContent" => parts.push(typed::<Reasoning>(block["reasoningContent"].take(), OTHER)?.into()),
        // The service runs those itself.
        "toolUse" if block["toolUse"].get("type").is_some() => parts.push(native(block)),
        "toolUse" => parts.push(Part::ToolCall(call(typed(block["toolUse"].take(), OTHER)?))),
        "image" if block.pointer("/image/source/bytes").is_some() => {
            let Image { format, source } = typed(block["image"].take(), OTHER)?;
            let source = Source::Inline { media_type: format!("image/{format}"), data: source.bytes };
            parts.push(Part::Image(Media::new(source)));
        }
        "citationsContent" => cited(typed(block["citationsContent"].take(), OTHER)?, parts),
        _ => parts.push(native(block)),
    }
    Ok(())
}

fn call(ToolUse { id, name, input }: ToolUse) -> ToolCall {
    let arguments = input.filter(|input| !input.is_null()).map_or_else(|| "{}".to_owned(), |input| input.to_string());
    ToolCall { id, name, arguments, signature: None, cache: None }
}

/// A text with its sources; those that are not on the web are kept in the service's own form.
fn cited(CitedText { content, citations }: CitedText, parts: &mut Vec<Part>) {
    let text: String = content.iter().filter_map(|piece| piece.get("text")?.as_str()).collect();
    let letters = text.chars().count();
    let (mut annotations, mut others) = (Vec::new(), Vec::new());
    for citation in citations {
        match wire::annotation(&citation, letters) {
            Some(annotation) => annotations.push(annotation),
            None => others.push(citation),
        }
    }
    parts.push(Part::Text(Text { text, annotations, cache: None }));
    if !others.is_empty() {
        let value = serde_json::json!({"citationsContent": {"content": [], "citations": others}});
        parts.push(Part::Native { format: Format::BedrockConverse, value });
    }
}
