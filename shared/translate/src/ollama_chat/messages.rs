//! The conversation as Ollama's messages.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use crate::{
    Format, Losses, Media, Member, Message, Part, Parts, Role, Signature, Source, Text, ToolCall, ToolResult,
    Unsupported, call,
};

#[derive(Debug)]
pub(super) struct Writer<'a> {
    origin: Format,
    losses: &'a mut Losses,
    messages: Vec<Value>,
    /// Functions by the ids of their calls.
    names: HashMap<String, String>,
}

/// What the parts of one message come to: Ollama has one text, and its images apart.
#[derive(Debug, Default)]
struct Said {
    content: String,
    thinking: String,
    images: Vec<Value>,
    calls: Vec<Value>,
}

impl Said {
    fn say(&mut self, text: &str) {
        if !self.content.is_empty() && !text.is_empty() {
            self.content.push('\n');
        }
        self.content.push_str(text);
    }

    fn is_empty(&self) -> bool {
        self.content.is_empty() && self.thinking.is_empty() && self.images.is_empty() && self.calls.is_empty()
    }

    fn message(self, role: &str) -> Map<String, Value> {
        let mut message = Map::new();
        message.insert("role".to_owned(), role.into());
        message.insert("content".to_owned(), self.content.into());
        if !self.thinking.is_empty() {
            message.insert("thinking".to_owned(), self.thinking.into());
        }
        if !self.images.is_empty() {
            message.insert("images".to_owned(), self.images.into());
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".to_owned(), self.calls.into());
        }
        message
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(origin: Format, losses: &'a mut Losses) -> Self {
        Self { origin, losses, messages: Vec::new(), names: HashMap::new() }
    }

    pub(super) fn finish(self) -> Vec<Value> {
        self.messages
    }

    pub(super) fn system(&mut self, parts: Parts) -> Result<(), Unsupported> {
        self.say("system", parts)
    }

    pub(super) fn message(&mut self, message: Message) -> Result<(), Unsupported> {
        let Message { role, name, parts } = message;
        if name.is_some() {
            self.losses.hint_name(parts.item().as_deref());
        }
        self.say(
            match role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            parts,
        )
    }

    /// Results of tools are messages of their own, before what else the user said.
    fn say(&mut self, role: &str, parts: Parts) -> Result<(), Unsupported> {
        let mut said = Said::default();
        for (part, place) in parts {
            match part {
                Part::ToolResult(result) => self.result(result)?,
                other => self.part(other, &place, &mut said)?,
            }
        }
        if !said.is_empty() {
            self.messages.push(said.message(role).into());
        }
        Ok(())
    }

    fn part(&mut self, part: Part, place: &str, said: &mut Said) -> Result<(), Unsupported> {
        match part {
            Part::Text(Text { text, annotations, cache }) => {
                if !annotations.is_empty() {
                    self.losses.hint_sources(place, self.origin);
                }
                self.note_cache(cache.is_some());
                said.say(&text);
            }
            Part::Refusal(text) => said.say(&text),
            Part::Image(media) => said.images.push(self.inline(media, place, "images from an address")?),
            // Models that hear take recordings among the images.
            Part::Audio(media) => said.images.push(self.inline(media, place, "recordings from an address")?),
            Part::File(media) => {
                let text = self.document(media, place)?;
                said.say(&text);
            }
            Part::Video(_) => return Err(self.losses.never(place, "Ollama's chat API takes no videos")),
            Part::Thinking(thinking) => {
                if thinking.signature.as_ref().is_none_or(is_own) {
                    said.thinking.push_str(&thinking.text);
                } else {
                    self.losses.hint("thinking");
                }
            }
            Part::RedactedThinking(_) => self.losses.hint("thinking"),
            Part::ToolCall(called) => {
                let called = self.call(called, place, said.calls.len())?;
                said.calls.push(called);
            }
            Part::ToolResult(_) => return Err(self.losses.never(place, "a result stands within another")),
            Part::Native { format, value } => {
                let kind = value.get("type").and_then(Value::as_str).unwrap_or("a part");
                let reason = format!("only {format} knows `{kind}`");
                self.losses.cannot_because(place, &reason)?;
            }
        }
        Ok(())
    }

    fn call(&mut self, called: ToolCall, place: &str, index: usize) -> Result<Value, Unsupported> {
        let ToolCall { id, name, arguments, signature: _, cache } = called;
        self.note_cache(cache.is_some());
        let arguments = call::arguments(&arguments, place, self.origin, self.losses)?;
        self.names.insert(id.clone(), name.clone());
        let function = Map::from_iter([
            ("index".to_owned(), index.into()),
            ("name".to_owned(), name.into()),
            ("arguments".to_owned(), arguments.into()),
        ]);
        Ok(Map::from_iter([("id".to_owned(), id.into()), ("function".to_owned(), function.into())]).into())
    }

    fn result(&mut self, result: ToolResult) -> Result<(), Unsupported> {
        let ToolResult { call_id, content, is_error, cache } = result;
        self.note_cache(cache.is_some());
        if is_error {
            // The text says it: there is no member for it.
            self.losses.hint("is_error");
        }
        let mut said = Said::default();
        for (part, place) in content {
            self.part(part, &place, &mut said)?;
        }
        let mut message = said.message("tool");
        if let Some(name) = self.names.get(&call_id) {
            message.insert("tool_name".to_owned(), name.as_str().into());
        }
        message.insert("tool_call_id".to_owned(), call_id.into());
        self.messages.push(message.into());
        Ok(())
    }

    fn inline(&mut self, media: Media, place: &str, otherwise: &str) -> Result<Value, Unsupported> {
        match self.source(media) {
            Source::Inline { media_type: _, data } => Ok(data.into()),
            Source::Url(_) => {
                let reason = format!("Ollama does not fetch {otherwise}; send the bytes themselves");
                Err(self.losses.never(place, &reason))
            }
            Source::Id { .. } => Err(self.losses.never(place, "it names a file that was given to another provider")),
            Source::Text(_) => Err(self.losses.never(place, "Ollama's chat API takes no such media as text")),
        }
    }

    /// A document's text, where that is what it is.
    fn document(&mut self, media: Media, place: &str) -> Result<String, Unsupported> {
        let text = match self.source(media) {
            Source::Text(text) => Some(text),
            Source::Inline { media_type, data } if is_text(&media_type) => {
                BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            }
            Source::Inline { .. } | Source::Url(_) | Source::Id { .. } => None,
        };
        text.ok_or_else(|| self.losses.never(place, "Ollama's chat API takes no documents but plain text"))
    }

    fn source(&mut self, media: Media) -> Source {
        let Media { source, name, detail, cache } = media;
        if name.is_some() {
            self.losses.hint("filename");
        }
        if detail.is_some_and(|detail| detail != "auto") {
            self.losses.hint("detail");
        }
        self.note_cache(cache.is_some());
        source
    }

    fn note_cache(&mut self, is_given: bool) {
        if is_given {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
    }
}

/// Thoughts of a local model bear a seal without a value: it tells them from those that another provider sealed.
fn is_own(signature: &Signature) -> bool {
    signature.for_format(Format::OllamaChat).is_some()
}

fn is_text(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || ["application/json", "application/xml", "application/yaml"].contains(&essence)
}
