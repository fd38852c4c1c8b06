//! What a provider sends, as far as it is read.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::whole::count;

/// A `response` object; also what stands in its place when something went wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) created_at: Option<Value>,
    pub(super) status: Option<String>,
    pub(super) error: Option<IgnoredAny>,
    pub(super) incomplete_details: Option<IncompleteDetails>,
    pub(super) output: Option<Vec<Value>>,
    pub(super) usage: Option<Usage>,
    pub(super) service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct IncompleteDetails {
    pub(super) reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: Option<i64>,
    pub(super) input_tokens_details: Option<InputDetails>,
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: Option<i64>,
    pub(super) output_tokens_details: Option<OutputDetails>,
    #[serde(deserialize_with = "count")]
    pub(super) total_tokens: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
pub(super) struct InputDetails {
    #[serde(deserialize_with = "count")]
    pub(super) cached_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) cache_write_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) audio_tokens: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
pub(super) struct OutputDetails {
    #[serde(deserialize_with = "count")]
    pub(super) reasoning_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) audio_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) accepted_prediction_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) rejected_prediction_tokens: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MessageItem {
    pub(super) content: Option<Vec<Content>>,
}

/// A part of a message, a summary or a thought.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) annotations: Option<Vec<Value>>,
    pub(super) logprobs: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallItem {
    pub(super) id: Option<String>,
    pub(super) call_id: Option<String>,
    pub(super) name: String,
    pub(super) arguments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasoningItem {
    pub(super) summary: Option<Vec<Content>>,
    pub(super) content: Option<Vec<Content>>,
    pub(super) encrypted_content: Option<String>,
}

/// One event of a stream; each kind has some of the members.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) r#type: Option<String>,
    pub(super) response: Option<Response>,
    pub(super) error: Option<IgnoredAny>,
    pub(super) output_index: u64,
    pub(super) summary_index: u64,
    pub(super) item: Option<Value>,
    pub(super) delta: Option<String>,
    pub(super) text: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) annotation: Option<Value>,
    pub(super) logprobs: Option<Vec<Value>>,
}
