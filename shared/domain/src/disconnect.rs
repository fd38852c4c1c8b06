use serde::{Deserialize, Serialize};

/// What becomes of a request whose client leaves before the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// It ends, and so does the call to the provider.
    #[default]
    Cancel,
    /// It goes on to its end without anybody who reads.
    Drain,
}

impl OnDisconnect {
    pub const ALL: [Self; 2] = [Self::Cancel, Self::Drain];

    /// The word in requests, replies and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Drain => "drain",
        }
    }

    /// The policy that `as_str` writes as `text`.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}
