//! An SQLite file that is only looked at, also beside its server.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use super::{APPLIED, CANARIES, FREEZE, FreezeFacts, MigrationState, ProbeError, RECEIPTS};
use crate::{OpenError, OpenMode, migrate, open};

/// Problems that a check names at most.
const MOST_PROBLEMS: usize = 5;

#[derive(Debug)]
pub struct SqliteProbe {
    conn: SqliteConnection,
    path: PathBuf,
    /// Opened as a file that nobody writes to, which leaves no files beside it.
    is_still: bool,
}

impl SqliteProbe {
    /// Whether a server or another command holds the file.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        let lock = match File::open(open::beside(path, ".lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match lock.try_lock_shared() {
            // Given back at once: a look must not keep a server from starting.
            Ok(()) => lock.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// A start makes no new file where the Python service's stands beside it.
    pub async fn refuse_legacy_beside(path: &Path) -> Result<(), OpenError> {
        open::refuse_legacy(path, OpenMode::Server).await
    }

    /// Opens a file that is there. The Python service's is refused with the command that brings it over.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        // Whoever opens a file in WAL mode leaves two more beside it, unless it is known to stand still.
        let has_log = fs::metadata(open::beside(path, "-wal")).is_ok();
        let is_still = !has_log && matches!(Self::is_held(path), Ok(false));
        let mut probe = Self { conn: connect(path, is_still).await?, path: path.to_owned(), is_still };
        if open::holds_legacy(&mut probe.conn).await? {
            return Err(open::legacy_file(path, true));
        }
        Ok(probe)
    }

    /// Whether the file is in WAL mode, as ours are.
    pub fn has_write_ahead_log(&self) -> io::Result<bool> {
        use std::io::Read as _;

        // The file format's "write version" (https://www.sqlite.org/fileformat2.html, offset 18).
        let mut head = [0; 19];
        File::open(&self.path)?.read_exact(&mut head)?;
        Ok(head[18] == 2)
    }

    /// What `PRAGMA quick_check` finds: nothing in a sound file.
    pub async fn quick_check(&mut self) -> Result<Vec<String>, ProbeError> {
        let found = self.check().await;
        if self.is_still && !matches!(&found, Ok(problems) if problems.is_empty()) {
            // A server may have begun to write meanwhile: then what was seen proves nothing.
            self.conn = connect(&self.path, false).await.map_err(|error| ProbeError(error.to_string()))?;
            self.is_still = false;
            return self.check().await;
        }
        found
    }

    async fn check(&mut self) -> Result<Vec<String>, ProbeError> {
        let problems: Vec<String> =
            sqlx::query_scalar("SELECT * FROM pragma_quick_check").fetch_all(&mut self.conn).await?;
        Ok(problems.into_iter().filter(|line| line != "ok").take(MOST_PROBLEMS).collect())
    }

    pub(super) async fn migrations(&mut self) -> Result<MigrationState, ProbeError> {
        let known = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
        let known: i64 = sqlx::query_scalar(known).fetch_one(&mut self.conn).await?;
        let applied = match known {
            0 => Vec::new(),
            _ => sqlx::query_as(APPLIED).fetch_all(&mut self.conn).await?,
        };
        Ok(MigrationState::of(&applied, &migrate::SQLITE))
    }

    pub(super) async fn canaries(&mut self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ProbeError> {
        Ok(sqlx::query_as(CANARIES).fetch_all(&mut self.conn).await?)
    }

    pub(super) async fn freeze(&mut self) -> Result<FreezeFacts, ProbeError> {
        let (state, reason) = sqlx::query_as(FREEZE).fetch_one(&mut self.conn).await?;
        Ok(FreezeFacts { state, reason })
    }

    pub(super) async fn has_receipt(&mut self, receipt: Uuid) -> Result<bool, ProbeError> {
        let count: i64 = sqlx::query_scalar(RECEIPTS).bind(receipt).fetch_one(&mut self.conn).await?;
        Ok(count > 0)
    }

    pub(super) async fn size(&mut self) -> Result<(String, u64), ProbeError> {
        let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut self.conn).await?;
        let log = fs::metadata(open::beside(&self.path, "-wal")).map_or(0, |log| log.len());
        let file = fs::metadata(&self.path).map_err(|error| ProbeError(error.to_string()))?.len();
        Ok((format!("SQLite {version}"), file + log))
    }
}

async fn connect(path: &Path, is_still: bool) -> Result<SqliteConnection, OpenError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(is_still);
    let options = options.disable_statement_logging();
    SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)
}
