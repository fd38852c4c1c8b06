//! Why nothing was copied. Every text is for the operator, without a secret.

use std::fmt;

use crate::OpenError;

use super::Finding;

/// Which of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("{side}: {source}")]
    Open {
        side: Side,
        #[source]
        source: OpenError,
    },
    #[error("{side}: the database is behind this llm-api: run `{command}` first")]
    Behind { side: Side, command: String },
    #[error("source and target are the same database")]
    SameDatabase,
    #[error("another copy is at work on the {0}: wait for its end")]
    Busy(Side),
    #[error(
        "the encryption key is not the one that the source was used with: set LLM_API_ENCRYPTION_KEY to the earlier key \
         (on SQLite without that setting it is the text of encryption.key), or name that one in \
         LLM_API_ENCRYPTION_KEYS_OLD; nothing was written"
    )]
    WrongKey,
    /// Rows that the target could not hold, or that would not work there.
    #[error("the source holds what cannot be copied as it is (findings: {}); nothing was written", .0.len())]
    Findings(Vec<Finding>),
    #[error(
        "the target holds data ({}): name an empty database, or give --truncate-target --confirm-target {name} to \
         replace it", list(.tables)
    )]
    NotEmpty { name: String, tables: Vec<(&'static str, u64)> },
    #[error("--truncate-target deletes everything in the target: confirm it with --confirm-target {name}")]
    Unconfirmed { name: String },
    #[error("the target is not \"{given}\" but \"{name}\": nothing was written")]
    ConfirmedAnother { name: String, given: String },
    #[error("a table of another application ({table}) refers to ours in the target; it would lose what it refers to")]
    ForeignTable { table: String },
    #[error("{table} differs in the target after it was written; the target is as it was before")]
    Differs { table: &'static str },
    #[error("{side}{}: {}", table.map(|table| format!(", table {table}")).unwrap_or_default(), reason(.source))]
    Database {
        side: Side,
        table: Option<&'static str>,
        #[source]
        source: sqlx::Error,
    },
}

impl CopyError {
    /// For `map_err`.
    pub(crate) fn of(side: Side, table: Option<&'static str>) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Database { side, table, source }
    }

    pub(crate) fn open(side: Side) -> impl Fn(OpenError) -> Self {
        move |source| Self::Open { side, source }
    }
}

fn list(tables: &[(&'static str, u64)]) -> String {
    let counted: Vec<String> = tables.iter().map(|(table, rows)| format!("{table}: {rows}")).collect();
    counted.join(", ")
}

/// The database's own words; never a row's content, which Postgres gives in the detail alone.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("55P03") => "another process keeps its tables locked: stop the servers on it".to_owned(),
            _ => database.message().to_owned(),
        },
        sqlx::Error::Io(error) => format!("the connection was lost ({error})"),
        other => other.to_string(),
    }
}
