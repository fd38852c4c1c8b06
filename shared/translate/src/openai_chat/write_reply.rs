use serde_json::{Map, Value, json};

use super::{
    finish,
    read_request::OLDER_CALLS,
    thoughts::{self, Place, append, push},
    usage,
};
use crate::json::object;
use crate::{Format, Media, Part, Reply, Request, Signature, Source, Stamp, Text, ToolCall, unsaid::has_place};

/// `request` tells whether its sender knows calls in the older form alone.
pub(crate) fn write_reply(reply: Reply, request: &Request, stamp: &Stamp) -> Value {
    let Reply { id: _, model: _, created: _, parts, finish, usage, logprobs, service_tier } = reply;
    let mut said = Spoken { older_calls: wants_older_calls(request), ..Spoken::default() };
    for part in parts {
        said.part(part);
    }
    let (word, more) = finish::write(&finish, said.older_calls, said.refusal.is_some());
    let logprobs = logprobs.map(|content| object([("content", Value::Array(content)), ("refusal", Value::Null)]));
    let mut choice = object([
        ("index", 0.into()),
        ("message", said.message()),
        ("logprobs", logprobs.unwrap_or_default()),
        ("finish_reason", word.into()),
    ]);
    if let Value::Object(choice) = &mut choice {
        choice.extend(more);
    }
    let mut written = object([
        ("id", id(stamp).into()),
        ("object", "chat.completion".into()),
        ("created", stamp.created.into()),
        ("model", stamp.model.as_str().into()),
        ("choices", Value::Array(vec![choice])),
    ]);
    if let Some(usage) = usage::write(&usage) {
        written["usage"] = usage;
    }
    if let Some(tier) = service_tier.as_deref().and_then(tier) {
        written["service_tier"] = tier.into();
    }
    written
}

pub(crate) fn wants_older_calls(request: &Request) -> bool {
    request.origin == Format::OpenaiChat && request.extra.contains_key(OLDER_CALLS)
}

pub(super) fn id(stamp: &Stamp) -> String {
    format!("chatcmpl-{}", stamp.id)
}

/// The words that this format has for it.
pub(super) fn tier(served: &str) -> Option<&str> {
    match served {
        "standard" => Some("default"),
        "auto" | "default" | "flex" | "scale" | "priority" => Some(served),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct Spoken {
    older_calls: bool,
    content: Option<String>,
    refusal: Option<String>,
    annotations: Vec<Value>,
    calls: Vec<Value>,
    function_call: Option<Value>,
    /// Members that OpenAI itself does not send.
    more: Map<String, Value>,
}

impl Spoken {
    fn part(&mut self, part: Part) {
        match part {
            Part::Text(Text { text, annotations, cache: _ }) => {
                let content = self.content.get_or_insert_default();
                let before = content.chars().count();
                content.push_str(&text);
                let known = annotations.into_iter().filter(|source| has_place(source, Format::OpenaiChat));
                let annotations = known.map(|annotation| shifted(annotation, before));
                self.annotations.extend(annotations);
            }
            Part::Refusal(reason) => self.refusal.get_or_insert_default().push_str(&reason),
            Part::Thinking(thinking) => self.thinking(&thinking.text, thinking.signature.as_ref()),
            Part::RedactedThinking(seal) => match thoughts::place(&seal, "") {
                Some(Place::Item { list, item }) => push(&mut self.more, list, item),
                Some(_) => {}
                None => push(&mut self.more, "thinking_blocks", thoughts::redacted_block(&seal)),
            },
            Part::ToolCall(call) => self.call(call),
            part @ (Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Video(_)) => match media(part) {
                Shown::Image(item) => push(&mut self.more, "images", item),
                Shown::Words(words) => self.content.get_or_insert_default().push_str(&words),
            },
            Part::Native { format: Format::OpenaiChat, value } => self.native(value),
            // Nothing here has a place for them: the caller is told so.
            Part::Native { .. } | Part::ToolResult(_) => {}
        }
    }

    fn thinking(&mut self, text: &str, seal: Option<&Signature>) {
        if !text.is_empty() {
            append(&mut self.more, "reasoning_content", text);
        }
        let Some(seal) = seal else { return };
        match thoughts::place(seal, text) {
            Some(Place::Item { list, item }) => push(&mut self.more, list, item),
            Some(Place::Member(_) | Place::Content) => {}
            None => push(&mut self.more, "thinking_blocks", thoughts::block(text, seal)),
        }
    }

    fn call(&mut self, call: ToolCall) {
        let ToolCall { id, name, arguments, signature, cache: _ } = call;
        let function = object([("name", name.into()), ("arguments", arguments.into())]);
        if self.older_calls {
            // The older form has place for one; the model asks again for the others.
            self.function_call.get_or_insert(function);
            return;
        }
        let mut call = object([("id", id.into()), ("type", "function".into()), ("function", function)]);
        if let Some(seal) = signature {
            call["extra_content"] = call_seal(&seal);
        }
        self.calls.push(call);
    }

    fn native(&mut self, mut value: Value) {
        if value.get("custom").is_some() {
            self.calls.push(value);
        } else if value["type"] == "audio" {
            self.more.insert("audio".into(), value["audio"].take());
        }
    }

    fn message(self) -> Value {
        let is_silent = self.calls.is_empty() && self.function_call.is_none() && self.refusal.is_none();
        let content = self.content.or_else(|| is_silent.then(String::new));
        let mut message = object([
            ("role", "assistant".into()),
            ("content", content.into()),
            ("refusal", self.refusal.into()),
            ("annotations", Value::Array(self.annotations)),
        ]);
        if !self.calls.is_empty() {
            message["tool_calls"] = Value::Array(self.calls);
        }
        if let Some(call) = self.function_call {
            message["function_call"] = call;
        }
        if let Value::Object(message) = &mut message {
            message.extend(self.more);
        }
        message
    }
}

/// Something that a model drew or spoke.
pub(super) enum Shown {
    /// An item of `images`: OpenRouter's place for pictures.
    Image(Value),
    /// What stands in its place.
    Words(String),
}

pub(super) fn media(part: Part) -> Shown {
    let url = match part {
        Part::Image(Media { source: Source::Inline { media_type, data }, .. }) => {
            format!("data:{media_type};base64,{data}")
        }
        Part::Image(Media { source: Source::Url(url), .. }) => url,
        part => return Shown::Words(part.in_words().unwrap_or_default()),
    };
    Shown::Image(object([("type", "image_url".into()), ("image_url", object([("url", url.into())]))]))
}

/// Google's place for it; a foreign seal names its format.
pub(super) fn call_seal(seal: &Signature) -> Value {
    json!({"google": {"thought_signature": seal.written_in(Format::GoogleGemini)}})
}

/// With every member that OpenAI's own have, counted from the beginning of the whole content.
pub(super) fn shifted(mut annotation: Value, before: usize) -> Value {
    if let Some(Value::Object(citation)) = annotation.get_mut("url_citation") {
        for name in ["start_index", "end_index"] {
            let index = citation.get(name).and_then(Value::as_u64).unwrap_or_default();
            citation.insert(name.into(), index.saturating_add(before as u64).into());
        }
        for name in ["url", "title"] {
            if !citation.get(name).is_some_and(Value::is_string) {
                citation.insert(name.into(), "".into());
            }
        }
    }
    annotation
}
