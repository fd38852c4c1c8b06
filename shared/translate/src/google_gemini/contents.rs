//! The conversation as `contents`.

use std::collections::HashMap;

use serde_json::Value;

use super::{media, model::Model};
use crate::json::object;
use crate::{
    Format, Losses, Member, Message, Part, Parts, Role, Signature, Text, Thinking, ToolCall, ToolResult, Unsupported,
    call,
};

/// Results stand alone, right behind the turn that called: the model wants as many of them as it made calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    User,
    Results,
    Model,
}

#[derive(Debug)]
struct Content {
    side: Side,
    /// Each with its place among those that came in another order.
    parts: Vec<(usize, Value)>,
}

/// A seal that came without what it seals.
#[derive(Debug, Default)]
struct Loose {
    /// Thoughts that the seal stood by.
    thoughts: String,
    seal: Option<String>,
}

#[derive(Debug)]
pub(super) struct Writer<'a> {
    origin: Format,
    model: Model<'a>,
    losses: &'a mut Losses,
    system: Vec<Value>,
    contents: Vec<Content>,
    /// By their ids: what number each call has, and the function.
    calls: HashMap<String, (usize, String)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(origin: Format, model: Model<'a>, losses: &'a mut Losses) -> Self {
        Self { origin, model, losses, system: Vec::new(), contents: Vec::new(), calls: HashMap::new() }
    }

    /// What stands before the conversation, and the conversation. The latter is never empty where there is anything.
    pub(super) fn finish(mut self) -> (Vec<Value>, Vec<Value>) {
        if self.contents.is_empty() && !self.system.is_empty() {
            let parts = std::mem::take(&mut self.system).into_iter().map(|part| (0, part)).collect();
            self.contents.push(Content { side: Side::User, parts });
        }
        let contents = self.contents.into_iter().map(|mut content| {
            if content.side == Side::Results {
                content.parts.sort_by_key(|(place, _)| *place);
            }
            let role = if content.side == Side::Model { "model" } else { "user" };
            let parts: Vec<Value> = content.parts.into_iter().map(|(_, part)| part).collect();
            object([("role", role.into()), ("parts", parts.into())])
        });
        (self.system, contents.collect())
    }

    pub(super) fn system(&mut self, parts: Parts) -> Result<(), Unsupported> {
        for (part, place) in parts {
            match part {
                Part::Text(text) => {
                    if let Some(text) = self.text(text, &place) {
                        self.system.push(text);
                    }
                }
                Part::Native { format: Format::GoogleGemini, value } => self.system.push(value),
                _ => {
                    return Err(self.losses.never(&place, "Google's Gemini API takes instructions as text only"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn message(&mut self, message: Message) -> Result<(), Unsupported> {
        let Message { role, name, parts } = message;
        if name.is_some() {
            self.losses.hint_name(parts.item().as_deref());
        }
        match role {
            Role::System => {
                // There is no place for it in the middle: it joins those before the conversation.
                if !self.contents.is_empty() {
                    self.losses.hint(&parts.item().unwrap_or_else(|| Member::Messages.name(self.origin).to_owned()));
                }
                self.system(parts)
            }
            Role::User => self.user(parts),
            Role::Assistant => self.assistant(parts),
        }
    }

    fn user(&mut self, parts: Parts) -> Result<(), Unsupported> {
        let mut others = Vec::with_capacity(parts.len());
        for (part, place) in parts {
            match part {
                Part::ToolResult(result) => self.result(result, &place)?,
                other => others.push((other, place)),
            }
        }
        for (part, place) in others {
            if let Some(part) = self.plain(part, &place)? {
                self.push(Side::User, 0, part);
            }
        }
        Ok(())
    }

    fn assistant(&mut self, parts: Parts) -> Result<(), Unsupported> {
        let mut loose = Loose::default();
        for (part, place) in parts {
            match part {
                Part::Thinking(Thinking { text, signature }) => match signature.as_ref().and_then(own) {
                    Some(seal) => {
                        self.push_loose(&mut loose);
                        loose = Loose { thoughts: text, seal: Some(seal.to_owned()) };
                    }
                    None => self.losses.hint("thinking"),
                },
                Part::RedactedThinking(signature) => match own(&signature) {
                    Some(seal) => {
                        self.push_loose(&mut loose);
                        loose = Loose { thoughts: String::new(), seal: Some(seal.to_owned()) };
                    }
                    None => self.losses.hint("thinking"),
                },
                Part::ToolCall(call) => self.call(call, &place, &mut loose)?,
                other => {
                    self.push_loose(&mut loose);
                    if let Some(part) = self.plain(other, &place)? {
                        self.push(Side::Model, 0, part);
                    }
                }
            }
        }
        self.push_loose(&mut loose);
        Ok(())
    }

    /// A seal of its own place: a part with an empty text bears it, as it does in streams.
    fn push_loose(&mut self, loose: &mut Loose) {
        let Loose { thoughts, seal } = std::mem::take(loose);
        let Some(seal) = seal else { return };
        let part = if thoughts.is_empty() {
            object([("text", "".into()), ("thoughtSignature", seal.into())])
        } else {
            object([("text", thoughts.into()), ("thought", true.into()), ("thoughtSignature", seal.into())])
        };
        self.push(Side::Model, 0, part);
    }

    /// Other formats carry the seal of a call before it: it goes back to its place.
    fn call(&mut self, call: ToolCall, place: &str, loose: &mut Loose) -> Result<(), Unsupported> {
        let ToolCall { id, name, arguments, signature, cache } = call;
        if cache.is_some() {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
        let seal = if let Some(seal) = signature.as_ref().and_then(own) {
            self.push_loose(loose);
            Some(seal.to_owned())
        } else {
            let Loose { thoughts, seal } = std::mem::take(loose);
            if !thoughts.is_empty() {
                self.push(Side::Model, 0, object([("text", thoughts.into()), ("thought", true.into())]));
            }
            seal.or_else(|| self.stand_in_seal())
        };
        let arguments = call::arguments(&arguments, place, self.origin, self.losses)?;
        let called = object([("id", id.as_str().into()), ("name", name.as_str().into()), ("args", arguments.into())]);
        let mut part = object([("functionCall", called)]);
        if let Some(seal) = seal {
            part["thoughtSignature"] = Value::String(seal);
        }
        self.calls.insert(id, (self.calls.len(), name));
        self.push(Side::Model, 0, part);
        Ok(())
    }

    fn stand_in_seal(&self) -> Option<String> {
        let turn = self.contents.last().filter(|content| content.side == Side::Model);
        let is_first = turn.is_none_or(|turn| !turn.parts.iter().any(|(_, part)| part.get("functionCall").is_some()));
        if is_first { self.model.stand_in_seal().map(str::to_owned) } else { None }
    }

    fn result(&mut self, result: ToolResult, at: &str) -> Result<(), Unsupported> {
        let ToolResult { call_id, content, is_error, cache } = result;
        if cache.is_some() {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
        let Some((place, name)) = self.calls.get(&call_id).cloned() else {
            let reason = format!("the call `{call_id}`, whose result it is, is not in the conversation");
            return Err(self.losses.never(at, &reason));
        };
        let mut said = String::new();
        let mut files = Vec::new();
        for (part, at) in content {
            match part {
                Part::Text(text) => {
                    self.note_losses(&text, &at);
                    if !said.is_empty() {
                        said.push('\n');
                    }
                    said.push_str(&text.text);
                }
                other => files.extend(self.plain(other, &at)?),
            }
        }
        let key = if is_error { "error" } else { "output" };
        let said = object([(key, said.into())]);
        let mut response = object([("id", call_id.into()), ("name", name.into()), ("response", said)]);
        // Older models take nothing but the object: what is not text stands behind it.
        let behind = if self.model.is_old() || files.is_empty() {
            files
        } else {
            response["parts"] = Value::Array(files);
            Vec::new()
        };
        self.push(Side::Results, place, object([("functionResponse", response)]));
        for file in behind {
            self.push(Side::Results, place, file);
        }
        Ok(())
    }

    /// A part that either side can say; nothing where it is empty.
    fn plain(&mut self, part: Part, place: &str) -> Result<Option<Value>, Unsupported> {
        match part {
            Part::Text(text) => Ok(self.text(text, place)),
            Part::Refusal(text) => Ok(self.text(Text { text, annotations: Vec::new(), cache: None }, place)),
            Part::Image(file) | Part::File(file) | Part::Audio(file) | Part::Video(file) => {
                media::part(file, place, self.origin, self.losses).map(Some)
            }
            Part::Native { format: Format::GoogleGemini, value } => Ok(Some(value)),
            Part::Native { format, value } => {
                let kind = value.get("type").and_then(Value::as_str).unwrap_or("a part").to_owned();
                let reason = format!("only {format} knows `{kind}`");
                self.losses.cannot_because(place, &reason)?;
                Ok(None)
            }
            Part::Thinking(_) | Part::RedactedThinking(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                let reason = "nobody can say a call, a result or thoughts there";
                Err(self.losses.never(place, reason))
            }
        }
    }

    /// A part with nothing in it is refused.
    fn text(&mut self, text: Text, place: &str) -> Option<Value> {
        self.note_losses(&text, place);
        (!text.text.is_empty()).then(|| object([("text", text.text.into())]))
    }

    fn note_losses(&mut self, Text { text: _, annotations, cache }: &Text, place: &str) {
        if !annotations.is_empty() {
            self.losses.hint_sources(place, self.origin);
        }
        if cache.is_some() {
            self.losses.hint(Member::CacheControl.name(self.origin));
        }
    }

    fn push(&mut self, side: Side, place: usize, part: Value) {
        match self.contents.last_mut() {
            Some(content) if content.side == side => content.parts.push((place, part)),
            _ => self.contents.push(Content { side, parts: vec![(place, part)] }),
        }
    }
}

fn own(signature: &Signature) -> Option<&str> {
    signature.for_format(Format::GoogleGemini)
}
