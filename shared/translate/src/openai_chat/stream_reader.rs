use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    finish::{self, Told},
    read_reply::{custom_call, google_seal, image, made_up_id},
    thoughts, usage,
    wire::{Call, Choice, Completion, Piece, Said, pieces},
};
use crate::json::object;
use crate::{Event, Format, Part, Unreadable};

/// A source; its index is for those alone who add up deltas.
fn source(mut annotation: Value) -> Event {
    if let Value::Object(members) = &mut annotation {
        members.shift_remove("index");
    }
    Event::Annotation(annotation)
}

/// Reads the chunks of the first choice.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    place: Place,
    refused: bool,
    /// What made-up ids are made of.
    seed: String,
    thoughts: Option<Thoughts>,
    calls: Vec<OpenCall>,
    audio: Option<Box<Audio>>,
}

/// What is spoken.
#[derive(Debug, Default)]
struct Audio {
    sound: Vec<u8>,
    /// All but the sound.
    about: Map<String, Value>,
}

/// How far the stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    #[default]
    Before,
    Started,
    /// A reason to finish came; counts may follow.
    Finished,
    Ended,
}

/// Thoughts that may go on, and so have no seal yet.
#[derive(Debug)]
enum Thoughts {
    Member(&'static str),
    /// All of an item but its text.
    Item(Map<String, Value>),
}

#[derive(Debug)]
struct OpenCall {
    /// The provider's index.
    key: Option<i64>,
    /// The provider's id, or ours.
    id: String,
    name: String,
    is_custom: bool,
    /// Among the calls of functions; known when its event went out.
    index: Option<usize>,
    /// Arguments that came before the name; all of a custom tool's input.
    held: String,
    seal: Option<String>,
}

impl StreamReader {
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let mut out = Vec::new();
        let data = data.trim_ascii();
        if self.place == Place::Ended || data.is_empty() {
            return Ok(out);
        }
        if data == b"[DONE]" {
            self.end(&mut out)?;
            return Ok(out);
        }
        let mut chunk = Completion::parse(data)?;
        let usage = chunk.take_usage();
        let choices = chunk.choices.take();
        if choices.is_none() && usage.is_none() && chunk.id.is_none() {
            return Err(Unreadable::OtherForm("it is no chunk of a chat completion"));
        }
        let choices = choices.unwrap_or_default();
        // Azure's first chunk tells about the prompt alone and has neither id nor model.
        if self.place == Place::Before && (!choices.is_empty() || usage.is_some()) {
            self.start(&mut chunk, &mut out);
        }
        for choice in choices.into_iter().filter(|choice| choice.index.unwrap_or(0) == 0) {
            self.choice(choice, &mut out);
        }
        out.extend(usage.map(|usage| Event::Usage(usage::read(&usage))));
        out.extend(chunk.service_tier.filter(|_| self.place != Place::Before).map(Event::ServiceTier));
        Ok(out)
    }

    fn start(&mut self, chunk: &mut Completion, out: &mut Vec<Event>) {
        self.place = Place::Started;
        let id = chunk.id.take().filter(|id| !id.is_empty());
        self.seed = id.clone().unwrap_or_default();
        let model = chunk.model.take().filter(|model| !model.is_empty());
        out.push(Event::Start { id, model, created: chunk.created });
    }

    /// `[DONE]`.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Unreadable> {
        if self.place == Place::Before {
            return Err(Unreadable::OtherForm("its stream has an end and nothing before it"));
        }
        if self.place == Place::Started {
            self.finish("", None, out);
        }
        // Sound ends after the reason to finish.
        self.close_audio(out);
        self.place = Place::Ended;
        out.push(Event::End);
        Ok(())
    }

    fn choice(&mut self, mut choice: Choice, out: &mut Vec<Event>) {
        self.said(choice.take_said(), choice.logprobs.take(), out);
        if let Some(word) = choice.finish_reason.filter(|word| !word.is_empty())
            && self.place == Place::Started
        {
            self.finish(&word, choice.stop_reason.as_deref(), out);
        }
    }

    fn said(&mut self, mut said: Said, logprobs: Option<super::wire::LogProbs>, out: &mut Vec<Event>) {
        self.thoughts(&mut said, out);
        for piece in pieces(said.content) {
            match piece {
                Piece::Text(text) => self.plain(Event::Text(text), out),
                Piece::Thinking(text) => self.thinking(text, thoughts::CONTENT, out),
                Piece::Refusal(reason) => self.refusal(reason, out),
                Piece::Other(value) => self.plain(Event::Native { format: Format::OpenaiChat, value }, out),
            }
        }
        if let Some(reason) = said.refusal.filter(|reason| !reason.is_empty()) {
            self.refusal(reason, out);
        }
        out.extend(said.annotations.into_iter().flatten().map(source));
        let logprobs = logprobs.map(super::wire::LogProbs::into_list).filter(|list| !list.is_empty());
        out.extend(logprobs.map(Event::Logprobs));
        for value in said.images.into_iter().flatten() {
            let event = match image(value) {
                Part::Native { format, value } => Event::Native { format, value },
                part => Event::Media(part),
            };
            self.plain(event, out);
        }
        for call in said.tool_calls.into_iter().flatten() {
            self.call(call, out);
        }
        if let Some(function) = said.function_call {
            // The form before `tool_calls`: one call, without an id.
            let call = Call::older(function);
            self.call(call, out);
        }
        if let Some(audio) = said.audio {
            self.audio(audio);
        }
    }

    /// What is no thought ends the thoughts before it.
    fn plain(&mut self, event: Event, out: &mut Vec<Event>) {
        self.close_thoughts(out);
        out.push(event);
    }

    fn refusal(&mut self, reason: String, out: &mut Vec<Event>) {
        self.refused = true;
        self.plain(Event::Refusal(reason), out);
    }

    /// The members tell the same thing with less and less detail.
    fn thoughts(&mut self, said: &mut Said, out: &mut Vec<Event>) {
        let details = [said.reasoning_details.take(), said.thinking_blocks.take()];
        if let Some(items) = details.into_iter().flatten().find(|items| !items.is_empty()) {
            for item in items {
                self.item(item, out);
            }
            return;
        }
        let mut texts = [said.reasoning_content.take(), said.reasoning.take()].into_iter().zip(thoughts::MEMBERS);
        let told = texts.find_map(|(text, member)| Some((text.filter(|text| !text.is_empty())?, member)));
        if let Some((text, member)) = told {
            self.thinking(text, member, out);
        }
    }

    fn thinking(&mut self, text: String, member: &'static str, out: &mut Vec<Event>) {
        if !matches!(self.thoughts, Some(Thoughts::Member(open)) if open == member) {
            self.close_thoughts(out);
            self.thoughts = Some(Thoughts::Member(member));
        }
        out.push(Event::Thinking(text));
    }

    /// A piece of an item: pieces with one index and type are one item.
    fn item(&mut self, mut item: Map<String, Value>, out: &mut Vec<Event>) {
        let Some(name) = thoughts::text_name(&item) else {
            self.close_thoughts(out);
            out.push(Event::RedactedThinking(thoughts::detail_seal(item)));
            return;
        };
        let text = match item.shift_remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        item.retain(|_, value| !value.is_null());
        let same = |open: &Map<String, Value>, name| open.get(name) == item.get(name);
        match &mut self.thoughts {
            Some(Thoughts::Item(open)) if same(open, "type") && same(open, "index") => open.append(&mut item),
            _ => {
                self.close_thoughts(out);
                self.thoughts = Some(Thoughts::Item(item));
            }
        }
        if !text.is_empty() {
            out.push(Event::Thinking(text));
        }
    }

    fn close_thoughts(&mut self, out: &mut Vec<Event>) {
        let seal = match self.thoughts.take() {
            None => return,
            Some(Thoughts::Member(member)) => thoughts::seal(member),
            Some(Thoughts::Item(item)) => thoughts::detail_seal(item),
        };
        out.push(Event::ThinkingSignature(seal));
    }

    fn call(&mut self, mut call: Call, out: &mut Vec<Event>) {
        self.close_thoughts(out);
        let id = call.id.take().filter(|id| !id.is_empty());
        let place = self.open_call(call.index, id.as_deref()).unwrap_or_else(|| {
            let number = self.calls.len();
            self.calls.push(OpenCall {
                key: call.index,
                id: String::new(),
                name: String::new(),
                is_custom: false,
                index: None,
                held: String::new(),
                seal: None,
            });
            number
        });
        let begun = self.calls.iter().filter(|call| call.index.is_some()).count();
        let Some(open) = self.calls.get_mut(place) else { return };
        if let Some(id) = id {
            open.id = id;
        }
        open.seal = call.seal().or(open.seal.take());
        if let Some(custom) = call.custom {
            open.is_custom = true;
            open.name.push_str(&custom.name.unwrap_or_default());
            open.held.push_str(&custom.input.unwrap_or_default());
            return;
        }
        let called = call.function.unwrap_or_default();
        // Some send the name again with every piece of the arguments.
        if open.name.is_empty() {
            open.name = called.name.unwrap_or_default();
        }
        if open.index.is_none() && !open.name.is_empty() {
            open.index = Some(begun);
            if open.id.is_empty() {
                open.id = made_up_id(&self.seed, &open.name, place);
            }
            let (id, name) = (open.id.clone(), open.name.clone());
            out.push(Event::ToolCall { index: begun, id, name, signature: open.seal.take().map(google_seal) });
        }
        match open.index {
            None => open.held.push_str(&called.arguments),
            Some(index) => {
                let delta = std::mem::take(&mut open.held) + &called.arguments;
                if !delta.is_empty() {
                    out.push(Event::Arguments { index, delta });
                }
            }
        }
    }

    /// The call that a piece belongs to. Google's compatible address gives whole calls, all with one index or without
    /// any: a new id is a new call.
    fn open_call(&self, key: Option<i64>, id: Option<&str>) -> Option<usize> {
        let place = match (key, id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.key == key)?,
            (None, Some(id)) => return self.calls.iter().rposition(|call| call.id == id),
            (None, None) => self.calls.len().checked_sub(1)?,
        };
        let known = self.calls.get(place)?.id.as_str();
        let is_other = id.is_some_and(|id| !known.is_empty() && id != known);
        (!is_other).then_some(place)
    }

    /// Base64 of pieces does not add up; their bytes do.
    fn audio(&mut self, mut piece: Map<String, Value>) {
        let Audio { sound, about } = self.audio.get_or_insert_default().as_mut();
        if let Some(Value::String(data)) = piece.shift_remove("data")
            && let Ok(mut bytes) = STANDARD.decode(data)
        {
            sound.append(&mut bytes);
        }
        if let (Some(Value::String(before)), Some(Value::String(more))) =
            (about.get_mut("transcript"), piece.get("transcript"))
        {
            before.push_str(more);
            piece.shift_remove("transcript");
        }
        piece.retain(|_, value| !value.is_null());
        about.append(&mut piece);
    }

    fn close_audio(&mut self, out: &mut Vec<Event>) {
        let Some(audio) = self.audio.take() else { return };
        let Audio { sound, mut about } = *audio;
        about.insert("data".into(), STANDARD.encode(sound).into());
        let value = object([("type", "audio".into()), ("audio", Value::Object(about))]);
        out.push(Event::Native { format: Format::OpenaiChat, value });
    }

    fn finish(&mut self, word: &str, stop: Option<&str>, out: &mut Vec<Event>) {
        self.place = Place::Finished;
        self.close_thoughts(out);
        for call in self.calls.iter().filter(|call| call.is_custom) {
            if let Part::Native { format, value } = custom_call(&call.id, &call.name, &call.held) {
                out.push(Event::Native { format, value });
            }
        }
        let called = self.calls.iter().any(|call| call.is_custom || call.index.is_some());
        out.push(Event::Finish(finish::read(&Told { word, stop, called, refused: self.refused })));
    }
}
