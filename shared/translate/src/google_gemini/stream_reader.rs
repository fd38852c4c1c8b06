use serde_json::Value;

use super::{
    grounding::{self, Source},
    read_reply::{self, Calls},
    wire::{Answer, Candidate, Segment},
};
use crate::{Event, Finish, Part, ToolCall, Unreadable};

/// Reads the events of a stream: each has the form of a whole reply. There is no last event, so the reason to finish
/// waits for the end of the body.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    is_started: bool,
    calls: Calls,
    /// All of the reply's text: segments of sources count in its bytes.
    text: String,
    /// Those that were told: later events may repeat them.
    annotations: Vec<Value>,
    tier: Option<String>,
    reason: Option<String>,
}

impl StreamReader {
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let mut answer = Answer::parse(data)?;
        let mut events = Vec::new();
        let candidate = answer.take_candidate();
        if !self.is_started {
            self.is_started = true;
            if let Some(id) = &answer.response_id {
                self.calls.name_reply(id);
            }
            events.push(Event::Start { id: answer.response_id, model: answer.model_version, created: None });
        }
        if let Some(candidate) = candidate {
            self.read_candidate(candidate, &mut events);
        }
        if let Some(counts) = answer.usage_metadata {
            let tier = counts.service_tier.as_deref().and_then(read_reply::tier);
            if tier.is_some() && tier != self.tier {
                self.tier.clone_from(&tier);
                events.extend(tier.map(Event::ServiceTier));
            }
            events.push(Event::Usage(read_reply::usage(&counts)));
        }
        Ok(events)
    }

    pub(crate) fn finish(&mut self) -> Vec<Event> {
        let Some(reason) = self.reason.take() else { return Vec::new() };
        let finish: Finish = read_reply::finish(&reason, self.calls.count > 0);
        vec![Event::Finish(finish), Event::End]
    }

    fn read_candidate(&mut self, mut candidate: Candidate, events: &mut Vec<Event>) {
        for piece in candidate.take_parts() {
            for part in read_reply::parts(piece, &mut self.calls) {
                self.read_part(part, events);
            }
        }
        if let Some(logprobs) = candidate.logprobs_result {
            events.push(Event::Logprobs(read_reply::logprobs(logprobs)));
        }
        for source in grounding::sources(candidate.grounding_metadata, candidate.citation_metadata) {
            let annotation = self.annotation(&source);
            if !self.annotations.contains(&annotation) {
                events.push(Event::Annotation(annotation.clone()));
                self.annotations.push(annotation);
            }
        }
        let reason = candidate.finish_reason.filter(|reason| reason != "FINISH_REASON_UNSPECIFIED");
        self.reason = reason.or(self.reason.take());
    }

    fn read_part(&mut self, part: Part, events: &mut Vec<Event>) {
        match part {
            Part::Text(text) => {
                self.text.push_str(&text.text);
                events.push(Event::Text(text.text));
            }
            Part::Thinking(thinking) => {
                if !thinking.text.is_empty() {
                    events.push(Event::Thinking(thinking.text));
                }
                events.extend(thinking.signature.map(Event::ThinkingSignature));
            }
            Part::RedactedThinking(seal) => events.push(Event::RedactedThinking(seal)),
            Part::ToolCall(ToolCall { id, name, arguments, signature, cache: _ }) => {
                let index = self.calls.count - 1;
                events.push(Event::ToolCall { index, id, name, signature });
                events.push(Event::Arguments { index, delta: arguments });
                events.push(Event::PartEnd);
            }
            Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::File(_) => events.push(Event::Media(part)),
            Part::Native { format, value } => events.push(Event::Native { format, value }),
            // Google has neither.
            Part::ToolResult(_) | Part::Refusal(_) => {}
        }
    }

    fn annotation(&self, source: &Source) -> Value {
        let range = match source.segment {
            Some(Segment { start, end, .. }) => (start, end),
            None => (0, self.text.len()),
        };
        source.annotation(&self.text, range)
    }
}
