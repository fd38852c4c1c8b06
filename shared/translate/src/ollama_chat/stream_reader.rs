use super::{
    read_reply::{image, seal, tool_call},
    wire::{Answer, Message},
};
use crate::{Event, Part, ToolCall, Unreadable};

/// Reads the lines of a stream; the last one is `done`.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    is_started: bool,
    /// Thoughts came, and nothing else since.
    is_thinking: bool,
    calls: usize,
}

impl StreamReader {
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let mut answer = Answer::parse(data)?;
        let mut events = Vec::new();
        if !self.is_started {
            self.is_started = true;
            events.push(Event::Start { id: None, model: answer.model.take(), created: None });
        }
        let Message { content, thinking, images, tool_calls } = answer.message.take().unwrap_or_default();
        if let Some(text) = thinking.filter(|text| !text.is_empty()) {
            self.is_thinking = true;
            events.push(Event::Thinking(text));
        }
        if let Some(text) = content.filter(|text| !text.is_empty()) {
            self.end_thoughts(&mut events);
            events.push(Event::Text(text));
        }
        for data in images.unwrap_or_default() {
            self.end_thoughts(&mut events);
            events.push(Event::Media(Part::Image(image(data))));
        }
        events.extend(answer.take_logprobs().map(Event::Logprobs));
        for call in tool_calls.unwrap_or_default() {
            self.end_thoughts(&mut events);
            let index = self.calls;
            let ToolCall { id, name, arguments, .. } = tool_call(call, index, &answer.created_at);
            events.push(Event::ToolCall { index, id, name, signature: None });
            events.push(Event::Arguments { index, delta: arguments });
            events.push(Event::PartEnd);
            self.calls += 1;
        }
        if answer.done {
            self.end_thoughts(&mut events);
            events.push(Event::Usage(answer.usage()));
            events.push(Event::Finish(answer.finish(self.calls > 0)));
            events.push(Event::End);
        }
        Ok(events)
    }

    fn end_thoughts(&mut self, events: &mut Vec<Event>) {
        if std::mem::take(&mut self.is_thinking) {
            events.push(Event::ThinkingSignature(seal()));
        }
    }
}
