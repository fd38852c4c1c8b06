use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    finish,
    thoughts::{self, Place},
    usage,
    write_reply::{Shown, call_seal, id, media, shifted, tier, wants_older_calls},
};
use crate::json::object;
use crate::{Event, Finish, Format, Request, Signature, Stamp, Usage, unsaid::has_place};

/// Writes chunks of one choice.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "two wishes of the request, two places in the stream")]
pub(crate) struct StreamWriter {
    id: String,
    stamp: Stamp,
    include_usage: bool,
    older_calls: bool,
    begun: bool,
    finished: bool,
    refused: bool,
    service_tier: Option<String>,
    usage: Usage,
    /// They go together: a reader of deltas can add up lists only where every item has an index.
    annotations: Vec<Value>,
    /// Characters of the content before the text that is being written, and in it.
    before: usize,
    text: usize,
    /// The thoughts that have no seal yet.
    thoughts: String,
    /// How many items each list has got.
    listed: HashMap<String, usize>,
    /// Custom calls stand among the others: the next index.
    calls: usize,
    /// Our indexes of the calls of functions.
    functions: Vec<usize>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    choices: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

impl StreamWriter {
    pub(crate) fn new(request: &Request, stamp: Stamp) -> Self {
        Self {
            id: id(&stamp),
            stamp,
            include_usage: request.include_usage,
            older_calls: wants_older_calls(request),
            begun: false,
            finished: false,
            refused: false,
            service_tier: None,
            usage: Usage::default(),
            annotations: Vec::new(),
            before: 0,
            text: 0,
            thoughts: String::new(),
            listed: HashMap::new(),
            calls: 0,
            functions: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        // Counts can stand anywhere between the pieces of one part.
        match &event {
            Event::Text(_) | Event::Annotation(_) | Event::Logprobs(_) | Event::Usage(_) | Event::ServiceTier(_) => {}
            _ => self.before += std::mem::take(&mut self.text),
        }
        match &event {
            Event::Thinking(_) | Event::ThinkingSignature(_) | Event::Usage(_) | Event::ServiceTier(_) => {}
            _ => self.thoughts.clear(),
        }
        match event {
            Event::Start { .. } => self.begin(out),
            Event::Text(text) => {
                self.text += text.chars().count();
                self.delta(object([("content", text.into())]), out);
            }
            Event::Annotation(annotation) if !has_place(&annotation, Format::OpenaiChat) => {}
            Event::Annotation(annotation) => {
                let mut annotation = shifted(annotation, self.before);
                annotation["index"] = self.annotations.len().into();
                self.annotations.push(annotation);
            }
            Event::Refusal(reason) => {
                self.refused = true;
                self.delta(object([("refusal", reason.into())]), out);
            }
            Event::Thinking(text) => {
                self.thoughts.push_str(&text);
                self.delta(object([("reasoning_content", text.into())]), out);
            }
            Event::ThinkingSignature(seal) => self.seal(&seal, out),
            Event::RedactedThinking(seal) => match thoughts::place(&seal, "") {
                Some(Place::Item { list, item }) => self.listed(list, item, out),
                Some(_) => {}
                None => self.listed("thinking_blocks", thoughts::redacted_block(&seal), out),
            },
            Event::ToolCall { index, id, name, signature } => self.call(index, &id, &name, signature.as_ref(), out),
            Event::Arguments { index, delta } => self.arguments(index, &delta, out),
            Event::Media(part) => match media(part) {
                Shown::Image(item) => self.listed("images", item, out),
                Shown::Words(words) => {
                    self.before += words.chars().count();
                    self.delta(object([("content", words.into())]), out);
                }
            },
            Event::Native { format: Format::OpenaiChat, value } => self.native(value, out),
            Event::Logprobs(list) => {
                let logprobs = object([("content", Value::Array(list)), ("refusal", Value::Null)]);
                self.choice(json!({"content": ""}), logprobs, None, Map::new(), out);
            }
            // Native parts have a place in their own format only.
            Event::PartEnd | Event::Native { .. } => {}
            Event::Usage(usage) => self.usage = std::mem::take(&mut self.usage).updated(&usage),
            Event::ServiceTier(served) => self.service_tier = tier(&served).map(str::to_owned),
            Event::Finish(finish) => self.finish(&finish, out),
            Event::End => self.end(out),
        }
    }

    /// `error` is the error object, or a body that has it.
    #[expect(clippy::unused_self, reason = "every format's writer is asked in the same way")]
    pub(crate) fn fail(&mut self, error: &Value, out: &mut Vec<u8>) {
        if error.get("error").is_some() { event(error, out) } else { event(&json!({"error": error}), out) }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            let delta = json!({"role": "assistant", "content": "", "refusal": null});
            self.choice(delta, Value::Null, None, Map::new(), out);
        }
    }

    fn delta(&mut self, delta: Value, out: &mut Vec<u8>) {
        self.choice(delta, Value::Null, None, Map::new(), out);
    }

    fn choice(
        &mut self,
        delta: Value,
        logprobs: Value,
        word: Option<&str>,
        more: Map<String, Value>,
        out: &mut Vec<u8>,
    ) {
        // Nothing comes before the role.
        self.begin(out);
        let mut choice =
            object([("index", 0.into()), ("delta", delta), ("logprobs", logprobs), ("finish_reason", word.into())]);
        if let Value::Object(choice) = &mut choice {
            choice.extend(more);
        }
        self.chunk(&[choice], Value::Null, out);
    }

    /// Who asked for counts finds the member in every chunk, `null` in all but the last.
    fn chunk(&self, choices: &[Value], usage: Value, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.stamp.created,
            model: &self.stamp.model,
            service_tier: self.service_tier.as_deref(),
            choices,
            usage: self.include_usage.then_some(usage),
        };
        event(&chunk, out);
    }

    fn seal(&mut self, seal: &Signature, out: &mut Vec<u8>) {
        let text = std::mem::take(&mut self.thoughts);
        match thoughts::place(seal, &text) {
            Some(Place::Item { list, item }) => self.listed(list, item, out),
            Some(Place::Member(_) | Place::Content) => {}
            None => self.listed("thinking_blocks", thoughts::block(&text, seal), out),
        }
    }

    /// A whole item of a list.
    fn listed(&mut self, list: &str, mut item: Value, out: &mut Vec<u8>) {
        let count = self.listed.entry(list.to_owned()).or_default();
        item["index"] = (*count).into();
        *count += 1;
        self.delta(object([(list, Value::Array(vec![item]))]), out);
    }

    fn call(&mut self, index: usize, id: &str, name: &str, seal: Option<&Signature>, out: &mut Vec<u8>) {
        self.functions.push(index);
        if self.older_calls {
            // The older form has place for one.
            if self.functions.len() == 1 {
                self.delta(json!({"function_call": {"name": name, "arguments": ""}}), out);
            }
            return;
        }
        let function = json!({"name": name, "arguments": ""});
        let mut call = json!({"index": index, "id": id, "type": "function", "function": function});
        if let Some(seal) = seal {
            call["extra_content"] = call_seal(seal);
        }
        self.calls = self.calls.max(index + 1);
        self.delta(json!({"tool_calls": [call]}), out);
    }

    fn arguments(&mut self, index: usize, delta: &str, out: &mut Vec<u8>) {
        if !self.older_calls {
            let call = json!({"index": index, "function": {"arguments": delta}});
            self.delta(json!({"tool_calls": [call]}), out);
        } else if self.functions.first() == Some(&index) {
            self.delta(json!({"function_call": {"arguments": delta}}), out);
        }
    }

    fn native(&mut self, mut value: Value, out: &mut Vec<u8>) {
        if value.get("custom").is_some() {
            value["index"] = self.calls.into();
            self.calls += 1;
            self.delta(json!({"tool_calls": [value]}), out);
        } else if value["type"] == "audio" {
            self.delta(json!({"audio": value["audio"].take()}), out);
        } else if value["type"] == "image_url" {
            self.listed("images", value, out);
        }
    }

    fn finish(&mut self, finish: &Finish, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let annotations = std::mem::take(&mut self.annotations);
        if !annotations.is_empty() {
            self.delta(object([("annotations", Value::Array(annotations))]), out);
        }
        let (word, more) = finish::write(finish, self.older_calls, self.refused);
        self.choice(json!({}), Value::Null, Some(word), more, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.finish(&Finish::Stop, out);
        if self.include_usage
            && let Some(usage) = usage::write(&self.usage)
        {
            self.chunk(&[], usage, out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

fn event(value: &impl Serialize, out: &mut Vec<u8>) {
    // Neither a vector nor a JSON value fails.
    if let Ok(text) = serde_json::to_vec(value) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&text);
        out.extend_from_slice(b"\n\n");
    }
}
