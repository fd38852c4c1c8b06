//! A reply, and what comes of it in a stream, in nobody's wire format.

use serde_json::Value;

use crate::{Part, Signature};

/// A whole reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The provider's id of it.
    pub id: Option<String>,
    /// The model that answered, by the provider's name.
    pub model: Option<String>,
    /// Unix seconds.
    pub created: Option<i64>,
    pub parts: Vec<Part>,
    pub finish: Finish,
    pub usage: Usage,
    /// In the form of OpenAI's chat completions: a list of `{token, logprob, bytes, top_logprobs}`.
    pub logprobs: Option<Vec<Value>>,
    /// The one that served.
    pub service_tier: Option<String>,
}

/// Why a reply ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// One of the texts to stop at came; which, where the provider says it.
    StopSequence(Option<String>),
    /// `max_tokens` was reached.
    Length,
    /// The model can read and write no more than this.
    ContextLength,
    ToolCalls,
    /// The provider's filter held it back.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The provider paused a long turn; asking again with the reply goes on.
    Pause,
    /// The model wrote a call that cannot be read, or something else went wrong on its side; the provider's word.
    Malformed(String),
}

impl Finish {
    /// A word that the format's list does not have: an end like any other, unless the word itself tells of a fault.
    pub(crate) fn of_unknown(word: &str) -> Self {
        const FAULTS: [&str; 7] =
            ["malformed", "error", "unexpected", "missing", "insufficient", "too_many", "cancelled"];
        let lower = word.to_ascii_lowercase();
        if lower == "other" || FAULTS.iter().any(|fault| lower.contains(fault)) {
            Self::Malformed(word.to_owned())
        } else {
            Self::Stop
        }
    }
}

/// Token counts. What the provider did not count is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of the prompt, with what came from a cache or went into it.
    pub input: Option<i64>,
    /// All of the reply, with thoughts.
    pub output: Option<i64>,
    /// As the provider adds them up; `input` and `output` where it does not.
    pub total: Option<i64>,
    pub cache_read: Option<i64>,
    pub cache_written: Option<i64>,
    /// The parts of `cache_written` by how long they are kept.
    pub cache_written_5m: Option<i64>,
    pub cache_written_1h: Option<i64>,
    pub reasoning: Option<i64>,
    pub input_audio: Option<i64>,
    pub output_audio: Option<i64>,
    pub accepted_prediction: Option<i64>,
    pub rejected_prediction: Option<i64>,
}

impl Usage {
    /// With the newer counts where there are some.
    #[must_use]
    pub fn updated(self, newer: &Self) -> Self {
        Self {
            input: newer.input.or(self.input),
            output: newer.output.or(self.output),
            total: newer.total.or(self.total),
            cache_read: newer.cache_read.or(self.cache_read),
            cache_written: newer.cache_written.or(self.cache_written),
            cache_written_5m: newer.cache_written_5m.or(self.cache_written_5m),
            cache_written_1h: newer.cache_written_1h.or(self.cache_written_1h),
            reasoning: newer.reasoning.or(self.reasoning),
            input_audio: newer.input_audio.or(self.input_audio),
            output_audio: newer.output_audio.or(self.output_audio),
            accepted_prediction: newer.accepted_prediction.or(self.accepted_prediction),
            rejected_prediction: newer.rejected_prediction.or(self.rejected_prediction),
        }
    }

    /// The provider's sum, else that of the parts it counted.
    pub fn sum(&self) -> Option<i64> {
        self.total.or_else(|| Some(self.input?.saturating_add(self.output?)))
    }
}

/// What one event of a stream brought. Deltas of one kind follow each other and are one part, until another kind or
/// [`Event::PartEnd`] comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The reply begins; first, and once.
    Start {
        id: Option<String>,
        model: Option<String>,
        created: Option<i64>,
    },
    Text(String),
    /// A source that the text before names, in the form of [`crate::Text::annotations`].
    Annotation(Value),
    Refusal(String),
    Thinking(String),
    /// Seals the thoughts before it.
    ThinkingSignature(Signature),
    /// A whole part.
    RedactedThinking(Signature),
    /// A call begins. `index` counts the calls of a reply from 0; arguments of several calls may come in any order.
    ToolCall {
        index: usize,
        id: String,
        name: String,
        signature: Option<Signature>,
    },
    Arguments {
        index: usize,
        delta: String,
    },
    /// A whole part that is neither text nor call: what the model drew or spoke.
    Media(Part),
    /// A whole part that only its format knows, as in [`Part::Native`].
    Native {
        format: crate::Format,
        value: Value,
    },
    /// Of the text before, as in [`Reply::logprobs`].
    Logprobs(Vec<Value>),
    /// The part is whole: what follows is a new one, also where it is of the same kind.
    PartEnd,
    /// Counts so far: they replace earlier ones member by member.
    Usage(Usage),
    ServiceTier(String),
    Finish(Finish),
    /// The provider's last word came; nothing follows. Without it the stream broke off.
    End,
}
