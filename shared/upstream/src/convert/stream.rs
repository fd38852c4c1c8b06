//! Streams of every family, read into the same steps.

use std::borrow::Cow;

use llm_api_domain::{TokenUsage, WireFamily};
use llm_api_translate as translate;
use serde::Deserialize;

use super::bedrock;
use crate::{
    Auth, UpstreamError, sse,
    wire::{
        anthropic::{self, Delta},
        gemini,
        openai::{self, Chunk, CompletionError},
    },
};

/// What one event of a stream adds.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Never empty.
    pub text: Option<String>,
    /// In OpenAI's words.
    pub finish_reason: Option<String>,
    /// The totals so far, where this event told of any.
    pub usage: Option<TokenUsage>,
    /// Whether this event ends the stream.
    pub is_last: bool,
}

impl std::fmt::Debug for Step {
    /// Without the text: it is the user's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .field("finish_reason", &self.finish_reason)
            .field("usage", &self.usage)
            .field("is_last", &self.is_last)
            .finish()
    }
}

/// The model that a whole answer, or the first event of a stream, says it is of, in any family.
pub fn model_named_in(data: &[u8]) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        model: Option<String>,
        #[serde(rename = "modelVersion")]
        gemini: Option<String>,
        /// Of Anthropic's first event.
        message: Option<Inner>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        model: Option<String>,
    }
    let named: Named = serde_json::from_slice(data).ok()?;
    named.model.or(named.gemini).or_else(|| named.message?.model)
}

/// Reads the events of one stream.
#[derive(Debug)]
pub struct StreamReader {
    family: WireFamily,
    /// Anthropic tells of the prompt first and of the reply last.
    counted: anthropic::Usage,
    is_complete: bool,
    bedrock: translate::StreamReader,
}

impl StreamReader {
    pub fn new(family: WireFamily) -> Self {
        let bedrock = translate::StreamReader::new(translate::Format::BedrockConverse);
        Self { family, counted: anthropic::Usage::default(), is_complete: false, bedrock }
    }

    /// Reads one whole raw event. `auth` is what was sent with the request: its secret is taken out of errors.
    ///
    /// # Errors
    /// The provider's own error where the event is one; [`UpstreamError::BadResponse`] for one of another form.
    pub fn read(&mut self, event: &[u8], auth: Option<&Auth>) -> Result<Step, UpstreamError> {
        let Some(data) = sse::data(event) else { return Ok(Step::default()) };
        let step = match self.family {
            WireFamily::OpenaiChat | WireFamily::AzureOpenai => self.openai(&data),
            WireFamily::AnthropicMessages => self.anthropic(&data),
            WireFamily::GoogleGemini => self.gemini(&data),
            WireFamily::AmazonBedrock => self.bedrock(event, &data),
            WireFamily::Unsupported => Err(Unreadable::OtherForm),
        };
        step.map_err(|error| match error {
            Unreadable::Provider => UpstreamError::from_error_body(&data, auth.map(|auth| &auth.secret)),
            Unreadable::OtherForm => UpstreamError::bad("an event of the stream has another form than it should"),
            Unreadable::Known(error) => error,
        })
    }

    /// Whether the end of the body may come now. Without it the stream broke off, also where the body ended cleanly.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn openai(&mut self, data: &[u8]) -> Result<Step, Unreadable> {
        if openai::is_done(data) {
            self.is_complete = true;
            return Ok(Step { is_last: true, ..Step::default() });
        }
        let chunk = Chunk::parse(data).map_err(|_| Unreadable::OtherForm)?;
        if chunk.error {
            return Err(Unreadable::Provider);
        }
        Ok(Step {
            text: chunk.content.map(Cow::into_owned).filter(|text| !text.is_empty()),
            finish_reason: chunk.finish_reason.map(Cow::into_owned),
            usage: chunk.usage,
            is_last: false,
        })
    }

    fn anthropic(&mut self, data: &[u8]) -> Result<Step, Unreadable> {
        let event: anthropic::Event<'_> = serde_json::from_slice(data).map_err(|_| Unreadable::OtherForm)?;
        if event.error.is_some() {
            return Err(Unreadable::Provider);
        }
        let mut step = Step::default();
        match &*event.kind {
            "message_start" => {
                let started = event.message.and_then(|message| message.usage).map(anthropic::Usage::of_prompt);
                step.usage = started.map(|usage| self.count(usage));
            }
            "content_block_delta" => {
                step.text = event.delta.and_then(Delta::into_text).filter(|text| !text.is_empty());
            }
            "message_delta" => {
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                step.finish_reason = reason.map(|reason| anthropic::finish_reason(&reason).to_owned());
                step.usage = event.usage.map(|usage| self.count(usage));
            }
            "message_stop" => {
                self.is_complete = true;
                step.is_last = true;
            }
            // ping, content_block_start, content_block_stop, and what is new.
            _ => {}
        }
        Ok(step)
    }

    fn bedrock(&mut self, event: &[u8], data: &[u8]) -> Result<Step, Unreadable> {
        let events = self.bedrock.read(sse::name(event), data).map_err(|error| match error {
            translate::Unreadable::Provider => Unreadable::Provider,
            translate::Unreadable::OtherForm(_) | translate::Unreadable::Blocked(_) => Unreadable::OtherForm,
        })?;
        let mut step = Step::default();
        for event in events {
            bedrock::step(&mut step, event);
        }
        self.is_complete |= step.is_last;
        Ok(step)
    }

    fn count(&mut self, usage: anthropic::Usage) -> TokenUsage {
        self.counted = self.counted.updated(usage);
        self.counted.totals()
    }

    fn gemini(&mut self, data: &[u8]) -> Result<Step, Unreadable> {
        let answer = gemini::Answer::parse(data).map_err(|error| match error {
            CompletionError::Provider => Unreadable::Provider,
            CompletionError::NotJson | CompletionError::NoChoices => Unreadable::OtherForm,
        })?;
        if let Some(error) = answer.blocked() {
            return Err(Unreadable::Known(error));
        }
        let finish_reason = answer.finish_reason();
        self.is_complete |= finish_reason.is_some();
        Ok(Step {
            text: Some(answer.text()).filter(|text| !text.is_empty()),
            finish_reason: finish_reason.map(str::to_owned),
            usage: answer.usage(),
            is_last: false,
        })
    }
}

/// Why an event gives no step.
enum Unreadable {
    /// It is the provider's error.
    Provider,
    OtherForm,
    Known(UpstreamError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(family: WireFamily, event: &str, auth: Option<&Auth>) -> UpstreamError {
        StreamReader::new(family).read(event.as_bytes(), auth).expect_err("no step")
    }

    #[test]
    fn errors_in_a_stream_are_the_providers() {
        let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
        assert!(failed(WireFamily::AnthropicMessages, overloaded, None).is_overloaded());
        let limited = "data: {\"error\":{\"code\":429,\"message\":\"Slow\",\"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n";
        assert!(matches!(failed(WireFamily::GoogleGemini, limited, None), UpstreamError::RateLimited { .. }));
        let auth = Auth::key("Zq8rT2vWx4YzAb");
        let rejected = "data: {\"error\":{\"message\":\"Bad: Zq8rT2vWx4YzAb\",\"code\":\"invalid_api_key\"}}\n\n";
        for family in [WireFamily::OpenaiChat, WireFamily::AzureOpenai] {
            let error = failed(family, rejected, Some(&auth));
            assert!(!error.to_string().contains("Zq8r"), "{error}");
            assert!(matches!(error, UpstreamError::KeyRejected { .. }), "{error:?}");
        }
        let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n";
        assert!(matches!(failed(WireFamily::GoogleGemini, blocked, None), UpstreamError::Refused { .. }));
    }

    #[test]
    fn an_event_of_another_form_is_a_bad_answer() {
        for family in [WireFamily::OpenaiChat, WireFamily::AnthropicMessages, WireFamily::GoogleGemini] {
            for event in ["data: {\"cut\n\n", "data: <html>\n\n", "data: 7\n\n", "data\n\n"] {
                assert!(matches!(failed(family, event, None), UpstreamError::BadResponse { .. }), "{family:?} {event}");
            }
        }
    }

    #[test]
    fn each_family_says_which_model_answers() {
        for data in [
            r#"{"id":"c","model":"m-1","choices":[]}"#,
            r#"{"candidates":[],"modelVersion":"m-1"}"#,
            r#"{"type":"message_start","message":{"id":"a","model":"m-1","usage":{"input_tokens":3}}}"#,
        ] {
            assert_eq!(model_named_in(data.as_bytes()).as_deref(), Some("m-1"), "{data}");
        }
        for data in ["[DONE]", "{}", r#"{"model":null}"#, r#"{"message":"no object"}"#] {
            assert_eq!(model_named_in(data.as_bytes()), None, "{data}");
        }
    }

    #[test]
    fn a_comment_is_no_step() {
        for family in [WireFamily::OpenaiChat, WireFamily::AnthropicMessages, WireFamily::GoogleGemini] {
            let mut reader = StreamReader::new(family);
            assert_eq!(reader.read(b": beat\n\n", None), Ok(Step::default()));
            assert!(!reader.is_complete());
        }
    }
}
