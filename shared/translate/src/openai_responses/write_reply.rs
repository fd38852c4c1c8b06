//! The whole reply for a caller.

use serde_json::Value;

use super::envelope::{Envelope, Outcome};
use super::item::{self, Status};
use super::{OWN, annotation};
use crate::unsaid::has_place;
use crate::{Media, Part, Reply, Request, Source, Stamp, Text, Thinking, ToolCall};

pub(crate) fn write_reply(reply: Reply, request: &Request, stamp: &Stamp) -> Value {
    let Reply { id: _, model: _, created: _, parts, finish, usage, logprobs, service_tier } = reply;
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let outcome = Outcome::of(&finish, refused);
    let mut output = Output { stamp, items: Vec::new(), content: Vec::new(), logprobs };
    for part in parts {
        output.part(part);
    }
    output.flush();
    if outcome != Outcome::Completed {
        output.break_off();
    }
    let mut envelope = Envelope::new(request, stamp);
    if let Some(tier) = service_tier {
        envelope.serve_with(&tier);
    }
    envelope.response(&outcome, output.items, Some(&usage))
}

struct Output<'a> {
    stamp: &'a Stamp,
    items: Vec<Value>,
    /// Of the message that is being made.
    content: Vec<Value>,
    /// Those of the whole reply: they go with its first text.
    logprobs: Option<Vec<Value>>,
}

impl Output<'_> {
    fn id(&self, prefix: &str) -> String {
        item::id(prefix, self.stamp, self.items.len())
    }

    fn flush(&mut self) {
        if !self.content.is_empty() {
            let content = std::mem::take(&mut self.content);
            self.items.push(item::message(&self.id("msg"), Status::Completed, content));
        }
    }

    /// The last thing the model said is not whole.
    fn break_off(&mut self) {
        let last = self.items.last_mut().filter(|item| item["type"] == "message" || item["type"] == "function_call");
        if let Some(item) = last {
            item["status"] = Value::String(Status::Incomplete.name().to_owned());
        }
    }

    fn push(&mut self, prefix: &str, item: impl FnOnce(&str) -> Value) {
        self.flush();
        self.items.push(item(&self.id(prefix)));
    }

    fn part(&mut self, part: Part) {
        match part {
            Part::Text(Text { text, annotations, cache: _ }) => {
                let logprobs = self.logprobs.take().unwrap_or_default();
                let known = annotations.into_iter().filter(|source| has_place(source, OWN));
                let annotations = known.map(annotation::flat).collect();
                self.content.push(item::text(text, annotations, annotation::logprobs(logprobs)));
            }
            Part::Refusal(text) => self.content.push(item::refusal(text)),
            Part::Thinking(Thinking { text, signature }) => {
                self.push("rs", |id| item::reasoning(id, Some(text), signature.as_ref()));
            }
            Part::RedactedThinking(seal) => self.push("rs", |id| item::reasoning(id, None, Some(&seal))),
            Part::ToolCall(ToolCall { id: call_id, name, arguments, signature, cache: _ }) => {
                if let Some(seal) = signature {
                    self.push("rs", |id| item::seal_of_call(id, &seal));
                }
                let arguments = if arguments.is_empty() { item::NO_ARGUMENTS.to_owned() } else { arguments };
                self.push("fc", |id| item::call(id, Status::Completed, &call_id, &name, arguments));
            }
            Part::Image(Media { source: Source::Inline { data, .. }, .. }) => {
                self.push("ig", |id| item::image(id, data));
            }
            Part::Native { format, value } if format == OWN => self.push("", |_| value),
            part @ (Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Video(_)) => {
                let text = |text| item::text(text, Vec::new(), Vec::new());
                self.content.extend(part.in_words().map(text));
            }
            // Nothing here has a place for them: the caller is told so.
            Part::ToolResult(_) | Part::Native { .. } => {}
        }
    }
}
