use serde::{Deserialize, Serialize};

/// The provider's own token counts. A count it did not give stays unknown, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub total_tokens: Option<i64>,
    /// The part of the prompt that the provider read from its cache.
    pub cached_tokens: Option<i64>,
    /// The part of the completion spent on reasoning.
    pub reasoning_tokens: Option<i64>,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestStatus {
    Running,
    Completed,
    /// The provider or we failed before anything was delivered.
    Failed,
    /// The provider died after a part had been delivered.
    Incomplete,
    /// The client left, or asked to stop.
    Cancelled,
    /// Our process ended while it ran.
    Interrupted,
}

impl RequestStatus {
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Completed, Self::Failed, Self::Incomplete, Self::Cancelled, Self::Interrupted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}
