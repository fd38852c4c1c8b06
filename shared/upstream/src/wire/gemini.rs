//! Google's `generateContent`: what comes back, whole or in pieces of the same form.

use std::borrow::Cow;

use llm_api_domain::TokenUsage;
use serde::{Deserialize, de::IgnoredAny};

use super::openai::{Completion, CompletionError, Count};
use crate::{Detail, UpstreamError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(default)]
    usage_metadata: Option<Usage>,
    #[serde(default)]
    model_version: Option<String>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    thought: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow, default)]
    block_reason: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    #[serde(rename = "promptTokenCount")]
    prompt: Count,
    /// A part of `prompt`.
    #[serde(rename = "cachedContentTokenCount")]
    cached: Count,
    /// Not a part of `prompt`.
    #[serde(rename = "toolUsePromptTokenCount")]
    tool_use: Count,
    #[serde(rename = "candidatesTokenCount")]
    candidates: Count,
    /// Not a part of `candidates`.
    #[serde(rename = "thoughtsTokenCount")]
    thoughts: Count,
    #[serde(rename = "totalTokenCount")]
    total: Count,
}

impl Usage {
    fn totals(self) -> TokenUsage {
        TokenUsage {
            prompt_tokens: sum(self.prompt, self.tool_use),
            completion_tokens: sum(self.candidates, self.thoughts),
            total_tokens: self.total.0,
            cached_tokens: self.cached.0,
            reasoning_tokens: self.thoughts.0,
        }
    }
}

/// Google leaves counts of zero out, so one of the two is enough to know both.
fn sum(one: Count, other: Count) -> Option<i64> {
    one.0.map_or(other.0, |one| Some(one.saturating_add(other.0.unwrap_or(0))))
}

impl<'a> Answer<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Result<Self, CompletionError> {
        // Errors also come as a list of one.
        if data.trim_ascii_start().starts_with(b"[") {
            let is_json = serde_json::from_slice::<IgnoredAny>(data).is_ok();
            return Err(if is_json { CompletionError::Provider } else { CompletionError::NotJson });
        }
        let answer: Self = serde_json::from_slice(data).map_err(|error| CompletionError::of(&error))?;
        if answer.error.is_some() { Err(CompletionError::Provider) } else { Ok(answer) }
    }

    /// The error that a blocked prompt is: there is no reply then, and no status says so.
    pub(crate) fn blocked(&self) -> Option<UpstreamError> {
        if self.candidates.as_ref().is_some_and(|candidates| !candidates.is_empty()) {
            return None;
        }
        let reason: String = self.prompt_feedback.as_ref()?.block_reason.as_ref()?.chars().take(64).collect();
        let message = format!("The provider blocked the prompt ({reason}).");
        let detail = Detail { message, code: Some("content_filter".to_owned()), ..Detail::default() };
        Some(UpstreamError::Refused { status: 400, detail })
    }

    fn first(&self) -> Option<&Candidate<'a>> {
        self.candidates.as_ref()?.iter().find(|candidate| candidate.index == 0)
    }

    /// The first candidate's text without its thoughts; empty where it has none.
    pub(crate) fn text(&self) -> String {
        let parts = self.first().and_then(|candidate| candidate.content.as_ref()?.parts.as_deref()).unwrap_or_default();
        parts.iter().filter(|part| !part.thought).filter_map(|part| part.text.as_deref()).collect()
    }

    pub(crate) fn finish_reason(&self) -> Option<&'static str> {
        self.first()?.finish_reason.as_deref().map(finish_reason)
    }

    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        self.usage_metadata.map(Usage::totals)
    }

    pub(crate) fn completion(self) -> Result<Completion, CompletionError> {
        self.first().ok_or(CompletionError::NoChoices)?;
        Ok(Completion {
            text: self.text(),
            finish_reason: self.finish_reason().map(str::to_owned),
            usage: self.usage(),
            model: self.model_version,
        })
    }
}

/// A finish reason in OpenAI's words. One we do not know is the model's own choice to end.
fn finish_reason(theirs: &str) -> &'static str {
    match theirs {
        "MAX_TOKENS" => "length",
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => "content_filter",
        // STOP, OTHER, MALFORMED_FUNCTION_CALL
        _ => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_without_its_thoughts() {
        let body = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"Zür"},{"functionCall":{}},{"text":"ich\n"}],
            "role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":7,
            "thoughtsTokenCount":5,"cachedContentTokenCount":3,"totalTokenCount":23},"modelVersion":"gemini-2.5-flash"}"#;
        let completion = Answer::parse(body.as_bytes()).and_then(Answer::completion).expect("an answer");
        assert_eq!((completion.text.as_str(), completion.finish_reason.as_deref()), ("Zürich\n", Some("length")));
        assert_eq!(completion.model.as_deref(), Some("gemini-2.5-flash"));
        let expected = TokenUsage {
            prompt_tokens: Some(11),
            completion_tokens: Some(12),
            total_tokens: Some(23),
            cached_tokens: Some(3),
            reasoning_tokens: Some(5),
        };
        assert_eq!(completion.usage, Some(expected));
    }

    #[test]
    fn a_blocked_prompt_is_a_refusal() {
        let body = br#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4}}"#;
        let answer = Answer::parse(body).expect("an answer");
        let Some(UpstreamError::Refused { status: 400, detail }) = answer.blocked() else { panic!("not blocked") };
        assert_eq!(detail.message, "The provider blocked the prompt (PROHIBITED_CONTENT).");
        assert_eq!(detail.code.as_deref(), Some("content_filter"));
        let filtered = br#"{"candidates":[{"finishReason":"SAFETY","index":0}],"promptFeedback":{"blockReason":"X"}}"#;
        let answer = Answer::parse(filtered).expect("an answer");
        assert_eq!((answer.blocked(), answer.finish_reason()), (None, Some("content_filter")));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        for (body, error) in [
            ("<html>", CompletionError::NotJson),
            ("{\"candidates\":[", CompletionError::NotJson),
            ("[{", CompletionError::NotJson),
            ("{}", CompletionError::NoChoices),
            (r#"{"candidates":[]}"#, CompletionError::NoChoices),
            (r#"{"candidates":"x"}"#, CompletionError::NoChoices),
            (r#"{"error":{"code":503,"message":"x"}}"#, CompletionError::Provider),
            (r#"[{"error":{"code":503,"message":"x"}}]"#, CompletionError::Provider),
        ] {
            assert_eq!(Answer::parse(body.as_bytes()).and_then(Answer::completion), Err(error), "{body}");
        }
    }

    #[test]
    fn counts_that_were_not_given_stay_unknown() {
        let only_thoughts = Usage { thoughts: Count(Some(5)), ..Usage::default() }.totals();
        assert_eq!((only_thoughts.prompt_tokens, only_thoughts.completion_tokens), (None, Some(5)));
        assert_eq!(Usage::default().totals(), TokenUsage::default());
    }
}
