//! The conversation of a request: its items, and the parts that they are made of.

use serde_json::Value;

use super::{OF_CALL, OWN, annotation};
use crate::fields::{Fields, wrong};
use crate::openai_chat::recording;
use crate::{
    Cache, Malformed, Media, Message, Part, Parts, Request, Role, Signature, Source, Text, Thinking, ToolCall,
    ToolResult,
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

/// `body` is what `input` stands in.
pub(super) fn read(input: Value, body: &Fields, request: &mut Request) -> Result<(), Malformed> {
    match input {
        Value::String(text) => {
            let parts = Parts::one(Part::text(text), "input");
            request.messages.push(Message { role: Role::User, name: None, parts });
            Ok(())
        }
        Value::Array(items) => {
            let mut conversation = Conversation { request, seal: None };
            for (n, item) in items.into_iter().enumerate() {
                conversation.item(body.within(format!("input.{n}"), item)?)?;
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
    fn item(&mut self, item: Fields) -> Result<(), Malformed> {
        let kind = match item.peek("type") {
            None if item.has("role") => "message".to_owned(),
            None if item.has("id") => "item_reference".to_owned(),
            _ => item.kind()?,
        };
        match kind.as_str() {
            "message" => self.message(item),
            "function_call" if !item.has("namespace") && !by_program(&item) => self.call(item),
            "function_call_output" if item.has("call_id") && !by_program(&item) => self.result(item),
            "reasoning" => self.reasoning(item),
            _ => {
                let role = if of_caller(&kind) { Role::User } else { Role::Assistant };
                let place = item.place().to_owned();
                self.push(role, Part::Native { format: OWN, value: item.into_value() }, &place);
                Ok(())
            }
        }
    }

    /// Adds to the turn of `role`, where that is the one that goes on.
    fn push(&mut self, role: Role, part: Part, place: &str) {
        match self.request.messages.last_mut() {
            Some(last) if last.role == role && (role == Role::Assistant || last.parts.iter().all(is_item)) => {
                last.parts.push(part, place);
            }
            _ => {
                let parts = Parts::one(part, place);
                self.request.messages.push(Message { role, name: None, parts });
            }
        }
    }

    fn message(&mut self, mut item: Fields) -> Result<(), Malformed> {
        let role = item.required_string("role")?;
        let parts = read_content(&mut item, "content")?;
        forget_labels(&mut item);
        match role.as_str() {
            "user" => self.request.messages.push(Message { role: Role::User, name: None, parts }),
            "assistant" => {
                for (part, place) in parts {
                    self.push(Role::Assistant, part, &place);
                }
            }
            "system" | "developer" if self.request.messages.is_empty() => self.request.system.append(parts),
            "system" | "developer" => {
                self.request.messages.push(Message { role: Role::System, name: None, parts });
            }
            _ => return Err(item.not_one_of("role", &role, &["user", "assistant", "system", "developer"])),
        }
        Ok(())
    }

    fn call(&mut self, mut item: Fields) -> Result<(), Malformed> {
        let call = ToolCall {
            id: item.required_string("call_id")?,
            name: item.required_string("name")?,
            arguments: item.required_string("arguments")?,
            signature: self.seal.take(),
            cache: None,
        };
        forget_labels(&mut item);
        self.push(Role::Assistant, Part::ToolCall(call), item.place());
        Ok(())
    }

    fn result(&mut self, mut item: Fields) -> Result<(), Malformed> {
        let call_id = item.required_string("call_id")?;
        let content = read_content(&mut item, "output")?;
        forget_labels(&mut item);
        // The call says it.
        item.forget(&["name"]);
        let result = ToolResult { call_id, content, is_error: false, cache: None };
        self.push(Role::User, Part::ToolResult(result), item.place());
        Ok(())
    }

    fn reasoning(&mut self, mut item: Fields) -> Result<(), Malformed> {
        forget_labels(&mut item);
        let sealed = item.string("encrypted_content")?.filter(|seal| !seal.is_empty());
        let summary = read_thoughts(&mut item, "summary")?;
        let thoughts = read_thoughts(&mut item, "content")?;
        if let Some(seal) = sealed.as_deref().and_then(|seal| seal.strip_prefix(OF_CALL)) {
            self.seal = Some(Signature::read_from(OWN, seal));
            return Ok(());
        }
        let signature = sealed.map(|seal| Signature::read_from(OWN, &seal));
        // Of a provider that tells both, the summary is what others can be told too.
        let texts = if summary.is_empty() { thoughts } else { summary };
        let part = match signature {
            Some(seal) if texts.is_empty() => Part::RedactedThinking(seal),
            None if texts.is_empty() => return Ok(()),
            signature => Part::Thinking(Thinking { text: texts.join("\n\n"), signature }),
        };
        self.push(Role::Assistant, part, item.place());
        Ok(())
    }
}

/// The labels of the provider's store come back with every SDK, and say nothing.
fn forget_labels(item: &mut Fields) {
    item.forget(&["type", "id", "status", "phase", "created_by"]);
    item.forget_in("caller", "type", |kind| kind == "direct");
}

/// Whether a program that the provider runs called, not the model.
fn by_program(item: &Fields) -> bool {
    item.peek("caller").is_some_and(|caller| caller["type"] != "direct")
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

fn read_thoughts(item: &mut Fields, name: &str) -> Result<Vec<String>, Malformed> {
    let text = |mut part: Fields| {
        part.forget(&["type"]);
        part.required_string("text")
    };
    item.objects(name)?.into_iter().map(text).collect()
}

/// A string or a list of parts.
fn read_content(item: &mut Fields, name: &str) -> Result<Parts, Malformed> {
    if let Some(Value::String(_)) = item.peek(name) {
        return Ok(Parts::one(Part::text(item.required_string(name)?), item.path(name)));
    }
    if item.peek(name).is_some_and(|content| !content.is_array()) {
        return Err(item.wrong(name, "a string or a list"));
    }
    let read = |part: Fields| {
        let place = part.place().to_owned();
        Ok((read_part(part)?, place))
    };
    if !item.has(name) {
        item.required(name)?;
    }
    item.objects(name)?.into_iter().map(read).collect()
}

fn read_part(mut part: Fields) -> Result<Part, Malformed> {
    let kind = part.kind()?;
    if matches!(kind.as_str(), "input_text" | "output_text" | "refusal" | "input_image" | "input_file" | "input_audio")
    {
        part.forget(&["type"]);
    }
    match kind.as_str() {
        "input_text" | "output_text" => {
            let text = part.required_string("text")?;
            // What was said may come back with them: they are about that reply.
            part.forget(&["logprobs"]);
            let annotations = part.list("annotations")?.unwrap_or_default();
            let annotations = annotations.into_iter().map(annotation::nested).collect();
            Ok(Part::Text(Text { text, annotations, cache: read_cache(&mut part)? }))
        }
        "refusal" => Ok(Part::Refusal(part.required_string("refusal")?)),
        "input_image" => read_image(part),
        "input_file" => read_file(part),
        "input_audio" => Ok(Part::Audio(Media::new(recording(part.required_object("input_audio")?)?))),
        _ => Ok(Part::Native { format: OWN, value: part.into_value() }),
    }
}

fn read_cache(part: &mut Fields) -> Result<Option<Cache>, Malformed> {
    let Some(mut breakpoint) = part.object("prompt_cache_breakpoint")? else { return Ok(None) };
    breakpoint.forget_where("mode", |mode| mode == "explicit");
    Ok(Some(Cache { ttl: breakpoint.string("ttl")? }))
}

fn read_image(mut part: Fields) -> Result<Part, Malformed> {
    let url = part.string("image_url")?;
    let id = part.string("file_id")?;
    let source = match (url, id) {
        (Some(url), None) => of_url(url),
        (None, Some(id)) => Source::Id { format: OWN, id },
        _ => {
            let message = "An image must have one of `image_url` and `file_id`.";
            return Err(Malformed::new(part.path("image_url"), message));
        }
    };
    let detail = part.string("detail")?;
    Ok(Part::Image(Media { source, name: None, detail, cache: read_cache(&mut part)? }))
}

fn read_file(mut part: Fields) -> Result<Part, Malformed> {
    let name = part.string("filename")?;
    let given = (part.string("file_data")?, part.string("file_url")?, part.string("file_id")?);
    let source = match given {
        (Some(data), None, None) => of_data(data, name.as_deref()),
        (None, Some(url), None) => Source::Url(url),
        (None, None, Some(id)) => Source::Id { format: OWN, id },
        _ => {
            let message = "A file must have one of `file_data`, `file_url` and `file_id`.";
            return Err(Malformed::new(part.path("file_data"), message));
        }
    };
    let detail = part.string("detail")?;
    Ok(Part::File(Media { source, name, detail, cache: read_cache(&mut part)? }))
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
