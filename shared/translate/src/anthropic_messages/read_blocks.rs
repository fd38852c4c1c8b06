//! Content blocks, as a caller sends them.

use serde_json::{Map, Value};

use super::{
    OWN, SEAL_OF_CALL, arguments_of, citation,
    members::{Members, wrong},
};
use crate::{Cache, Malformed, Media, Part, Signature, Source, Text, Thinking, ToolCall, ToolResult};

/// A text, or a list of blocks.
pub(super) fn content(value: Value, path: &str) -> Result<Vec<Part>, Malformed> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => list(blocks, path),
        _ => Err(wrong(path.to_owned(), "a string or a list of content blocks")),
    }
}

fn list(blocks: Vec<Value>, path: &str) -> Result<Vec<Part>, Malformed> {
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        push(&mut parts, part(block, format!("{path}.{at}"))?);
    }
    Ok(parts)
}

/// Appends a part; a seal that was written before a call for want of a place in it goes back there.
pub(super) fn push(parts: &mut Vec<Part>, mut part: Part) {
    if let Part::ToolCall(call) = &mut part {
        let seal = parts.pop_if(|last| matches!(last, Part::RedactedThinking(seal) if of_call(seal).is_some()));
        if let Some(Part::RedactedThinking(seal)) = seal {
            call.signature = of_call(&seal);
        }
    }
    parts.push(part);
}

fn of_call(seal: &Signature) -> Option<Signature> {
    let text = seal.for_format(OWN)?.strip_prefix(SEAL_OF_CALL)?;
    Some(Signature::read_from(OWN, text))
}

pub(super) fn part(block: Value, path: String) -> Result<Part, Malformed> {
    let Value::Object(map) = &block else { return Err(wrong(path, "an object")) };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind.is_empty() {
        return Err(wrong(format!("{path}.type"), "the type of a content block"));
    }
    if !is_neutral(&kind, map) {
        return Ok(Part::Native { format: OWN, value: block });
    }
    let mut block = Members::of(block, path)?;
    match kind.as_str() {
        "text" => text(&mut block).map(Part::Text),
        "image" => media(&mut block).map(Part::Image),
        "document" => media(&mut block).map(Part::File),
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

/// Whether the neutral form has a place for all that the block says.
fn is_neutral(kind: &str, block: &Map<String, Value>) -> bool {
    let of_source = |known: &[&str]| {
        let kind = block.get("source").and_then(|source| source.get("type")).and_then(Value::as_str);
        kind.is_none_or(|kind| known.contains(&kind))
    };
    let known: &[&str] = match kind {
        "text" => &["text", "citations"],
        "image" if of_source(&["base64", "url", "file"]) => &["source"],
        "document" if of_source(&["base64", "url", "file", "text"]) => &["source", "title"],
        "thinking" => &["thinking", "signature"],
        "redacted_thinking" => &["data"],
        "tool_use" => &["id", "name", "input"],
        "tool_result" => &["tool_use_id", "content", "is_error"],
        _ => return false,
    };
    block.iter().all(|(name, value)| {
        let says_nothing = match name.as_str() {
            "type" | "cache_control" => true,
            // Of a document: whether places in it are to be cited.
            "citations" if kind == "document" => value.get("enabled").and_then(Value::as_bool) == Some(false),
            "caller" => value.get("type").and_then(Value::as_str) == Some("direct"),
            _ => false,
        };
        says_nothing || value.is_null() || known.contains(&name.as_str())
    })
}

fn text(block: &mut Members) -> Result<Text, Malformed> {
    let text = block.required_string("text")?;
    let citations = block.list("citations")?;
    let characters = if citations.is_empty() { 0 } else { text.chars().count() };
    Ok(Text {
        annotations: citations.into_iter().map(|cited| citation::annotation(cited, characters)).collect(),
        cache: cache(block)?,
        text,
    })
}

fn media(block: &mut Members) -> Result<Media, Malformed> {
    let name = block.string("title")?;
    let cache = cache(block)?;
    let path = block.at("source");
    let mut source = Members::of(block.required("source")?, path)?;
    let kind = source.required_string("type")?;
    let read = match kind.as_str() {
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
    source.nothing_else()?;
    Ok(Media { source: read, name, detail: None, cache })
}

fn tool_use(block: &mut Members) -> Result<ToolCall, Malformed> {
    let arguments = match block.required("input")? {
        Value::Object(input) => arguments_of(input),
        _ => return Err(block.wrong("input", "an object")),
    };
    Ok(ToolCall {
        id: block.required_string("id")?,
        name: block.required_string("name")?,
        arguments,
        signature: None,
        cache: cache(block)?,
    })
}

fn tool_result(block: &mut Members) -> Result<ToolResult, Malformed> {
    let path = block.at("content");
    let parts = block.take("content").map(|value| content(value, &path)).transpose()?.unwrap_or_default();
    Ok(ToolResult {
        call_id: block.required_string("tool_use_id")?,
        content: parts,
        is_error: block.boolean("is_error")?.unwrap_or(false),
        cache: cache(block)?,
    })
}

/// `cache_control`. It is of one type so far; members that we do not know are hints for the provider's cache alone.
pub(super) fn cache(owner: &mut Members) -> Result<Option<Cache>, Malformed> {
    let Some(mut cache) = owner.object("cache_control")? else { return Ok(None) };
    match cache.required_string("type")?.as_str() {
        "ephemeral" => Ok(Some(Cache { ttl: cache.string("ttl")? })),
        _ => Err(cache.wrong("type", "`ephemeral`")),
    }
}
