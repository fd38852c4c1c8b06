//! Reading a database of the Python service: raw cells by column name, for such files hold what no schema promises.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sqlx::{
    AssertSqlSafe, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

/// Why a file cannot be read as one of the Python service. One sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    #[error("cannot read {path}: {source}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} is no database of the Python service: {reason}")]
    NotLegacy { path: String, reason: &'static str },
    #[error(
        "{beside} holds changes that are not in the database itself: the old service still runs, or was cut off. Start \
         and stop it once, then try again"
    )]
    InUse { beside: String },
    #[error("{path} changed while it was read: stop the old service first")]
    Changed { path: String },
    #[error("{path} cannot be read as a database: {source}")]
    Damaged {
        path: String,
        #[source]
        source: sqlx::Error,
    },
}

/// The tables of the old service, with the columns that it ever had. All are free text to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegacyTable {
    Users,
    UserTokens,
    ProviderKeys,
    InviteTokens,
    Sessions,
    SessionMessages,
    Models,
    DefaultModels,
    Requests,
    DownloadJobs,
    MetricsBuckets,
}

impl LegacyTable {
    pub const ALL: [Self; 11] = [
        Self::Users,
        Self::UserTokens,
        Self::ProviderKeys,
        Self::InviteTokens,
        Self::Sessions,
        Self::SessionMessages,
        Self::Models,
        Self::DefaultModels,
        Self::Requests,
        Self::DownloadJobs,
        Self::MetricsBuckets,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::UserTokens => "user_tokens",
            Self::ProviderKeys => "provider_keys",
            Self::InviteTokens => "invite_tokens",
            Self::Sessions => "sessions",
            Self::SessionMessages => "session_messages",
            Self::Models => "models",
            Self::DefaultModels => "default_models",
            Self::Requests => "requests",
            Self::DownloadJobs => "download_jobs",
            Self::MetricsBuckets => "llm_metrics_buckets",
        }
    }

    /// What is read of it; the first one names the row.
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Users => &[
                "id",
                "email",
                "password_hash",
                "is_active",
                "is_admin",
                "display_name",
                "preferred_model",
                "preferences",
                "created_at",
                "last_login_at",
            ],
            Self::UserTokens => &[
                "id",
                "user_id",
                "name",
                "token_hash",
                "scopes",
                "is_active",
                "created_at",
                "last_used_at",
                "expires_at",
            ],
            Self::ProviderKeys => {
                &["id", "user_id", "provider", "credential_type", "encrypted_key", "is_active", "created_at"]
            }
            Self::InviteTokens => &["id", "token_hash", "created_by", "used_by", "is_used", "created_at", "expires_at"],
            Self::Sessions => {
                &["id", "user_id", "status", "title", "system_prompt", "state_tokens", "created_at", "last_used_at"]
            }
            Self::SessionMessages => {
                &["id", "session_id", "sequence", "modality", "input_data", "output_data", "state_tokens", "created_at"]
            }
            Self::Models => &["id", "provider"],
            Self::DefaultModels => &["modality", "model_id", "updated_at"],
            Self::Requests | Self::DownloadJobs => &["id"],
            Self::MetricsBuckets => &["bucket_time"],
        }
    }
}

/// What a cell holds, as it is stored. Text is not checked: it may be no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Null,
    Integer(i64),
    /// As SQLite prints it.
    Real(String),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// One row; columns that the file lacks are absent.
#[derive(Clone, Debug)]
pub struct LegacyRow {
    /// Its place in the file: rows are read in the order they were made.
    pub place: i64,
    cells: Vec<(&'static str, Cell)>,
}

impl LegacyRow {
    /// `None` where this file has no such column.
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.cells.iter().find(|(name, _)| *name == column).map(|(_, cell)| cell)
    }

    fn read(columns: &[&'static str], row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let place = row.try_get_unchecked(0)?;
        let mut cells = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let kind: String = row.try_get_unchecked(1 + 2 * at)?;
            let bytes: Option<Vec<u8>> = row.try_get_unchecked(2 + 2 * at)?;
            let bytes = bytes.unwrap_or_default();
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            let cell = match kind.as_str() {
                "null" => Cell::Null,
                "integer" => text().parse().map_or(Cell::Null, Cell::Integer),
                "real" => Cell::Real(text()),
                "text" => Cell::Text(bytes),
                _ => Cell::Blob(bytes),
            };
            cells.push((*column, cell));
        }
        Ok(Self { place, cells })
    }
}

/// A file of the Python service, opened so that nothing is ever written, beside it neither.
#[derive(Debug)]
pub struct LegacyFile {
    path: PathBuf,
    conn: SqliteConnection,
    /// The columns that the file has, of those we know, in our order.
    columns: HashMap<LegacyTable, Vec<&'static str>>,
    stamp: (u64, Option<SystemTime>),
}

impl LegacyFile {
    /// Opens the file and looks at its tables.
    pub async fn open(path: &Path) -> Result<Self, LegacyError> {
        let stamp = stamp(path)?;
        // Opened as immutable, such a journal would be overlooked, and with it the last changes.
        for suffix in ["-wal", "-journal"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(suffix);
            if fs::metadata(&beside).is_ok_and(|metadata| metadata.len() > 0) {
                return Err(LegacyError::InUse { beside: PathBuf::from(beside).display().to_string() });
            }
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
        let conn = SqliteConnection::connect_with(&options).await.map_err(|source| damaged(path, source))?;
        let mut file = Self { path: path.to_owned(), conn, columns: HashMap::new(), stamp };
        file.look().await?;
        Ok(file)
    }

    async fn look(&mut self) -> Result<(), LegacyError> {
        let names: Vec<(String, String)> = sqlx::query_as(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        )
        .fetch_all(&mut self.conn)
        .await
        .map_err(|source| damaged(&self.path, source))?;
        let has = |table: &str, column: &str| {
            names.iter().any(|(t, c)| t.eq_ignore_ascii_case(table) && c.eq_ignore_ascii_case(column))
        };
        let not_legacy = |reason| LegacyError::NotLegacy { path: self.path.display().to_string(), reason };
        if has("_sqlx_migrations", "version") {
            return Err(not_legacy("it is one of llm-api; `llm-api db copy` moves those"));
        }
        if !has("users", "email") {
            return Err(not_legacy("it has no table users with a column email"));
        }
        for table in LegacyTable::ALL {
            let columns = table.columns();
            if !has(table.name(), columns[0]) {
                continue;
            }
            let present = columns.iter().copied().filter(|column| has(table.name(), column)).collect();
            self.columns.insert(table, present);
        }
        Ok(())
    }

    /// Whether the file has this table, with the column that names its rows.
    pub fn has(&self, table: LegacyTable) -> bool {
        self.columns.contains_key(&table)
    }

    /// How many rows a table has; none when it is missing.
    pub async fn count(&mut self, table: LegacyTable) -> Result<u64, LegacyError> {
        if !self.has(table) {
            return Ok(0);
        }
        let statement = format!("SELECT COUNT(*) FROM \"{}\"", table.name());
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_one(&mut self.conn)
            .await
            .map_err(|source| damaged(&self.path, source))?;
        Ok(count.unsigned_abs())
    }

    /// At most `limit` rows behind `place`, in the order they were made, with all columns or with `only` these.
    pub async fn rows(
        &mut self,
        table: LegacyTable,
        only: Option<&[&str]>,
        place: i64,
        limit: i64,
    ) -> Result<Vec<LegacyRow>, LegacyError> {
        let Some(columns) = self.columns.get(&table) else { return Ok(Vec::new()) };
        let columns: Vec<&'static str> =
            columns.iter().copied().filter(|column| only.is_none_or(|only| only.contains(column))).collect();
        // The names are ours. As a blob, a text comes as its bytes, whatever they are.
        let cells: Vec<String> =
            columns.iter().map(|column| format!(", typeof(\"{column}\"), CAST(\"{column}\" AS BLOB)")).collect();
        let (cells, name) = (cells.concat(), table.name());
        let statement = format!("SELECT rowid{cells} FROM \"{name}\" WHERE rowid > $1 ORDER BY rowid LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(place)
            .bind(limit)
            .fetch_all(&mut self.conn)
            .await
            .map_err(|source| damaged(&self.path, source))?;
        let read = rows.iter().map(|row| LegacyRow::read(&columns, row)).collect::<Result<_, _>>();
        read.map_err(|source| damaged(&self.path, source))
    }

    /// The row at `place`.
    pub async fn row(&mut self, table: LegacyTable, place: i64) -> Result<Option<LegacyRow>, LegacyError> {
        let row = self.rows(table, None, place - 1, 1).await?.pop();
        Ok(row.filter(|row| row.place == place))
    }

    /// Ends the reading, and tells when the file was written meanwhile: what was read may be half of a change.
    pub async fn close(self) -> Result<(), LegacyError> {
        self.conn.close().await.map_err(|source| damaged(&self.path, source))?;
        if stamp(&self.path)? != self.stamp {
            return Err(LegacyError::Changed { path: self.path.display().to_string() });
        }
        Ok(())
    }
}

fn stamp(path: &Path) -> Result<(u64, Option<SystemTime>), LegacyError> {
    let metadata =
        fs::metadata(path).map_err(|source| LegacyError::File { path: path.display().to_string(), source })?;
    if !metadata.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is no file");
        return Err(LegacyError::File { path: path.display().to_string(), source });
    }
    Ok((metadata.len(), metadata.modified().ok()))
}

fn damaged(path: &Path, source: sqlx::Error) -> LegacyError {
    LegacyError::Damaged { path: path.display().to_string(), source }
}
