//! The parts of messages, for a provider.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::target::Target;
use crate::json::object;
use crate::{Cache, Format, Losses, Media, Member, Source, Text, Unsupported};

pub(super) fn text(words: String) -> Value {
    object([("type", "text".into()), ("text", words.into())])
}

/// With the mark where the sender or the provider knows it; else the provider caches by itself.
pub(super) fn with_cache(
    mut part: Value,
    cache: Option<Cache>,
    origin: Format,
    target: Target,
    losses: &mut Losses,
) -> Value {
    let Some(Cache { ttl }) = cache else { return part };
    if origin != Format::OpenaiChat && !target.takes_cache_marks() {
        losses.hint(Member::CacheControl.name(origin));
    } else if let Value::Object(members) = &mut part {
        let mut mark = Map::new();
        mark.insert("type".into(), "ephemeral".into());
        if let Some(ttl) = ttl {
            mark.insert("ttl".into(), ttl.into());
        }
        members.insert("cache_control".into(), Value::Object(mark));
    }
    part
}

/// A written part, and the mark that goes on it.
type Written = Result<(Value, Option<Cache>), Unsupported>;

pub(super) fn of_text(part: Text) -> (Value, Option<Cache>) {
    // Sources that a reply named are no part of what is asked.
    let Text { text: words, annotations: _, cache } = part;
    (text(words), cache)
}

pub(super) fn image(media: Media, path: &str, losses: &Losses) -> Written {
    let Media { source, name: _, detail, cache } = media;
    let url = match source {
        Source::Inline { media_type, data } => data_url(&media_type, &data),
        Source::Url(url) => url,
        Source::Text(words) => return Ok((text(words), cache)),
        Source::Id { .. } => return Err(losses.never(path, "an image is taken as data or by its address")),
    };
    let mut image = object([("url", url.into())]);
    if let Some(detail) = detail {
        image["detail"] = detail.into();
    }
    Ok((object([("type", "image_url".into()), ("image_url", image)]), cache))
}

pub(super) fn audio(media: Media, path: &str, losses: &Losses) -> Written {
    let Media { source, name: _, detail: _, cache } = media;
    let Source::Inline { media_type, data } = source else {
        return Err(losses.never(path, "sound is taken as data only"));
    };
    let format = match media_type.trim_start_matches("audio/") {
        "mpeg" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    };
    let format = format.into();
    let audio = object([("data", data.into()), ("format", format)]);
    Ok((object([("type", "input_audio".into()), ("input_audio", audio)]), cache))
}

pub(super) fn video(media: Media, target: Target, path: &str, losses: &Losses) -> Written {
    let Media { source, name: _, detail: _, cache } = media;
    let url = match source {
        _ if target.is_openai() => return Err(losses.never(path, "OpenAI's models do not see videos")),
        Source::Inline { media_type, data } => data_url(&media_type, &data),
        Source::Url(url) => url,
        Source::Text(_) | Source::Id { .. } => {
            return Err(losses.never(path, "a video is taken as data or by its address"));
        }
    };
    let video = object([("url", url.into())]);
    Ok((object([("type", "video_url".into()), ("video_url", video)]), cache))
}

pub(super) fn file(media: Media, origin: Format, path: &str, losses: &Losses) -> Written {
    let Media { source, name, detail: _, cache } = media;
    let part = match source {
        Source::Text(words) => document(name.as_deref(), words),
        Source::Inline { media_type, data } => inline_file(&media_type, &data, name, origin),
        // OpenAI keeps one store of files for both of its formats.
        Source::Id { format: Format::OpenaiChat | Format::OpenaiResponses, id } => file_part(("file_id", id), name),
        // Some that are compatible fetch it.
        Source::Url(url) if origin == Format::OpenaiChat => file_part(("file_data", url), name),
        Source::Url(_) => return Err(losses.never(path, "a document is taken as data, not by its address")),
        Source::Id { .. } => return Err(losses.never(path, "the file is in another provider's store")),
    };
    Ok((part, cache))
}

fn inline_file(media_type: &str, data: &str, name: Option<String>, origin: Format) -> Value {
    if let Some(words) = plain_text(media_type, data, origin) {
        return document(name.as_deref(), words);
    }
    // OpenAI wants a name with data.
    let name = name.unwrap_or_else(|| format!("document.{}", ending(media_type)));
    file_part(("file_data", data_url(media_type, data)), Some(name))
}

fn file_part((member, content): (&str, String), name: Option<String>) -> Value {
    let mut file = object([(member, content.into())]);
    if let Some(name) = name {
        file["filename"] = name.into();
    }
    object([("type", "file".into()), ("file", file)])
}

/// A document that is text goes as text: OpenAI takes PDFs alone as files.
fn document(name: Option<&str>, words: String) -> Value {
    match name {
        Some(name) => text(format!("{name}:\n\n{words}")),
        None => text(words),
    }
}

fn plain_text(media_type: &str, data: &str, origin: Format) -> Option<String> {
    if origin == Format::OpenaiChat || !media_type.starts_with("text/") {
        return None;
    }
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

fn ending(media_type: &str) -> &str {
    match media_type {
        "application/pdf" => "pdf",
        "application/json" => "json",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => "txt",
        _ => "bin",
    }
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}
