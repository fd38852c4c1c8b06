use std::{borrow::Cow, fmt};

use llm_api_domain::TokenUsage;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{content_text, string, usage};

/// What matters of a completion that came whole.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The first choice's text; empty where it has none, as with tool calls.
    pub text: String,
    pub finish_reason: Option<String>,
    pub usage: Option<TokenUsage>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompletionError {
    #[error("it is not valid JSON")]
    NotJson,
    #[error("it is no chat completion")]
    NoChoices,
    /// `UpstreamError::from_error_body` reads it.
    #[error("it is an error")]
    Provider,
}

impl CompletionError {
    /// JSON of another form, or none.
    pub(crate) fn of(error: &serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::NoChoices,
            _ => Self::NotJson,
        }
    }
}

/// What must be known of a completion that passes through: that it is one, and its counts. Reads the text once.
#[derive(Debug)]
pub struct Outline<'a> {
    choices: &'a RawValue,
    pub usage: Option<TokenUsage>,
    model: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

impl<'a> Outline<'a> {
    /// The model that answered, in the provider's words.
    pub fn model(&self) -> Option<String> {
        self.model.and_then(string).map(Cow::into_owned)
    }

    pub fn parse(body: &'a [u8]) -> Result<Self, CompletionError> {
        let raw: Raw<'a> = serde_json::from_slice(body).map_err(|error| CompletionError::of(&error))?;
        if raw.error.is_some() {
            return Err(CompletionError::Provider);
        }
        let is_filled = |choices: &&RawValue| {
            choices.get().strip_prefix('[').is_some_and(|items| items.trim_ascii_start().starts_with('{'))
        };
        let choices = raw.choices.filter(is_filled).ok_or(CompletionError::NoChoices)?;
        Ok(Self { choices, usage: raw.usage.and_then(usage::parse), model: raw.model })
    }
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl Completion {
    pub fn parse(body: &[u8]) -> Result<Self, CompletionError> {
        let outline = Outline::parse(body)?;
        let choices: Vec<Choice<'_>> =
            serde_json::from_str(outline.choices.get()).map_err(|_| CompletionError::NoChoices)?;
        let first = choices.first().ok_or(CompletionError::NoChoices)?;
        let content = first.message.as_ref().and_then(|message| message.content);
        Ok(Self {
            text: content.and_then(content_text).map(Cow::into_owned).unwrap_or_default(),
            finish_reason: first.finish_reason.and_then(string).map(Cow::into_owned),
            usage: outline.usage,
            model: outline.model(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_read() {
        let body = r#"{"id":"x","model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant","content":"Zürich \u00e4 \"x\""},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7.0,"total_tokens":18}}"#;
        let completion = Completion::parse(body.as_bytes()).expect("a completion");
        assert_eq!(completion.text, "Zürich ä \"x\"");
        assert_eq!(completion.finish_reason.as_deref(), Some("stop"));
        assert_eq!(completion.model.as_deref(), Some("gpt-4o-2024"));
        let usage = completion.usage.expect("counts");
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (Some(11), Some(7), Some(18)));
        assert!(!format!("{completion:?}").contains("rich"));
        let parts = br#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}"#;
        assert_eq!(Completion::parse(parts).expect("a completion").text, "ab");
        let tools =
            br#"{"choices":[{"message":{"content":null,"tool_calls":[]},"finish_reason":"tool_calls"}],"error":null}"#;
        let tools = Completion::parse(tools).expect("a completion");
        assert_eq!((tools.text.as_str(), tools.finish_reason.as_deref()), ("", Some("tool_calls")));
    }

    #[test]
    fn what_is_no_completion_is_told_apart() {
        for (body, error) in [
            ("", CompletionError::NotJson),
            ("<html>", CompletionError::NotJson),
            (r#"{"choices":[{"message""#, CompletionError::NotJson),
            (r#"{"choices":[]} trailing"#, CompletionError::NotJson),
            ("7", CompletionError::NoChoices),
            ("{}", CompletionError::NoChoices),
            (r#"{"choices":[]}"#, CompletionError::NoChoices),
            (r#"{"choices":"x"}"#, CompletionError::NoChoices),
            (r#"{"error":{"message":"x"}}"#, CompletionError::Provider),
        ] {
            assert_eq!(Completion::parse(body.as_bytes()), Err(error), "{body}");
        }
    }
}
