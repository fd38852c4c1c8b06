//! Whole replies of every format, read into the little that our own API tells of them.

use std::fmt;

use llm_api_domain::TokenUsage;
use llm_api_translate::{Finish, Format, Part, Usage, read_reply};
use secrecy::SecretString;

use crate::UpstreamError;

/// What matters of a reply that came whole.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The reply's text without its thoughts; empty where it has none, as with tool calls.
    pub text: String,
    /// In OpenAI's words.
    pub finish_reason: Option<String>,
    pub usage: TokenUsage,
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
}

impl fmt::Debug for Completion {
    /// Without the text: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("text_bytes", &self.text.len())
            .field("finish_reason", &self.finish_reason)
            .field("usage", &self.usage)
            .field("model", &self.model)
            .finish()
    }
}

impl Completion {
    /// Reads an answer. `secret` is what was sent with the request: it is taken out of errors.
    ///
    /// # Errors
    /// The provider's own error where the body is one; [`UpstreamError::BadResponse`] for one of another form.
    pub fn read(format: Format, body: &[u8], secret: Option<&SecretString>) -> Result<Self, UpstreamError> {
        let reply = read_reply(format, body).map_err(|error| UpstreamError::unreadable(error, body, secret))?;
        let texts = reply.parts.into_iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.text),
            _ => None,
        });
        Ok(Self {
            text: texts.collect(),
            finish_reason: Some(finish_reason(&reply.finish).to_owned()),
            usage: totals(&reply.usage),
            model: reply.model,
        })
    }
}

/// Neutral counts as we keep them.
pub fn totals(usage: &Usage) -> TokenUsage {
    TokenUsage {
        prompt_tokens: usage.input,
        completion_tokens: usage.output,
        total_tokens: usage.sum(),
        cached_tokens: usage.cache_read,
        reasoning_tokens: usage.reasoning,
    }
}

/// In OpenAI's words.
pub(super) fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Length | Finish::ContextLength => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter | Finish::Refusal => "content_filter",
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause | Finish::Malformed(_) => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, body: &str) -> Result<Completion, UpstreamError> {
        Completion::read(format, body.as_bytes(), None)
    }

    #[test]
    fn every_format_gives_the_same() {
        let chat = r#"{"id":"x","model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"Zür\u0069ch\n"},
            "finish_reason":"length"}],"usage":{"prompt_tokens":113,"completion_tokens":7.0,"total_tokens":120,
            "prompt_tokens_details":{"cached_tokens":100}}}"#;
        let messages = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m-1","content":[
            {"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"Zür"},{"type":"text","text":"ich\n"}],
            "stop_reason":"max_tokens","stop_sequence":null,"usage":{"input_tokens":11,"cache_creation_input_tokens":2,
            "cache_read_input_tokens":100,"output_tokens":7}}"#;
        let gemini = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"Zür"},{"text":"ich\n"}],
            "role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":113,"candidatesTokenCount":7,
            "cachedContentTokenCount":100,"totalTokenCount":120},"modelVersion":"m-1"}"#;
        let formats =
            [(Format::OpenaiChat, chat), (Format::AnthropicMessages, messages), (Format::GoogleGemini, gemini)];
        for (format, body) in formats {
            let completion = read(format, body).expect("a reply");
            assert_eq!((completion.text.as_str(), completion.finish_reason.as_deref()), ("Zürich\n", Some("length")));
            assert_eq!(completion.model.as_deref(), Some("m-1"));
            let usage = completion.usage;
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(113), Some(7)), "{format:?}");
            assert_eq!((usage.total_tokens, usage.cached_tokens), (Some(120), Some(100)), "{format:?}");
            assert!(!format!("{completion:?}").contains("rich"));
        }
    }

    #[test]
    fn counts_that_were_not_given_stay_unknown() {
        let body =
            r#"{"choices":[{"message":{"content":null,"tool_calls":[]},"finish_reason":"tool_calls"}],"error":null}"#;
        let completion = read(Format::OpenaiChat, body).expect("a reply");
        assert_eq!((completion.text.as_str(), completion.usage), ("", TokenUsage::default()));
    }

    #[test]
    fn what_is_no_reply_is_told_apart() {
        for format in [Format::OpenaiChat, Format::AnthropicMessages, Format::GoogleGemini, Format::BedrockConverse] {
            for body in ["", "<html>", "7", "{}", "{\"choices\":[{\"message\"", "[]"] {
                let error = read(format, body).expect_err("no reply");
                let is_bad = matches!(error, UpstreamError::BadResponse { .. });
                assert!(is_bad || body == "[]", "{format:?} {body}: {error:?}");
            }
        }
        let overloaded = r#"{"error":{"code":503,"message":"Overloaded","type":"overloaded_error"}}"#;
        for format in [Format::OpenaiChat, Format::AnthropicMessages, Format::GoogleGemini] {
            let error = read(format, overloaded).expect_err("an error");
            assert!(!matches!(error, UpstreamError::BadResponse { .. }), "{format:?}: {error:?}");
        }
        let blocked =
            r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4}}"#;
        let error = read(Format::GoogleGemini, blocked).expect_err("blocked");
        assert!(matches!(&error, UpstreamError::Refused { status: 400, .. }), "{error:?}");
    }
}
