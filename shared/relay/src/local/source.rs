//! What Ollama may be told to download. It goes to whatever host a name carries, so names are checked here: nobody must
//! reach the operator's network through it.

use std::fmt;

use llm_api_domain::ProviderId;

use crate::route::split_prefix;

/// Registries that a name may carry in front.
const HOSTS: [&str; 4] = ["registry.ollama.ai", "ollama.com", "hf.co", "huggingface.co"];
const MAX_LENGTH: usize = 255;

/// The name of a model at one of the public registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullName(String);

/// The text names no model at one of the public registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `name:tag` of Ollama's library, such as `llama3.2:1b`, or `owner/name` at Hugging Face")]
pub struct BadPullName;

impl PullName {
    /// A model of Ollama's library, or one with its registry's host in front.
    pub fn ollama(text: &str) -> Result<Self, BadPullName> {
        let text = text.trim();
        let name = match split_prefix(text) {
            Some((ProviderId::Local, name)) => name,
            _ => text,
        };
        let segments: Vec<&str> = name.split('/').collect();
        let is_known = match segments.as_slice() {
            [_] | [_, _] => true,
            [host, _, _] => HOSTS.contains(host),
            _ => false,
        };
        if is_known && is_well_formed(name) { Ok(Self(name.to_owned())) } else { Err(BadPullName) }
    }

    /// `owner/name`, with a quantisation as its tag where that matters.
    pub fn huggingface(text: &str) -> Result<Self, BadPullName> {
        let text = text.trim();
        let text = text.strip_prefix("https://").unwrap_or(text);
        let id = ["hf.co/", "huggingface.co/"].iter().find_map(|host| text.strip_prefix(host)).unwrap_or(text);
        if id.split('/').count() == 2 && is_well_formed(id) {
            Ok(Self(format!("hf.co/{id}")))
        } else {
            Err(BadPullName)
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Segments of plain characters, the last one perhaps with a tag.
fn is_well_formed(name: &str) -> bool {
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (name, None),
    };
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    name.len() <= MAX_LENGTH && path.split('/').all(is_part) && tag.is_none_or(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_public_registries_are_taken() {
        for (text, name) in [
            ("llama3.2:1b", "llama3.2:1b"),
            (" local:qwen2.5 ", "qwen2.5"),
            ("mannix/llama3.1-8b-abliterated:q5_K_M", "mannix/llama3.1-8b-abliterated:q5_K_M"),
            ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M"),
            ("registry.ollama.ai/library/llama3", "registry.ollama.ai/library/llama3"),
        ] {
            assert_eq!(PullName::ollama(text).as_ref().map(PullName::as_str), Ok(name));
        }
        for text in ["org/model", "hf.co/org/model", "https://huggingface.co/org/model"] {
            assert_eq!(PullName::huggingface(text).as_ref().map(PullName::as_str), Ok("hf.co/org/model"));
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_not() {
        for text in [
            "",
            "/",
            "a//b",
            "10.0.0.7/a/b",
            "evil.test:8080/a/b",
            "evil.test:8080/b",
            "http://evil.test/a/b",
            "hf.co/a/../b",
            "../b",
            ".hidden",
            "a b",
            "a:",
            "a:b:c",
            "a?x=1",
            "hf.co/a/b/c",
            "a\u{0}",
        ] {
            assert_eq!(PullName::ollama(text), Err(BadPullName), "{text:?}");
        }
        for text in ["", "model", "a/b/c", "evil.test/a/b", "../b", "a/b@main", "https://evil.test/a/b"] {
            assert_eq!(PullName::huggingface(text), Err(BadPullName), "{text:?}");
        }
        assert_eq!(PullName::ollama(&"a".repeat(256)), Err(BadPullName));
    }
}
