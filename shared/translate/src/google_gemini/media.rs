//! Images, documents and recordings.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use crate::json::object;
use crate::{Format, Losses, Media, Member, Source, Unsupported};

/// Media types by how an address ends.
const TYPES: [(&str, &str); 20] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("bmp", "image/bmp"),
    ("pdf", "application/pdf"),
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("xml", "text/xml"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
];

/// An `inlineData` or `fileData` part. Google fetches addresses of `https:` and `gs:` itself.
pub(super) fn part(media: Media, place: &str, origin: Format, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Media { source, name, detail, cache } = media;
    if name.is_some() {
        losses.hint("filename");
    }
    if detail.is_some_and(|detail| detail != "auto") {
        losses.hint("detail");
    }
    if cache.is_some() {
        losses.hint(Member::CacheControl.name(origin));
    }
    match source {
        Source::Inline { media_type, data } => Ok(inline(media_type, data)),
        Source::Text(text) => Ok(inline("text/plain".to_owned(), BASE64_STANDARD.encode(text))),
        Source::Url(url) if url.starts_with("https://") || url.starts_with("gs://") => Ok(linked(url)),
        Source::Url(_) => Err(losses.never(place, "Google's Gemini API fetches files from `https:` and `gs:` only")),
        Source::Id { format: Format::GoogleGemini, id } => Ok(linked(id)),
        Source::Id { .. } => Err(losses.never(place, "it names a file that was given to another provider")),
    }
}

/// An `inlineData` part.
pub(super) fn inline(media_type: String, data: String) -> Value {
    object([("inlineData", object([("mimeType", media_type.into()), ("data", data.into())]))])
}

fn linked(uri: String) -> Value {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit_once('/').and_then(|(_, file)| file.rsplit_once('.')).map(|(_, ending)| ending);
    let known = TYPES.iter().find(|(known, _)| ending.is_some_and(|ending| ending.eq_ignore_ascii_case(known)));
    let mut file = Map::new();
    if let Some((_, media_type)) = known {
        file.insert("mimeType".to_owned(), (*media_type).into());
    }
    file.insert("fileUri".to_owned(), uri.into());
    object([("fileData", file.into())])
}
