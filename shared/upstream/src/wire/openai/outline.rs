use std::borrow::Cow;

use llm_api_domain::TokenUsage;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{string, usage};

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
        raw.choices.filter(is_filled).ok_or(CompletionError::NoChoices)?;
        Ok(Self { usage: raw.usage.and_then(usage::parse), model: raw.model })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_are_looked_at() {
        let body = r#"{"id":"x","model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant","content":"Zürich"},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7.0,"total_tokens":18},"error":null}"#;
        let outline = Outline::parse(body.as_bytes()).expect("a completion");
        assert_eq!(outline.model().as_deref(), Some("gpt-4o-2024"));
        let usage = outline.usage.expect("counts");
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (Some(11), Some(7), Some(18)));
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
            assert_eq!(Outline::parse(body.as_bytes()).map(|_| ()), Err(error), "{body}");
        }
    }
}
