//! The messages of a caller's request.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    fields::Fields,
    read_parts::{block, cache, content},
    thoughts,
};
use crate::{Cache, Format, Malformed, Media, Message, Part, Role, Signature, Source, ToolCall, ToolResult};

/// What a request's messages say.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Part>,
    pub(super) messages: Vec<Message>,
    /// Members nobody knows, by their path.
    pub(super) extra: Map<String, Value>,
    /// The ids given to calls of the older form, by the function's name: their results name the function alone.
    older_calls: HashMap<String, String>,
}

impl Conversation {
    pub(super) fn read(messages: Vec<Value>) -> Result<Self, Malformed> {
        let mut conversation = Self::default();
        for (index, message) in messages.into_iter().enumerate() {
            conversation.message(index, Fields::of(format!("messages.{index}"), message)?)?;
        }
        Ok(conversation)
    }

    fn message(&mut self, index: usize, mut fields: Fields) -> Result<(), Malformed> {
        let role = fields.required_string("role")?;
        let mark = cache(&mut fields)?;
        match role.as_str() {
            "system" | "developer" => self.instruction(&mut fields, mark)?,
            "user" => {
                let mut parts = self.required_content(&mut fields)?;
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
        fields.keep_rest(&mut self.extra);
        Ok(())
    }

    fn required_content(&mut self, fields: &mut Fields) -> Result<Vec<Part>, Malformed> {
        let parts = content(fields, &mut self.extra)?;
        parts.ok_or_else(|| fields.wrong("content", "a string or a list of parts"))
    }

    fn instruction(&mut self, fields: &mut Fields, mark: Option<Cache>) -> Result<(), Malformed> {
        let mut parts = self.required_content(fields)?;
        cache_last(&mut parts, mark);
        let name = fields.string("name")?;
        if self.messages.is_empty() && name.is_none() {
            self.system.append(&mut parts);
        } else {
            self.messages.push(Message { role: Role::System, name, parts });
        }
        Ok(())
    }

    /// Results that follow each other are one message.
    fn result(&mut self, fields: &mut Fields, call_id: String, cache: Option<Cache>) -> Result<(), Malformed> {
        let content = content(fields, &mut self.extra)?.unwrap_or_default();
        let part = Part::ToolResult(ToolResult { call_id, content, is_error: false, cache });
        match self.messages.last_mut() {
            Some(Message { role: Role::User, name: None, parts })
                if matches!(parts.last(), Some(Part::ToolResult(_))) =>
            {
                parts.push(part);
            }
            _ => self.messages.push(Message { role: Role::User, name: None, parts: vec![part] }),
        }
        Ok(())
    }

    fn assistant(&mut self, index: usize, fields: &mut Fields) -> Result<Vec<Part>, Malformed> {
        let mut parts = thoughts_of(fields)?;
        let mut said = content(fields, &mut self.extra)?.unwrap_or_default();
        // What a reply named as its sources comes back with it.
        if let Some(annotations) = fields.list("annotations")?
            && let Some(Part::Text(text)) = said.last_mut()
        {
            text.annotations = annotations;
        }
        // An empty text beside calls is no text.
        let called = fields.has("tool_calls") || fields.has("function_call");
        said.retain(|part| !(called && matches!(part, Part::Text(text) if text.text.is_empty())));
        parts.append(&mut said);
        if let Some(reason) = fields.string("refusal")? {
            parts.push(Part::Refusal(reason));
        }
        if let Some(mut audio) = fields.object("audio")? {
            let source = Source::Id { format: Format::OpenaiChat, id: audio.required_string("id")? };
            parts.push(Part::Audio(Media::new(source)));
        }
        for (number, call) in fields.list("tool_calls")?.into_iter().flatten().enumerate() {
            let call = Fields::of(fields.path(&format!("tool_calls.{number}")), call)?;
            parts.push(self.call(call, || format!("call_{index}_{number}"))?);
        }
        if let Some(mut call) = fields.object("function_call")? {
            let name = call.required_string("name")?;
            let id = format!("call_{index}_{name}");
            self.older_calls.insert(name.clone(), id.clone());
            let arguments = arguments(&mut call)?;
            parts.push(Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None }));
        }
        Ok(parts)
    }

    fn call(&mut self, mut fields: Fields, made_up: impl FnOnce() -> String) -> Result<Part, Malformed> {
        if !matches!(fields.text("type"), None | Some("function")) {
            return Ok(Part::Native { format: Format::OpenaiChat, value: fields.into_value() });
        }
        fields.take("type");
        // Left over from a stream.
        fields.take("index");
        let id = fields.string("id")?.filter(|id| !id.is_empty()).unwrap_or_else(made_up);
        let cache = cache(&mut fields)?;
        let signature = self.call_seal(&mut fields)?;
        let mut function = fields.required_object("function")?;
        let name = function.required_string("name")?;
        let arguments = arguments(&mut function)?;
        function.keep_rest(&mut self.extra);
        fields.keep_rest(&mut self.extra);
        Ok(Part::ToolCall(ToolCall { id, name, arguments, signature, cache }))
    }

    /// Google's place for it; a seal without a mark is Google's own.
    fn call_seal(&mut self, fields: &mut Fields) -> Result<Option<Signature>, Malformed> {
        let Some(mut content) = fields.object("extra_content")? else { return Ok(None) };
        let mut seal = None;
        if let Some(mut google) = content.object("google")? {
            seal = google.string("thought_signature")?;
            google.keep_rest(&mut self.extra);
        }
        content.keep_rest(&mut self.extra);
        Ok(seal.map(|seal| Signature::read_from(Format::GoogleGemini, &seal)))
    }
}

/// The thoughts of a reply that comes back. The members tell the same thing with less and less detail.
fn thoughts_of(fields: &mut Fields) -> Result<Vec<Part>, Malformed> {
    let blocks = fields.list("thinking_blocks")?.unwrap_or_default();
    let details = fields.list("reasoning_details")?.unwrap_or_default();
    let mut plain = None;
    for member in thoughts::MEMBERS {
        let text = fields.string(member)?.filter(|text| !text.is_empty());
        plain = plain.or(text.map(|text| thoughts::plain(text, member)));
    }
    if !blocks.is_empty() {
        let read = |(number, value)| block(Fields::of(fields.path(&format!("thinking_blocks.{number}")), value)?);
        return blocks.into_iter().enumerate().map(read).collect();
    }
    if !details.is_empty() {
        let read = |(number, value)| match value {
            Value::Object(detail) => Ok(thoughts::detail(detail)),
            _ => Err(fields.wrong(&format!("reasoning_details.{number}"), "an object")),
        };
        return details.into_iter().enumerate().map(read).collect();
    }
    Ok(plain.into_iter().collect())
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
