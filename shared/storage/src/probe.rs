//! What `llm-api doctor` asks a database, one step at a time. Nothing here writes, migrates, or makes a file or a schema.

mod certificate;
mod migrations;
mod place;
mod postgres;
mod sqlite;

use llm_api_domain::{Clock, Timestamp};
use uuid::Uuid;

pub use certificate::CertificateProblem;
pub use migrations::MigrationState;
pub use place::{PostgresPlace, TlsMode, is_schema_name, speaks_tls};
pub use postgres::{LoginProblem, PostgresProbe, SchemaFacts, SignInProblem};
pub use sqlite::SqliteProbe;

const APPLIED: &str = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
const CANARIES: &str = "SELECT key_id, sealed FROM vault_canaries ORDER BY created_at";
const FREEZE: &str = "SELECT state, reason FROM maintenance";
const RECEIPTS: &str = "SELECT COUNT(*) FROM transfer_receipts WHERE id = $1";

/// A question that got no answer, in the database's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(String);

impl From<sqlx::Error> for ProbeError {
    fn from(error: sqlx::Error) -> Self {
        Self(words(&error))
    }
}

fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// What the operator has said in the `maintenance` table: `open`, `draining` or `frozen`, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeFacts {
    pub state: String,
    pub reason: Option<String>,
}

/// A database that could be opened, to be asked what both kinds have.
#[derive(Debug)]
pub enum DatabaseProbe {
    Sqlite(SqliteProbe),
    Postgres(Box<PostgresProbe>),
}

impl DatabaseProbe {
    pub async fn migrations(&mut self) -> Result<MigrationState, ProbeError> {
        match self {
            Self::Sqlite(probe) => probe.migrations().await,
            Self::Postgres(probe) => probe.migrations().await,
        }
    }

    /// Of every key that this database was ever used with: `(key id, sealed)`.
    pub async fn canaries(&mut self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ProbeError> {
        match self {
            Self::Sqlite(probe) => probe.canaries().await,
            Self::Postgres(probe) => probe.canaries().await,
        }
    }

    pub async fn freeze(&mut self) -> Result<FreezeFacts, ProbeError> {
        match self {
            Self::Sqlite(probe) => probe.freeze().await,
            Self::Postgres(probe) => probe.freeze().await,
        }
    }

    pub async fn has_receipt(&mut self, receipt: Uuid) -> Result<bool, ProbeError> {
        match self {
            Self::Sqlite(probe) => probe.has_receipt(receipt).await,
            Self::Postgres(probe) => probe.has_receipt(receipt).await,
        }
    }

    /// The database's name with its version, and its size in bytes.
    pub async fn size(&mut self) -> Result<(String, u64), ProbeError> {
        match self {
            Self::Sqlite(probe) => probe.size().await,
            Self::Postgres(probe) => probe.size().await,
        }
    }

    /// By how many microseconds the server's clock is ahead of ours; `None` where there is no server.
    pub async fn clock_skew(&mut self, clock: &Clock) -> Result<Option<i64>, ProbeError> {
        let Self::Postgres(probe) = self else { return Ok(None) };
        let asked = clock.now().as_micros();
        let theirs: Timestamp = probe.now().await?;
        // It looked at its clock somewhere between question and answer.
        let ours = asked + (clock.now().as_micros() - asked) / 2;
        Ok(Some(theirs.as_micros() - ours))
    }
}
