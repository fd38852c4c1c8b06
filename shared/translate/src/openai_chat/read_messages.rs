//! The messages of a caller's request.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    read_parts::{block, content},
    thoughts,
};
use crate::{
    Cache, Format, Malformed, Media, Message, Part, Parts, Role, Signature, Source, ToolCall, ToolResult,
    fields::Fields,
};

/// What a request's messages say.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Parts,
    pub(super) messages: Vec<Message>,
    /// The ids given to calls of the older form, by the function's name: their results name the function alone.
    older_calls: HashMap<String, String>,
}

impl Conversation {
    pub(super) fn read(messages: Vec<Fields>) -> Result<Self, Malformed> {
        let mut conversation = Self::default();
        for (index, message) in messages.into_iter().enumerate() {
            conversation.message(index, message)?;
        }
        Ok(conversation)
    }

    fn message(&mut self, index: usize, mut fields: Fields) -> Result<(), Malformed> {
        let role = fields.required_string("role")?;
        let mark = fields.cache_control()?;
        match role.as_str() {
            "system" | "developer" => self.instruction(&mut fields, mark)?,
            "user" => {
                let mut parts = required_content(&mut fields)?;
                cache_last(&mut parts, mark);
                self.messages.push(Message { role: Role::User, name: fields.string("name")?, parts });
            }
            "assistant" => {
                let mut parts = self.assistant(index, &mut fields)?;
                cache_last(&mut parts, mark);
                self.messages.push(Message { role: Role::Assistant, name: fields.string("name")?, parts });
            }
            "tool" => {
                let call_id = fields.required_string("tool_call_id")?;
                // Some senders name the function as well.
                fields.string("name")?;
                self.result(&mut fields, call_id, mark)?;
            }
            "function" => {
                let name = fields.required_string("name")?;
                let call_id = self.older_calls.get(&name).cloned().unwrap_or(name);
                self.result(&mut fields, call_id, mark)?;
            }
            _ => return Err(fields.wrong("role", "`system`, `developer`, `user`, `assistant` or `tool`")),
        }
        Ok(())
    }

    fn instruction(&mut self, fields: &mut Fields, mark: Option<Cache>) -> Result<(), Malformed> {
        let mut parts = required_content(fields)?;
        cache_last(&mut parts, mark);
        let name = fields.string("name")?;
        if self.messages.is_empty() && name.is_none() {
            self.system.append(parts);
        } else {
            self.messages.push(Message { role: Role::System, name, parts });
        }
        Ok(())
    }

    /// Results that follow each other are one message.
    fn result(&mut self, fields: &mut Fields, call_id: String, cache: Option<Cache>) -> Result<(), Malformed> {
        let content = content(fields)?.unwrap_or_default();
        let part = Part::ToolResult(ToolResult { call_id, content, is_error: false, cache });
        match self.messages.last_mut() {
            Some(Message { role: Role::User, name: None, parts })
                if matches!(parts.last(), Some(Part::ToolResult(_))) =>
            {
                parts.push(part, fields.place());
            }
            _ => {
                let parts = Parts::one(part, fields.place());
                self.messages.push(Message { role: Role::User, name: None, parts });
            }
        }
        Ok(())
    }

    fn assistant(&mut self, index: usize, fields: &mut Fields) -> Result<Parts, Malformed> {
        let mut parts = thoughts_of(fields)?;
        let mut said = content(fields)?.unwrap_or_default();
        // What a reply named as its sources comes back with it.
        fields.forget_where("annotations", |list| list.as_array().is_some_and(Vec::is_empty));
        if let Some(Part::Text(text)) = said.last_mut() {
            text.annotations = fields.list("annotations")?.unwrap_or_default();
        }
        // An empty text beside calls is no text.
        let called = fields.has("tool_calls") || fields.has("function_call");
        let is_empty = |part: &Part| matches!(part, Part::Text(text) if text.text.is_empty());
        parts.append(said.into_iter().filter(|(part, _)| !(called && is_empty(part))).collect());
        if let Some(reason) = fields.string("refusal")? {
            parts.push(Part::Refusal(reason), fields.path("refusal"));
        }
        if let Some(mut audio) = fields.object("audio")? {
            let source = Source::Id { format: Format::OpenaiChat, id: audio.required_string("id")? };
            parts.push(Part::Audio(Media::new(source)), audio.place());
        }
        for (number, call) in fields.objects("tool_calls")?.into_iter().enumerate() {
            let place = call.place().to_owned();
            parts.push(call_of(call, || format!("call_{index}_{number}"))?, place);
        }
        if let Some(mut call) = fields.object("function_call")? {
            let name = call.required_string("name")?;
            let id = format!("call_{index}_{name}");
            self.older_calls.insert(name.clone(), id.clone());
            let arguments = arguments(&mut call)?;
            let called = ToolCall { id, name, arguments, signature: None, cache: None };
            parts.push(Part::ToolCall(called), call.place());
        }
        Ok(parts)
    }
}

fn required_content(fields: &mut Fields) -> Result<Parts, Malformed> {
    content(fields)?.ok_or_else(|| fields.wrong("content", "a string or a list of parts"))
}

fn call_of(mut fields: Fields, made_up: impl FnOnce() -> String) -> Result<Part, Malformed> {
    if !matches!(fields.text("type"), None | Some("function")) {
        return Ok(Part::Native { format: Format::OpenaiChat, value: fields.into_value() });
    }
    // The latter is left over from a stream.
    fields.forget(&["type", "index"]);
    let id = fields.string("id")?.filter(|id| !id.is_empty()).unwrap_or_else(made_up);
    let cache = fields.cache_control()?;
    let signature = call_seal(&mut fields)?;
    let mut function = fields.required_object("function")?;
    let name = function.required_string("name")?;
    let arguments = arguments(&mut function)?;
    Ok(Part::ToolCall(ToolCall { id, name, arguments, signature, cache }))
}

/// Google's place for it; a seal without a mark is Google's own.
fn call_seal(fields: &mut Fields) -> Result<Option<Signature>, Malformed> {
    let Some(mut content) = fields.object("extra_content")? else { return Ok(None) };
    let Some(mut google) = content.object("google")? else { return Ok(None) };
    let seal = google.string("thought_signature")?;
    Ok(seal.map(|seal| Signature::read_from(Format::GoogleGemini, &seal)))
}

/// The thoughts of a reply that comes back. The members tell the same thing with less and less detail.
fn thoughts_of(fields: &mut Fields) -> Result<Parts, Malformed> {
    let blocks = fields.objects("thinking_blocks")?;
    let details = fields.objects("reasoning_details")?;
    let mut plain = Parts::new();
    for member in thoughts::MEMBERS {
        if let Some(text) = fields.string(member)?.filter(|text| !text.is_empty() && plain.is_empty()) {
            plain.push(thoughts::plain(text, member), fields.path(member));
        }
    }
    // Each is the seal of what it says, whatever its members are.
    let details: Vec<(Map<String, Value>, String)> = details
        .into_iter()
        .map(|detail| {
            let place = detail.place().to_owned();
            (detail.into_members(), place)
        })
        .collect();
    if !blocks.is_empty() {
        let read = |fields: Fields| {
            let place = fields.place().to_owned();
            Ok((block(fields)?, place))
        };
        return blocks.into_iter().map(read).collect();
    }
    if !details.is_empty() {
        return Ok(details.into_iter().map(|(detail, place)| (thoughts::detail(detail), place)).collect());
    }
    Ok(plain)
}

/// A JSON text; some senders give the JSON itself.
fn arguments(fields: &mut Fields) -> Result<String, Malformed> {
    match fields.take("arguments") {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(object @ Value::Object(_)) => Ok(object.to_string()),
        Some(_) => Err(fields.wrong("arguments", "a string")),
    }
}

/// A mark on a message is one on its last part.
fn cache_last(parts: &mut [Part], mark: Option<Cache>) {
    let place = match parts.last_mut() {
        Some(Part::Text(text)) => &mut text.cache,
        Some(Part::Image(media) | Part::File(media) | Part::Audio(media) | Part::Video(media)) => &mut media.cache,
        Some(Part::ToolCall(call)) => &mut call.cache,
        Some(Part::ToolResult(result)) => &mut result.cache,
        _ => return,
    };
    *place = place.take().or(mark);
}
