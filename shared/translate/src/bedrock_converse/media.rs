//! Images, documents, sound and film: by format, and with their bytes or where they lie in S3.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{Media, Source};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Document,
    Audio,
    Video,
}

impl Kind {
    /// The block's name.
    const fn member(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Document => "document",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// Media types, endings of names, and the format's own word: it is the ending, where that is not given.
    const fn formats(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Image => &[
                ("image/png", "png"),
                ("image/jpeg", "jpeg"),
                ("image/jpg", "jpeg"),
                ("jpg", "jpeg"),
                ("image/gif", "gif"),
                ("image/webp", "webp"),
            ],
            Self::Document => &[
                ("application/pdf", "pdf"),
                ("text/csv", "csv"),
                ("application/msword", "doc"),
                ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
                ("application/vnd.ms-excel", "xls"),
                ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
                ("text/html", "html"),
                ("htm", "html"),
                ("text/plain", "txt"),
                ("text/markdown", "md"),
                ("markdown", "md"),
            ],
            Self::Audio => &[
                ("audio/mpeg", "mp3"),
                ("audio/mp3", "mp3"),
                ("audio/wav", "wav"),
                ("audio/x-wav", "wav"),
                ("audio/opus", "opus"),
                ("audio/aac", "aac"),
                ("audio/flac", "flac"),
                ("audio/mp4", "mp4"),
                ("audio/m4a", "m4a"),
                ("audio/ogg", "ogg"),
                ("audio/webm", "webm"),
                ("audio/pcm", "pcm"),
            ],
            Self::Video => &[
                ("video/mp4", "mp4"),
                ("video/quicktime", "mov"),
                ("video/x-matroska", "mkv"),
                ("video/webm", "webm"),
                ("video/x-flv", "flv"),
                ("video/mpeg", "mpeg"),
                ("mpg", "mpg"),
                ("video/x-ms-wmv", "wmv"),
                ("video/3gpp", "three_gp"),
                ("3gp", "three_gp"),
            ],
        }
    }

    fn of_media_type(self, media_type: &str) -> Option<&'static str> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.formats().iter().find(|(known, _)| *known == essence).map(|(_, format)| *format)
    }

    fn of_name(self, name: &str) -> Option<&'static str> {
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        let known = |(text, format): &&(&str, &'static str)| *text == ending || *format == ending;
        self.formats().iter().find(known).map(|(_, format)| *format)
    }

    /// Why a medium of this kind cannot be sent: half a sentence.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Image => {
                "Amazon Bedrock takes images as PNG, JPEG, GIF or WebP, in the request or at an s3:// address"
            }
            Self::Document => {
                "Amazon Bedrock takes documents as PDF, CSV, Word, Excel, HTML, text or Markdown, in the request or at an \
                 s3:// address"
            }
            Self::Audio => "Amazon Bedrock takes sound in common formats, in the request or at an s3:// address",
            Self::Video => "Amazon Bedrock takes videos in common formats, in the request or at an s3:// address",
        }
    }
}

/// The block; `None` where it cannot be sent. `name` is that of a document.
pub(super) fn block(kind: Kind, media: Media, name: &str) -> Option<Value> {
    let by_name = media.name.as_deref().and_then(|name| kind.of_name(name));
    let (format, source) = match media.source {
        Source::Inline { media_type, data } => (kind.of_media_type(&media_type).or(by_name)?, json!({ "bytes": data })),
        Source::Url(uri) if uri.starts_with("s3://") => {
            (kind.of_name(&uri).or(by_name)?, json!({"s3Location": {"uri": uri}}))
        }
        Source::Text(text) if kind == Kind::Document => {
            let format = by_name.filter(|format| matches!(*format, "csv" | "html" | "md")).unwrap_or("txt");
            (format, json!({"bytes": STANDARD.encode(text)}))
        }
        Source::Url(_) | Source::Text(_) | Source::Id { .. } => return None,
    };
    let mut block = json!({ "format": format });
    if kind == Kind::Document {
        block["name"] = name.into();
    }
    block["source"] = source;
    Some(json!({ kind.member(): block }))
}

const LONGEST_NAME: usize = 200;

/// A document's name in the letters that a name may have, without the ending.
pub(super) fn document_name(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if Kind::Document.of_name(name).is_some() => stem,
        _ => name,
    };
    let allowed = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || "-()[]".contains(letter) => letter,
        letter if letter.is_whitespace() => ' ',
        _ => '-',
    };
    let letters: String = stem.chars().map(allowed).collect();
    let words: Vec<_> = letters.split(' ').filter(|word| !word.is_empty()).collect();
    let mut name = words.join(" ");
    // Only ASCII is left; some room is for a number behind it.
    name.truncate(LONGEST_NAME - 8);
    let name = name.trim_end();
    if name.is_empty() { "document".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_allowed_letters_only() {
        for (given, name) in [
            (Some("Report (final).pdf"), "Report (final)"),
            (Some("a  b\t_c.tar.gz"), "a b -c-tar-gz"),
            (Some("Übersicht.docx"), "-bersicht"),
            (Some(".pdf"), "document"),
            (None, "document"),
        ] {
            assert_eq!(document_name(given), name);
        }
        assert!(document_name(Some(&"x".repeat(999))).len() <= LONGEST_NAME);
    }

    #[test]
    fn a_format_is_known_by_type_or_ending() {
        assert_eq!(Kind::Document.of_media_type("text/plain; charset=utf-8"), Some("txt"));
        assert_eq!(Kind::Image.of_media_type("image/svg+xml"), None);
        assert_eq!(Kind::Image.of_name("s3://b/a.JPG"), Some("jpeg"));
        assert_eq!(Kind::Video.of_name("a.3gp"), Some("three_gp"));
    }
}
