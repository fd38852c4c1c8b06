//! Items of a stream that are being written.

use serde::Serialize;
use serde_json::{Value, json};

use super::annotation;
use super::item::{self, Status};
use super::sse::Numbered;
use crate::Signature;

/// The members of the events that an item begins and ends with.
#[derive(Serialize)]
pub(super) struct ItemEvent<'a> {
    pub(super) output_index: usize,
    pub(super) item: &'a Value,
}

/// Where an item stands in the reply, and its id.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) id: String,
}

impl Place {
    fn added(&self, item: &Value, events: &mut Numbered, out: &mut Vec<u8>) {
        events.write("response.output_item.added", ItemEvent { output_index: self.at, item }, out);
    }

    fn done(self, item: Value, events: &mut Numbered, out: &mut Vec<u8>) -> (usize, Value) {
        events.write("response.output_item.done", ItemEvent { output_index: self.at, item: &item }, out);
        (self.at, item)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
}

#[derive(Debug)]
pub(super) struct Delta<'a> {
    pub(super) text: &'a str,
    pub(super) logprobs: Vec<Value>,
}

/// The members of the events that come most often.
#[derive(Serialize)]
struct DeltaEvent<'a> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a [Value]>,
}

#[derive(Debug)]
pub(super) struct Message {
    place: Place,
    /// The parts that are whole.
    content: Vec<Value>,
    part: Option<OpenPart>,
}

#[derive(Debug)]
struct OpenPart {
    kind: Kind,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
    /// The next text begins a new part.
    ended: bool,
}

impl OpenPart {
    fn new(kind: Kind) -> Self {
        Self { kind, text: String::new(), annotations: Vec::new(), logprobs: Vec::new(), ended: false }
    }

    fn into_value(self) -> Value {
        match self.kind {
            Kind::Text => item::text(self.text, self.annotations, self.logprobs),
            Kind::Refusal => item::refusal(self.text),
        }
    }
}

impl Message {
    pub(super) fn begin(place: Place, events: &mut Numbered, out: &mut Vec<u8>) -> Self {
        place.added(&item::message(&place.id, Status::InProgress, Vec::new()), events, out);
        Self { place, content: Vec::new(), part: None }
    }

    pub(super) fn delta(&mut self, kind: Kind, delta: Delta<'_>, events: &mut Numbered, out: &mut Vec<u8>) {
        if !matches!(&self.part, Some(part) if part.kind == kind && !part.ended) {
            self.close_part(events, out);
            let empty = OpenPart::new(kind).into_value();
            events.write("response.content_part.added", self.members("part", &empty), out);
        }
        let part = self.part.get_or_insert_with(|| OpenPart::new(kind));
        let logprobs = annotation::logprobs(delta.logprobs);
        let name = match kind {
            Kind::Text => "response.output_text.delta",
            Kind::Refusal => "response.refusal.delta",
        };
        let event = DeltaEvent {
            item_id: &self.place.id,
            output_index: self.place.at,
            content_index: Some(self.content.len()),
            summary_index: None,
            delta: delta.text,
            logprobs: (kind == Kind::Text).then_some(&logprobs),
        };
        events.write(name, event, out);
        part.text.push_str(delta.text);
        part.logprobs.extend(logprobs);
    }

    pub(super) fn annotation(&mut self, annotation: Value, events: &mut Numbered, out: &mut Vec<u8>) {
        let Some(part) = self.part.as_mut().filter(|part| part.kind == Kind::Text) else { return };
        let annotation = annotation::flat(annotation);
        let event = json!({
            "item_id": self.place.id,
            "output_index": self.place.at,
            "content_index": self.content.len(),
            "annotation_index": part.annotations.len(),
            "annotation": annotation,
        });
        part.annotations.push(annotation);
        events.write("response.output_text.annotation.added", event, out);
    }

    pub(super) fn logprobs(&mut self, list: Vec<Value>) {
        if let Some(part) = self.part.as_mut().filter(|part| part.kind == Kind::Text) {
            part.logprobs.extend(annotation::logprobs(list));
        }
    }

    pub(super) fn part_end(&mut self) {
        if let Some(part) = &mut self.part {
            part.ended = true;
        }
    }

    /// Those of an event about the part at hand, and one more.
    fn members(&self, name: &str, value: &Value) -> Value {
        json!({
            "item_id": self.place.id,
            "output_index": self.place.at,
            "content_index": self.content.len(),
            name: value,
        })
    }

    fn close_part(&mut self, events: &mut Numbered, out: &mut Vec<u8>) {
        let Some(part) = self.part.take() else { return };
        let text = Value::String(part.text.clone());
        match part.kind {
            Kind::Text => {
                let mut event = self.members("text", &text);
                event["logprobs"] = Value::Array(part.logprobs.clone());
                events.write("response.output_text.done", event, out);
            }
            Kind::Refusal => events.write("response.refusal.done", self.members("refusal", &text), out),
        }
        let part = part.into_value();
        events.write("response.content_part.done", self.members("part", &part), out);
        self.content.push(part);
    }

    pub(super) fn end(mut self, status: Status, events: &mut Numbered, out: &mut Vec<u8>) -> (usize, Value) {
        self.close_part(events, out);
        let item = item::message(&self.place.id, status, self.content);
        self.place.done(item, events, out)
    }

    /// As far as it came, and no event that says it were whole.
    pub(super) fn broken(mut self) -> (usize, Value) {
        self.content.extend(self.part.map(OpenPart::into_value));
        (self.place.at, item::message(&self.place.id, Status::Incomplete, self.content))
    }
}

#[derive(Debug)]
pub(super) struct Reasoning {
    place: Place,
    text: String,
    seal: Option<Signature>,
    ended: bool,
}

impl Reasoning {
    pub(super) fn begin(place: Place, events: &mut Numbered, out: &mut Vec<u8>) -> Self {
        place.added(&item::reasoning(&place.id, None, None), events, out);
        let reasoning = Self { place, text: String::new(), seal: None, ended: false };
        let part = reasoning.members("part", &item::summary(String::new()));
        events.write("response.reasoning_summary_part.added", part, out);
        reasoning
    }

    fn members(&self, name: &str, value: &Value) -> Value {
        json!({ "item_id": self.place.id, "output_index": self.place.at, "summary_index": 0, name: value })
    }

    pub(super) fn delta(&mut self, text: &str, events: &mut Numbered, out: &mut Vec<u8>) {
        self.text.push_str(text);
        let event = DeltaEvent {
            item_id: &self.place.id,
            output_index: self.place.at,
            content_index: None,
            summary_index: Some(0),
            delta: text,
            logprobs: None,
        };
        events.write("response.reasoning_summary_text.delta", event, out);
    }

    /// A later seal replaces an earlier one.
    pub(super) fn seal(&mut self, seal: Signature) {
        self.seal = Some(seal);
    }

    pub(super) fn part_end(&mut self) {
        self.ended = true;
    }

    /// Thoughts that come after the end or the seal are other ones.
    pub(super) fn takes_text(&self) -> bool {
        !self.ended && self.seal.is_none()
    }

    /// The seal may come after the end.
    pub(super) fn takes_seal(&self) -> bool {
        !(self.ended && self.seal.is_some())
    }

    pub(super) fn end(self, events: &mut Numbered, out: &mut Vec<u8>) -> (usize, Value) {
        let text = Value::String(self.text.clone());
        events.write("response.reasoning_summary_text.done", self.members("text", &text), out);
        let part = self.members("part", &item::summary(self.text.clone()));
        events.write("response.reasoning_summary_part.done", part, out);
        let item = item::reasoning(&self.place.id, Some(self.text), self.seal.as_ref());
        self.place.done(item, events, out)
    }

    pub(super) fn broken(self) -> (usize, Value) {
        (self.place.at, item::reasoning(&self.place.id, Some(self.text), self.seal.as_ref()))
    }
}

#[derive(Debug)]
pub(super) struct Call {
    place: Place,
    /// By which its result names it.
    id: String,
    name: String,
    arguments: String,
}

impl Call {
    pub(super) fn begin(place: Place, id: String, name: String, events: &mut Numbered, out: &mut Vec<u8>) -> Self {
        place.added(&item::call(&place.id, Status::InProgress, &id, &name, String::new()), events, out);
        Self { place, id, name, arguments: String::new() }
    }

    pub(super) fn delta(&mut self, text: &str, events: &mut Numbered, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.arguments.push_str(text);
        let event = DeltaEvent {
            item_id: &self.place.id,
            output_index: self.place.at,
            content_index: None,
            summary_index: None,
            delta: text,
            logprobs: None,
        };
        events.write("response.function_call_arguments.delta", event, out);
    }

    pub(super) fn end(mut self, status: Status, events: &mut Numbered, out: &mut Vec<u8>) -> (usize, Value) {
        if self.arguments.is_empty() && status == Status::Completed {
            self.delta(item::NO_ARGUMENTS, events, out);
        }
        let done = json!({
            "item_id": self.place.id,
            "name": self.name,
            "output_index": self.place.at,
            "arguments": self.arguments,
        });
        events.write("response.function_call_arguments.done", done, out);
        let item = item::call(&self.place.id, status, &self.id, &self.name, self.arguments);
        self.place.done(item, events, out)
    }

    pub(super) fn broken(self) -> (usize, Value) {
        let item = item::call(&self.place.id, Status::Incomplete, &self.id, &self.name, self.arguments);
        (self.place.at, item)
    }
}
