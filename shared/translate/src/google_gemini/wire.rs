//! What comes back, whole or in pieces of the same form.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{Unreadable, whole::count};

const OTHER_FORM: Unreadable = Unreadable::OtherForm("the reply is not in the form of Google's Gemini API");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) candidates: Option<Vec<Candidate>>,
    pub(super) prompt_feedback: Option<Feedback>,
    pub(super) usage_metadata: Option<Counts>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(default)]
    index: u64,
    content: Option<Content>,
    pub(super) finish_reason: Option<String>,
    pub(super) grounding_metadata: Option<Grounding>,
    pub(super) citation_metadata: Option<Citations>,
    pub(super) logprobs_result: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    pub(super) function_call: Option<FunctionCall>,
    pub(super) inline_data: Option<Blob>,
    /// What the provider's own tools do: `executableCode`, `codeExecutionResult` and the like.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    pub(super) args: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob {
    #[serde(default)]
    pub(super) mime_type: String,
    #[serde(default)]
    pub(super) data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback {
    block_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counts {
    #[serde(deserialize_with = "count")]
    pub(super) prompt_token_count: Option<i64>,
    /// A part of the prompt's.
    #[serde(deserialize_with = "count")]
    pub(super) cached_content_token_count: Option<i64>,
    /// Not a part of the prompt's.
    #[serde(deserialize_with = "count")]
    pub(super) tool_use_prompt_token_count: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) candidates_token_count: Option<i64>,
    /// Not a part of the candidates'.
    #[serde(deserialize_with = "count")]
    pub(super) thoughts_token_count: Option<i64>,
    #[serde(deserialize_with = "count")]
    pub(super) total_token_count: Option<i64>,
    pub(super) prompt_tokens_details: Option<Vec<Modality>>,
    pub(super) tool_use_prompt_tokens_details: Option<Vec<Modality>>,
    pub(super) candidates_tokens_details: Option<Vec<Modality>>,
    pub(super) service_tier: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modality {
    #[serde(default)]
    pub(super) modality: String,
    #[serde(default, deserialize_with = "count")]
    pub(super) token_count: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding {
    pub(super) grounding_chunks: Option<Vec<Chunk>>,
    pub(super) grounding_supports: Option<Vec<Support>>,
}

/// Exactly one of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    pub(super) web: Option<Place>,
    pub(super) maps: Option<Place>,
    pub(super) image: Option<Place>,
    pub(super) retrieved_context: Option<Place>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Place {
    #[serde(alias = "sourceUri")]
    pub(super) uri: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Support {
    #[serde(default)]
    pub(super) grounding_chunk_indices: Vec<usize>,
    pub(super) segment: Option<Segment>,
}

/// In bytes of the part's text.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Segment {
    #[serde(default, rename = "partIndex")]
    pub(super) part: usize,
    #[serde(default, rename = "startIndex")]
    pub(super) start: usize,
    #[serde(default, rename = "endIndex")]
    pub(super) end: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct Citations {
    #[serde(default, alias = "citationSources")]
    pub(super) citations: Vec<Citation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Citation {
    #[serde(default)]
    pub(super) start_index: usize,
    #[serde(default)]
    pub(super) end_index: usize,
    pub(super) uri: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logprobs {
    #[serde(default)]
    pub(super) chosen_candidates: Vec<Token>,
    #[serde(default)]
    pub(super) top_candidates: Vec<Tokens>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    pub(super) candidates: Vec<Token>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    #[serde(default)]
    pub(super) token: String,
    /// Left out where it is zero.
    #[serde(default)]
    pub(super) log_probability: f64,
}

/// A count that is no number costs the count, not the reply.
impl Answer {
    pub(super) fn parse(data: &[u8]) -> Result<Self, Unreadable> {
        // Errors also come as a list of one.
        if data.trim_ascii_start().starts_with(b"[") {
            let list: Vec<Self> = serde_json::from_slice(data).map_err(|_| OTHER_FORM)?;
            let is_error = list.iter().any(|answer| answer.error.is_some());
            return Err(if is_error { Unreadable::Provider } else { OTHER_FORM });
        }
        let answer: Self = serde_json::from_slice(data).map_err(|_| OTHER_FORM)?;
        if answer.error.is_some() {
            return Err(Unreadable::Provider);
        }
        let blocked = answer.prompt_feedback.as_ref().and_then(|feedback| feedback.block_reason.as_deref());
        match (&answer.candidates, blocked) {
            (Some(candidates), _) if !candidates.is_empty() => Ok(answer),
            (_, Some(reason)) => Err(Unreadable::Blocked(reason.chars().take(64).collect())),
            _ if answer.is_empty() => Err(OTHER_FORM),
            _ => Ok(answer),
        }
    }

    fn is_empty(&self) -> bool {
        self.candidates.is_none()
            && self.prompt_feedback.is_none()
            && self.usage_metadata.is_none()
            && self.model_version.is_none()
            && self.response_id.is_none()
    }

    /// The only candidate that is asked for.
    pub(super) fn take_candidate(&mut self) -> Option<Candidate> {
        self.candidates.take()?.into_iter().find(|candidate| candidate.index == 0)
    }
}

impl Candidate {
    pub(super) fn take_parts(&mut self) -> Vec<Part> {
        self.content.take().and_then(|content| content.parts).unwrap_or_default()
    }
}
