//! A stream for a caller.
//!
//! Blocks come one after the other. The first of those that are not whole is written as it comes; what belongs to later
//! ones waits for it.

use std::collections::VecDeque;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{
    OWN, citation, object,
    write_reply::{End, message, redacted, seal_of_call, thinking_block, tool_use, usage_of_delta, usage_of_message},
};
use crate::{Event, Finish, Request, Stamp, Usage};

#[derive(Debug)]
pub(crate) struct StreamWriter(Box<State>);

#[derive(Debug)]
struct State {
    stamp: Stamp,
    has_started: bool,
    /// The first one may be open; the others wait.
    blocks: VecDeque<Block>,
    /// The index of the first one.
    at: usize,
    usage: Usage,
    service_tier: Option<String>,
    finish: Option<Finish>,
    has_calls: bool,
    refusal: Option<String>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call(usize),
    /// Nothing is added to it.
    Whole,
}

#[derive(Debug)]
struct Block {
    kind: Kind,
    /// What `content_block_start` says; nothing once that is written.
    start: Option<Value>,
    /// Deltas that are not written yet.
    deltas: Vec<Value>,
    /// All of the text, or of the arguments.
    said: String,
    /// Up to where the arguments were looked at, and were not whole.
    looked_at: usize,
    is_whole: bool,
}

impl Block {
    fn new(kind: Kind, start: Value) -> Self {
        Self {
            kind,
            start: Some(start),
            deltas: Vec::new(),
            said: String::new(),
            looked_at: 0,
            is_whole: kind == Kind::Whole,
        }
    }

    /// Whether nothing more can come. Arguments of several calls may come by turns, so that a call is whole when its
    /// arguments are, whatever follows it.
    fn is_over(&mut self, is_followed: bool) -> bool {
        match self.kind {
            Kind::Whole => true,
            Kind::Text | Kind::Thinking => self.is_whole || is_followed,
            Kind::Call(_) if self.said.is_empty() => self.is_whole,
            Kind::Call(_) => (self.is_whole || is_followed) && self.has_all_arguments(),
        }
    }

    fn has_all_arguments(&mut self) -> bool {
        if self.looked_at == self.said.len() || !self.said.trim_end().ends_with('}') {
            return false;
        }
        self.looked_at = self.said.len();
        serde_json::from_str::<IgnoredAny>(&self.said).is_ok()
    }
}

impl StreamWriter {
    pub(crate) fn new(_request: &Request, stamp: Stamp) -> Self {
        Self(Box::new(State {
            stamp,
            has_started: false,
            blocks: VecDeque::new(),
            at: 0,
            usage: Usage::default(),
            service_tier: None,
            finish: None,
            has_calls: false,
            refusal: None,
            is_over: false,
        }))
    }

    pub(crate) fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        self.0.write(event, out);
    }

    pub(crate) fn fail(&mut self, error: &Value, out: &mut Vec<u8>) {
        self.0.fail(error, out);
    }
}

impl State {
    fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { .. } => self.begin(out),
            Event::Text(text) => self.text(text),
            Event::Annotation(annotation) => self.annotation(annotation),
            Event::Refusal(text) => {
                self.refusal.get_or_insert_default().push_str(&text);
                self.text(text);
            }
            Event::Thinking(text) => {
                self.last_or_new(Kind::Thinking).deltas.push(json!({"type": "thinking_delta", "thinking": text}));
            }
            Event::ThinkingSignature(seal) => {
                let block = self.last_or_new(Kind::Thinking);
                block.deltas.push(json!({"type": "signature_delta", "signature": seal.written_in(OWN)}));
                block.is_whole = true;
            }
            Event::RedactedThinking(seal) => self.whole(redacted(seal.written_in(OWN))),
            Event::ToolCall { index, id, name, signature } => {
                self.has_calls = true;
                if let Some(seal) = signature {
                    self.whole(seal_of_call(&seal));
                }
                let start = tool_use(id, name, json!({}));
                self.blocks.push_back(Block::new(Kind::Call(index), start));
            }
            Event::Arguments { index, delta } => self.arguments(index, delta),
            // A block of its own.
            Event::Media(part) => {
                if let Some(words) = part.in_words() {
                    self.end_part();
                    self.text(words);
                    self.end_part();
                }
            }
            Event::Native { format: OWN, value } => self.native(value),
            // Nothing that a message could say.
            Event::Native { .. } | Event::Logprobs(_) => {}
            Event::PartEnd => self.end_part(),
            Event::Usage(usage) => self.usage = std::mem::take(&mut self.usage).updated(&usage),
            Event::ServiceTier(tier) => self.service_tier = Some(tier),
            Event::Finish(finish) => {
                self.finish = Some(finish);
                self.flush(out);
            }
            Event::End => self.end(out),
        }
        self.advance(false, out);
    }

    fn fail(&mut self, error: &Value, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        send("error", error, out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let usage = usage_of_message(&self.usage, self.service_tier.as_deref());
        let message = message(&self.stamp, Vec::new(), None, usage);
        send("message_start", &object([("type", "message_start".into()), ("message", message)]), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        let finish = self.finish.take().unwrap_or(Finish::Stop);
        let End { reason, sequence, details } = End::of(finish, self.has_calls, self.refusal.as_deref());
        let delta = object([
            ("stop_reason", reason.into()),
            ("stop_sequence", sequence.into()),
            ("stop_details", details),
            ("container", Value::Null),
        ]);
        let last = [("type", "message_delta".into()), ("delta", delta), ("usage", usage_of_delta(&self.usage))];
        send("message_delta", &object(last), out);
        send("message_stop", &json!({"type": "message_stop"}), out);
        self.is_over = true;
    }

    fn end_part(&mut self) {
        if let Some(block) = self.blocks.back_mut() {
            block.is_whole = true;
        }
    }

    fn text(&mut self, text: String) {
        let block = self.last_or_new(Kind::Text);
        block.said.push_str(&text);
        block.deltas.push(object([("type", "text_delta".into()), ("text", text.into())]));
    }

    /// A source of a text that is closed already is left out: nothing can be added to it.
    fn annotation(&mut self, annotation: Value) {
        let text = self.blocks.iter_mut().rev().find(|block| block.kind == Kind::Text);
        if let Some(block) = text
            && let Some(citation) = citation::for_caller(annotation, &block.said)
        {
            block.deltas.push(object([("type", "citations_delta".into()), ("citation", citation)]));
        }
    }

    fn arguments(&mut self, index: usize, delta: String) {
        let call = self.blocks.iter_mut().find(|block| block.kind == Kind::Call(index));
        if let Some(block) = call.filter(|_| !delta.is_empty()) {
            block.said.push_str(&delta);
            block.deltas.push(object([("type", "input_json_delta".into()), ("partial_json", delta.into())]));
        }
    }

    /// The input of a tool of the provider's own comes in pieces too; SDKs put it together from them.
    fn native(&mut self, mut value: Value) {
        let input = value.get_mut("input").filter(|input| input.is_object()).map(|input| {
            let whole = input.to_string();
            *input = json!({});
            whole
        });
        self.whole(value);
        if let (Some(input), Some(block)) = (input, self.blocks.back_mut()) {
            block.deltas.push(json!({"type": "input_json_delta", "partial_json": input}));
        }
    }

    fn whole(&mut self, start: Value) {
        self.blocks.push_back(Block::new(Kind::Whole, start));
    }

    /// The block that such a delta goes on with.
    fn last_or_new(&mut self, kind: Kind) -> &mut Block {
        let goes_on = self.blocks.back().is_some_and(|block| block.kind == kind && !block.is_whole);
        if !goes_on {
            let start = match kind {
                Kind::Thinking => thinking_block(String::new(), String::new()),
                _ => json!({"type": "text", "text": "", "citations": []}),
            };
            self.blocks.push_back(Block::new(kind, start));
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    /// Everything that waits is whole.
    fn flush(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.advance(true, out);
    }

    /// Writes what there is of the first block, and goes on to the next where it is over.
    fn advance(&mut self, is_finished: bool, out: &mut Vec<u8>) {
        if !self.blocks.is_empty() {
            self.begin(out);
        }
        loop {
            let (at, is_followed) = (self.at, self.blocks.len() > 1);
            let Some(block) = self.blocks.front_mut() else { return };
            if let Some(start) = block.start.take() {
                let event = [("type", "content_block_start".into()), ("index", at.into()), ("content_block", start)];
                send("content_block_start", &object(event), out);
            }
            for delta in block.deltas.drain(..) {
                let event = [("type", "content_block_delta".into()), ("index", at.into()), ("delta", delta)];
                send("content_block_delta", &object(event), out);
            }
            if !is_finished && !block.is_over(is_followed) {
                return;
            }
            send("content_block_stop", &json!({"type": "content_block_stop", "index": at}), out);
            self.blocks.pop_front();
            self.at += 1;
        }
    }
}

fn send(name: &str, data: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}
