//! OpenAI's Responses API: what is read of replies that pass through.

use llm_api_domain::TokenUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai::Count;

/// A whole response, or that in an event.
#[derive(Deserialize)]
pub(crate) struct Response<'a> {
    #[serde(borrow, default)]
    pub(crate) output: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) usage: Option<Usage>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) model: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

impl Usage {
    pub(crate) fn totals(self) -> TokenUsage {
        TokenUsage {
            prompt_tokens: self.input_tokens.0,
            completion_tokens: self.output_tokens.0,
            total_tokens: self.total_tokens.0,
            cached_tokens: self.input_tokens_details.and_then(|details| details.cached_tokens.0),
            reasoning_tokens: self.output_tokens_details.and_then(|details| details.reasoning_tokens.0),
        }
    }
}
