//! Watches a stream that passes through, as closely as its token counts need and no closer.

use bytes::Bytes;
use llm_api_domain::TokenUsage;
use llm_api_translate::{Format, StreamWriter};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{anthropic, openai, responses};
use crate::sse;

/// What an event means for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing that matters here.
    Nothing,
    /// Counts so far. `only` where the event tells nothing else.
    Usage { usage: TokenUsage, only: bool },
    /// The reply is whole.
    Last { usage: Option<TokenUsage> },
    /// The end, and no reply before it.
    NoReply,
    /// The provider failed; the object that says how.
    Error(Vec<u8>),
}

/// Where a stream stands.
#[derive(Debug)]
pub struct PassingStream {
    format: Format,
    /// Anthropic tells of the prompt first and of the reply last.
    counted: anthropic::Usage,
    /// Of the Responses API: the response as it began, for the event that says it failed.
    begun: Option<Box<RawValue>>,
    events: u64,
}

impl PassingStream {
    pub fn new(format: Format) -> Self {
        Self { format, counted: anthropic::Usage::default(), begun: None, events: 0 }
    }

    /// Looks at one whole raw event; `data` is what [`sse::data`] gave of it.
    pub fn look(&mut self, event: &[u8], data: &[u8]) -> Seen {
        self.events += 1;
        let seen = match self.format {
            Format::AnthropicMessages => self.anthropic(event, data),
            // What ends a response holds all of it.
            Format::OpenaiResponses => return self.responses(event, data),
            // Nothing else passes through.
            Format::OpenaiChat | Format::GoogleGemini | Format::BedrockConverse | Format::OllamaChat => chat(data),
        };
        match seen {
            Seen::Last { .. } if self.events == 1 => Seen::NoReply,
            seen => seen,
        }
    }

    fn anthropic(&mut self, event: &[u8], data: &[u8]) -> Seen {
        let kind = kind(event, data);
        if !matches!(kind.as_deref(), Some("message_start" | "message_delta" | "message_stop" | "error")) {
            return Seen::Nothing;
        }
        // Their names say enough, whatever their data is.
        match kind.as_deref() {
            Some("message_stop") => return Seen::Last { usage: None },
            Some("error") => return Seen::Error(data.to_vec()),
            _ => {}
        }
        let Ok(event) = serde_json::from_slice::<anthropic::Event<'_>>(data) else { return Seen::Nothing };
        if event.error.is_some() {
            return Seen::Error(data.to_vec());
        }
        let usage = match &*event.kind {
            "message_start" => event.message.and_then(|message| message.usage).map(anthropic::Usage::of_prompt),
            "message_delta" => event.usage,
            _ => None,
        };
        let Some(usage) = usage else { return Seen::Nothing };
        self.counted = self.counted.updated(usage);
        Seen::Usage { usage: self.counted.totals(), only: false }
    }

    fn responses(&mut self, event: &[u8], data: &[u8]) -> Seen {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(borrow, default)]
            response: Option<&'a RawValue>,
        }
        let kind = kind(event, data);
        let response = || serde_json::from_slice::<Event<'_>>(data).ok()?.response;
        match kind.as_deref() {
            Some("response.created") => {
                self.begun = response().map(RawValue::to_owned);
                Seen::Nothing
            }
            Some("response.completed" | "response.incomplete") => {
                let response = response().map(RawValue::get);
                let response = response.and_then(|text| serde_json::from_str::<responses::Response<'_>>(text).ok());
                Seen::Last { usage: response.and_then(|response| response.usage).map(responses::Usage::totals) }
            }
            Some("response.failed") => {
                Seen::Error(response().map_or_else(|| data.to_vec(), |response| response.get().as_bytes().to_vec()))
            }
            Some("error") => Seen::Error(data.to_vec()),
            _ => Seen::Nothing,
        }
    }

    /// The last words of a stream that broke off, in its own grammar: an error, and nothing that looks complete.
    fn closing(self, error: &Value) -> Bytes {
        let text = match self.format {
            Format::AnthropicMessages => format!("event: error\ndata: {error}\n\n"),
            Format::OpenaiResponses => self.failed_response(error),
            Format::OpenaiChat | Format::GoogleGemini | Format::BedrockConverse | Format::OllamaChat => {
                format!("data: {}\n\n", serde_json::json!({ "error": error }))
            }
        };
        text.into()
    }

    fn failed_response(self, error: &Value) -> String {
        let begun =
            self.begun.as_deref().and_then(|begun| serde_json::from_str::<Map<String, Value>>(begun.get()).ok());
        let word = |name| error.get(name).cloned().unwrap_or_default();
        let Some(mut response) = begun else {
            let event = serde_json::json!({
                "type": "error", "code": word("code"), "message": word("message"), "param": word("param"),
                "sequence_number": self.events,
            });
            return format!("event: error\ndata: {event}\n\n");
        };
        response.insert("status".to_owned(), "failed".into());
        let reason = serde_json::json!({ "code": word("code"), "message": word("message") });
        response.insert("error".to_owned(), reason);
        let event =
            serde_json::json!({ "type": "response.failed", "sequence_number": self.events, "response": response });
        format!("event: response.failed\ndata: {event}\n\n")
    }
}

/// Chat completions have one kind of event.
fn chat(data: &[u8]) -> Seen {
    if openai::is_done(data) {
        return Seen::Last { usage: None };
    }
    if openai::is_error(data) {
        return Seen::Error(data.to_vec());
    }
    match openai::usage_of_chunk(data) {
        Some(usage) => Seen::Usage { usage, only: openai::is_usage_only(data) },
        None => Seen::Nothing,
    }
}

/// What kind of event it is: by its name where it has one.
fn kind<'a>(event: &'a [u8], data: &'a [u8]) -> Option<std::borrow::Cow<'a, str>> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    match sse::name(event) {
        Some(name) => Some(name.into()),
        None => serde_json::from_slice::<Typed<'a>>(data).ok().map(|typed| typed.kind),
    }
}

/// Who writes the last words of a stream that broke off.
#[derive(Debug)]
pub enum Closing {
    Passing(PassingStream),
    Translated(Box<StreamWriter>),
}

impl Closing {
    /// `error` is what the stream's format tells an error with: OpenAI's object, which stands under `error` in its bodies,
    /// or Anthropic's whole body.
    pub fn write(self, error: &Value) -> Bytes {
        match self {
            Self::Passing(stream) => stream.closing(error),
            Self::Translated(mut writer) => {
                let mut out = Vec::new();
                writer.fail(error, &mut out);
                out.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn look(stream: &mut PassingStream, event: &str) -> Seen {
        let data = sse::data(event.as_bytes()).expect("data").into_owned();
        stream.look(event.as_bytes(), &data)
    }

    #[test]
    fn anthropics_counts_are_put_together() {
        let mut stream = PassingStream::new(Format::AnthropicMessages);
        let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
        assert!(
            matches!(look(&mut stream, start), Seen::Usage { usage, only: false } if usage.prompt_tokens == Some(9))
        );
        let text = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"message_stop\"}}\n\n";
        assert_eq!(look(&mut stream, text), Seen::Nothing);
        let delta = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n";
        assert!(matches!(look(&mut stream, delta), Seen::Usage { usage, .. } if usage.total_tokens == Some(14)));
        let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        assert_eq!(look(&mut stream, stop), Seen::Last { usage: None });
        let failed = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        assert!(matches!(look(&mut stream, failed), Seen::Error(_)));
    }

    #[test]
    fn an_end_with_nothing_before_it_ends_no_reply() {
        for (format, end) in [
            (Format::OpenaiChat, "data: [DONE]\n\n"),
            (Format::AnthropicMessages, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        ] {
            assert_eq!(look(&mut PassingStream::new(format), end), Seen::NoReply);
        }
    }

    #[test]
    fn a_response_that_broke_off_is_told_as_failed() {
        let mut stream = PassingStream::new(Format::OpenaiResponses);
        let created = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"output\":[]}}\n\n";
        assert_eq!(look(&mut stream, created), Seen::Nothing);
        let last = Closing::Passing(stream).write(&json!({ "message": "gone", "code": "upstream_interrupted" }));
        let data: Value = serde_json::from_slice(&sse::data(&last).expect("data")).expect("JSON");
        assert_eq!(data["type"], "response.failed");
        assert_eq!(data["sequence_number"], 1);
        assert_eq!(data["response"]["id"], "resp_1");
        assert_eq!(data["response"]["status"], "failed");
        assert_eq!(data["response"]["error"]["message"], "gone");
    }

    #[test]
    fn a_response_ends_with_its_counts() {
        let mut stream = PassingStream::new(Format::OpenaiResponses);
        let done = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":4,\"total_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":2}}}}\n\n";
        let Seen::Last { usage: Some(usage) } = look(&mut stream, done) else { panic!("no end") };
        assert_eq!((usage.total_tokens, usage.cached_tokens), (Some(7), Some(2)));
        let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n";
        let Seen::Error(object) = look(&mut stream, failed) else { panic!("no error") };
        assert!(String::from_utf8(object).expect("text").starts_with("{\"error\""));
    }
}
