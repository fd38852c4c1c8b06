//! What a provider sends: a whole message, and the events of a stream.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{Finish, Usage, whole::count};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) content: Option<Vec<Map<String, Value>>>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<StopDetails>,
    pub(super) usage: Option<Counts>,
    pub(super) error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StopDetails {
    pub(super) explanation: Option<String>,
}

/// One event. Members that its kind does not have stay empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) message: Option<Message>,
    pub(super) index: usize,
    pub(super) content_block: Option<Map<String, Value>>,
    pub(super) delta: Option<Delta>,
    pub(super) usage: Option<Counts>,
    pub(super) error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) partial_json: Option<String>,
    pub(super) citation: Option<Value>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<StopDetails>,
    /// Of kinds that we do not know.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// The parts of the prompt that a cache gave or took are counted beside the rest.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: Option<i64>,
    cache_creation: Option<Written>,
    output_tokens_details: Option<Details>,
    service_tier: Option<Tier>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    #[serde(deserialize_with = "count")]
    ephemeral_5m_input_tokens: Option<i64>,
    #[serde(deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    #[serde(deserialize_with = "count")]
    thinking_tokens: Option<i64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tier {
    Standard,
    Priority,
    Batch,
    #[serde(other)]
    Unknown,
}

impl Counts {
    /// What a stream's start tells: of the reply hardly anything is counted yet.
    pub(super) fn of_prompt(self) -> Self {
        Self { output_tokens: None, output_tokens_details: None, ..self }
    }

    /// With the newer counts where there are some: they are totals.
    pub(super) fn updated(self, newer: Self) -> Self {
        Self {
            input_tokens: newer.input_tokens.or(self.input_tokens),
            output_tokens: newer.output_tokens.or(self.output_tokens),
            cache_creation_input_tokens: newer.cache_creation_input_tokens.or(self.cache_creation_input_tokens),
            cache_read_input_tokens: newer.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation: newer.cache_creation.or(self.cache_creation),
            output_tokens_details: newer.output_tokens_details.or(self.output_tokens_details),
            service_tier: newer.service_tier.or(self.service_tier),
        }
    }

    pub(super) fn usage(self) -> Usage {
        let written = self.cache_creation.unwrap_or_default();
        let cached = [self.cache_creation_input_tokens, self.cache_read_input_tokens].into_iter().flatten();
        Usage {
            input: self.input_tokens.map(|fresh| cached.fold(fresh, i64::saturating_add)),
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_written: self.cache_creation_input_tokens,
            cache_written_5m: written.ephemeral_5m_input_tokens,
            cache_written_1h: written.ephemeral_1h_input_tokens,
            reasoning: self.output_tokens_details.and_then(|details| details.thinking_tokens),
            ..Usage::default()
        }
    }

    /// In `OpenAI`'s words where there is one.
    pub(super) fn service_tier(self) -> Option<String> {
        let name = match self.service_tier? {
            Tier::Standard => "default",
            Tier::Priority => "priority",
            Tier::Batch => "batch",
            Tier::Unknown => return None,
        };
        Some(name.to_owned())
    }
}

/// A reason that we do not know is the model's own choice to end.
pub(super) fn finish(stop_reason: &str, stop_sequence: Option<String>) -> Finish {
    match stop_reason {
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextLength,
        "stop_sequence" => Finish::StopSequence(stop_sequence),
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Refusal,
        // The latter: the conversation was summed up, and goes on from there.
        "pause_turn" | "compaction" => Finish::Pause,
        _ => Finish::Stop,
    }
}
