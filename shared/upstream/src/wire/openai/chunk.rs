//! The events of a streamed completion, looked at no closer than needed.

use std::sync::LazyLock;

use llm_api_domain::TokenUsage;
use memchr::memmem::Finder;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::usage;

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

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
    fn quick_looks_see_what_is_there() {
        for (data, counts, error) in [
            (DELTA, None, false),
            (LAST, None, false),
            (USAGE_ONLY, Some(counted()), false),
            (FAILED, None, true),
            (QUOTED, None, false),
        ] {
            assert_eq!((usage_of_chunk(data), is_error(data)), (counts, error));
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
