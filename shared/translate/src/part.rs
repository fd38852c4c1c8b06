//! The parts that messages and replies are made of.

use std::ops::{Deref, DerefMut};

use serde_json::Value;

use crate::{Cache, Format, Signature, ToolCall, ToolResult};

/// One part of what somebody said.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(Text),
    Image(Media),
    /// A document, such as a PDF.
    File(Media),
    Audio(Media),
    Video(Media),
    Thinking(Thinking),
    /// Thoughts that only the provider can read.
    RedactedThinking(Signature),
    ToolCall(ToolCall),
    ToolResult(ToolResult),
    /// Why the model does not answer.
    Refusal(String),
    /// One that only its own format knows.
    Native {
        format: Format,
        value: Value,
    },
}

impl Part {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), annotations: Vec::new(), cache: None })
    }

    /// What a reader is told of something that the model made, where the reader's format has no place for it.
    pub(crate) fn in_words(&self) -> Option<String> {
        let what = match self {
            Self::Image(_) => "An image",
            Self::Audio(_) => "A sound",
            Self::Video(_) => "A video",
            Self::File(_) => "A file",
            _ => return None,
        };
        Some(format!("[{what} that the model made is left out: replies in this format have no place for it.]"))
    }
}

/// Parts in order, each with the path at which its sender has it: by that a loss is told.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    parts: Vec<Part>,
    /// One for each part.
    places: Vec<String>,
}

impl Parts {
    pub fn new() -> Self {
        Self::default()
    }

    /// `place` is a path such as `messages.2.content.0`.
    pub fn one(part: Part, place: impl Into<String>) -> Self {
        Self { parts: vec![part], places: vec![place.into()] }
    }

    pub fn push(&mut self, part: Part, place: impl Into<String>) {
        self.parts.push(part);
        self.places.push(place.into());
    }

    pub fn append(&mut self, mut more: Self) {
        self.parts.append(&mut more.parts);
        self.places.append(&mut more.places);
    }

    pub(crate) fn pop(&mut self) -> Option<Part> {
        self.places.pop();
        self.parts.pop()
    }

    /// The path of the message, or of the item, that the first part is in.
    pub(crate) fn item(&self) -> Option<String> {
        let mut steps = self.places.first()?.split('.');
        let (list, index) = (steps.next()?, steps.next()?);
        Some(format!("{list}.{index}"))
    }
}

/// What was made without a sender has no path but that of the conversation.
impl From<Vec<Part>> for Parts {
    fn from(parts: Vec<Part>) -> Self {
        Self { places: vec!["messages".to_owned(); parts.len()], parts }
    }
}

/// The same is said wherever it stands.
impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

#[cfg(test)]
impl<const N: usize> PartialEq<[Part; N]> for Parts {
    fn eq(&self, other: &[Part; N]) -> bool {
        self.parts == other
    }
}

impl Deref for Parts {
    type Target = [Part];

    fn deref(&self) -> &[Part] {
        &self.parts
    }
}

impl DerefMut for Parts {
    fn deref_mut(&mut self) -> &mut [Part] {
        &mut self.parts
    }
}

impl IntoIterator for Parts {
    type Item = (Part, String);
    type IntoIter = std::iter::Zip<std::vec::IntoIter<Part>, std::vec::IntoIter<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.into_iter().zip(self.places)
    }
}

impl<'a> IntoIterator for &'a Parts {
    type Item = &'a Part;
    type IntoIter = std::slice::Iter<'a, Part>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.iter()
    }
}

impl FromIterator<(Part, String)> for Parts {
    fn from_iter<I: IntoIterator<Item = (Part, String)>>(with_places: I) -> Self {
        let (parts, places) = with_places.into_iter().unzip();
        Self { parts, places }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub text: String,
    /// Sources that the reply names, in OpenAI's form (`{"type":"url_citation","url_citation":{…}}`).
    pub annotations: Vec<Value>,
    pub cache: Option<Cache>,
}

/// Something that is not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    pub source: Source,
    /// Such as `report.pdf`.
    pub name: Option<String>,
    /// `low`, `high`, `auto`: how closely an image is looked at.
    pub detail: Option<String>,
    pub cache: Option<Cache>,
}

impl Media {
    pub fn new(source: Source) -> Self {
        Self { source, name: None, detail: None, cache: None }
    }
}

/// Where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `data` is base64 in the standard alphabet.
    Inline { media_type: String, data: String },
    /// An address that the provider fetches.
    Url(String),
    /// The id of a file that was given to the provider whose format this is.
    Id { format: Format, id: String },
    /// A document that is plain text.
    Text(String),
}

/// What the model thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thinking {
    /// The thoughts, or a summary of them.
    pub text: String,
    /// The provider's seal: thoughts without it cannot be given back.
    pub signature: Option<Signature>,
}
