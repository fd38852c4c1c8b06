//! The conversation of a request: its items, and the parts that they are made of.

use serde_json::{Value, json};

use super::members::{Members, not_one_of, wrong};
use super::{OF_CALL, OWN, annotation};
use crate::{
    Cache, Malformed, Media, Message, Part, Request, Role, Signature, Source, Text, Thinking, ToolCall, ToolResult,
};

/// Endings of file names and their media types, for files that come without one of the two.
pub(super) const ENDINGS: [(&str, &str); 10] = [
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// How the base64 of a PDF begins.
const PDF_BASE64: &str = "JVBERi";

pub(super) fn read(input: Value, request: &mut Request) -> Result<(), Malformed> {
    match input {
        Value::String(text) => {
            request.messages.push(Message { role: Role::User, name: None, parts: vec![Part::text(text)] });
            Ok(())
        }
        Value::Array(items) => {
            let mut conversation = Conversation { request, seal: None };
            for (n, item) in items.into_iter().enumerate() {
                conversation.item(item, &format!("input.{n}"))?;
            }
            Ok(())
        }
        _ => Err(wrong("input", "a string or a list")),
    }
}

struct Conversation<'a> {
    request: &'a mut Request,
    /// Of the function call that comes next; of no use where none comes.
    seal: Option<Signature>,
}

impl Conversation<'_> {
    fn item(&mut self, item: Value, path: &str) -> Result<(), Malformed> {
        let Value::Object(members) = &item else { return Err(wrong(path, "an object")) };
        let kind = match members.get("type") {
            None | Some(Value::Null) if members.contains_key("role") => "message",
            None | Some(Value::Null) if members.contains_key("id") => "item_reference",
            None | Some(Value::Null) => return Err(Members::new(item, path)?.missing("type")),
            Some(Value::String(kind)) => kind.as_str(),
            Some(_) => return Err(wrong(format!("{path}.type"), "a string")),
        };
        let given = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        match kind {
            "message" => self.message(Members::new(item, path)?),
            "function_call" if !given("namespace") && !by_program(members.get("caller")) => {
                self.call(Members::new(item, path)?)
            }
            "function_call_output" if given("call_id") && !by_program(members.get("caller")) => {
                self.result(Members::new(item, path)?)
            }
            "reasoning" => self.reasoning(Members::new(item, path)?),
            _ => {
                let role = if of_caller(kind) { Role::User } else { Role::Assistant };
                self.push(role, Part::Native { format: OWN, value: item });
                Ok(())
            }
        }
    }

    /// Adds to the turn of `role`, where that is the one that goes on.
    fn push(&mut self, role: Role, part: Part) {
        match self.request.messages.last_mut() {
            Some(last) if last.role == role && (role == Role::Assistant || last.parts.iter().all(is_item)) => {
                last.parts.push(part);
            }
            _ => self.request.messages.push(Message { role, name: None, parts: vec![part] }),
        }
    }

    fn message(&mut self, mut members: Members) -> Result<(), Malformed> {
        let role = members.required_string("role")?;
        let path = members.path("content");
        let parts = match members.value("content") {
            None => return Err(members.missing("content")),
            Some(content) => read_content(content, &path)?,
        };
        let place = members.path("role");
        self.leave_out(members);
        match role.as_str() {
            "user" => self.request.messages.push(Message { role: Role::User, name: None, parts }),
            "assistant" => {
                for part in parts {
                    self.push(Role::Assistant, part);
                }
            }
            "system" | "developer" if self.request.messages.is_empty() => self.request.system.extend(parts),
            "system" | "developer" => {
                self.request.messages.push(Message { role: Role::System, name: None, parts });
            }
            _ => {
                let roles = ["user", "assistant", "system", "developer"];
                return Err(not_one_of(place, &role, &roles));
            }
        }
        Ok(())
    }

    /// What an item has besides. The labels of the provider's store come back with every SDK, and say nothing.
    fn leave_out(&mut self, members: Members) {
        const LABELS: [&str; 8] = ["type", "id", "status", "phase", "namespace", "caller", "created_by", "name"];
        let path = members.path("");
        let rest =
            members.rest().into_iter().filter(|(name, value)| !value.is_null() && !LABELS.contains(&name.as_str()));
        self.request.left_out.extend(rest.map(|(name, _)| format!("{path}{name}")));
    }

    fn call(&mut self, mut members: Members) -> Result<(), Malformed> {
        let call = ToolCall {
            id: members.required_string("call_id")?,
            name: members.required_string("name")?,
            arguments: members.required_string("arguments")?,
            signature: self.seal.take(),
            cache: None,
        };
        self.leave_out(members);
        self.push(Role::Assistant, Part::ToolCall(call));
        Ok(())
    }

    fn result(&mut self, mut members: Members) -> Result<(), Malformed> {
        let call_id = members.required_string("call_id")?;
        let path = members.path("output");
        let content = match members.value("output") {
            None => return Err(members.missing("output")),
            Some(output) => read_content(output, &path)?,
        };
        self.leave_out(members);
        self.push(Role::User, Part::ToolResult(ToolResult { call_id, content, is_error: false, cache: None }));
        Ok(())
    }

    fn reasoning(&mut self, mut members: Members) -> Result<(), Malformed> {
        let sealed = members.string("encrypted_content")?.filter(|seal| !seal.is_empty());
        if let Some(seal) = sealed.as_deref().and_then(|seal| seal.strip_prefix(OF_CALL)) {
            self.seal = Some(Signature::read_from(OWN, seal));
            return Ok(());
        }
        let signature = sealed.map(|seal| Signature::read_from(OWN, &seal));
        let mut texts = read_thoughts(&mut members, "summary")?;
        if texts.is_empty() {
            texts = read_thoughts(&mut members, "content")?;
        }
        match signature {
            Some(seal) if texts.is_empty() => self.push(Role::Assistant, Part::RedactedThinking(seal)),
            None if texts.is_empty() => {}
            signature => {
                let thinking = Thinking { text: texts.join("\n\n"), signature };
                self.push(Role::Assistant, Part::Thinking(thinking));
            }
        }
        Ok(())
    }
}

fn by_program(caller: Option<&Value>) -> bool {
    caller.is_some_and(|caller| !caller.is_null() && caller.get("type") != Some(&json!("direct")))
}

/// Whether an item of this kind comes from the caller's side.
fn of_caller(kind: &str) -> bool {
    kind.ends_with("_output")
        || matches!(kind, "mcp_approval_response" | "compaction_trigger" | "additional_tools" | "configuration_update")
}

/// Whether it is an item of its own, not a part of a message.
fn is_item(part: &Part) -> bool {
    match part {
        Part::ToolResult(_) => true,
        Part::Native { value, .. } => !is_content(value),
        _ => false,
    }
}

/// Whether an object is a part of a message, by the names that these have.
pub(super) fn is_content(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("input_") || kind.starts_with("output_") || matches!(kind, "text" | "computer_screenshot")
}

fn read_thoughts(members: &mut Members, name: &str) -> Result<Vec<String>, Malformed> {
    let path = members.path(name);
    let list = members.list(name)?.unwrap_or_default();
    let texts = list.into_iter().enumerate();
    texts.map(|(n, part)| Members::new(part, format!("{path}.{n}"))?.required_string("text")).collect()
}

fn read_content(content: Value, path: &str) -> Result<Vec<Part>, Malformed> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(list) => {
            let parts = list.into_iter().enumerate();
            parts.map(|(n, part)| read_part(part, &format!("{path}.{n}"))).collect()
        }
        _ => Err(wrong(path, "a string or a list")),
    }
}

fn read_part(part: Value, path: &str) -> Result<Part, Malformed> {
    let kind = match part.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(_) => return Err(wrong(format!("{path}.type"), "a string")),
        None => return Err(Members::new(part, path)?.missing("type")),
    };
    match kind {
        "input_text" | "output_text" => {
            let mut members = Members::new(part, path)?;
            let text = members.required_string("text")?;
            let annotations = members.list("annotations")?.unwrap_or_default();
            let annotations = annotations.into_iter().map(annotation::nested).collect();
            Ok(Part::Text(Text { text, annotations, cache: read_cache(&mut members)? }))
        }
        "refusal" => Ok(Part::Refusal(Members::new(part, path)?.required_string("refusal")?)),
        "input_image" => read_image(Members::new(part, path)?),
        "input_file" => read_file(Members::new(part, path)?),
        "input_audio" => read_audio(Members::new(part, path)?),
        _ => Ok(Part::Native { format: OWN, value: part }),
    }
}

fn read_cache(members: &mut Members) -> Result<Option<Cache>, Malformed> {
    let Some(mut breakpoint) = members.object("prompt_cache_breakpoint")? else { return Ok(None) };
    Ok(Some(Cache { ttl: breakpoint.string("ttl")? }))
}

fn read_image(mut members: Members) -> Result<Part, Malformed> {
    let url = members.string("image_url")?;
    let id = members.string("file_id")?;
    let source = match (url, id) {
        (Some(url), None) => of_url(url),
        (None, Some(id)) => Source::Id { format: OWN, id },
        _ => {
            let message = "An image must have one of `image_url` and `file_id`.";
            return Err(Malformed::new(members.path("image_url"), message));
        }
    };
    let detail = members.string("detail")?;
    Ok(Part::Image(Media { source, name: None, detail, cache: read_cache(&mut members)? }))
}

fn read_file(mut members: Members) -> Result<Part, Malformed> {
    let name = members.string("filename")?;
    let given = (members.string("file_data")?, members.string("file_url")?, members.string("file_id")?);
    let source = match given {
        (Some(data), None, None) => of_data(data, name.as_deref()),
        (None, Some(url), None) => Source::Url(url),
        (None, None, Some(id)) => Source::Id { format: OWN, id },
        _ => {
            let path = members.path("file_data");
            let message = "A file must have one of `file_data`, `file_url` and `file_id`.";
            return Err(Malformed::new(path, message));
        }
    };
    let detail = members.string("detail")?;
    Ok(Part::File(Media { source, name, detail, cache: read_cache(&mut members)? }))
}

fn read_audio(mut members: Members) -> Result<Part, Malformed> {
    let mut audio = members.object("input_audio")?.ok_or_else(|| members.missing("input_audio"))?;
    let data = audio.required_string("data")?;
    let format = audio.required_string("format")?;
    let media_type = match format.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    Ok(Part::Audio(Media::new(Source::Inline { media_type, data })))
}

/// A data address holds the bytes; any other one is fetched.
fn of_url(mut url: String) -> Source {
    let head = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    let Some(media_type) = head.and_then(|(meta, _)| meta.strip_suffix(";base64")).map(str::to_owned) else {
        return Source::Url(url);
    };
    let start = url.find(',').map_or(0, |comma| comma + 1);
    Source::Inline { media_type, data: url.split_off(start) }
}

fn of_data(data: String, name: Option<&str>) -> Source {
    match of_url(data) {
        Source::Url(data) => {
            let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
            let known = ENDINGS.iter().find(|(known, _)| ending.as_deref() == Some(known));
            let media_type = match known {
                Some((_, media_type)) => media_type,
                None if data.starts_with(PDF_BASE64) => "application/pdf",
                None => "application/octet-stream",
            };
            Source::Inline { media_type: media_type.to_owned(), data }
        }
        source => source,
    }
}
