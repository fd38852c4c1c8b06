//! From one conversation to every wire format, and from every reply and stream to the same few things. Pure functions.

mod anthropic;
mod bedrock;
mod completion;
mod gemini;
mod image;
mod openai;
mod parameters;
mod stream;

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use llm_api_domain::WireFamily;
use serde_json::{Map, Value};

pub use completion::{Completion, totals};
pub(crate) use openai::with_model;
pub use stream::{Step, StreamReader, model_named_in};

/// What is asked for, in nobody's wire format.
#[derive(Clone)]
pub struct Conversation<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    pub system: Option<Cow<'a, str>>,
    /// The last one is the prompt.
    pub turns: Vec<Turn<'a>>,
    /// In OpenAI's names; those of the provider's own are sent on as they are. `null` is as good as absent.
    pub parameters: Map<String, Value>,
    pub stream: bool,
    /// Whether OpenAI's families are asked for token counts in the stream; the others always send them.
    pub include_usage: bool,
}

/// One turn of a conversation.
#[derive(Clone)]
pub enum Turn<'a> {
    /// `images` are data URLs or `https` URLs.
    User {
        text: Cow<'a, str>,
        images: Vec<Cow<'a, str>>,
    },
    Assistant {
        text: Cow<'a, str>,
    },
}

impl fmt::Debug for Conversation<'_> {
    /// Without the texts: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("model", &self.model)
            .field("turns", &self.turns)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn<'_> {
    /// Without the texts: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { text, images } => {
                f.debug_struct("User").field("text_bytes", &text.len()).field("images", &images.len()).finish()
            }
            Self::Assistant { text } => f.debug_struct("Assistant").field("text_bytes", &text.len()).finish(),
        }
    }
}

/// What of a conversation the provider could not be given; `message` is a sentence for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct ConvertError {
    /// As the sender knows it: the name of a parameter, or a path such as `input.images`.
    pub parameter: String,
    pub message: String,
}

impl ConvertError {
    fn new(parameter: &str, message: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), message: message.into() }
    }
}

/// The body of a request. Azure's has no model in it: that stands in the address, and `Client::chat` adds it where
/// Azure's newer API wants it.
pub fn to_wire(family: WireFamily, mut conversation: Conversation<'_>) -> Result<Bytes, ConvertError> {
    conversation.parameters.retain(|_, value| !value.is_null());
    match family {
        WireFamily::OpenaiChat => openai::to_wire(conversation, true),
        WireFamily::AzureOpenai => openai::to_wire(conversation, false),
        WireFamily::AnthropicMessages => anthropic::to_wire(conversation),
        WireFamily::GoogleGemini => gemini::to_wire(conversation),
        WireFamily::AmazonBedrock => bedrock::to_wire(conversation),
        WireFamily::Unsupported => {
            Err(ConvertError::new("provider", "This provider cannot be called. Choose another one."))
        }
    }
}

/// Whose turn it is, where turns must alternate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    User,
    Assistant,
}

/// What one side said, as one or more texts with their images.
struct Said<'c> {
    role: Role,
    parts: Vec<Part<'c>>,
}

enum Part<'c> {
    Text(&'c str),
    Image(image::Image<'c>),
}

/// In place of what the user said where only a reply is known, such as that to an image alone.
const NO_TEXT: &str = "(no text)";

/// The turns as Anthropic and Google want them: alternating, beginning with the user, without empty texts. Images come
/// before the text of their turn, as both recommend.
fn alternating<'c>(turns: &'c [Turn<'_>]) -> Result<Vec<Said<'c>>, ConvertError> {
    let mut said: Vec<Said<'c>> = Vec::with_capacity(turns.len() + 1);
    let mut images_before = 0;
    for turn in turns {
        let (role, text, images): (_, &'c str, &'c [Cow<'_, str>]) = match turn {
            Turn::User { text, images } => (Role::User, text, images),
            Turn::Assistant { text } => (Role::Assistant, text, &[]),
        };
        let mut parts = Vec::with_capacity(images.len() + 1);
        for (image, number) in images.iter().zip(images_before + 1..) {
            parts.push(Part::Image(image::read(image, number)?));
        }
        images_before += images.len();
        if !text.trim().is_empty() {
            parts.push(Part::Text(text));
        }
        match said.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.role == role => last.parts.append(&mut parts),
            None if role == Role::Assistant => {
                said.push(Said { role: Role::User, parts: vec![Part::Text(NO_TEXT)] });
                said.push(Said { role, parts });
            }
            Some(_) | None => said.push(Said { role, parts }),
        }
    }
    if said.is_empty() {
        return Err(ConvertError::new("input.prompt", "There is nothing to answer. Give a prompt or an image."));
    }
    Ok(said)
}

/// A JSON text. Strings, numbers and string keys always have one.
fn json(body: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_said_is_never_printed() {
        let conversation = Conversation {
            model: "m",
            system: Some("hidden".into()),
            turns: vec![
                Turn::Assistant { text: "hidden".into() },
                Turn::User { text: "hidden".into(), images: vec!["data:hidden".into()] },
            ],
            parameters: Map::new(),
            stream: false,
            include_usage: false,
        };
        let shown = format!("{conversation:?}");
        assert!(!shown.contains("hidden") && shown.contains("text_bytes: 6"), "{shown}");
        let error = to_wire(WireFamily::GoogleGemini, conversation.clone()).expect_err("no image");
        assert!(!format!("{error:?} {error}").contains("hidden"), "{error}");
        assert_eq!(to_wire(WireFamily::Unsupported, conversation).expect_err("unsupported").parameter, "provider");
    }
}
