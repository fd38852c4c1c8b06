//! The conversation of a request, as the provider reads it.

use serde_json::{Value, json};

use super::read_input::{ENDINGS, is_content};
use super::{OWN, annotation, item};
use crate::json::object;
use crate::{
    Cache, Format, Losses, Media, Member, Message, Part, Parts, Role, Signature, Source, Text, Thinking, ToolCall,
    ToolResult, Unsupported,
};

/// The most characters of a `call_id`.
const MAX_CALL_ID: usize = 64;

/// `instructions` where the system's parts are plain texts, else a message that goes first.
pub(super) fn write_system(
    system: Parts,
    origin: Format,
    input: &mut Vec<Value>,
    losses: &mut Losses,
) -> Result<Option<String>, Unsupported> {
    let plain = |part: &Part| matches!(part, Part::Text(text) if text.cache.is_none() || origin != OWN);
    if !system.iter().all(plain) {
        let mut writer = Writer { origin, input, losses };
        writer.message(Message { role: Role::System, name: None, parts: system })?;
        return Ok(None);
    }
    let mut texts = Vec::new();
    for (part, _) in system {
        if let Part::Text(text) = part {
            if text.cache.is_some() {
                losses.hint(Member::CacheControl.name(origin));
            }
            texts.push(text.text);
        }
    }
    Ok((!texts.is_empty()).then(|| texts.join("\n\n")))
}

pub(super) fn write_messages(
    messages: Vec<Message>,
    origin: Format,
    input: &mut Vec<Value>,
    losses: &mut Losses,
) -> Result<(), Unsupported> {
    let mut writer = Writer { origin, input, losses };
    messages.into_iter().try_for_each(|message| writer.message(message))
}

/// Whether the provider finds thoughts of its own in the conversation.
pub(super) fn has_own_seals(messages: &[Message]) -> bool {
    messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::Thinking(Thinking { signature: Some(seal), .. }) | Part::RedactedThinking(seal) => seal.format == OWN,
        _ => false,
    })
}

struct Writer<'a> {
    origin: Format,
    input: &'a mut Vec<Value>,
    losses: &'a mut Losses,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), Unsupported> {
        let Message { role, name, parts } = message;
        if name.is_some() {
            self.losses.hint_name(parts.item().as_deref());
        }
        let mut content = Vec::new();
        let empty = parts.is_empty();
        for (part, place) in parts {
            if let Some(item) = self.part(role, part, &place, &mut content)? {
                self.flush(role, &mut content);
                self.input.push(item);
            }
        }
        if empty {
            content.push(text_part(role, String::new()));
        }
        self.flush(role, &mut content);
        Ok(())
    }

    /// What was gathered becomes a message.
    fn flush(&mut self, role: Role, content: &mut Vec<Value>) {
        if content.is_empty() {
            return;
        }
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = Value::Array(std::mem::take(content));
        self.input.push(object([("type", json!("message")), ("role", json!(role)), ("content", content)]));
    }

    /// Adds to the message, or gives an item of its own.
    fn part(
        &mut self,
        role: Role,
        part: Part,
        place: &str,
        content: &mut Vec<Value>,
    ) -> Result<Option<Value>, Unsupported> {
        match part {
            Part::Text(text) => content.push(self.text(role, text, place)),
            Part::Refusal(refusal) if role == Role::Assistant => {
                content.push(item::refusal(refusal));
            }
            Part::Refusal(refusal) => content.push(text_part(role, refusal)),
            Part::Image(_) | Part::File(_) | Part::Audio(_) if role == Role::Assistant => {
                let reason = "the assistant's turns hold text and calls only";
                self.losses.cannot_because(place, reason)?;
            }
            Part::Image(media) => content.push(self.image(media, place)?),
            Part::File(media) => content.push(self.file(media, place)?),
            Part::Audio(media) => content.extend(self.audio(media, place)?),
            Part::Video(_) => self.losses.cannot_because(place, "it takes no video")?,
            Part::Thinking(Thinking { text, signature }) => return Ok(self.thinking(Some(text), signature.as_ref())),
            Part::RedactedThinking(seal) => return Ok(self.thinking(None, Some(&seal))),
            Part::ToolCall(call) => return Ok(Some(self.call(call))),
            Part::ToolResult(result) => return self.result(result).map(Some),
            Part::Native { format, value } if format == OWN => {
                if !is_content(&value) {
                    return Ok(Some(value));
                }
                content.push(value);
            }
            Part::Native { value, .. } => {
                let kind = value.get("type").and_then(Value::as_str).unwrap_or("unknown");
                let reason = format!("only the format it came in knows parts of the type `{kind}`");
                self.losses.cannot_because(place, &reason)?;
            }
        }
        Ok(None)
    }

    fn text(&mut self, role: Role, text: Text, place: &str) -> Value {
        let Text { text, annotations, cache } = text;
        let mut part = text_part(role, text);
        if role == Role::Assistant && !annotations.is_empty() {
            part["annotations"] = self.sources(annotations, place);
        } else if !annotations.is_empty() {
            self.losses.hint_sources(place, self.origin);
        }
        self.cache(&mut part, cache);
        part
    }

    /// Of another format's sources, what this one knows; the rest is told.
    fn sources(&mut self, annotations: Vec<Value>, place: &str) -> Value {
        if self.origin == OWN {
            return annotations.into_iter().map(annotation::flat).collect();
        }
        let known = annotations.into_iter().map(|source| {
            let flat = annotation::flat(source);
            let known = annotation::known(flat.clone());
            if known.as_ref() != Some(&flat) {
                self.losses.hint_sources(place, self.origin);
            }
            known
        });
        known.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Providers of this format find the beginnings that they know by themselves.
    fn cache(&mut self, part: &mut Value, cache: Option<Cache>) {
        let Some(Cache { ttl }) = cache else { return };
        if self.origin == OWN {
            let mut breakpoint = json!({ "mode": "explicit" });
            if let Some(ttl) = ttl {
                breakpoint["ttl"] = Value::String(ttl);
            }
            part["prompt_cache_breakpoint"] = breakpoint;
        } else {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
    }

    fn file_id(&self, format: Format, id: String, place: &str) -> Result<Value, Unsupported> {
        match format {
            Format::OpenaiChat | Format::OpenaiResponses => Ok(Value::String(id)),
            _ => Err(self.losses.never(place, "the file was given to another provider")),
        }
    }

    fn image(&mut self, media: Media, place: &str) -> Result<Value, Unsupported> {
        let Media { source, name: _, detail, cache } = media;
        let mut part = json!({ "type": "input_image", "detail": detail.as_deref().unwrap_or("auto") });
        match source {
            Source::Inline { media_type, data } => part["image_url"] = data_url(&media_type, &data),
            Source::Url(url) => part["image_url"] = Value::String(url),
            Source::Id { format, id } => part["file_id"] = self.file_id(format, id, place)?,
            Source::Text(_) => return Err(self.losses.never(place, "an image is no text")),
        }
        self.cache(&mut part, cache);
        Ok(part)
    }

    fn file(&mut self, media: Media, place: &str) -> Result<Value, Unsupported> {
        use base64::Engine as _;
        let Media { source, name, detail, cache } = media;
        let mut part = json!({ "type": "input_file" });
        let (data, default_name) = match source {
            Source::Inline { media_type, data } => {
                let ending = ENDINGS.iter().find(|(_, known)| *known == media_type).map_or("bin", |(ending, _)| ending);
                (Some(data_url(&media_type, &data)), Some(format!("document.{ending}")))
            }
            Source::Text(text) => {
                let data = base64::engine::general_purpose::STANDARD.encode(text);
                (Some(data_url("text/plain", &data)), Some("document.txt".to_owned()))
            }
            Source::Url(url) => {
                part["file_url"] = Value::String(url);
                (None, None)
            }
            Source::Id { format, id } => {
                part["file_id"] = self.file_id(format, id, place)?;
                (None, None)
            }
        };
        // A file that is sent along must have a name.
        if let Some(name) = name.or(default_name) {
            part["filename"] = Value::String(name);
        }
        if let Some(data) = data {
            part["file_data"] = data;
        }
        if let Some(detail) = detail {
            part["detail"] = Value::String(detail);
        }
        self.cache(&mut part, cache);
        Ok(part)
    }

    fn audio(&mut self, media: Media, place: &str) -> Result<Option<Value>, Unsupported> {
        match media.source {
            Source::Inline { media_type, data } if self.origin == OWN => {
                let format = match media_type.as_str() {
                    "audio/mpeg" => "mp3",
                    other => other.strip_prefix("audio/").unwrap_or(other),
                };
                let audio = object([("format", json!(format)), ("data", Value::String(data))]);
                Ok(Some(object([("type", json!("input_audio")), ("input_audio", audio)])))
            }
            _ => {
                self.losses.cannot_because(place, "it takes no audio")?;
                Ok(None)
            }
        }
    }

    /// Nothing where the thoughts are another provider's.
    fn thinking(&mut self, text: Option<String>, seal: Option<&Signature>) -> Option<Value> {
        let Some(sealed) = seal.and_then(|seal| seal.for_format(OWN)) else {
            self.losses.hint("thinking");
            return None;
        };
        Some(object([
            ("type", json!("reasoning")),
            ("summary", text.map(item::summary).into_iter().collect()),
            ("encrypted_content", json!(sealed)),
        ]))
    }

    fn call(&mut self, call: ToolCall) -> Value {
        let ToolCall { id, name, arguments, signature: _, cache } = call;
        if cache.is_some() {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
        let arguments = if arguments.is_empty() { item::NO_ARGUMENTS.to_owned() } else { arguments };
        object([
            ("type", json!("function_call")),
            ("call_id", Value::String(call_id(id))),
            ("name", Value::String(name)),
            ("arguments", Value::String(arguments)),
        ])
    }

    fn result(&mut self, result: ToolResult) -> Result<Value, Unsupported> {
        let ToolResult { call_id: id, mut content, is_error, cache } = result;
        if is_error {
            self.losses.hint("is_error");
        }
        if cache.is_some() {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
        let output = match &mut *content {
            [] => Value::String(String::new()),
            [Part::Text(Text { text, annotations: _, cache: None })] => Value::String(std::mem::take(text)),
            _ => self.output(content)?,
        };
        Ok(object([
            ("type", json!("function_call_output")),
            ("call_id", Value::String(call_id(id))),
            ("output", output),
        ]))
    }

    fn output(&mut self, parts: Parts) -> Result<Value, Unsupported> {
        let mut content = Vec::new();
        for (part, place) in parts {
            self.part(Role::User, part, &place, &mut content)?;
        }
        Ok(Value::Array(content))
    }
}

fn text_part(role: Role, text: String) -> Value {
    let kind = if role == Role::Assistant { "output_text" } else { "input_text" };
    object([("type", json!(kind)), ("text", Value::String(text))])
}

fn data_url(media_type: &str, data: &str) -> Value {
    Value::String(format!("data:{media_type};base64,{data}"))
}

/// As it is, where it is short enough; the same long one always gives the same short one.
fn call_id(id: String) -> String {
    if id.chars().count() <= MAX_CALL_ID {
        return id;
    }
    let hash =
        |start: u64| id.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("call_{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x6c62_272e_07bb_0142))
}
