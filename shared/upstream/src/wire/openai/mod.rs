//! OpenAI chat completions.

mod chunk;
mod outline;
mod usage;

pub use chunk::{is_done, is_error, is_usage_only, usage_of_chunk};
pub use outline::{CompletionError, Outline};
pub(crate) use usage::{Count, parse as counts, whole_number};

use std::borrow::Cow;

use memchr::memchr;
use serde_json::value::RawValue;

/// A JSON string; borrowed where it has no escapes.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    match memchr(b'\\', inner.as_bytes()) {
        None => Some(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}
