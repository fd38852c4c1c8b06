//! The content of a caller's messages.

use serde_json::Value;

use crate::{
    Format, Malformed, Media, Part, Parts, Signature, Source, Text, Thinking,
    fields::{Fields, wrong},
};

/// A string or a list of parts; nothing where it is left out.
pub(super) fn content(fields: &mut Fields) -> Result<Option<Parts>, Malformed> {
    let place = fields.path("content");
    match fields.take("content") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(Parts::one(Part::text(text), place))),
        Some(Value::Array(items)) => {
            let read = |(index, item)| {
                let place = format!("{place}.{index}");
                Ok((part(fields, place.clone(), item)?, place))
            };
            items.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(fields.wrong("content", "a string or a list of parts")),
    }
}

fn part(message: &Fields, place: String, item: Value) -> Result<Part, Malformed> {
    if let Value::String(text) = item {
        return Ok(Part::text(text));
    }
    let mut fields = message.within(place, item)?;
    let part = match fields.text("type") {
        Some("text") => {
            let text = fields.required_string("text")?;
            Part::Text(Text { text, annotations: Vec::new(), cache: fields.cache_control()? })
        }
        Some("image_url") => Part::Image(image(&mut fields)?),
        Some("video_url") => {
            let media = Media::new(address(fields.required_object("video_url")?.required_string("url")?));
            Part::Video(Media { cache: fields.cache_control()?, ..media })
        }
        Some("input_audio") => Part::Audio(audio(&mut fields)?),
        Some("file") => Part::File(file(&mut fields)?),
        Some("refusal") => Part::Refusal(fields.required_string("refusal")?),
        Some("thinking" | "redacted_thinking") => return block(fields),
        Some(_) => return Ok(Part::Native { format: Format::OpenaiChat, value: fields.into_value() }),
        None => return Err(fields.wrong("type", "a string")),
    };
    fields.forget(&["type"]);
    Ok(part)
}

fn image(fields: &mut Fields) -> Result<Media, Malformed> {
    // Some senders give the address alone.
    if fields.text("image_url").is_some() {
        let url = fields.required_string("image_url")?;
        return Ok(Media { cache: fields.cache_control()?, ..Media::new(address(url)) });
    }
    let mut inner = fields.required_object("image_url")?;
    let source = address(inner.required_string("url")?);
    Ok(Media { source, name: None, detail: inner.string("detail")?, cache: fields.cache_control()? })
}

fn audio(fields: &mut Fields) -> Result<Media, Malformed> {
    let source = recording(fields.required_object("input_audio")?)?;
    Ok(Media { cache: fields.cache_control()?, ..Media::new(source) })
}

/// What stands in `input_audio`.
pub(crate) fn recording(mut inner: Fields) -> Result<Source, Malformed> {
    let data = inner.required_string("data")?;
    let media_type = match inner.required_string("format")?.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    Ok(Source::Inline { media_type, data })
}

fn file(fields: &mut Fields) -> Result<Media, Malformed> {
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
    Ok(Media { source, name, detail: None, cache: fields.cache_control()? })
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

/// A thought in Anthropic's form: so it is written for those who take it from us, and so it comes back. A seal without
/// a mark is Anthropic's own.
pub(super) fn block(mut fields: Fields) -> Result<Part, Malformed> {
    const CARRIER: Format = Format::AnthropicMessages;
    let part = match fields.text("type") {
        Some("thinking") => {
            let text = fields.required_string("thinking")?;
            let seal = fields.string("signature")?.filter(|seal| !seal.is_empty());
            let signature = seal.map(|seal| Signature::read_from(CARRIER, &seal));
            Part::Thinking(Thinking { text, signature })
        }
        Some("redacted_thinking") => {
            Part::RedactedThinking(Signature::read_from(CARRIER, &fields.required_string("data")?))
        }
        _ => return Err(fields.wrong("type", "`thinking` or `redacted_thinking`")),
    };
    // The latter is left over from a stream.
    fields.forget(&["type", "index"]);
    Ok(part)
}
