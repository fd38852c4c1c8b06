//! Anthropic Messages: what is read of replies that pass through.

use std::borrow::Cow;

use llm_api_domain::TokenUsage;
use serde::{Deserialize, de::IgnoredAny};

use super::openai::{CompletionError, Count};

/// One event of a streamed message. Members that its kind does not have stay empty.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    pub(crate) kind: Cow<'a, str>,
    /// Of `message_start`.
    #[serde(default)]
    pub(crate) message: Option<Start>,
    /// Of `message_delta`: totals, not additions.
    #[serde(default)]
    pub(crate) usage: Option<Usage>,
    #[serde(default)]
    pub(crate) error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(crate) struct Start {
    #[serde(default)]
    pub(crate) usage: Option<Usage>,
}

/// The part of the prompt that the cache wrote or read is counted beside the rest.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    #[serde(rename = "input_tokens")]
    fresh: Count,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_written: Count,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Count,
    #[serde(rename = "output_tokens")]
    output: Count,
}

impl Usage {
    /// What a stream's start tells: of the reply nothing is counted yet.
    pub(crate) fn of_prompt(self) -> Self {
        Self { output: Count(None), ..self }
    }

    /// With the newer counts where there are some.
    pub(crate) fn updated(self, newer: Self) -> Self {
        let or = |newer: Count, older: Count| Count(newer.0.or(older.0));
        Self {
            fresh: or(newer.fresh, self.fresh),
            cache_written: or(newer.cache_written, self.cache_written),
            cache_read: or(newer.cache_read, self.cache_read),
            output: or(newer.output, self.output),
        }
    }

    pub(crate) fn totals(self) -> TokenUsage {
        let cached = [self.cache_written, self.cache_read].map(|count| count.0.unwrap_or(0));
        let prompt_tokens = self.fresh.0.map(|fresh| cached.iter().fold(fresh, |sum, part| sum.saturating_add(*part)));
        let completion_tokens = self.output.0;
        TokenUsage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.zip(completion_tokens).map(|(prompt, reply)| prompt.saturating_add(reply)),
            cached_tokens: self.cache_read.0,
            reasoning_tokens: None,
        }
    }
}

/// What is read of a message that passes through.
pub(crate) fn outline(body: &[u8]) -> Result<super::Outline, CompletionError> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow, default)]
        content: Option<&'a serde_json::value::RawValue>,
        #[serde(default)]
        usage: Option<Usage>,
        #[serde(default)]
        model: Option<String>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|error| CompletionError::of(&error))?;
    if raw.error.is_some() {
        return Err(CompletionError::Provider);
    }
    raw.content.filter(|content| content.get().starts_with('[')).ok_or(CompletionError::NoChoices)?;
    Ok(super::Outline { usage: raw.usage.map(Usage::totals), model: raw.model })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_were_not_given_stay_unknown() {
        assert_eq!(Usage::default().totals(), TokenUsage::default());
        let start = Usage { fresh: Count(Some(5)), output: Count(Some(1)), ..Usage::default() };
        let usage = start.of_prompt().totals();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (Some(5), None, None));
        let end = Usage { output: Count(Some(9)), ..Usage::default() };
        assert_eq!(start.of_prompt().updated(end).totals().total_tokens, Some(14));
    }
}
