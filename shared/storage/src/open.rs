//! Opening a [`Store`]: locks, pragmas, schema, migrations, in that order.

mod expect;
mod handover;
mod postgres;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions as FileOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use llm_api_domain::{Clock, Timestamp};
use sqlx::{
    Connection as _, SqliteConnection, SqlitePool,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;

pub(crate) use postgres::{share_sessions, valid_schema};

use crate::{
    DatabaseAddress, OpenError, PoolMode, Recorder, Store, StoreError,
    address::ACQUIRE_TIMEOUT,
    cache::{Cache, Changes, FleetingAliases},
    figures::Waits,
    freeze::Watch,
    later::Later,
    migrate,
    recorder::Sink,
    store::{Backend, SqlitePools},
};

/// Who opens the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The one server of an SQLite file; migrates, and settles what an earlier process left open.
    Server,
    /// A command of the operator; migrates when no server holds the file, and works beside one.
    Tool,
    /// A cloud function: never migrates, shares the database with its siblings.
    Function,
    /// A command of the operator that no server may run beside on an SQLite file. It may make one in the folder of the
    /// Python service's.
    Import,
}

#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub address: DatabaseAddress,
    /// Postgres only: where migrations run, when `address` goes through a pooler.
    pub migration_address: Option<DatabaseAddress>,
    /// Postgres only: what `address` gives.
    pub pool_mode: PoolMode,
    /// Postgres only: the schema that holds our tables; made when missing.
    pub schema: Option<String>,
    /// Upper bound of connections to Postgres.
    pub max_connections: u32,
    pub mode: OpenMode,
    /// The receipt of the copy that this database must be: any other one is refused before it is touched.
    pub expect_receipt: Option<Uuid>,
    pub clock: Clock,
}

impl Store {
    /// Opens the database and brings it to this version, as `options.mode` allows.
    pub async fn open(options: OpenOptions) -> Result<Self, OpenError> {
        let (mode, clock) = (options.mode, options.clock.clone());
        let store = Self::open_with(options, None).await?;
        if mode == OpenMode::Server {
            store.settle_left_open(clock.now()).await?;
        }
        Ok(store)
    }

    /// `lock` is the one that another server holds on the file, and shares.
    async fn open_with(options: OpenOptions, lock: Option<File>) -> Result<Self, OpenError> {
        let alone = lock.is_none();
        let (backend, sink, lock) = match &options.address {
            DatabaseAddress::Sqlite(path) => {
                let (pools, usage, lock) = open_sqlite(&path.0, options.mode, options.expect_receipt, lock).await?;
                (Backend::Sqlite(pools), Sink::Sqlite(Box::new(usage)), Some(Arc::new(lock)))
            }
            DatabaseAddress::Postgres(address) => {
                let pool = postgres::open(address, &options).await?;
                (Backend::Postgres(pool.clone()), Sink::Postgres(pool), None)
            }
        };
        let recorder = Recorder::start(sink, options.clock.clone(), options.mode);
        let changes = match (&lock, options.mode) {
            (Some(lock), OpenMode::Server) => Changes::Own(Arc::new(Cache::new(Arc::clone(lock), alone))),
            (Some(lock), OpenMode::Tool) => Changes::Beside(Arc::clone(lock)),
            (Some(_), OpenMode::Function | OpenMode::Import) | (None, _) => Changes::Nobody,
        };
        let freeze = Arc::new(Watch::new());
        let aliases = Arc::new(FleetingAliases::default());
        Ok(Self { backend, recorder, changes, aliases, later: Later::new(), freeze, lock })
    }

    async fn settle_left_open(&self, before: Timestamp) -> Result<(), OpenError> {
        match self.close_left_open(before).await {
            // What is frozen stays as it is, until a start after the thaw.
            Ok(()) | Err(StoreError::ReadOnly) => Ok(()),
            Err(error) => Err(prepare_error(error)),
        }
    }

    /// Settles what an earlier process began until then and did not end.
    async fn close_left_open(&self, before: Timestamp) -> Result<(), StoreError> {
        self.requests().close_left_open(before).await?;
        self.download_jobs().close_left_open(before).await?;
        self.idempotency_keys().close_left_open(before).await?;
        Ok(())
    }
}

fn prepare_error(error: StoreError) -> OpenError {
    match error {
        StoreError::Unavailable(source) | StoreError::Full(source) | StoreError::Internal(source) => {
            OpenError::Prepare(source)
        }
        StoreError::ReadOnly | StoreError::Closed | StoreError::Corrupt { .. } => {
            OpenError::Prepare(sqlx::Error::PoolClosed)
        }
    }
}

pub(crate) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::File { path: path.display().to_string(), source }
}

/// The lock file beside the database; SQLite's own locks come and go with each transaction.
fn lock_file(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let mut options = FileOptions::new();
    // Appended to: its length tells a server that a command wrote (see `cache.rs`).
    options.read(true).append(true).create(true);
    private(&mut options);
    options.open(&lock_path).map_err(file_error(&lock_path))
}

#[cfg(unix)]
pub(crate) fn private(options: &mut FileOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
pub(crate) fn private(_: &mut FileOptions) {}

/// Holds the file as its server would, for as long as the result lives.
pub(crate) fn lock_alone(path: &Path) -> Result<File, OpenError> {
    let lock = lock_file(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::HeldByAnother { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(file_error(path)(error)),
    }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

async fn open_sqlite(
    path: &Path,
    mode: OpenMode,
    expect_receipt: Option<Uuid>,
    shared_lock: Option<File>,
) -> Result<(SqlitePools, SqliteConnection, File), OpenError> {
    refuse_legacy(path, mode).await?;
    if let Some(receipt) = expect_receipt {
        expect::sqlite(path, receipt).await?;
    }
    // Locking what another server locked and shares changes nothing: the lock is of the open file, not of a process.
    let lock = shared_lock.map_or_else(|| lock_file(path), Ok)?;
    let held = match mode {
        OpenMode::Server | OpenMode::Tool | OpenMode::Import => lock.try_lock(),
        OpenMode::Function => lock.try_lock_shared(),
    };
    let alone = match (held, mode) {
        (Ok(()), _) => true,
        (Err(TryLockError::WouldBlock), OpenMode::Tool) => false,
        (Err(TryLockError::WouldBlock), OpenMode::Server | OpenMode::Function | OpenMode::Import) => {
            return Err(OpenError::HeldByAnother { path: path.display().to_string() });
        }
        (Err(TryLockError::Error(error)), _) => return Err(file_error(path)(error)),
    };
    // Made by us rather than by SQLite, so that it is private from its first byte.
    let mut file = FileOptions::new();
    file.write(true).create(true).truncate(false);
    private(&mut file);
    file.open(path).map_err(file_error(path))?;

    let options = sqlite_options(path);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)?;
    if alone && mode != OpenMode::Function {
        migrate::sqlite(&mut conn).await?;
    }
    migrate::check_sqlite(&mut conn).await?;
    conn.close().await.map_err(OpenError::Prepare)?;
    if mode == OpenMode::Tool && alone {
        // A command never keeps a server from starting.
        lock.unlock().map_err(file_error(path))?;
    }

    // Commits of usage rows are not flushed to the platter one by one (see `docs/adr/0004-usage-rows.md`).
    // Its log may grow to 16 MiB before it is folded into the file, so that busy times are not spent on folding.
    let usage_options = options.clone().synchronous(SqliteSynchronous::Normal).pragma("wal_autocheckpoint", "4000");
    let usage = SqliteConnection::connect_with(&usage_options).await.map_err(OpenError::Prepare)?;
    let pools = SqlitePools {
        read: sqlite_pool(4, options.clone().read_only(true)).await?,
        write: sqlite_pool(1, options).await?,
        waits: Waits::default(),
    };
    Ok((pools, usage, lock))
}

pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
}

async fn sqlite_pool(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool, OpenError> {
    let pool: SqlitePoolOptions = PoolOptions::new();
    pool.max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file cannot go away like a network peer: asking first would cost a thread switch for each query.
        .test_before_acquire(false)
        // After a commit that the disk had no space for, SQLite has rolled back and the driver believes that it has not:
        // nothing could ever be begun on that connection again.
        .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
        .connect_with(options)
        .await
        .map_err(OpenError::Prepare)
}

/// The Python service's file has `users.email` and none of our migrations; it is only ever read, by the importer.
pub(crate) async fn refuse_legacy(path: &Path, mode: OpenMode) -> Result<(), OpenError> {
    let ours_is_new = !path.exists();
    let legacy_beside = path.with_file_name("llm_api.db");
    let suspects = [
        Some(path.to_owned()).filter(|_| !ours_is_new),
        Some(legacy_beside).filter(|file| ours_is_new && mode != OpenMode::Import && file.exists()),
    ];
    for suspect in suspects.into_iter().flatten() {
        if is_legacy(&suspect).await? {
            return Err(legacy_file(&suspect, suspect == path));
        }
    }
    Ok(())
}

/// Names the command that brings the data over, with the key where the old service kept its own.
pub(crate) fn legacy_file(file: &Path, is_named: bool) -> OpenError {
    let key_file = file.with_file_name(".llm_api_enc.key");
    let key = if key_file.exists() {
        format!("--legacy-key-file {}", key_file.display())
    } else {
        "--legacy-passphrase-file FILE".to_owned()
    };
    let first = if is_named { "name another file in LLM_API_DATABASE_URL, then bring" } else { "bring" };
    let path = file.display().to_string();
    OpenError::LegacyFile { remedy: format!("{first} its data over with `llm-api import --source {path} {key}`"), path }
}

pub(crate) async fn is_legacy(path: &Path) -> Result<bool, OpenError> {
    if std::fs::metadata(path).map_err(file_error(path))?.len() == 0 {
        return Ok(false);
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)?;
    let found = holds_legacy(&mut conn).await?;
    conn.close().await.map_err(OpenError::Prepare)?;
    Ok(found)
}

/// Whether an open file is the Python service's.
pub(crate) async fn holds_legacy(conn: &mut SqliteConnection) -> Result<bool, OpenError> {
    let found: Option<(i64,)> = sqlx::query_as(
        "SELECT 1 FROM pragma_table_info('users') WHERE name = 'email'
         AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations')",
    )
    .fetch_optional(conn)
    .await
    .map_err(OpenError::Prepare)?;
    Ok(found.is_some())
}
