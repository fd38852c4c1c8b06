//! A provider's stream.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    OWN, citation,
    wire::{self, Counts, Delta, finish},
};
use crate::{Event, Signature, Unreadable};

#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    has_started: bool,
    /// The blocks that are not whole yet, by their index.
    open: BTreeMap<usize, Block>,
    calls: usize,
    counts: Counts,
}

#[derive(Debug)]
enum Block {
    /// Citations hold for all of the text, and wait for its length.
    Text {
        characters: usize,
        citations: Vec<Value>,
    },
    Thinking,
    /// Whole from the beginning.
    Redacted,
    /// The input that came with its start counts where no piece of it follows.
    Call {
        index: usize,
        input: Map<String, Value>,
        has_pieces: bool,
    },
    Native {
        value: Map<String, Value>,
        input: String,
    },
}

impl StreamReader {
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let event: wire::Event = serde_json::from_slice(data)
            .map_err(|_| Unreadable::OtherForm("an event of the stream has another form than it should"))?;
        if event.error.is_some() || event.kind == "error" {
            return Err(Unreadable::Provider);
        }
        let mut out = Vec::new();
        match event.kind.as_str() {
            "message_start" => {
                self.has_started = true;
                let message = event.message.unwrap_or_default();
                out.push(Event::Start { id: message.id, model: message.model, created: None });
                if let Some(counts) = message.usage.map(Counts::of_prompt) {
                    self.count(counts, &mut out);
                    out.extend(counts.service_tier().map(Event::ServiceTier));
                }
            }
            "content_block_start" => self.start(event.index, event.content_block.unwrap_or_default(), &mut out)?,
            "content_block_delta" => self.delta(event.index, event.delta.unwrap_or_default(), &mut out)?,
            "content_block_stop" => self.stop(event.index, &mut out),
            "message_delta" => {
                if let Some(counts) = event.usage {
                    self.count(counts, &mut out);
                }
                let delta = event.delta.unwrap_or_default();
                let explanation = delta.stop_details.and_then(|details| details.explanation);
                out.extend(explanation.filter(|text| !text.is_empty()).map(Event::Refusal));
                out.extend(delta.stop_reason.map(|reason| Event::Finish(finish(&reason, delta.stop_sequence))));
            }
            "message_stop" if !self.has_started => {
                return Err(Unreadable::OtherForm("the stream has an end and nothing before it"));
            }
            "message_stop" => out.push(Event::End),
            // `ping`, and what is new.
            _ => {}
        }
        Ok(out)
    }

    fn count(&mut self, counts: Counts, out: &mut Vec<Event>) {
        self.counts = self.counts.updated(counts);
        out.push(Event::Usage(self.counts.usage()));
    }

    fn start(&mut self, at: usize, mut block: Map<String, Value>, out: &mut Vec<Event>) -> Result<(), Unreadable> {
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut take = |name: &str| match block.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let open = match kind.as_str() {
            "text" => {
                let text = take("text").unwrap_or_default();
                let characters = text.chars().count();
                out.extend(Some(text).filter(|text| !text.is_empty()).map(Event::Text));
                let citations = match block.shift_remove("citations") {
                    Some(Value::Array(citations)) => citations,
                    _ => Vec::new(),
                };
                Block::Text { characters, citations }
            }
            "thinking" => {
                out.extend(take("thinking").filter(|text| !text.is_empty()).map(Event::Thinking));
                out.extend(take("signature").as_deref().and_then(seal));
                Block::Thinking
            }
            "redacted_thinking" => {
                let data = take("data").unwrap_or_default();
                out.push(Event::RedactedThinking(Signature::read_from(OWN, &data)));
                Block::Redacted
            }
            "tool_use" => {
                let (Some(id), Some(name)) = (take("id"), take("name")) else {
                    return Err(Unreadable::OtherForm("a call in the stream lacks its `id` or its `name`"));
                };
                let index = self.calls;
                self.calls += 1;
                out.push(Event::ToolCall { index, id, name, signature: None });
                let input = match block.shift_remove("input") {
                    Some(Value::Object(input)) => input,
                    _ => Map::new(),
                };
                Block::Call { index, input, has_pieces: false }
            }
            "" => return Err(Unreadable::OtherForm("a block of the stream has no `type`")),
            _ => Block::Native { value: block, input: String::new() },
        };
        self.open.insert(at, open);
        Ok(())
    }

    /// Servers that imitate the API leave the beginnings of blocks out: what says all by itself is taken without one.
    fn begin(&mut self, at: usize, delta: &str) -> Result<(), Unreadable> {
        if self.open.contains_key(&at) {
            return Ok(());
        }
        let block = match delta {
            "text_delta" => Block::Text { characters: 0, citations: Vec::new() },
            "thinking_delta" => Block::Thinking,
            "input_json_delta" => {
                return Err(Unreadable::OtherForm("the stream has a piece of a call that never began"));
            }
            _ => return Ok(()),
        };
        self.open.insert(at, block);
        Ok(())
    }

    fn delta(&mut self, at: usize, delta: Delta, out: &mut Vec<Event>) -> Result<(), Unreadable> {
        self.begin(at, &delta.kind)?;
        let Delta { kind, text, thinking, signature, partial_json, citation, rest, .. } = delta;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        match (self.open.get_mut(&at), kind.as_str()) {
            (Some(Block::Text { characters, .. }), "text_delta") => {
                if let Some(text) = given(text) {
                    *characters += text.chars().count();
                    out.push(Event::Text(text));
                }
            }
            (Some(Block::Text { citations, .. }), "citations_delta") => citations.extend(citation),
            (Some(Block::Thinking), "thinking_delta") => out.extend(given(thinking).map(Event::Thinking)),
            (Some(Block::Thinking), "signature_delta") => out.extend(signature.as_deref().and_then(seal)),
            (Some(Block::Call { index, has_pieces, .. }), "input_json_delta") => {
                if let Some(delta) = given(partial_json) {
                    *has_pieces = true;
                    out.push(Event::Arguments { index: *index, delta });
                }
            }
            (Some(Block::Native { input, .. }), "input_json_delta") => {
                input.push_str(&partial_json.unwrap_or_default());
            }
            (Some(Block::Native { value, .. }), _) => value.extend(rest),
            // Kinds that are new.
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, at: usize, out: &mut Vec<Event>) {
        match self.open.remove(&at) {
            Some(Block::Text { characters, citations }) => {
                let annotations = citations.into_iter().map(|cited| citation::annotation(cited, characters));
                out.extend(annotations.map(Event::Annotation));
                out.push(Event::PartEnd);
            }
            Some(Block::Thinking) => out.push(Event::PartEnd),
            Some(Block::Call { index, input, has_pieces }) => {
                if !has_pieces {
                    out.push(Event::Arguments { index, delta: Value::Object(input).to_string() });
                }
                out.push(Event::PartEnd);
            }
            Some(Block::Native { mut value, input }) => {
                if let Ok(input @ Value::Object(_)) = serde_json::from_str(&input) {
                    value.insert("input".to_owned(), input);
                }
                out.push(Event::Native { format: OWN, value: value.into() });
            }
            Some(Block::Redacted) | None => {}
        }
    }
}

fn seal(signature: &str) -> Option<Event> {
    (!signature.is_empty()).then(|| Event::ThinkingSignature(Signature::read_from(OWN, signature)))
}
