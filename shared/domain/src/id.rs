//! Ids are UUIDv7: they sort by creation, so pages go by id.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// The service account that the static key `LLM_API_API_KEY` acts for. Made by the first migration.
pub const SERVICE_USER_ID: UserId = UserId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id whose time part is `now`.
            pub fn new(now: Timestamp) -> Self {
                let micros = now.as_micros().unsigned_abs();
                let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1000;
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos)))
            }

            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// A person or the service account.
    UserId
);
id!(
    /// A login or personal token (the row, never the secret).
    TokenId
);
id!(InviteId);
id!(
    /// A stored provider credential; part of the associated data its ciphertext is bound to.
    ProviderKeyId
);
id!(
    /// One request to us; the same id stands in the reply header, the logs and the `requests` table.
    RequestId
);
id!(AuditEventId);
id!(
    /// A conversation of one user.
    SessionId
);
id!(
    /// One turn of a conversation: what was asked and what was answered.
    ExchangeId
);
id!(
    /// A generated file.
    ArtifactId
);
id!(
    /// A download of a model to the operator's own server.
    JobId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = UserId::new(Timestamp::from_micros(1_000_000_000_000_000));
        let late = UserId::new(Timestamp::from_micros(1_000_000_000_002_000));
        assert!(early < late);
        assert_eq!(early.to_string().parse::<UserId>().ok(), Some(early));
    }
}
