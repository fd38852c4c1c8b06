//! The messages of a request, for a provider.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::{
    target::Target,
    thoughts::{self, Place, append, push},
    write_parts::{audio, file, image, of_text, text, video, with_cache},
};
use crate::{
    Format, Losses, Member, Message, Part, Parts, Role, Signature, Source, ToolCall, ToolResult, Unsupported,
    json::object,
};

const OWN: Format = Format::OpenaiChat;

pub(super) struct Messages<'a> {
    origin: Format,
    target: Target,
    losses: &'a mut Losses,
    written: Vec<Value>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(origin: Format, target: Target, losses: &'a mut Losses) -> Self {
        Self { origin, target, losses, written: Vec::new() }
    }

    pub(super) fn write(mut self, system: Parts, messages: Vec<Message>) -> Result<Vec<Value>, Unsupported> {
        if !system.is_empty() {
            // OpenAI's newer models read it as `developer`; only they know that word.
            let parts = self.parts(system)?;
            self.push("system", None, self.content(parts, "\n\n"));
        }
        let ends_with_reply = messages.last().is_some_and(|message| message.role == Role::Assistant);
        if ends_with_reply && self.origin != OWN {
            // The model answers anew and does not go on with the words it is given.
            self.losses.hint(Member::Messages.name(self.origin));
        }
        messages.into_iter().try_for_each(|message| self.message(message))?;
        Ok(self.written)
    }

    fn message(&mut self, message: Message) -> Result<(), Unsupported> {
        let Message { role, name, parts } = message;
        match role {
            Role::System => {
                let parts = self.parts(parts)?;
                self.push("system", name, self.content(parts, "\n\n"));
            }
            Role::User => self.user(name, parts)?,
            Role::Assistant => self.assistant(name, parts)?,
        }
        Ok(())
    }

    fn push(&mut self, role: &str, name: Option<String>, content: Value) {
        let mut message = object([("role", role.into()), ("content", content)]);
        if let Some(name) = name {
            message["name"] = name.into();
        }
        self.written.push(message);
    }

    /// Parts of a message that is not the model's.
    fn parts(&mut self, parts: Parts) -> Result<Vec<Value>, Unsupported> {
        let mut written = Vec::with_capacity(parts.len());
        for (part, place) in parts {
            written.extend(self.part(part, &place)?);
        }
        Ok(written)
    }

    fn part(&mut self, part: Part, path: &str) -> Result<Option<Value>, Unsupported> {
        let (part, cache) = match part {
            Part::Text(text) => {
                if !text.annotations.is_empty() {
                    self.losses.hint_sources(path, self.origin);
                }
                of_text(text)
            }
            Part::Image(media) => image(media, path, self.losses)?,
            Part::File(media) => file(media, self.origin, path, self.losses)?,
            Part::Audio(media) => audio(media, path, self.losses)?,
            Part::Video(media) => video(media, self.target, path, self.losses)?,
            Part::Refusal(reason) => (object([("type", "refusal".into()), ("refusal", reason.into())]), None),
            Part::Native { format: OWN, value } => (value, None),
            Part::Native { format, .. } => {
                let reason = format!("only {format} has such a part");
                return Err(self.losses.never(path, &reason));
            }
            Part::Thinking(_) | Part::RedactedThinking(_) => {
                self.losses.hint("thinking");
                return Ok(None);
            }
            Part::ToolCall(_) | Part::ToolResult(_) => {
                return Err(self.losses.never(path, "a call or its result cannot stand there"));
            }
        };
        Ok(Some(with_cache(part, cache, self.origin, self.target, self.losses)))
    }

    /// One text where that says the same: not every compatible provider takes parts. Only what came as parts of this
    /// format stays so.
    fn content(&self, mut parts: Vec<Value>, between: &str) -> Value {
        let is_text = |part: &Value| part["type"] == "text" && part.get("cache_control").is_none();
        if !parts.iter().all(is_text) || (self.origin == OWN && parts.len() > 1) {
            return Value::Array(parts);
        }
        if let [part] = parts.as_mut_slice() {
            return part["text"].take();
        }
        let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        texts.join(between).into()
    }

    /// Results come first: they must follow the calls.
    fn user(&mut self, name: Option<String>, parts: Parts) -> Result<(), Unsupported> {
        let (mut results, mut rest, mut moved) = (false, Vec::new(), Vec::new());
        for (part, place) in parts {
            match part {
                Part::ToolResult(result) => {
                    results = true;
                    moved.append(&mut self.result(result, &place)?);
                }
                part => rest.extend(self.part(part, &place)?),
            }
        }
        moved.append(&mut rest);
        if !moved.is_empty() || !results {
            let content = self.content(moved, "\n\n");
            self.push("user", name, content);
        }
        Ok(())
    }

    /// Writes what a function gave back. A result is text alone: gives back what the user must show in its stead.
    fn result(&mut self, result: ToolResult, place: &str) -> Result<Vec<Value>, Unsupported> {
        let ToolResult { call_id, content, is_error, cache } = result;
        let written = self.parts(content)?;
        let (mut texts, others): (Vec<Value>, Vec<Value>) =
            written.into_iter().partition(|part| part["type"] == "text" || self.origin == OWN);
        if !others.is_empty() {
            self.losses.hint(place);
            if texts.is_empty() {
                texts.push(text("What the tool gave back is in the next message.".into()));
            }
        }
        let mut content = self.content(texts, "\n");
        if is_error
            && let Value::String(text) = &mut content
            && !text.to_ascii_lowercase().starts_with("error")
        {
            text.insert_str(0, "Error: ");
        }
        let id = self.call_id(call_id);
        let message = object([("role", "tool".into()), ("tool_call_id", id.into()), ("content", content)]);
        let message = with_cache(message, cache, self.origin, self.target, self.losses);
        self.written.push(message);
        Ok(others)
    }

    fn assistant(&mut self, name: Option<String>, parts: Parts) -> Result<(), Unsupported> {
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        message.insert("content".into(), Value::Null);
        let (mut content, mut calls) = (Vec::new(), Vec::new());
        for (part, place) in parts {
            match part {
                Part::Thinking(thinking) => {
                    self.thinking(thinking.signature.as_ref(), &thinking.text, &mut message, &mut content);
                }
                Part::RedactedThinking(seal) => self.thinking(Some(&seal), "", &mut message, &mut content),
                Part::ToolCall(call) => calls.push(self.call(call)),
                Part::Native { format: OWN, value } if value.get("custom").is_some() => calls.push(value),
                Part::Refusal(reason) if !message.contains_key("refusal") => {
                    message.insert("refusal".into(), reason.into());
                }
                Part::Audio(media) if matches!(media.source, Source::Id { format: OWN, .. }) => {
                    if let Source::Id { id, .. } = media.source {
                        message.insert("audio".into(), json!({"id": id}));
                    }
                }
                Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Video(_) => {
                    self.losses.cannot_because(&place, "a reply that is given back has texts and calls alone")?;
                }
                part => content.extend(self.part(part, &place)?),
            }
        }
        if !content.is_empty() {
            message.insert("content".into(), self.content(content, ""));
        } else if calls.is_empty() && !message.contains_key("refusal") && !message.contains_key("audio") {
            message.insert("content".into(), "".into());
        }
        if let Some(name) = name {
            message.insert("name".into(), name.into());
        }
        if !calls.is_empty() {
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        self.written.push(Value::Object(message));
        Ok(())
    }

    /// Thoughts go back to where they came from: providers refuse each other's seals, and OpenAI's own models refuse
    /// any.
    fn thinking(
        &mut self,
        seal: Option<&Signature>,
        text: &str,
        message: &mut Map<String, Value>,
        content: &mut Vec<Value>,
    ) {
        let taken = self.origin == OWN || !self.target.is_openai();
        match seal.filter(|_| taken).and_then(|seal| thoughts::place(seal, text)) {
            Some(Place::Member(member)) => append(message, member, text),
            Some(Place::Item { list, item }) => push(message, list, item),
            Some(Place::Content) => {
                content.push(json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]}));
            }
            None => self.losses.hint("thinking"),
        }
    }

    fn call(&mut self, call: ToolCall) -> Value {
        let ToolCall { id, name, arguments, signature, cache } = call;
        let arguments = if arguments.is_empty() && self.origin != OWN { "{}".to_owned() } else { arguments };
        let id = self.call_id(id);
        let function = object([("name", name.into()), ("arguments", arguments.into())]);
        let mut call = object([("id", id.into()), ("type", "function".into()), ("function", function)]);
        let seal = signature.as_ref().and_then(|seal| seal.for_format(Format::GoogleGemini));
        if let Some(seal) = seal.filter(|_| self.origin == OWN || self.target == Target::Gemini) {
            call["extra_content"] = json!({"google": {"thought_signature": seal}});
        }
        with_cache(call, cache, self.origin, self.target, self.losses)
    }

    /// OpenAI takes ids of at most 40 characters, Mistral such of just 9 letters and digits.
    fn call_id(&self, id: String) -> String {
        let fits = match self.target {
            Target::Mistral => id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            target => !target.is_openai() || id.len() <= 40,
        };
        if fits || self.origin == OWN {
            return id;
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = format!("{:016x}", hasher.finish());
        if self.target == Target::Mistral { hash.chars().take(9).collect() } else { format!("call_{hash}") }
    }
}
