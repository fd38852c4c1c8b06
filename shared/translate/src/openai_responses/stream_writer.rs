//! A stream for a caller. Each item of the reply has a place (`output_index`) from when it begins; of messages and
//! thoughts one at a time is open, of function calls as many as the provider writes at once.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::OWN;
use super::envelope::{Envelope, Outcome};
use super::item::{self, Status};
use super::open_item::{Call, Delta, ItemEvent, Kind, Message, Place, Reasoning};
use super::sse::Numbered;
use crate::unsaid::has_place;
use crate::{Event, Finish, Media, Part, Request, Signature, Source, Stamp, Usage};

#[derive(Debug)]
pub(crate) struct StreamWriter {
    stamp: Stamp,
    envelope: Envelope,
    events: Numbered,
    stage: Stage,
    /// Whole items by their place; nothing where one is open.
    output: Vec<Option<Value>>,
    open: Open,
    /// Those that are open, by the provider's index.
    calls: BTreeMap<usize, Call>,
    /// The call that was written to last, until something else was.
    last_call: Option<usize>,
    /// Log probabilities come in one event with their text: then a text waits for the event after it.
    waits: bool,
    waiting: Option<String>,
    refused: bool,
    finish: Option<Finish>,
    usage: Usage,
}

/// The members of the events about the reply itself.
#[derive(Serialize)]
struct ResponseEvent<'a> {
    response: &'a Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Started,
    Ended,
}

#[derive(Debug)]
enum Open {
    Nothing,
    Message(Message),
    Reasoning(Reasoning),
}

impl StreamWriter {
    pub(crate) fn new(request: &Request, stamp: Stamp) -> Self {
        Self {
            envelope: Envelope::new(request, &stamp),
            stamp,
            events: Numbered::default(),
            stage: Stage::New,
            output: Vec::new(),
            open: Open::Nothing,
            calls: BTreeMap::new(),
            last_call: None,
            waits: request.logprobs.is_some(),
            waiting: None,
            refused: false,
            finish: None,
            usage: Usage::default(),
        }
    }

    pub(crate) fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start(out);
        let event = match (event, self.waiting.take()) {
            (Event::Logprobs(list), Some(text)) => return self.delta(Kind::Text, &text, list, out),
            (event, Some(text)) => {
                self.delta(Kind::Text, &text, Vec::new(), out);
                event
            }
            (event, None) => event,
        };
        let last_call = self.last_call.take();
        match event {
            Event::Text(text) if self.waits => self.waiting = Some(text),
            Event::Text(text) => self.delta(Kind::Text, &text, Vec::new(), out),
            Event::Refusal(text) => {
                self.refused = true;
                self.delta(Kind::Refusal, &text, Vec::new(), out);
            }
            Event::Annotation(annotation) => {
                if has_place(&annotation, OWN)
                    && let Open::Message(message) = &mut self.open
                {
                    message.annotation(annotation, &mut self.events, out);
                }
            }
            Event::Logprobs(list) => {
                if let Open::Message(message) = &mut self.open {
                    message.logprobs(list);
                }
            }
            Event::Thinking(text) => self.thinking(&text, out),
            Event::ThinkingSignature(seal) => self.seal(seal, out),
            Event::RedactedThinking(seal) => self.whole("rs", |id| item::reasoning(id, None, Some(&seal)), out),
            Event::ToolCall { index, id, name, signature } => {
                if let Some(seal) = signature {
                    self.whole("rs", |id| item::seal_of_call(id, &seal), out);
                }
                self.call(index, id, name, out);
            }
            Event::Arguments { index, delta } => {
                if let Some(call) = self.calls.get_mut(&index) {
                    call.delta(&delta, &mut self.events, out);
                    self.last_call = Some(index);
                }
            }
            Event::Media(part) => self.media(part, out),
            Event::Native { format, value } if format == OWN => self.whole("", |_| value, out),
            Event::Start { .. } | Event::Native { .. } => {}
            Event::PartEnd => self.part_end(last_call, out),
            Event::Usage(usage) => self.usage = std::mem::take(&mut self.usage).updated(&usage),
            Event::ServiceTier(tier) => self.envelope.serve_with(&tier),
            Event::Finish(finish) => self.finish = Some(finish),
            Event::End => self.end(out),
        }
    }

    pub(crate) fn fail(&mut self, error: &Value, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start(out);
        if let Some(text) = self.waiting.take() {
            self.delta(Kind::Text, &text, Vec::new(), out);
        }
        // What was open stays so: nothing of it is told as done.
        let open = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => None,
            Open::Message(message) => Some(message.broken()),
            Open::Reasoning(reasoning) => Some(reasoning.broken()),
        };
        let calls = std::mem::take(&mut self.calls).into_values().map(Call::broken);
        for (at, value) in open.into_iter().chain(calls) {
            self.keep(at, value);
        }
        self.last(&Outcome::failed(error), out);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::New {
            self.stage = Stage::Started;
            let response = self.envelope.response(&Outcome::InProgress, Vec::new(), None);
            self.events.write("response.created", ResponseEvent { response: &response }, out);
            self.events.write("response.in_progress", ResponseEvent { response: &response }, out);
        }
    }

    /// A place for the next item.
    fn place(&mut self, prefix: &str) -> Place {
        let at = self.output.len();
        self.output.push(None);
        Place { at, id: item::id(prefix, &self.stamp, at) }
    }

    fn keep(&mut self, at: usize, value: Value) {
        if let Some(slot) = self.output.get_mut(at) {
            *slot = Some(value);
        }
    }

    fn delta(&mut self, kind: Kind, text: &str, logprobs: Vec<Value>, out: &mut Vec<u8>) {
        if text.is_empty() && logprobs.is_empty() {
            return;
        }
        if !matches!(self.open, Open::Message(_)) {
            self.close(Status::Completed, out);
            let place = self.place("msg");
            self.open = Open::Message(Message::begin(place, &mut self.events, out));
        }
        if let Open::Message(message) = &mut self.open {
            message.delta(kind, Delta { text, logprobs }, &mut self.events, out);
        }
    }

    /// Thoughts are open, and such that take more of what comes.
    fn think(&mut self, takes: fn(&Reasoning) -> bool, out: &mut Vec<u8>) {
        if !matches!(&self.open, Open::Reasoning(reasoning) if takes(reasoning)) {
            self.close(Status::Completed, out);
            let place = self.place("rs");
            self.open = Open::Reasoning(Reasoning::begin(place, &mut self.events, out));
        }
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.think(Reasoning::takes_text, out);
        if let Open::Reasoning(reasoning) = &mut self.open {
            reasoning.delta(text, &mut self.events, out);
        }
    }

    fn seal(&mut self, seal: Signature, out: &mut Vec<u8>) {
        self.think(Reasoning::takes_seal, out);
        if let Open::Reasoning(reasoning) = &mut self.open {
            reasoning.seal(seal);
        }
    }

    fn call(&mut self, index: usize, call_id: String, name: String, out: &mut Vec<u8>) {
        self.close(Status::Completed, out);
        let place = self.place("fc");
        self.calls.insert(index, Call::begin(place, call_id, name, &mut self.events, out));
        self.last_call = Some(index);
    }

    /// A picture is an item; of anything else the model's text tells.
    fn media(&mut self, part: Part, out: &mut Vec<u8>) {
        match part {
            Part::Image(Media { source: Source::Inline { data, .. }, .. }) => {
                self.whole("ig", |id| item::image(id, data), out);
            }
            part => {
                let Some(words) = part.in_words() else { return };
                if let Open::Message(message) = &mut self.open {
                    message.part_end();
                }
                self.delta(Kind::Text, &words, Vec::new(), out);
                if let Open::Message(message) = &mut self.open {
                    message.part_end();
                }
            }
        }
    }

    /// An item that comes at once.
    fn whole(&mut self, prefix: &str, item: impl FnOnce(&str) -> Value, out: &mut Vec<u8>) {
        self.close(Status::Completed, out);
        let Place { at, id } = self.place(prefix);
        let value = item(&id);
        self.events.write("response.output_item.added", ItemEvent { output_index: at, item: &value }, out);
        self.events.write("response.output_item.done", ItemEvent { output_index: at, item: &value }, out);
        self.keep(at, value);
    }

    fn part_end(&mut self, last_call: Option<usize>, out: &mut Vec<u8>) {
        if let Some(call) = last_call.and_then(|index| self.calls.remove(&index)) {
            let (at, value) = call.end(Status::Completed, &mut self.events, out);
            return self.keep(at, value);
        }
        match &mut self.open {
            Open::Nothing => {}
            Open::Message(message) => message.part_end(),
            Open::Reasoning(reasoning) => reasoning.part_end(),
        }
    }

    /// The open message, or the open thoughts, are whole.
    fn close(&mut self, status: Status, out: &mut Vec<u8>) {
        let (at, value) = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Message(message) => message.end(status, &mut self.events, out),
            Open::Reasoning(reasoning) => reasoning.end(&mut self.events, out),
        };
        self.keep(at, value);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let outcome = Outcome::of(&self.finish.take().unwrap_or(Finish::Stop), self.refused);
        let status = if outcome == Outcome::Completed { Status::Completed } else { Status::Incomplete };
        self.close(status, out);
        for call in std::mem::take(&mut self.calls).into_values() {
            let (at, value) = call.end(status, &mut self.events, out);
            self.keep(at, value);
        }
        self.last(&outcome, out);
    }

    fn last(&mut self, outcome: &Outcome, out: &mut Vec<u8>) {
        let output = std::mem::take(&mut self.output).into_iter().flatten().collect();
        let response = self.envelope.response(outcome, output, Some(&self.usage));
        self.events.write(&format!("response.{}", outcome.status()), ResponseEvent { response: &response }, out);
        self.stage = Stage::Ended;
    }
}
