//! The parts that messages and replies are made of.

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
