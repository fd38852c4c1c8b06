//! Anthropic Messages: what comes back.

use std::borrow::Cow;

use llm_api_domain::TokenUsage;
use serde::{Deserialize, de::IgnoredAny};

use super::openai::{Completion, CompletionError, Count};

/// A message in one piece.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

/// One event of a streamed message. Members that its kind does not have stay empty.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    pub(crate) kind: Cow<'a, str>,
    /// Of `message_start`.
    #[serde(default)]
    pub(crate) message: Option<Start>,
    #[serde(borrow, default)]
    pub(crate) delta: Option<Delta<'a>>,
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

#[derive(Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) stop_reason: Option<Cow<'a, str>>,
}

impl Delta<'_> {
    /// The text that this adds. Thoughts, citations and tool input have other kinds.
    pub(crate) fn into_text(self) -> Option<String> {
        if self.kind == "text_delta" { self.text.map(Cow::into_owned) } else { None }
    }
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

/// A finish reason in OpenAI's words. One we do not know is the model's own choice to end.
pub(crate) fn finish_reason(stop_reason: &str) -> &'static str {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        // end_turn, stop_sequence, pause_turn
        _ => "stop",
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

pub(crate) fn completion(body: &[u8]) -> Result<Completion, CompletionError> {
    let message: Message<'_> = serde_json::from_slice(body).map_err(|error| CompletionError::of(&error))?;
    if message.error.is_some() {
        return Err(CompletionError::Provider);
    }
    let blocks = message.content.ok_or(CompletionError::NoChoices)?;
    Ok(Completion {
        text: blocks.into_iter().filter(|block| block.kind == "text").filter_map(|block| block.text).collect(),
        finish_reason: message.stop_reason.map(|reason| finish_reason(&reason).to_owned()),
        usage: message.usage.map(Usage::totals),
        model: message.model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read() {
        let body = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-3-5-haiku-20241022","content":[
            {"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"Zür"},{"type":"text","text":"ich\n"}],
            "stop_reason":"max_tokens","stop_sequence":null,"usage":{"input_tokens":11,"cache_creation_input_tokens":2,
            "cache_read_input_tokens":100,"output_tokens":7}}"#;
        let message = completion(body.as_bytes()).expect("a message");
        assert_eq!((message.text.as_str(), message.finish_reason.as_deref()), ("Zürich\n", Some("length")));
        assert_eq!(message.model.as_deref(), Some("claude-3-5-haiku-20241022"));
        let expected = TokenUsage {
            prompt_tokens: Some(113),
            completion_tokens: Some(7),
            total_tokens: Some(120),
            cached_tokens: Some(100),
            reasoning_tokens: None,
        };
        assert_eq!(message.usage, Some(expected));
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        for (body, error) in [
            ("<html>", CompletionError::NotJson),
            (r#"{"content":[{"type""#, CompletionError::NotJson),
            ("{}", CompletionError::NoChoices),
            (r#"{"content":"x"}"#, CompletionError::NoChoices),
            (r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#, CompletionError::Provider),
        ] {
            assert_eq!(completion(body.as_bytes()), Err(error), "{body}");
        }
    }

    #[test]
    fn counts_that_were_not_given_stay_unknown() {
        assert_eq!(Usage::default().totals(), TokenUsage::default());
        let start = Usage { fresh: Count(Some(5)), output: Count(Some(1)), ..Usage::default() };
        let usage = start.of_prompt().totals();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (Some(5), None, None));
        let end = Usage { output: Count(Some(9)), ..Usage::default() };
        assert_eq!(start.of_prompt().updated(end).totals().total_tokens, Some(14));
    }

    #[test]
    fn finish_reasons_are_openais() {
        let cases = [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("tool_use", "tool_calls"),
            ("refusal", "content_filter"),
        ];
        for (theirs, ours) in cases {
            assert_eq!(finish_reason(theirs), ours);
        }
    }
}
