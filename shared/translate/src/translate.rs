//! The one list of formats and what each can do.

use serde_json::Value;

use crate::{
    Event, Format, Losses, Malformed, Reply, Request, Unreadable, Unsupported, anthropic_messages, bedrock_converse,
    google_gemini, ollama_chat, openai_chat, openai_responses,
    unsaid::{self, Unsaid, Written},
};

/// What we call the reply to its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Letters and digits, without a prefix: each format adds its own.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The model, by the name that the caller is to read.
    pub model: String,
}

/// Reads a caller's request. `body` is a JSON object.
pub fn read_request(format: Format, body: &[u8]) -> Result<Request, Malformed> {
    match format {
        Format::OpenaiChat => openai_chat::read_request(body),
        Format::OpenaiResponses => openai_responses::read_request(body),
        Format::AnthropicMessages => anthropic_messages::read_request(body),
        Format::GoogleGemini | Format::BedrockConverse | Format::OllamaChat => {
            Err(Malformed { param: None, message: format!("Requests in {format} are not taken.") })
        }
    }
}

/// The body for a provider. `model` is its name for the model; where the format has that in the address it is not in the
/// body.
pub fn write_request(
    format: Format,
    mut request: Request,
    model: &str,
    losses: &mut Losses,
) -> Result<Value, Unsupported> {
    openai_chat::forget_older_calls(&mut request);
    // Where the format is the same the body passes as it came.
    if request.origin != format {
        request.left_out.iter().for_each(|path| losses.hint(path));
    }
    match format {
        Format::OpenaiChat => openai_chat::write_request(request, model, losses),
        Format::OpenaiResponses => openai_responses::write_request(request, model, losses),
        Format::AnthropicMessages => anthropic_messages::write_request(request, model, losses),
        Format::GoogleGemini => google_gemini::write_request(request, model, losses),
        Format::BedrockConverse => bedrock_converse::write_request(request, model, losses),
        Format::OllamaChat => ollama_chat::write_request(request, model, losses),
    }
}

/// Reads a provider's whole reply.
pub fn read_reply(format: Format, body: &[u8]) -> Result<Reply, Unreadable> {
    match format {
        Format::OpenaiChat => openai_chat::read_reply(body),
        Format::OpenaiResponses => openai_responses::read_reply(body),
        Format::AnthropicMessages => anthropic_messages::read_reply(body),
        Format::GoogleGemini => google_gemini::read_reply(body),
        Format::BedrockConverse => bedrock_converse::read_reply(body),
        Format::OllamaChat => ollama_chat::read_reply(body),
    }
}

/// The whole reply for a caller; nothing in a format that no caller speaks.
pub fn write_reply(format: Format, reply: Reply, request: &Request, stamp: &Stamp) -> Written {
    let dropped = unsaid::unsaid(format, &reply, request);
    let body = match format {
        Format::OpenaiChat => openai_chat::write_reply(reply, request, stamp),
        Format::OpenaiResponses => openai_responses::write_reply(reply, request, stamp),
        Format::AnthropicMessages => anthropic_messages::write_reply(reply, stamp),
        Format::GoogleGemini | Format::BedrockConverse | Format::OllamaChat => Value::Null,
    };
    Written { body, dropped }
}

/// Reads a provider's stream, one event after the other.
#[derive(Debug)]
pub struct StreamReader(ReaderOf);

#[derive(Debug)]
enum ReaderOf {
    OpenaiChat(openai_chat::StreamReader),
    OpenaiResponses(openai_responses::StreamReader),
    AnthropicMessages(anthropic_messages::StreamReader),
    GoogleGemini(google_gemini::StreamReader),
    BedrockConverse(bedrock_converse::StreamReader),
    OllamaChat(ollama_chat::StreamReader),
}

impl StreamReader {
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::OpenaiChat => ReaderOf::OpenaiChat(openai_chat::StreamReader::default()),
            Format::OpenaiResponses => ReaderOf::OpenaiResponses(openai_responses::StreamReader::default()),
            Format::AnthropicMessages => ReaderOf::AnthropicMessages(anthropic_messages::StreamReader::default()),
            Format::GoogleGemini => ReaderOf::GoogleGemini(google_gemini::StreamReader::default()),
            Format::BedrockConverse => ReaderOf::BedrockConverse(bedrock_converse::StreamReader::default()),
            Format::OllamaChat => ReaderOf::OllamaChat(ollama_chat::StreamReader::default()),
        })
    }

    /// What one event brings. `name` is the event's type where the framing has one: that of SSE's `event:`, or
    /// `:event-type` of Amazon's event streams.
    pub fn read(&mut self, name: Option<&str>, data: &[u8]) -> Result<Vec<Event>, Unreadable> {
        match &mut self.0 {
            ReaderOf::OpenaiChat(reader) => reader.read(data),
            ReaderOf::OpenaiResponses(reader) => reader.read(data),
            ReaderOf::AnthropicMessages(reader) => reader.read(data),
            ReaderOf::GoogleGemini(reader) => reader.read(data),
            ReaderOf::BedrockConverse(reader) => reader.read(name, data),
            ReaderOf::OllamaChat(reader) => reader.read(data),
        }
    }

    /// The body ended: what that completes. Some formats have no last event; their reply is complete when a reason to
    /// finish has come. An empty list where the stream broke off.
    pub fn finish(&mut self) -> Vec<Event> {
        match &mut self.0 {
            ReaderOf::GoogleGemini(reader) => reader.finish(),
            ReaderOf::BedrockConverse(reader) => reader.finish(),
            ReaderOf::OpenaiChat(_)
            | ReaderOf::OpenaiResponses(_)
            | ReaderOf::AnthropicMessages(_)
            | ReaderOf::OllamaChat(_) => Vec::new(),
        }
    }
}

/// What a comment line in a stream begins with that names a part which is left out.
pub const DROPPED_COMMENT: &str = ": x-llm-api-dropped: ";

/// Writes a stream for a caller, as bytes of `text/event-stream`. What the caller's format has no place for is left out
/// and named in a comment line in its place: the headers are sent by then, and clients pass comments over.
#[derive(Debug)]
pub struct StreamWriter {
    writer: WriterOf,
    unsaid: Unsaid,
}

#[derive(Debug)]
enum WriterOf {
    OpenaiChat(Box<openai_chat::StreamWriter>),
    OpenaiResponses(Box<openai_responses::StreamWriter>),
    AnthropicMessages(anthropic_messages::StreamWriter),
}

impl StreamWriter {
    /// `None` for a format that no caller speaks.
    pub fn new(format: Format, request: &Request, stamp: Stamp) -> Option<Self> {
        let unsaid = Unsaid::new(format, request);
        let writer = match format {
            Format::OpenaiChat => WriterOf::OpenaiChat(Box::new(openai_chat::StreamWriter::new(request, stamp))),
            Format::OpenaiResponses => {
                WriterOf::OpenaiResponses(Box::new(openai_responses::StreamWriter::new(request, stamp)))
            }
            Format::AnthropicMessages => {
                WriterOf::AnthropicMessages(anthropic_messages::StreamWriter::new(request, stamp))
            }
            Format::GoogleGemini | Format::BedrockConverse | Format::OllamaChat => return None,
        };
        Some(Self { writer, unsaid })
    }

    /// Appends what the caller reads of one event. After [`Event::End`] the stream is complete.
    pub fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        for name in self.unsaid.event(&event) {
            for piece in [DROPPED_COMMENT, name, "\n\n"] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
        match &mut self.writer {
            WriterOf::OpenaiChat(writer) => writer.write(event, out),
            WriterOf::OpenaiResponses(writer) => writer.write(event, out),
            WriterOf::AnthropicMessages(writer) => writer.write(event, out),
        }
    }

    /// Appends the last words of a stream that broke off: an error in the caller's format, and nothing that looks
    /// complete. `error` is what the format tells an error with: OpenAI's object, or Anthropic's whole error body.
    pub fn fail(&mut self, error: &Value, out: &mut Vec<u8>) {
        match &mut self.writer {
            WriterOf::OpenaiChat(writer) => writer.fail(error, out),
            WriterOf::OpenaiResponses(writer) => writer.fail(error, out),
            WriterOf::AnthropicMessages(writer) => writer.fail(error, out),
        }
    }
}
