//! Streams of every format, read into the same steps.

use llm_api_domain::TokenUsage;
use llm_api_translate::{self as translate, Event, Format, Usage};
use serde::Deserialize;

use super::completion::{finish_reason, totals};
use crate::{Auth, UpstreamError, sse};

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
    reader: translate::StreamReader,
    usage: Usage,
    has_begun: bool,
}

impl StreamReader {
    pub fn new(format: Format) -> Self {
        Self { reader: translate::StreamReader::new(format), usage: Usage::default(), has_begun: false }
    }

    /// Reads one whole raw event. `auth` is what was sent with the request: its secret is taken out of errors.
    ///
    /// # Errors
    /// The provider's own error where the event is one; [`UpstreamError::BadResponse`] for one of another form.
    pub fn read(&mut self, event: &[u8], auth: Option<&Auth>) -> Result<Step, UpstreamError> {
        let Some(data) = sse::data(event) else { return Ok(Step::default()) };
        let events = self
            .reader
            .read(sse::name(event), &data)
            .map_err(|error| UpstreamError::unreadable(error, &data, auth.map(|auth| &auth.secret)))?;
        let step = self.step(events);
        if step.is_last && !self.has_begun {
            return Err(UpstreamError::bad("its stream has an end and nothing before it"));
        }
        Ok(step)
    }

    /// The body ended: the last step, where that is how a reply ends. Without one the stream broke off, also where the
    /// body ended cleanly.
    pub fn end(&mut self) -> Option<Step> {
        let events = self.reader.finish();
        let step = self.step(events);
        step.is_last.then_some(step)
    }

    fn step(&mut self, events: Vec<Event>) -> Step {
        let mut step = Step::default();
        for event in events {
            match event {
                Event::Start { .. } => self.has_begun = true,
                Event::Text(text) if text.is_empty() => {}
                Event::Text(text) => step.text.get_or_insert_default().push_str(&text),
                Event::Usage(usage) => {
                    self.usage = std::mem::take(&mut self.usage).updated(&usage);
                    step.usage = Some(totals(&self.usage));
                }
                Event::Finish(finish) => step.finish_reason = Some(finish_reason(&finish).to_owned()),
                Event::End => step.is_last = true,
                // Thoughts, calls, sources: our own API tells the text alone.
                _ => {}
            }
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(format: Format, event: &str, auth: Option<&Auth>) -> UpstreamError {
        StreamReader::new(format).read(event.as_bytes(), auth).expect_err("no step")
    }

    #[test]
    fn errors_in_a_stream_are_the_providers() {
        let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
        assert!(failed(Format::AnthropicMessages, overloaded, None).is_overloaded());
        let limited = "data: {\"error\":{\"code\":429,\"message\":\"Slow\",\"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n";
        assert!(matches!(failed(Format::GoogleGemini, limited, None), UpstreamError::RateLimited { .. }));
        let auth = Auth::key("Zq8rT2vWx4YzAb");
        let rejected = "data: {\"error\":{\"message\":\"Bad: Zq8rT2vWx4YzAb\",\"code\":\"invalid_api_key\"}}\n\n";
        for format in [Format::OpenaiChat, Format::OpenaiResponses] {
            let error = failed(format, rejected, Some(&auth));
            assert!(!error.to_string().contains("Zq8r"), "{error}");
            assert!(matches!(error, UpstreamError::KeyRejected { .. }), "{error:?}");
        }
        let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n";
        assert!(matches!(failed(Format::GoogleGemini, blocked, None), UpstreamError::Refused { .. }));
    }

    #[test]
    fn an_event_of_another_form_is_a_bad_answer() {
        for format in [Format::OpenaiChat, Format::AnthropicMessages, Format::GoogleGemini] {
            for event in ["data: {\"cut\n\n", "data: <html>\n\n", "data: 7\n\n"] {
                assert!(matches!(failed(format, event, None), UpstreamError::BadResponse { .. }), "{format:?} {event}");
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
        for format in [Format::OpenaiChat, Format::AnthropicMessages, Format::GoogleGemini] {
            let mut reader = StreamReader::new(format);
            assert_eq!(reader.read(b": beat\n\n", None), Ok(Step::default()));
            assert_eq!(reader.end(), None);
        }
    }
}
