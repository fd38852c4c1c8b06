//! OpenAI chat completions.

mod chunk;
mod completion;
mod usage;

pub use chunk::{Chunk, NotAChunk, is_done, is_error, is_usage_only, usage_of_chunk};
pub use completion::{Completion, CompletionError, Outline};
pub(crate) use usage::{Count, parse as counts, whole_number};

use std::borrow::Cow;

use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A JSON string; borrowed where it has no escapes.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    match memchr(b'\\', inner.as_bytes()) {
        None => Some(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}

/// The text of a `content`: a string, or the text parts of a list joined.
fn content_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default)]
        text: Option<&'a RawValue>,
    }
    if !raw.get().starts_with('[') {
        return string(raw);
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(raw.get()).ok()?;
    Some(Cow::Owned(parts.iter().filter_map(|part| string(part.text?)).collect()))
}
