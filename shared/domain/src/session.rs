//! How far sessions, exchanges and downloads have come.

use serde::{Deserialize, Serialize};

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in replies and in the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            /// The status that `as_str` writes as `text`.
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.as_str() == text)
            }
        }
    };
}

status!(
    /// Whether a session takes further exchanges.
    SessionStatus {
        Active = "active",
        /// Kept and readable, but ended.
        Closed = "closed",
    }
);

status!(
    /// Whether the reply of an exchange is whole.
    ExchangeStatus {
        Completed = "completed",
        /// Cut short: the client left, it was cancelled, or the provider died.
        Incomplete = "incomplete",
    }
);

status!(
    /// How far a download has come.
    JobStatus {
        Queued = "queued",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_in_json_and_in_the_database_are_the_same() {
        for status in JobStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("serializes"), status.as_str());
            assert_eq!(JobStatus::from_text(status.as_str()), Some(*status));
        }
        assert_eq!(SessionStatus::from_text("open"), None);
        assert_eq!(ExchangeStatus::from_text("incomplete"), Some(ExchangeStatus::Incomplete));
    }
}
