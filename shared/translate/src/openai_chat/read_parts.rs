//! The content of a caller's messages.

use serde_json::{Map, Value};

use super::fields::{Fields, wrong};
use crate::{Cache, Format, Malformed, Media, Part, Signature, Source, Text, Thinking};

/// A string or a list of parts; nothing where it is left out.
pub(super) fn content(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<Option<Vec<Part>>, Malformed> {
    match fields.take("content") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![Part::text(text)])),
        Some(Value::Array(items)) => {
            let mut parts = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                parts.push(part(fields.path(&format!("content.{index}")), item, extra)?);
            }
            Ok(Some(parts))
        }
        Some(_) => Err(fields.wrong("content", "a string or a list of parts")),
    }
}

fn part(path: String, item: Value, extra: &mut Map<String, Value>) -> Result<Part, Malformed> {
    if let Value::String(text) = item {
        return Ok(Part::text(text));
    }
    let mut fields = Fields::of(path, item)?;
    let part = match fields.text("type") {
        Some("text") => {
            let text = fields.required_string("text")?;
            Part::Text(Text { text, annotations: Vec::new(), cache: cache(&mut fields)? })
        }
        Some("image_url") => Part::Image(image(&mut fields, extra)?),
        Some("video_url") => {
            let mut inner = fields.required_object("video_url")?;
            let media = Media::new(address(inner.required_string("url")?));
            inner.keep_rest(extra);
            Part::Video(Media { cache: cache(&mut fields)?, ..media })
        }
        Some("input_audio") => Part::Audio(audio(&mut fields, extra)?),
        Some("file") => Part::File(file(&mut fields, extra)?),
        Some("refusal") => Part::Refusal(fields.required_string("refusal")?),
        Some("thinking" | "redacted_thinking") => return block(fields),
        Some(_) => return Ok(Part::Native { format: Format::OpenaiChat, value: fields.into_value() }),
        None => return Err(fields.wrong("type", "a string")),
    };
    fields.take("type");
    fields.keep_rest(extra);
    Ok(part)
}

fn image(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<Media, Malformed> {
    // Some senders give the address alone.
    if fields.text("image_url").is_some() {
        let url = fields.required_string("image_url")?;
        return Ok(Media { cache: cache(fields)?, ..Media::new(address(url)) });
    }
    let mut inner = fields.required_object("image_url")?;
    let source = address(inner.required_string("url")?);
    let detail = inner.string("detail")?;
    inner.keep_rest(extra);
    Ok(Media { source, name: None, detail, cache: cache(fields)? })
}

fn audio(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<Media, Malformed> {
    let mut inner = fields.required_object("input_audio")?;
    let data = inner.required_string("data")?;
    let media_type = match inner.required_string("format")?.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    inner.keep_rest(extra);
    Ok(Media { cache: cache(fields)?, ..Media::new(Source::Inline { media_type, data }) })
}

fn file(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<Media, Malformed> {
    let mut inner = fields.required_object("file")?;
    let name = inner.string("filename")?;
    let data = inner.string("file_data")?;
    let id = inner.string("file_id")?;
    let source = match (data, id) {
        (Some(data), None) => match address(data) {
            // Without a head it is base64 alone, as some send it.
            Source::Url(data) if !data.contains(':') => {
                Source::Inline { media_type: media_type_of(name.as_deref()).to_owned(), data }
            }
            source => source,
        },
        (None, Some(id)) => Source::Id { format: Format::OpenaiChat, id },
        _ => return Err(wrong(inner.path("file_data"), "a string, or `file_id` must be one")),
    };
    inner.keep_rest(extra);
    Ok(Media { source, name, detail: None, cache: cache(fields)? })
}

fn media_type_of(name: Option<&str>) -> &'static str {
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

/// Inline data where it is a `data:` address in base64.
pub(super) fn address(mut url: String) -> Source {
    let head = url.split_once(',').map(|(head, _)| head.len());
    let media_type = head.and_then(|end| {
        let head = url.get(..end)?.strip_prefix("data:")?.strip_suffix(";base64")?;
        Some(head.split(';').next().unwrap_or_default().to_owned())
    });
    match (media_type, head) {
        (Some(media_type), Some(end)) => Source::Inline { media_type, data: url.split_off(end + 1) },
        _ => Source::Url(url),
    }
}

/// Anthropic's mark, which several compatible providers take.
pub(super) fn cache(fields: &mut Fields) -> Result<Option<Cache>, Malformed> {
    let Some(mut mark) = fields.object("cache_control")? else { return Ok(None) };
    Ok(Some(Cache { ttl: mark.string("ttl")? }))
}

/// A thought in Anthropic's form: so it is written for those who take it from us, and so it comes back. A seal without
/// a mark is Anthropic's own.
pub(super) fn block(mut fields: Fields) -> Result<Part, Malformed> {
    const CARRIER: Format = Format::AnthropicMessages;
    match fields.text("type") {
        Some("thinking") => {
            let text = fields.required_string("thinking")?;
            let seal = fields.string("signature")?.filter(|seal| !seal.is_empty());
            let signature = seal.map(|seal| Signature::read_from(CARRIER, &seal));
            Ok(Part::Thinking(Thinking { text, signature }))
        }
        Some("redacted_thinking") => {
            let data = fields.required_string("data")?;
            Ok(Part::RedactedThinking(Signature::read_from(CARRIER, &data)))
        }
        _ => Err(fields.wrong("type", "`thinking` or `redacted_thinking`")),
    }
}
