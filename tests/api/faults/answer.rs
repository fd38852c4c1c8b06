//! One question of the matrix, the answers that its provider can give, and what is to come of them.

use serde_json::{Value, json};

use super::{
    upstream::{End, Script},
    wire::{Event, PIECES, Wire},
};
use crate::compatible::Caller;

/// Which provider is asked, and by which of its interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Chat,
    Responses,
    Anthropic,
    Google,
    Azure,
    Bedrock,
    Ollama,
}

impl Family {
    pub(super) const ALL: [Self; 7] =
        [Self::Chat, Self::Responses, Self::Anthropic, Self::Google, Self::Azure, Self::Bedrock, Self::Ollama];

    /// Whom a caller names to get there: OpenAI answers callers of the Responses API by it.
    const fn model(self, caller: Caller) -> &'static str {
        match (self, caller) {
            (Self::Chat, Caller::Responses) => "groq:m",
            (Self::Chat, _) => "openai:m",
            (Self::Responses, _) => "openai:codex-m",
            (Self::Anthropic, _) => "anthropic:m",
            (Self::Google, _) => "google:m",
            (Self::Azure, _) => "azure:m",
            (Self::Bedrock, _) => "bedrock:m",
            (Self::Ollama, _) => "local:m",
        }
    }
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) caller: Caller,
    pub(super) family: Family,
    pub(super) streamed: bool,
}

impl Case {
    pub(super) fn all() -> Vec<Self> {
        let cases = Family::ALL.into_iter().flat_map(|family| {
            let callers = Caller::ALL.into_iter();
            callers.flat_map(move |caller| [false, true].map(|streamed| Self { caller, family, streamed }))
        });
        cases.collect()
    }

    pub(super) const fn wire(self) -> Wire {
        match self.family {
            Family::Chat | Family::Azure => Wire::Chat,
            Family::Responses => Wire::Responses,
            Family::Anthropic => Wire::Messages,
            Family::Google => Wire::Gemini,
            Family::Bedrock => Wire::Converse,
            Family::Ollama => Wire::Ollama,
        }
    }

    /// Whether the provider's bytes reach the caller as they are.
    pub(super) const fn passes(self) -> bool {
        matches!(
            (self.caller, self.wire()),
            (Caller::Chat, Wire::Chat) | (Caller::Responses, Wire::Responses) | (Caller::Messages, Wire::Messages)
        )
    }

    pub(super) fn body(self) -> Value {
        let mut body = self.caller.hello(self.family.model(self.caller));
        body["stream"] = self.streamed.into();
        if self.family == Family::Ollama {
            // With a member of its own it is asked by its own interface.
            body["keep_alive"] = "5m".into();
        }
        body
    }

    pub(super) fn good(self) -> Answer {
        if self.streamed { self.stream(&self.wire().events()) } else { self.json(&self.wire().whole()) }
    }

    pub(super) fn json(self, value: &Value) -> Answer {
        self.plain(value.to_string())
    }

    /// An answer in one piece.
    pub(super) fn plain(self, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status: "200 OK", headers: vec![self.plain_type()], coding: Coding::Length, body: vec![body.into()] }
    }

    pub(super) fn stream(self, events: &[Event]) -> Answer {
        self.pieces(self.wire().framed(events, "\n"))
    }

    /// A stream of these bytes.
    pub(super) fn pieces(self, body: Vec<Vec<u8>>) -> Answer {
        Answer { status: "200 OK", headers: vec![self.stream_type()], coding: Coding::Chunked, body }
    }

    fn plain_type(self) -> String {
        format!("content-type: {}", self.wire().plain_type())
    }

    fn stream_type(self) -> String {
        format!("content-type: {}", self.wire().stream_type())
    }

    /// The good answer with other bytes in place of these, wherever they stand.
    pub(super) fn with(self, from: &str, to: &[u8]) -> Answer {
        if !self.streamed {
            return self.plain(replaced(self.wire().whole().to_string().as_bytes(), from.as_bytes(), to));
        }
        self.map(|data| replaced(data, from.as_bytes(), to))
    }

    /// The stream with every event's data changed.
    pub(super) fn map(self, change: impl Fn(&[u8]) -> Vec<u8>) -> Answer {
        let mut events = self.wire().events();
        for event in &mut events {
            event.data = change(&event.data);
        }
        self.stream(&events)
    }

    /// The stream with one event more behind the first piece of text.
    pub(super) fn inserting(self, event: Event) -> Answer {
        let mut events = self.wire().events();
        events.insert(self.middle(), event);
        self.stream(&events)
    }

    /// The place behind the first piece of text.
    pub(super) fn middle(self) -> usize {
        let has_text = |event: &Event| String::from_utf8_lossy(&event.data).contains(PIECES[0].trim());
        self.wire().events().iter().position(has_text).expect("a text") + 1
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Length,
    Chunked,
    /// By the end of the connection.
    Open,
}

/// An answer before it is bytes.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) headers: Vec<String>,
    pub(super) coding: Coding,
    pub(super) body: Vec<Vec<u8>>,
}

impl Answer {
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for header in &self.headers {
            head += header;
            head += "\r\n";
        }
        match self.coding {
            Coding::Length => {
                let length: usize = self.body.iter().map(Vec::len).sum();
                head += "content-length: ";
                head += &length.to_string();
                head += "\r\n";
            }
            Coding::Chunked => head += "transfer-encoding: chunked\r\n",
            Coding::Open => {}
        }
        head += "connection: close\r\n\r\n";
        head.into()
    }

    /// The body as it travels.
    pub(super) fn encoded(&self) -> Vec<u8> {
        if self.coding != Coding::Chunked {
            return self.body.concat();
        }
        let mut bytes: Vec<u8> = self.body.iter().flat_map(|piece| chunk(piece)).collect();
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.encoded()].concat()
    }

    /// Given whole; the caller closes.
    pub(super) fn script(&self) -> Script {
        let end = if self.coding == Coding::Open { End::Close } else { End::Hold };
        Script::new(self.bytes(), end)
    }

    /// Given up to `at` of `of` parts of the body.
    pub(super) fn cut(&self, at: usize, of: usize, end: End) -> Script {
        let body = self.encoded();
        let length = body.len() * at / of;
        Script::new([self.head(), body[..length].to_vec()].concat(), end)
    }

    pub(super) fn with_status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    pub(super) fn with_header(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    /// With these headers alone.
    pub(super) fn with_headers(mut self, headers: &[&str]) -> Self {
        self.headers = headers.iter().map(ToString::to_string).collect();
        self
    }

    pub(super) const fn with_coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }
}

pub(super) fn chunk(piece: &[u8]) -> Vec<u8> {
    if piece.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

pub(super) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

pub(super) const UNREACHABLE: &str = "upstream_unreachable";
pub(super) const BAD: &str = "upstream_bad_response";
pub(super) const INTERRUPTED: &str = "upstream_interrupted";
pub(super) const FAILED: &str = "upstream_error";
pub(super) const LATE: &str = "upstream_timeout";
pub(super) const REFUSED: &str = "provider_refused_request";

/// What the caller is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The good answer's text.
    Text,
    /// A reply that is whole, whatever it says.
    Whole,
    /// A reply that is whole, with bytes of the provider's that are not to be read here.
    Bytes,
    /// No reply: a status and, in the usage row, a code.
    Refused(u16, &'static str),
    /// A stream that ends with an error; the code in the usage row.
    Broken(&'static str),
    /// A reply that is whole, or this.
    WholeOr(Box<Expected>),
}

impl Expected {
    /// An error before anything was sent.
    pub(super) fn early(code: &'static str) -> Self {
        let status = match code {
            LATE => 504,
            "upstream_rate_limited" | "insufficient_quota" => 429,
            "provider_key_rejected" => 424,
            REFUSED => 400,
            _ => 502,
        };
        Self::Refused(status, code)
    }

    /// An error that shows in the body.
    pub(super) fn late(case: Case, code: &'static str) -> Self {
        if case.streamed { Self::Broken(code) } else { Self::early(code) }
    }

    /// One that shows only where the answer is read: what passes through arrives as it is.
    pub(super) fn where_read(case: Case, code: &'static str) -> Self {
        if case.passes() && case.streamed { Self::Bytes } else { Self::late(case, code) }
    }

    pub(super) fn or_whole(self) -> Self {
        Self::WholeOr(Box::new(self))
    }

    /// Whether a connection that breaks behind the last event matters.
    pub(super) fn unless_over(case: Case, code: &'static str) -> Self {
        if case.streamed && case.wire().has_last_event() { Self::Text } else { Self::late(case, code) }
    }
}

/// Where keys go for each provider that is asked here, as requests to store them.
pub(super) fn credentials(origin: &str) -> Vec<Value> {
    let key = |provider: &str| json!({ "provider": provider, "api_key": "sk-live-Zq8rT2vWx4YzAb19" });
    let mut azure = key("azure");
    azure["credential_type"] = "endpoint_key".into();
    azure["endpoint"] = origin.into();
    let secret =
        json!({ "region": "us-east-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "Zq8rT2vWx4YzAb19" });
    let bedrock = json!({ "provider": "bedrock", "api_key": secret.to_string(), "endpoint": origin });
    vec![key("openai"), key("groq"), key("anthropic"), key("google"), azure, bedrock]
}
