//! Content blocks, as a caller sends them.

use serde_json::{Value, json};

use super::{OWN, SEAL_OF_CALL, arguments_of, citation};
use crate::{Malformed, Media, Part, Parts, Signature, Source, Text, Thinking, ToolCall, ToolResult, fields::Fields};

/// A text, or a list of blocks.
pub(super) fn content(owner: &mut Fields, name: &str) -> Result<Parts, Malformed> {
    match owner.peek(name) {
        Some(Value::String(_)) => Ok(Parts::one(Part::text(owner.required_string(name)?), owner.path(name))),
        Some(Value::Array(_)) => list(owner.objects(name)?),
        Some(_) => Err(owner.wrong(name, "a string or a list of content blocks")),
        None => owner.required(name).map(|_| Parts::new()),
    }
}

fn list(blocks: Vec<Fields>) -> Result<Parts, Malformed> {
    let mut parts = Parts::new();
    for block in blocks {
        let place = block.place().to_owned();
        push(&mut parts, part(block)?, place);
    }
    Ok(parts)
}

/// Appends a part; a seal that was written before a call for want of a place in it goes back there.
pub(super) fn push(parts: &mut Parts, mut part: Part, place: String) {
    if let Part::ToolCall(call) = &mut part
        && let Some(Part::RedactedThinking(seal)) = parts.last()
        && let Some(seal) = of_call(seal)
    {
        call.signature = Some(seal);
        parts.pop();
    }
    parts.push(part, place);
}

fn of_call(seal: &Signature) -> Option<Signature> {
    let text = seal.for_format(OWN)?.strip_prefix(SEAL_OF_CALL)?;
    Some(Signature::read_from(OWN, text))
}

pub(super) fn part(mut block: Fields) -> Result<Part, Malformed> {
    let kind = block.text("type").unwrap_or_default().to_owned();
    let of_source = |known: &[&str]| {
        let kind = block.peek("source").and_then(|source| source.get("type")).and_then(Value::as_str);
        kind.is_none_or(|kind| known.contains(&kind))
    };
    let is_neutral = match kind.as_str() {
        "" => return Err(block.wrong("type", "the type of a content block")),
        "image" => of_source(&["base64", "url", "file"]),
        "document" => of_source(&["base64", "url", "file", "text"]),
        "text" | "thinking" | "redacted_thinking" | "tool_use" | "tool_result" => true,
        _ => false,
    };
    if !is_neutral {
        return Ok(Part::Native { format: OWN, value: block.into_value() });
    }
    block.forget(&["type"]);
    match kind.as_str() {
        "text" => text(&mut block).map(Part::Text),
        "image" => media(&mut block).map(Part::Image),
        "document" => {
            // Whether places in it are to be cited.
            block.forget_in("citations", "enabled", |enabled| *enabled == json!(false));
            let name = block.string("title")?;
            media(&mut block).map(|media| Part::File(Media { name, ..media }))
        }
        "thinking" => {
            let signature = block.string("signature")?.filter(|seal| !seal.is_empty());
            let signature = signature.map(|seal| Signature::read_from(OWN, &seal));
            Ok(Part::Thinking(Thinking { text: block.required_string("thinking")?, signature }))
        }
        "redacted_thinking" => Ok(Part::RedactedThinking(Signature::read_from(OWN, &block.required_string("data")?))),
        "tool_use" => tool_use(&mut block).map(Part::ToolCall),
        _ => tool_result(&mut block).map(Part::ToolResult),
    }
}

fn text(block: &mut Fields) -> Result<Text, Malformed> {
    let text = block.required_string("text")?;
    let citations = block.objects("citations")?;
    let characters = if citations.is_empty() { 0 } else { text.chars().count() };
    let annotation = |cited: Fields| citation::annotation(citation::known(cited), characters);
    Ok(Text { annotations: citations.into_iter().map(annotation).collect(), cache: block.cache_control()?, text })
}

fn media(block: &mut Fields) -> Result<Media, Malformed> {
    let cache = block.cache_control()?;
    let mut source = block.required_object("source")?;
    let read = match source.required_string("type")?.as_str() {
        "base64" => {
            Source::Inline { media_type: source.required_string("media_type")?, data: source.required_string("data")? }
        }
        "url" => Source::Url(source.required_string("url")?),
        "file" => Source::Id { format: OWN, id: source.required_string("file_id")? },
        _ => {
            // Always `text/plain`.
            source.string("media_type")?;
            Source::Text(source.required_string("data")?)
        }
    };
    Ok(Media { cache, ..Media::new(read) })
}

fn tool_use(block: &mut Fields) -> Result<ToolCall, Malformed> {
    block.forget_in("caller", "type", |kind| kind == "direct");
    Ok(ToolCall {
        arguments: arguments_of(block.required_map("input")?),
        id: block.required_string("id")?,
        name: block.required_string("name")?,
        signature: None,
        cache: block.cache_control()?,
    })
}

fn tool_result(block: &mut Fields) -> Result<ToolResult, Malformed> {
    Ok(ToolResult {
        content: if block.has("content") { content(block, "content")? } else { Parts::new() },
        call_id: block.required_string("tool_use_id")?,
        is_error: block.boolean("is_error")?.unwrap_or(false),
        cache: block.cache_control()?,
    })
}
