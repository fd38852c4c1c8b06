//! A database of ours as one SQLite file that nobody else has open: what a backup holds.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    ArtifactStore, OpenError, TABLES,
    migrate::{self, versions},
    open::{file_error, is_legacy, legacy_file, sqlite_options},
};

/// How many of the things that are wrong with a file are told.
const TOLD: i64 = 10;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the database could not be written into a file: {}", reason(.0))]
    Write(#[source] sqlx::Error),
    #[error("the file cannot be read as a database: {}", reason(.0))]
    Read(#[source] sqlx::Error),
}

/// The database's own words.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    }
}

/// Writes one state of an SQLite database of ours into `into`, which must be missing or empty. A server may go on writing,
/// and rows are taken as they are, whatever is in them.
pub async fn snapshot(source: &Path, into: &Path) -> Result<(), SnapshotError> {
    std::fs::metadata(source).map_err(file_error(source))?;
    if is_legacy(source).await? {
        return Err(legacy_file(source, true).into());
    }
    let mut conn = connect(source).await?;
    let into = into.to_str().ok_or_else(|| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidFilename, "its name is no UTF-8");
        file_error(into)(error)
    })?;
    let written = sqlx::query("VACUUM INTO $1").bind(into).execute(&mut conn).await;
    conn.close().await.map_err(SnapshotError::Read)?;
    written.map(drop).map_err(SnapshotError::Write)
}

/// How a file's tables stand to those of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Same,
    Older,
    Newer,
}

/// The generated files that a database names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArtifactFiles {
    /// The names of those on disk.
    pub local: Vec<String>,
    /// How many are in a bucket.
    pub in_bucket: u64,
}

/// A database file of ours that no server has open.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    applied: Vec<i64>,
}

impl SnapshotFile {
    /// `None` where there is no database of ours in it.
    pub async fn open(path: &Path) -> Result<Option<Self>, SnapshotError> {
        let mut conn = connect(path).await?;
        let has_migrations = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
        let found: i64 = sqlx::query_scalar(has_migrations).fetch_one(&mut conn).await.map_err(SnapshotError::Read)?;
        let applied: Vec<i64> = match found {
            0 => Vec::new(),
            _ => sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
                .fetch_all(&mut conn)
                .await
                .map_err(SnapshotError::Read)?,
        };
        conn.close().await.map_err(SnapshotError::Read)?;
        Ok((!applied.is_empty()).then(|| Self { path: path.to_owned(), applied }))
    }

    /// Whether a file is one of the Python service.
    pub async fn is_legacy(path: &Path) -> Result<bool, SnapshotError> {
        Ok(is_legacy(path).await?)
    }

    /// The newest migration it has had.
    pub fn migration(&self) -> i64 {
        self.applied.last().copied().unwrap_or_default()
    }

    pub fn age(&self) -> Age {
        let known = versions();
        match self.applied.iter().all(|version| known.contains(version)) {
            false => Age::Newer,
            true if self.applied.len() < known.len() => Age::Older,
            true => Age::Same,
        }
    }

    /// What SQLite finds wrong with the file itself; at most ten things.
    pub async fn check_integrity(&self) -> Result<Vec<String>, SnapshotError> {
        let mut conn = connect(&self.path).await?;
        // What a row may hold is looked at by name later, and told with its id.
        sqlx::query("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.map_err(SnapshotError::Read)?;
        let check = AssertSqlSafe(format!("PRAGMA integrity_check({TOLD})"));
        let found: Vec<String> = sqlx::query_scalar(check).fetch_all(&mut conn).await.map_err(SnapshotError::Read)?;
        conn.close().await.map_err(SnapshotError::Read)?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Brings it to this version.
    pub async fn migrate(&mut self) -> Result<(), SnapshotError> {
        let mut conn =
            SqliteConnection::connect_with(&sqlite_options(&self.path)).await.map_err(SnapshotError::Read)?;
        let migrated = migrate::sqlite(&mut conn).await;
        conn.close().await.map_err(SnapshotError::Read)?;
        migrated?;
        self.applied = versions();
        Ok(())
    }

    /// Makes one file of it: a copy leaves it in the journal mode of a server's.
    pub async fn settle(&self) -> Result<(), SnapshotError> {
        let mut conn =
            SqliteConnection::connect_with(&sqlite_options(&self.path)).await.map_err(SnapshotError::Write)?;
        let settled = sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut conn).await;
        conn.close().await.map_err(SnapshotError::Write)?;
        settled.map(drop).map_err(SnapshotError::Write)
    }

    /// How many rows each of our tables has that is there.
    pub async fn count(&self) -> Result<Vec<(&'static str, u64)>, SnapshotError> {
        let mut conn = connect(&self.path).await?;
        let known = tables(&mut conn).await?;
        let mut counts = Vec::new();
        for table in TABLES.iter().filter(|table| known.iter().any(|known| known == table.name)) {
            let query = AssertSqlSafe(format!("SELECT COUNT(*) FROM {}", table.name));
            let rows: i64 = sqlx::query_scalar(query).fetch_one(&mut conn).await.map_err(SnapshotError::Read)?;
            counts.push((table.name, u64::try_from(rows).unwrap_or_default()));
        }
        conn.close().await.map_err(SnapshotError::Read)?;
        Ok(counts)
    }

    /// The generated files that it names; none in a file that is older than those.
    pub async fn artifact_files(&self) -> Result<ArtifactFiles, SnapshotError> {
        let mut conn = connect(&self.path).await?;
        let mut files = ArtifactFiles::default();
        if tables(&mut conn).await?.iter().any(|table| table == "artifacts") {
            files.local = sqlx::query_scalar("SELECT object_key FROM artifacts WHERE store = $1 ORDER BY id")
                .bind(ArtifactStore::Local.as_str())
                .fetch_all(&mut conn)
                .await
                .map_err(SnapshotError::Read)?;
            let in_bucket: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM artifacts WHERE store = $1")
                .bind(ArtifactStore::S3.as_str())
                .fetch_one(&mut conn)
                .await
                .map_err(SnapshotError::Read)?;
            files.in_bucket = u64::try_from(in_bucket).unwrap_or_default();
        }
        conn.close().await.map_err(SnapshotError::Read)?;
        Ok(files)
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, SnapshotError> {
    // A large table takes its time, which is no news.
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    SqliteConnection::connect_with(&options).await.map_err(SnapshotError::Read)
}

async fn tables(conn: &mut SqliteConnection) -> Result<Vec<String>, SnapshotError> {
    sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
        .fetch_all(conn)
        .await
        .map_err(SnapshotError::Read)
}
