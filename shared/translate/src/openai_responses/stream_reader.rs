//! A provider's stream.

use std::collections::BTreeMap;

use serde_json::Value;

use super::wire::{self, Response};
use super::{OWN, annotation, read_reply};
use crate::whole::integer;
use crate::{Event, Part, Unreadable};

const NO_EVENT: Unreadable = Unreadable::OtherForm("the stream holds something that is no event of it");

#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    started: bool,
    ended: bool,
    /// Those that began, by their place in the reply.
    items: BTreeMap<u64, Item>,
    calls: usize,
    refused: bool,
}

/// What came of an item so far.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// `part`: a delta of the part that is being written; `any`: of any part.
    Message { part: bool, any: bool },
    /// Whether deltas came, and whether they are of a summary or of the thoughts themselves.
    Reasoning { told: Option<Told> },
    /// `arguments`: some of them came.
    Call { index: usize, arguments: bool },
    /// Whole, or none of those above.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Summary,
    Thoughts,
}

impl StreamReader {
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        if self.ended || data == b"[DONE]" {
            return Ok(Vec::new());
        }
        let mut event: wire::Event = serde_json::from_slice(data).map_err(|_| NO_EVENT)?;
        let Some(kind) = event.r#type.take() else {
            return Err(if event.error.is_some() { Unreadable::Provider } else { NO_EVENT });
        };
        let mut events = Vec::new();
        match kind.as_str() {
            "error" | "response.failed" => return Err(Unreadable::Provider),
            kind if kind.starts_with("response.") => self.start(event.response.as_ref(), &mut events),
            _ => {}
        }
        match kind.as_str() {
            "response.output_item.added" => self.added(event, &mut events)?,
            "response.output_item.done" => self.done(event, &mut events)?,
            "response.output_text.delta" => self.text(event.output_index, event.delta, event.logprobs, &mut events),
            "response.output_text.done" if !self.in_part(event.output_index) => {
                self.text(event.output_index, event.text, event.logprobs, &mut events);
            }
            "response.output_text.annotation.added" => {
                events.extend(event.annotation.map(annotation::nested).map(Event::Annotation));
            }
            "response.refusal.delta" => self.refusal(event.output_index, event.delta, &mut events),
            "response.refusal.done" if !self.in_part(event.output_index) => {
                self.refusal(event.output_index, event.refusal, &mut events);
            }
            "response.content_part.done" => self.part_done(event.output_index, &mut events),
            "response.reasoning_summary_part.added" if event.summary_index > 0 => {
                self.thinking(event.output_index, Told::Summary, Some("\n\n".to_owned()), &mut events);
            }
            "response.reasoning_summary_text.delta" => {
                self.thinking(event.output_index, Told::Summary, event.delta, &mut events);
            }
            "response.reasoning_text.delta" => {
                self.thinking(event.output_index, Told::Thoughts, event.delta, &mut events);
            }
            "response.function_call_arguments.delta" => self.arguments(event.output_index, event.delta, &mut events),
            "response.function_call_arguments.done" if !self.has_arguments(event.output_index) => {
                self.arguments(event.output_index, event.arguments, &mut events);
            }
            "response.completed" => self.end(event.response.unwrap_or_default(), "completed", &mut events)?,
            "response.incomplete" => self.end(event.response.unwrap_or_default(), "incomplete", &mut events)?,
            _ => {}
        }
        Ok(events)
    }

    fn start(&mut self, response: Option<&Response>, events: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        events.push(Event::Start {
            id: response.and_then(|response| response.id.clone()),
            model: response.and_then(|response| response.model.clone()),
            created: response.and_then(|response| response.created_at.as_ref().and_then(integer)),
        });
    }

    fn added(&mut self, event: wire::Event, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        let Some(value) = event.item else { return Ok(()) };
        let item = match value.get("type").and_then(Value::as_str) {
            Some("message") => Item::Message { part: false, any: false },
            Some("reasoning") => Item::Reasoning { told: None },
            Some("function_call") => {
                let call = read_reply::read_call(value)?;
                self.call(call.id, call.name, events)
            }
            _ => Item::Other,
        };
        self.items.insert(event.output_index, item);
        Ok(())
    }

    fn call(&mut self, id: String, name: String, events: &mut Vec<Event>) -> Item {
        let index = self.calls;
        self.calls += 1;
        events.push(Event::ToolCall { index, id, name, signature: None });
        Item::Call { index, arguments: false }
    }

    fn text(&mut self, at: u64, text: Option<String>, logprobs: Option<Vec<Value>>, events: &mut Vec<Event>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.items.insert(at, Item::Message { part: true, any: true });
            events.push(Event::Text(text));
        }
        events.extend(logprobs.filter(|list| !list.is_empty()).map(Event::Logprobs));
    }

    fn refusal(&mut self, at: u64, text: Option<String>, events: &mut Vec<Event>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.items.insert(at, Item::Message { part: true, any: true });
            self.refused = true;
            events.push(Event::Refusal(text));
        }
    }

    /// Whether deltas of the part came: then the whole of it is nothing new.
    fn in_part(&self, at: u64) -> bool {
        matches!(self.items.get(&at), Some(Item::Message { part: true, .. }))
    }

    fn part_done(&mut self, at: u64, events: &mut Vec<Event>) {
        if let Some(Item::Message { part, .. }) = self.items.get_mut(&at)
            && std::mem::take(part)
        {
            events.push(Event::PartEnd);
        }
    }

    /// Of a provider that tells both, what comes first.
    fn thinking(&mut self, at: u64, kind: Told, text: Option<String>, events: &mut Vec<Event>) {
        let item = self.items.entry(at).or_insert(Item::Reasoning { told: None });
        if let (Item::Reasoning { told }, Some(text)) = (item, text)
            && !text.is_empty()
            && told.is_none_or(|told| told == kind)
        {
            *told = Some(kind);
            events.push(Event::Thinking(text));
        }
    }

    fn has_arguments(&self, at: u64) -> bool {
        matches!(self.items.get(&at), Some(Item::Call { arguments: true, .. }))
    }

    fn arguments(&mut self, at: u64, text: Option<String>, events: &mut Vec<Event>) {
        if let Some(Item::Call { index, arguments }) = self.items.get_mut(&at)
            && let Some(delta) = text.filter(|text| !text.is_empty())
        {
            *arguments = true;
            events.push(Event::Arguments { index: *index, delta });
        }
    }

    /// An item is whole: what of it did not come in deltas comes now.
    fn done(&mut self, event: wire::Event, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        let Some(value) = event.item else { return Ok(()) };
        let known = self.items.insert(event.output_index, Item::Other);
        match known {
            Some(Item::Message { any: true, part }) => {
                if part {
                    events.push(Event::PartEnd);
                }
                Ok(())
            }
            Some(Item::Call { index, arguments: false }) => {
                let delta = read_reply::read_call(value)?.arguments;
                if !delta.is_empty() {
                    events.push(Event::Arguments { index, delta });
                }
                Ok(())
            }
            Some(Item::Call { arguments: true, .. }) => Ok(()),
            Some(Item::Reasoning { told: Some(_) }) => {
                let seal = match read_reply::read_reasoning(value)? {
                    Some(Part::Thinking(thinking)) => thinking.signature,
                    Some(Part::RedactedThinking(seal)) => Some(seal),
                    _ => None,
                };
                events.extend(seal.map(Event::ThinkingSignature));
                events.push(Event::PartEnd);
                Ok(())
            }
            Some(Item::Message { .. } | Item::Reasoning { .. } | Item::Other) | None => self.whole(value, events),
        }
    }

    /// An item that came without deltas.
    fn whole(&mut self, value: Value, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        let (mut parts, mut logprobs) = (Vec::new(), Vec::new());
        read_reply::read_item(value, &mut parts, &mut logprobs)?;
        for part in parts {
            match part {
                Part::Text(text) => {
                    if !text.text.is_empty() {
                        events.push(Event::Text(text.text));
                        let logprobs = std::mem::take(&mut logprobs);
                        events.extend((!logprobs.is_empty()).then_some(Event::Logprobs(logprobs)));
                    }
                    events.extend(text.annotations.into_iter().map(Event::Annotation));
                    events.push(Event::PartEnd);
                }
                Part::Refusal(text) => {
                    self.refused = true;
                    events.extend([Event::Refusal(text), Event::PartEnd]);
                }
                Part::Thinking(thinking) => {
                    events.push(Event::Thinking(thinking.text));
                    events.extend(thinking.signature.map(Event::ThinkingSignature));
                    events.push(Event::PartEnd);
                }
                Part::RedactedThinking(seal) => events.push(Event::RedactedThinking(seal)),
                Part::ToolCall(call) => {
                    if let Item::Call { index, .. } = self.call(call.id, call.name, events)
                        && !call.arguments.is_empty()
                    {
                        events.push(Event::Arguments { index, delta: call.arguments });
                    }
                }
                Part::Native { value, .. } => events.push(Event::Native { format: OWN, value }),
                Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Video(_) => events.push(Event::Media(part)),
                // No item of a reply has it.
                Part::ToolResult(_) => {}
            }
        }
        Ok(())
    }

    /// `status` is the one that the event's name says, where the reply does not.
    fn end(&mut self, response: Response, status: &str, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        if self.items.is_empty() {
            for item in response.output.into_iter().flatten() {
                self.whole(item, events)?;
            }
        }
        events.extend(response.usage.map(read_reply::read_usage).map(Event::Usage));
        events.extend(response.service_tier.map(Event::ServiceTier));
        let called = self.calls > 0;
        let finish = read_reply::finish(Some(status), response.incomplete_details, called, self.refused)?;
        events.extend([Event::Finish(finish), Event::End]);
        self.ended = true;
        Ok(())
    }
}
