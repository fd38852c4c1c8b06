//! System prompt and messages as lists of blocks.

use std::{
    collections::{BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Value, json};

use super::{
    family::Family,
    media::{self, Kind},
};
use crate::{
    Cache, Format, Losses, Media, Member, Message, Part, Parts, Role, Source, Text, Thinking, ToolCall, ToolResult,
    Unsupported, call,
};

const OWN: Format = Format::BedrockConverse;

pub(super) struct Conversation<'a> {
    origin: Format,
    family: Family,
    losses: &'a mut Losses,
    document_names: HashSet<String>,
    /// Functions that the conversation has calls or results of.
    called: BTreeSet<String>,
}

/// What was said, in blocks.
pub(super) struct Said {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
    pub(super) called: BTreeSet<String>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(origin: Format, family: Family, losses: &'a mut Losses) -> Self {
        Self { origin, family, losses, document_names: HashSet::new(), called: BTreeSet::new() }
    }

    pub(super) fn write(mut self, system: Parts, messages: Vec<Message>) -> Result<Said, Unsupported> {
        let mut system = self.system(system)?;
        let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
        for Message { role, name, parts } in messages {
            let item = parts.item();
            if name.is_some() {
                self.losses.hint_name(item.as_deref());
            }
            let role = match role {
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::System if self.origin == OWN => "system",
                // Few models know instructions in the middle: all of them stand before the conversation.
                Role::System => {
                    self.losses.hint(item.as_deref().unwrap_or(Member::Messages.name(self.origin)));
                    system.extend(self.system(parts)?);
                    continue;
                }
            };
            let mut blocks = Vec::with_capacity(parts.len());
            for (part, place) in parts {
                self.part(role, part, &place, &mut blocks)?;
            }
            match turns.last_mut() {
                Some((last, earlier)) if *last == role => earlier.append(&mut blocks),
                _ if blocks.is_empty() => {}
                _ => turns.push((role, blocks)),
            }
        }
        let message = |(role, mut blocks): (&str, Vec<Value>)| {
            name_lone_documents(&mut blocks);
            json!({"role": role, "content": blocks})
        };
        Ok(Said { system, messages: turns.into_iter().map(message).collect(), called: self.called })
    }

    fn system(&mut self, parts: Parts) -> Result<Vec<Value>, Unsupported> {
        let mut blocks = Vec::with_capacity(parts.len());
        for (part, place) in parts {
            match part {
                Part::Text(text) => self.text(text, &place, &mut blocks),
                Part::Native { format: OWN, value } => blocks.push(value),
                _ => self.losses.cannot_because(&place, "Amazon Bedrock's system prompts are text alone")?,
            }
        }
        Ok(blocks)
    }

    fn part(&mut self, role: &str, part: Part, place: &str, blocks: &mut Vec<Value>) -> Result<(), Unsupported> {
        match part {
            Part::Text(text) => self.text(text, place, blocks),
            Part::Refusal(text) => self.text(Text { text, annotations: Vec::new(), cache: None }, place, blocks),
            Part::Image(image) => self.media(Kind::Image, role, (image, place), blocks)?,
            Part::File(file) => self.media(file_kind(&file), role, (file, place), blocks)?,
            Part::Audio(audio) => self.media(Kind::Audio, role, (audio, place), blocks)?,
            Part::Video(video) => self.media(Kind::Video, role, (video, place), blocks)?,
            Part::Thinking(thinking) => self.thinking(thinking, blocks),
            Part::RedactedThinking(seal) => match seal.for_format(OWN) {
                Some(value) => blocks.push(json!({"reasoningContent": {"redactedContent": value}})),
                None => self.losses.hint("thinking"),
            },
            Part::ToolCall(call) => self.call(call, place, blocks)?,
            Part::ToolResult(result) => self.result(result, blocks)?,
            Part::Native { format: OWN, value } => blocks.push(value),
            Part::Native { format, .. } => {
                let reason = format!("only {format} knows such a part");
                self.losses.cannot_because(place, &reason)?;
            }
        }
        Ok(())
    }

    /// Empty texts are refused by the service, and say nothing.
    fn text(&mut self, Text { text, annotations, cache }: Text, place: &str, blocks: &mut Vec<Value>) {
        if !annotations.is_empty() {
            self.losses.hint_sources(place, self.origin);
        }
        if !text.trim().is_empty() {
            blocks.push(json!({ "text": text }));
        }
        self.cache_point(cache, blocks);
    }

    fn cache_point(&mut self, cache: Option<Cache>, blocks: &mut Vec<Value>) {
        if let Some(point) = cache_point(cache, self.family, self.origin, self.losses)
            && !blocks.is_empty()
        {
            blocks.push(point);
        }
    }

    fn media(
        &mut self,
        kind: Kind,
        role: &str,
        (mut media, place): (Media, &str),
        blocks: &mut Vec<Value>,
    ) -> Result<(), Unsupported> {
        let cache = media.cache.take();
        match self.media_block(kind, media) {
            Some(_) if role == "assistant" && matches!(kind, Kind::Image | Kind::Document) => {
                let reason = "Amazon Bedrock takes images and documents from the user alone";
                self.losses.cannot_because(place, reason)?;
            }
            Some(block) => blocks.push(block),
            None => self.losses.cannot_because(place, kind.reason())?,
        }
        self.cache_point(cache, blocks);
        Ok(())
    }

    fn media_block(&mut self, kind: Kind, media: Media) -> Option<Value> {
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.losses.hint("detail");
        }
        let name = if kind == Kind::Document { self.document_name(media.name.as_deref()) } else { String::new() };
        media::block(kind, media, &name)
    }

    /// No two documents may have one name.
    fn document_name(&mut self, name: Option<&str>) -> String {
        let plain = media::document_name(name);
        let numbered = (2..).map(|number| format!("{plain} {number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !self.document_names.contains(name));
        let name = free.unwrap_or(plain);
        self.document_names.insert(name.clone());
        name
    }

    /// Thoughts are taken back under the seal that they were given with.
    fn thinking(&mut self, Thinking { text, signature }: Thinking, blocks: &mut Vec<Value>) {
        let reasoning = match signature {
            Some(seal) => match seal.for_format(OWN) {
                Some(signature) => json!({"text": text, "signature": signature}),
                None => return self.losses.hint("thinking"),
            },
            None if self.origin == OWN => json!({ "text": text }),
            None => return self.losses.hint("thinking"),
        };
        blocks.push(json!({"reasoningContent": {"reasoningText": reasoning}}));
    }

    fn call(&mut self, call: ToolCall, place: &str, blocks: &mut Vec<Value>) -> Result<(), Unsupported> {
        let ToolCall { id, name, arguments, signature, cache } = call;
        if signature.is_some() {
            self.losses.hint("thinking");
        }
        self.called.insert(name.clone());
        let input = call::arguments(&arguments, place, self.origin, self.losses)?;
        blocks.push(json!({"toolUse": {"toolUseId": tool_id(&id), "name": name, "input": input}}));
        self.cache_point(cache, blocks);
        Ok(())
    }

    fn result(&mut self, result: ToolResult, blocks: &mut Vec<Value>) -> Result<(), Unsupported> {
        let ToolResult { call_id, content, is_error, mut cache } = result;
        let mut parts = Vec::with_capacity(content.len());
        for (part, place) in content {
            // There are no points to cache up to inside of a result: the one behind it covers them.
            match part {
                Part::Text(text) => {
                    if !text.annotations.is_empty() {
                        self.losses.hint_sources(&place, self.origin);
                    }
                    cache = cache.or(text.cache);
                    if !text.text.trim().is_empty() {
                        parts.push(json!({"text": text.text}));
                    }
                }
                Part::Image(mut image) => {
                    cache = cache.or(image.cache.take());
                    self.result_media(Kind::Image, image, &place, &mut parts)?;
                }
                Part::File(mut file) => {
                    cache = cache.or(file.cache.take());
                    self.result_media(file_kind(&file), file, &place, &mut parts)?;
                }
                Part::Video(mut video) => {
                    cache = cache.or(video.cache.take());
                    self.result_media(Kind::Video, video, &place, &mut parts)?;
                }
                Part::Native { format: OWN, value } => parts.push(value),
                _ => {
                    let reason = "Amazon Bedrock takes texts, images, documents and videos as results of tools";
                    self.losses.cannot_because(&place, reason)?;
                }
            }
        }
        let mut block = json!({"toolUseId": tool_id(&call_id), "content": parts});
        if is_error {
            if self.family.takes_result_status() {
                block["status"] = "error".into();
            } else {
                self.losses.hint("is_error");
            }
        }
        blocks.push(json!({ "toolResult": block }));
        self.cache_point(cache, blocks);
        Ok(())
    }

    fn result_media(
        &mut self,
        kind: Kind,
        media: Media,
        place: &str,
        parts: &mut Vec<Value>,
    ) -> Result<(), Unsupported> {
        match self.media_block(kind, media).filter(|_| kind != Kind::Audio) {
            Some(block) => parts.push(block),
            None => self.losses.cannot_because(place, kind.reason())?,
        }
        Ok(())
    }
}

/// Files may be anything: by their type.
fn file_kind(file: &Media) -> Kind {
    match &file.source {
        Source::Inline { media_type, .. } if media_type.starts_with("image/") => Kind::Image,
        Source::Inline { media_type, .. } if media_type.starts_with("audio/") => Kind::Audio,
        Source::Inline { media_type, .. } if media_type.starts_with("video/") => Kind::Video,
        Source::Inline { .. } | Source::Url(_) | Source::Id { .. } | Source::Text(_) => Kind::Document,
    }
}

/// A document must have a text beside it: its name is one where the sender gave none.
fn name_lone_documents(blocks: &mut Vec<Value>) {
    if blocks.iter().any(|block| block.get("text").is_some()) {
        return;
    }
    let named = |block: &Value| Some(json!({"text": block.pointer("/document/name")?}));
    // Results of tools stay in front.
    if let Some((place, text)) = blocks.iter().enumerate().find_map(|(place, block)| Some((place, named(block)?))) {
        blocks.insert(place, text);
    }
}

/// The block that says up to where to cache; nothing where the model has no such thing.
pub(super) fn cache_point(cache: Option<Cache>, family: Family, origin: Format, losses: &mut Losses) -> Option<Value> {
    let Cache { ttl } = cache?;
    if !family.caches() {
        losses.hint(Member::CacheControl.name(origin));
        return None;
    }
    let mut point = json!({"type": "default"});
    match ttl.as_deref() {
        // The default, which older models know without its name.
        None | Some("5m") => {}
        Some("1h") => point["ttl"] = "1h".into(),
        Some(_) => losses.hint(Member::CacheControl.name(origin)),
    }
    Some(json!({ "cachePoint": point }))
}

const LONGEST_ID: usize = 64;

/// An id of letters that every model takes: another one is told from its likes by a hash.
fn tool_id(id: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(fits) {
        return id.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let letters: String =
        id.chars().map(|letter| if fits(letter) { letter } else { '_' }).take(LONGEST_ID - 17).collect();
    format!("{letters}_{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_told_apart() {
        assert_eq!(tool_id("toolu_01-a"), "toolu_01-a");
        let odd = ["", "a.b", "a:b", "call 1", &"x".repeat(65), &"x".repeat(66)].map(tool_id);
        let fits =
            |id: &String| id.len() <= LONGEST_ID && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        assert!(odd.iter().all(fits), "{odd:?}");
        assert_eq!(odd.iter().collect::<HashSet<_>>().len(), odd.len());
    }
}
