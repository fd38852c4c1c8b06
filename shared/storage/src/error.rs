//! Errors of the database itself. They know no HTTP; an internal cause never reaches a client.

use std::{error::Error as StdError, io};

use uuid::Uuid;

/// The settings that hold an address.
pub(crate) const SETTING: &str = "LLM_API_DATABASE_URL";
pub(crate) const MIGRATION_SETTING: &str = "LLM_API_MIGRATION_DATABASE_URL";

/// A statement could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, a lost one, or none free in time. Trying again later makes sense.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The disk or the quota is full. Reads still work.
    #[error("the database has no space left")]
    Full(#[source] sqlx::Error),
    /// Frozen by the operator: nothing may be written until the thaw. Reads still work.
    #[error("the database is frozen: `llm-api thaw` lets writing go on")]
    ReadOnly,
    /// The batch writer has ended: the process is stopping.
    #[error("the database is closed")]
    Closed,
    /// A row holds what no version of us wrote.
    #[error("unexpected content in {table}.{column}")]
    Corrupt {
        table: &'static str,
        column: &'static str,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("a statement failed")]
    Internal(#[source] sqlx::Error),
}

impl StoreError {
    pub(crate) fn corrupt(
        table: &'static str,
        column: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Corrupt { table, column, source: source.into() }
    }

    /// Whether trying again later can help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::ReadOnly)
    }
}

/// `SQLITE_FULL` (13), and Postgres class 53 `disk_full` and `insufficient_resources`' disk form.
fn is_full(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("13" | "53100"))
}

/// `SQLITE_BUSY` (5) and its extended forms; Postgres classes 08 (connection), 57P0x (shutting down, starting up), 53300
/// (too many connections), 55000 (the database takes no connections), 57014 (statement timeout) and 40P01 (a deadlock, of
/// which the other side has won).
fn is_unavailable(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| {
        matches!(
            code.as_ref(),
            "5" | "261" | "517" | "53300" | "55000" | "40P01" | "57014" | "57P01" | "57P02" | "57P03"
        ) || (code.len() == 5 && code.starts_with("08"))
    })
}

/// What our own triggers say (migration 0013): `SQLITE_CONSTRAINT_TRIGGER` on SQLite, and Postgres' code for a read-only
/// transaction.
fn is_frozen(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.message().contains(FROZEN)
}

/// The word in the triggers' message.
const FROZEN: &str = "llm-api is frozen";

pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if is_frozen(database.as_ref()) => Self::ReadOnly,
            sqlx::Error::Database(database) if is_full(database.as_ref()) => Self::Full(error),
            sqlx::Error::Database(database) if is_unavailable(database.as_ref()) => Self::Unavailable(error),
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Internal(error),
        }
    }
}

/// Why a database could not be opened. Every text is one sentence for the operator, without a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another llm-api server holds {path}: stop it first, or give this one its own LLM_API_DATA_DIR")]
    HeldByAnother { path: String },
    #[error("{path} is a database of the Python service, which is never opened for writing: {remedy}")]
    LegacyFile { path: String, remedy: String },
    #[error(
        "the database was written by a newer llm-api (migration {version}): install that version, or restore a backup"
    )]
    Newer { version: i64 },
    #[error("the database is behind this llm-api: run `llm-api migrate` first")]
    Behind,
    #[error(
        "migration {version} in the database is not the one this llm-api was built with: restore a backup or ask for help"
    )]
    Changed { version: i64 },
    #[error("LLM_API_DATABASE_URL: {0}")]
    Address(String),
    #[error(
        "schema \"{schema}\" does not exist and this role may not make it: run `CREATE SCHEMA \"{schema}\" AUTHORIZATION \"{role}\"` as its owner"
    )]
    SchemaMissing { schema: String, role: String },
    #[error(
        "connections arrive in schema \"{found}\" instead of \"{wanted}\": let this role use that one \
         (`GRANT USAGE, CREATE ON SCHEMA \"{wanted}\"`), or use an address whose pooler passes the search_path on"
    )]
    WrongSchema { wanted: String, found: String },
    #[error(
        "{setting} leads to a pooler that gives each transaction another session: {remedy}",
        remedy = transaction_remedy(setting)
    )]
    TransactionPooler { setting: &'static str },
    #[error(
        "the database is behind this llm-api, and migrations cannot run through a pooler in transaction mode: set \
         LLM_API_MIGRATION_DATABASE_URL to the direct or the session address"
    )]
    BehindPooler,
    #[error(
        "this database does not have the receipt {receipt} that LLM_API_EXPECT_RECEIPT names, so it is not the one the \
         data was copied to: check LLM_API_DATABASE_URL and LLM_API_DATABASE_SCHEMA, or unset LLM_API_EXPECT_RECEIPT"
    )]
    NoReceipt { receipt: Uuid },
    #[error("cannot use {path}: {source}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot connect to the database: {reason}")]
    Connect {
        reason: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot prepare the database: {0}")]
    Prepare(#[source] sqlx::Error),
    #[error("a migration failed: {0}")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

fn transaction_remedy(setting: &str) -> &'static str {
    match setting {
        MIGRATION_SETTING => "migrations need the direct or the session address",
        _ => "set LLM_API_DATABASE_POOL_MODE=transaction, or use the direct or the session address",
    }
}

impl OpenError {
    /// Whether trying again later can help (the database is down), rather than a change of settings.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Prepare(_))
    }
}
