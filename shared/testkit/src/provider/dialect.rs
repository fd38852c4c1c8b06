//! What a model says, in the own bytes of each wire format: written after the vendors' public documentation.

mod anthropic_messages;
mod bedrock_converse;
mod frame;
mod google_gemini;
mod ollama_chat;
mod openai_chat;
mod openai_responses;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Recording;

/// A wire format of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    OpenaiChat,
    OpenaiResponses,
    AnthropicMessages,
    GoogleGemini,
    BedrockConverse,
    OllamaChat,
}

/// One answer. Its counts are always 11 tokens of prompt, 3 of them from a cache (Ollama tells of none), and 7 of answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speech {
    /// Empty for none; sealed with [`Speech::SEAL`] where the format has seals.
    pub thought: &'static str,
    /// Empty for none.
    pub text: &'static str,
    /// Names of tools, and their arguments as JSON.
    pub calls: &'static [(&'static str, &'static str)],
}

impl Speech {
    /// What only the provider can read, such as Anthropic's signature.
    pub const SEAL: &str = "RXFRQkNrWUlCQnNlYWw=";

    /// The id of a call, by its place.
    fn id(prefix: &str, index: usize) -> String {
        format!("{prefix}{index:04}")
    }

    /// The arguments of a call.
    fn input(arguments: &str) -> Value {
        serde_json::from_str(arguments).expect("arguments in JSON")
    }
}

impl Dialect {
    pub const ALL: [Self; 6] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::AnthropicMessages,
        Self::GoogleGemini,
        Self::BedrockConverse,
        Self::OllamaChat,
    ];

    /// The answer in one piece and as a stream.
    pub fn record(self, speech: &Speech) -> Recording {
        match self {
            Self::OpenaiChat => Recording::new(openai_chat::whole(speech), openai_chat::stream(speech)),
            Self::OpenaiResponses => Recording::new(openai_responses::whole(speech), openai_responses::stream(speech)),
            Self::AnthropicMessages => {
                Recording::new(anthropic_messages::whole(speech), anthropic_messages::stream(speech))
            }
            Self::GoogleGemini => Recording::new(google_gemini::whole(speech), google_gemini::stream(speech)),
            Self::BedrockConverse => Recording {
                stream_type: "application/vnd.amazon.eventstream",
                ..Recording::new(bedrock_converse::whole(speech), bedrock_converse::stream(speech))
            },
            Self::OllamaChat => Recording {
                stream_type: "application/x-ndjson",
                ..Recording::new(ollama_chat::whole(speech), ollama_chat::stream(speech))
            },
        }
    }
}

/// A text in the pieces that a stream brings: words, and halves of what has none.
fn cut(text: &str) -> Vec<&str> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    if words.len() != 1 {
        return words;
    }
    let middle = (0..=text.len() / 2).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (first, second) = text.split_at(middle);
    [first, second].into_iter().filter(|half| !half.is_empty()).collect()
}

/// Server-sent events named by their data's type.
fn typed_events(events: &[Value]) -> Bytes {
    let event = |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default());
    events.iter().map(event).collect::<String>().into()
}

/// Null for an empty text.
fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}
