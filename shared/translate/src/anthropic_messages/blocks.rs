//! Content blocks, as a provider reads them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{OWN, citation, identifier::call_id, input_of, map, object};
use crate::{Cache, Format, Losses, Media, Part, Parts, Source, Text, ToolCall, ToolResult, Unsupported};

const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

pub(super) struct Writer<'a> {
    pub(super) origin: Format,
    pub(super) losses: &'a mut Losses,
}

impl Writer<'_> {
    pub(super) fn list(&mut self, parts: Parts) -> Result<Vec<Value>, Unsupported> {
        let mut blocks = Vec::with_capacity(parts.len());
        for (part, place) in parts {
            blocks.extend(self.block(part, &place)?);
        }
        Ok(blocks)
    }

    fn block(&mut self, part: Part, path: &str) -> Result<Option<Value>, Unsupported> {
        match part {
            Part::Text(text) => Ok(self.text(text, path)),
            // What the model said instead of an answer is text that it said.
            Part::Refusal(text) => Ok(self.text(Text { text, annotations: Vec::new(), cache: None }, path)),
            Part::Image(media) => self.image(media, path),
            Part::File(media) => self.document(media, path),
            Part::Audio(_) | Part::Video(_) => self.losses.cannot(path).map(|()| None),
            Part::Thinking(thinking) => {
                // Empty thoughts are those that the provider keeps to itself: their seal is what counts.
                let seal = thinking.signature.as_ref().and_then(|seal| seal.for_format(OWN)).map(Value::from);
                Ok(self.sealed(seal).map(|seal| {
                    object([("type", "thinking".into()), ("thinking", thinking.text.into()), ("signature", seal)])
                }))
            }
            Part::RedactedThinking(seal) => {
                let data = seal.for_format(OWN).map(Value::from);
                Ok(self.sealed(data).map(|data| object([("type", "redacted_thinking".into()), ("data", data)])))
            }
            Part::ToolCall(call) => Ok(Some(self.tool_use(call))),
            Part::ToolResult(result) => self.tool_result(result).map(Some),
            Part::Native { format: OWN, value } => Ok(Some(value)),
            Part::Native { .. } => self.losses.cannot(path).map(|()| None),
        }
    }

    /// Thoughts of others are refused by the provider: their seals are not its own.
    fn sealed(&mut self, seal: Option<Value>) -> Option<Value> {
        if seal.is_none() {
            self.losses.hint("thinking");
        }
        seal
    }

    /// The API takes no text without a word in it.
    fn text(&mut self, text: Text, path: &str) -> Option<Value> {
        let Text { text, annotations, cache } = text;
        if self.origin != OWN && text.trim().is_empty() {
            return None;
        }
        let mut block = map([("type", "text".into()), ("text", text.into())]);
        let named = annotations.len();
        let citations: Vec<_> = annotations.into_iter().filter_map(citation::for_provider).collect();
        if citations.len() < named {
            self.losses.hint_sources(path, self.origin);
        }
        if !citations.is_empty() {
            block.insert("citations".to_owned(), citations.into());
        }
        block.extend(cache_control(cache, self.losses));
        Some(block.into())
    }

    fn image(&mut self, media: Media, path: &str) -> Result<Option<Value>, Unsupported> {
        let Media { source, name: _, detail, cache } = media;
        if detail.is_some_and(|detail| detail != "auto") {
            self.losses.hint("detail");
        }
        let source = match source {
            Source::Inline { media_type, data } if IMAGES.contains(&media_type.as_str()) => base64(media_type, data),
            Source::Inline { media_type, .. } => {
                let reason = format!("images are JPEG, PNG, GIF or WebP, not {media_type}");
                return self.losses.cannot_because(path, &reason).map(|()| None);
            }
            Source::Text(_) => return self.losses.cannot_because(path, "an image is no text").map(|()| None),
            Source::Url(url) => at(url),
            Source::Id { format, id } => match self.file(format, id, path)? {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        Ok(Some(self.media("image", source, None, cache)))
    }

    fn document(&mut self, media: Media, path: &str) -> Result<Option<Value>, Unsupported> {
        let Media { source, name, detail: _, cache } = media;
        let source = match source {
            Source::Inline { media_type, data } if media_type == "application/pdf" => base64(media_type, data),
            Source::Inline { media_type, data } => {
                let Some(text) = plain(&media_type, &data) else {
                    let reason = format!("documents are PDF or plain text, not {media_type}");
                    return self.losses.cannot_because(path, &reason).map(|()| None);
                };
                plain_text(text)
            }
            Source::Text(text) => plain_text(text),
            Source::Url(url) => at(url),
            Source::Id { format, id } => match self.file(format, id, path)? {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        Ok(Some(self.media("document", source, name.filter(|name| !name.is_empty()), cache)))
    }

    fn file(&mut self, format: Format, id: String, path: &str) -> Result<Option<Value>, Unsupported> {
        if format == OWN {
            return Ok(Some(object([("type", "file".into()), ("file_id", id.into())])));
        }
        self.losses.cannot_because(path, "the file was given to another provider").map(|()| None)
    }

    fn media(&mut self, kind: &str, source: Value, title: Option<String>, cache: Option<Cache>) -> Value {
        let mut block = map([("type", kind.into()), ("source", source)]);
        block.extend(title.map(|title| ("title".to_owned(), title.into())));
        block.extend(cache_control(cache, self.losses));
        block.into()
    }

    fn tool_use(&mut self, call: ToolCall) -> Value {
        let ToolCall { id, name, arguments, signature, cache } = call;
        if signature.is_some() {
            self.losses.hint("thinking");
        }
        let mut block = map([
            ("type", "tool_use".into()),
            ("id", call_id(id).into()),
            ("name", name.into()),
            ("input", input_of(arguments)),
        ]);
        block.extend(cache_control(cache, self.losses));
        block.into()
    }

    fn tool_result(&mut self, result: ToolResult) -> Result<Value, Unsupported> {
        let ToolResult { call_id: id, content, is_error, cache } = result;
        let mut block = map([("type", "tool_result".into()), ("tool_use_id", call_id(id).into())]);
        let content = self.list(content)?;
        if !content.is_empty() {
            block.insert("content".to_owned(), short(content));
        }
        if is_error {
            block.insert("is_error".to_owned(), true.into());
        }
        block.extend(cache_control(cache, self.losses));
        Ok(block.into())
    }
}

/// A single text without anything else is written as such.
pub(super) fn short(mut blocks: Vec<Value>) -> Value {
    if let [Value::Object(only)] = blocks.as_mut_slice()
        && only.len() == 2
        && only.get("type").is_some_and(|kind| kind == "text")
        && let Some(text) = only.shift_remove("text")
    {
        return text;
    }
    blocks.into()
}

fn base64(media_type: String, data: String) -> Value {
    object([("type", "base64".into()), ("media_type", media_type.into()), ("data", data.into())])
}

fn plain_text(text: String) -> Value {
    object([("type", "text".into()), ("media_type", "text/plain".into()), ("data", text.into())])
}

fn at(url: String) -> Value {
    object([("type", "url".into()), ("url", url.into())])
}

/// The text of a document whose bytes are one.
fn plain(media_type: &str, data: &str) -> Option<String> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.starts_with("text/") && essence != "application/json" && essence != "application/xml" {
        return None;
    }
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// The member that marks the end of what is to be cached, where it is.
pub(super) fn cache_control(cache: Option<Cache>, losses: &mut Losses) -> Option<(String, Value)> {
    let Cache { ttl } = cache?;
    let mut control = Map::new();
    control.insert("type".to_owned(), "ephemeral".into());
    match ttl {
        Some(ttl) if ttl == "5m" || ttl == "1h" => {
            control.insert("ttl".to_owned(), ttl.into());
        }
        Some(_) => losses.hint("cache_control.ttl"),
        None => {}
    }
    Some(("cache_control".to_owned(), control.into()))
}
