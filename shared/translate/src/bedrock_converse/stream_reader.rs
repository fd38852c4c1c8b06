//! The events of `ConverseStream`, out of their frames.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    read_reply::{is_error, typed},
    wire::{self, ServiceTier, TokenUsage, ToolUse, Trace},
};
use crate::{Event, Format, Media, Part, Source, Unreadable};

const OTHER: &str = "an event of the stream has another form";

#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    started: bool,
    finished: bool,
    ended: bool,
    /// How many calls began.
    calls: usize,
    /// What is open, by the service's own count.
    open: Vec<(u64, Block)>,
}

#[derive(Debug)]
enum Block {
    /// How many letters came.
    Text(usize),
    Thinking,
    /// Bytes that only the service can read.
    Redacted(Vec<u8>),
    Call {
        index: usize,
        has_arguments: bool,
    },
    /// A block of a kind that is not streamed elsewhere, gathered until it is whole.
    Native {
        member: &'static str,
        value: Map<String, Value>,
        text: String,
        pieces: Vec<Value>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    content_block_index: u64,
    start: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    content_block_index: u64,
    delta: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
    additional_model_response_fields: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    usage: Option<TokenUsage>,
    trace: Option<Trace>,
    service_tier: Option<ServiceTier>,
}

impl StreamReader {
    /// `name` is the frame's `:event-type` or `:exception-type`. Without it the event's one member tells it: so events
    /// look where they are written down.
    pub(crate) fn read(&mut self, name: Option<&str>, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        if name.is_some_and(is_exception) {
            return Err(Unreadable::Provider);
        }
        let value: Value =
            serde_json::from_slice(data).map_err(|_| Unreadable::OtherForm("an event of the stream is no JSON"))?;
        match name {
            Some(name) => self.event(name, value),
            None => match value {
                value if is_error(&value) => Err(Unreadable::Provider),
                Value::Object(members) => {
                    let (name, value) = members.into_iter().next().ok_or(Unreadable::OtherForm(OTHER))?;
                    if is_exception(&name) { Err(Unreadable::Provider) } else { self.event(&name, value) }
                }
                _ => Err(Unreadable::OtherForm(OTHER)),
            },
        }
    }

    /// The counts come last: where only they are missing, the reply is complete.
    pub(crate) fn finish(&mut self) -> Vec<Event> {
        if self.finished && !std::mem::replace(&mut self.ended, true) { vec![Event::End] } else { Vec::new() }
    }

    fn event(&mut self, name: &str, value: Value) -> Result<Vec<Event>, Unreadable> {
        let mut events = Vec::with_capacity(2);
        if self.ended {
            return Ok(events);
        }
        match name {
            "messageStart" => self.start(None, &mut events),
            "contentBlockStart" => {
                let Start { content_block_index, start } = typed(value, OTHER)?;
                self.start(None, &mut events);
                self.begin(content_block_index, start, &mut events)?;
            }
            "contentBlockDelta" => {
                let Delta { content_block_index, delta } = typed(value, OTHER)?;
                self.start(None, &mut events);
                self.delta(content_block_index, delta, &mut events)?;
            }
            "contentBlockStop" => {
                let Stop { content_block_index } = typed(value, OTHER)?;
                if let Some(place) = self.open.iter().position(|(index, _)| *index == content_block_index) {
                    close(self.open.swap_remove(place).1, &mut events);
                }
            }
            "messageStop" => {
                let MessageStop { stop_reason, additional_model_response_fields: fields } = typed(value, OTHER)?;
                self.start(None, &mut events);
                self.finished = true;
                events.push(Event::Finish(wire::finish(&stop_reason, fields.as_ref())));
            }
            "metadata" => {
                let Metadata { usage, trace, service_tier } = typed(value, OTHER)?;
                self.start(trace.and_then(Trace::model), &mut events);
                events.extend(service_tier.map(|tier| Event::ServiceTier(tier.tier)));
                events.extend(usage.map(|usage| Event::Usage(usage.into())));
                if self.finished {
                    self.ended = true;
                    events.push(Event::End);
                }
            }
            // The service may add kinds of events.
            _ => {}
        }
        Ok(events)
    }

    fn start(&mut self, model: Option<String>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start { id: None, model, created: None });
        }
    }

    fn begin(&mut self, place: u64, mut start: Value, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        let native = |member: &'static str, value: Value| match value {
            Value::Object(value) => Ok(Block::Native { member, value, text: String::new(), pieces: Vec::new() }),
            _ => Err(Unreadable::OtherForm(OTHER)),
        };
        let block = if let Some(tool) = start.get_mut("toolUse").map(Value::take) {
            if tool.get("type").is_some_and(Value::is_string) {
                native("toolUse", tool)?
            } else {
                let ToolUse { id, name, input: _ } = typed(tool, OTHER)?;
                let index = self.calls;
                self.calls += 1;
                events.push(Event::ToolCall { index, id, name, signature: None });
                Block::Call { index, has_arguments: false }
            }
        } else if let Some(result) = start.get_mut("toolResult").map(Value::take) {
            native("toolResult", result)?
        } else if let Some(image) = start.get_mut("image").map(Value::take) {
            native("image", image)?
        } else {
            // Its first delta tells the kind.
            return Ok(());
        };
        self.open.push((place, block));
        Ok(())
    }

    fn delta(&mut self, place: u64, mut delta: Value, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        let mut take = |name: &str| delta.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        if let Some(text) = take("text") {
            let text = string(text)?;
            match self.block(place, || Block::Text(0)) {
                Block::Text(letters) => *letters += text.chars().count(),
                _ => return Err(Unreadable::OtherForm(OTHER)),
            }
            events.push(Event::Text(text));
        } else if let Some(reasoning) = take("reasoningContent") {
            self.reasoning(place, reasoning, events)?;
        } else if let Some(mut tool) = take("toolUse") {
            let input = tool.get_mut("input").map(Value::take).ok_or(Unreadable::OtherForm(OTHER))?;
            let delta = string(input)?;
            match self.open.iter_mut().find(|(index, _)| *index == place).map(|(_, block)| block) {
                Some(Block::Call { index, has_arguments }) => {
                    *has_arguments |= !delta.is_empty();
                    events.push(Event::Arguments { index: *index, delta });
                }
                Some(Block::Native { text, .. }) => text.push_str(&delta),
                _ => return Err(Unreadable::OtherForm("the stream has arguments of a call that did not begin")),
            }
        } else if let Some(citation) = take("citation") {
            let cited = match self.block(place, || Block::Text(0)) {
                Block::Text(letters) => *letters,
                _ => 0,
            };
            events.push(match wire::annotation(&citation, cited) {
                Some(annotation) => Event::Annotation(annotation),
                None => native_event(json!({"citationsContent": {"content": [], "citations": [citation]}})),
            });
        } else if let Some(piece) = take("toolResult").or_else(|| take("image"))
            && let Some((_, Block::Native { pieces, .. })) = self.open.iter_mut().find(|(index, _)| *index == place)
        {
            match piece {
                Value::Array(list) => pieces.extend(list),
                piece => pieces.push(piece),
            }
        }
        Ok(())
    }

    fn reasoning(&mut self, place: u64, mut value: Value, events: &mut Vec<Event>) -> Result<(), Unreadable> {
        let mut take = |name: &str| value.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        if let Some(text) = take("text") {
            self.block(place, || Block::Thinking);
            events.push(Event::Thinking(string(text)?));
        } else if let Some(signature) = take("signature") {
            self.block(place, || Block::Thinking);
            events.push(Event::ThinkingSignature(wire::seal(string(signature)?)));
        } else if let Some(content) = take("redactedContent") {
            let bytes = STANDARD.decode(string(content)?).map_err(|_| Unreadable::OtherForm(OTHER))?;
            match self.block(place, || Block::Redacted(Vec::new())) {
                Block::Redacted(earlier) => earlier.extend(bytes),
                _ => return Err(Unreadable::OtherForm(OTHER)),
            }
        }
        Ok(())
    }

    /// The open block; texts and thoughts open with their first delta.
    fn block(&mut self, place: u64, new: impl FnOnce() -> Block) -> &mut Block {
        let known = self.open.iter().position(|(index, _)| *index == place);
        let position = known.unwrap_or_else(|| {
            self.open.push((place, new()));
            self.open.len() - 1
        });
        &mut self.open[position].1
    }
}

/// What a whole block brings.
fn close(block: Block, events: &mut Vec<Event>) {
    match block {
        Block::Text(_) | Block::Thinking | Block::Call { has_arguments: true, .. } => {}
        Block::Redacted(bytes) => events.push(Event::RedactedThinking(wire::seal(STANDARD.encode(bytes)))),
        // A call without arguments has the empty object of them.
        Block::Call { index, has_arguments: false } => {
            events.push(Event::Arguments { index, delta: "{}".to_owned() });
        }
        Block::Native { member, mut value, text, pieces } => {
            match member {
                "toolUse" => {
                    let input = serde_json::from_str(&text).unwrap_or_else(|_| Map::new().into());
                    value.insert("input".into(), input);
                }
                "toolResult" => {
                    value.insert("content".into(), pieces.into());
                }
                _ => return image(value, &pieces, events),
            }
            events.push(native_event(json!({ member: value })));
        }
    }
    events.push(Event::PartEnd);
}

/// Base64 of pieces does not add up; their bytes do.
fn image(mut value: Map<String, Value>, pieces: &[Value], events: &mut Vec<Event>) {
    let decoded = pieces.iter().filter_map(|piece| STANDARD.decode(piece.pointer("/source/bytes")?.as_str()?).ok());
    let bytes: Vec<u8> = decoded.flatten().collect();
    let kind = value.get("format").and_then(Value::as_str).filter(|_| !bytes.is_empty());
    if let Some(kind) = kind {
        let source = Source::Inline { media_type: format!("image/{kind}"), data: STANDARD.encode(bytes) };
        events.push(Event::Media(Part::Image(Media::new(source))));
    } else {
        // One that lies in a store, or that failed.
        let members = pieces.iter().filter_map(Value::as_object).flatten();
        value.extend(members.map(|(name, value)| (name.clone(), value.clone())));
        events.push(native_event(json!({ "image": value })));
    }
    events.push(Event::PartEnd);
}

fn native_event(value: Value) -> Event {
    Event::Native { format: Format::BedrockConverse, value }
}

fn string(value: Value) -> Result<String, Unreadable> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Unreadable::OtherForm(OTHER)),
    }
}

/// `throttlingException`, `modelStreamErrorException`, `internalServerException`, `validationException`,
/// `serviceUnavailableException`, and what may be added; the framing itself has codes such as `InternalError`.
fn is_exception(name: &str) -> bool {
    name.ends_with("Exception") || name.ends_with("Error")
}
