//! The events of a streamed completion, looked at no closer than needed.

use std::{borrow::Cow, sync::LazyLock};

use llm_api_domain::TokenUsage;
use memchr::memmem::Finder;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{content_text, string, usage};

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// What matters of one chunk's first choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The text that this chunk adds.
    pub content: Option<Cow<'a, str>>,
    pub finish_reason: Option<Cow<'a, str>>,
    pub usage: Option<TokenUsage>,
    /// Whether this is an error in place of a chunk; `UpstreamError::from_error_body` reads it.
    pub error: bool,
}

/// The data is no JSON object of a chunk's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is no chunk of a completion")]
pub struct NotAChunk;

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// Reads an event's data other than `[DONE]`.
    pub fn parse(data: &'a [u8]) -> Result<Self, NotAChunk> {
        let raw: Raw<'a> = serde_json::from_slice(data).map_err(|_| NotAChunk)?;
        let first = raw.choices.into_iter().flatten().find(|choice| choice.index == 0);
        let (delta, finish_reason) = first.map_or((None, None), |choice| (choice.delta, choice.finish_reason));
        Ok(Self {
            content: delta.and_then(|delta| delta.content).and_then(content_text),
            finish_reason: finish_reason.and_then(string),
            usage: raw.usage.and_then(usage::parse),
            error: raw.error.is_some(),
        })
    }
}

/// The event that ends a stream.
pub fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// The token counts of a chunk; parses only chunks that have some.
pub fn usage_of_chunk(data: &[u8]) -> Option<TokenUsage> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow, default)]
        usage: Option<&'a RawValue>,
    }
    if !has_value(data, &USAGE) {
        return None;
    }
    usage::parse(serde_json::from_slice::<Raw<'_>>(data).ok()?.usage?)
}

/// Whether a chunk carries usage and nothing else: what a client that did not ask for usage must not see.
pub fn is_usage_only(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Raw {
        choices: Vec<IgnoredAny>,
        #[serde(default)]
        usage: Option<IgnoredAny>,
    }
    has_value(data, &USAGE)
        && serde_json::from_slice::<Raw>(data).is_ok_and(|raw| raw.choices.is_empty() && raw.usage.is_some())
}

/// Whether an event is an error in place of a chunk.
pub fn is_error(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    has_value(data, &ERROR) && serde_json::from_slice::<Raw>(data).is_ok_and(|raw| raw.error.is_some())
}

/// Whether the member occurs, at any depth, with a value other than `null`. Text inside of strings cannot match: its
/// quotes are escaped.
fn has_value(data: &[u8], member: &Finder<'_>) -> bool {
    member.find_iter(data).any(|at| {
        let behind = data.get(at + member.needle().len()..).unwrap_or_default().trim_ascii_start();
        behind.strip_prefix(b":").is_some_and(|value| !value.trim_ascii_start().starts_with(b"null"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELTA: &[u8] = br#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Pa\nris"},"finish_reason":null}],"usage":null}"#;
    const LAST: &[u8] = br#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE_ONLY: &[u8] =
        br#"{"choices":[],"usage" : {"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;
    const FAILED: &[u8] = br#"{"error":{"message":"overloaded","code":503}}"#;
    const QUOTED: &[u8] = br#"{"choices":[{"delta":{"content":"say \"usage\": 5 and \"error\": 6"}}]}"#;

    fn counted() -> TokenUsage {
        TokenUsage {
            prompt_tokens: Some(11),
            completion_tokens: Some(7),
            total_tokens: Some(18),
            ..TokenUsage::default()
        }
    }

    #[test]
    fn chunks_are_read() {
        let delta = Chunk::parse(DELTA).expect("a chunk");
        assert_eq!(delta, Chunk { content: Some("Pa\nris".into()), ..Chunk::default() });
        let last = Chunk::parse(LAST).expect("a chunk");
        assert_eq!(last, Chunk { finish_reason: Some("stop".into()), ..Chunk::default() });
        let usage = Chunk::parse(USAGE_ONLY).expect("a chunk");
        assert_eq!(usage, Chunk { usage: Some(counted()), ..Chunk::default() });
        assert!(Chunk::parse(FAILED).expect("an error event").error);
        let plain = Chunk::parse(br#"{"choices":[{"delta":{"content":"Paris"}}]}"#).expect("a chunk");
        assert!(matches!(plain.content, Some(Cow::Borrowed("Paris"))));
        let parts = br#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"a"},{"text":"b"}]}}]}"#;
        assert_eq!(Chunk::parse(parts).expect("a chunk").content.as_deref(), Some("ab"));
        let second = br#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#;
        assert_eq!(Chunk::parse(second), Ok(Chunk::default()));
        assert_eq!(Chunk::parse(br#"{"choices":null}"#), Ok(Chunk::default()));
        for bad in [&b"{"[..], b"7", b"<html>", br#"{"choices":7}"#] {
            assert_eq!(Chunk::parse(bad), Err(NotAChunk));
        }
    }

    #[test]
    fn quick_looks_agree_with_the_whole_parse() {
        for data in [DELTA, LAST, USAGE_ONLY, FAILED, QUOTED] {
            let chunk = Chunk::parse(data).expect("a chunk");
            assert_eq!(usage_of_chunk(data), chunk.usage);
            assert_eq!(is_error(data), chunk.error);
        }
        assert!(is_usage_only(USAGE_ONLY));
        for data in [DELTA, LAST, FAILED, QUOTED, br#"{"choices":[],"usage":null}"#] {
            assert!(!is_usage_only(data));
        }
        let both = br#"{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;
        assert!(!is_usage_only(both));
        assert_eq!(usage_of_chunk(both), Some(counted()));
        let nested = br#"{"choices":[],"usage":null,"x_groq":{"usage":{"prompt_tokens":1}}}"#;
        assert_eq!((usage_of_chunk(nested), is_usage_only(nested)), (None, false));
    }

    #[test]
    fn done_is_recognised() {
        assert!(is_done(b"[DONE]") && is_done(b" [DONE] \r"));
        assert!(!is_done(b"\"[DONE]\"") && !is_done(b"") && !is_done(b"{}"));
    }
}
