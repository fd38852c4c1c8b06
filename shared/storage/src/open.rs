//! Opening a [`Store`]: locks, pragmas, schema, migrations, in that order.

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
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    DatabaseAddress, OpenError, Recorder, Store, StoreError,
    address::{ACQUIRE_TIMEOUT, STATEMENT_TIMEOUT},
    cache::{Cache, Changes},
    later::Later,
    migrate,
    recorder::Sink,
    store::{Backend, PostgresPool, SqlitePools},
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
}

#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub address: DatabaseAddress,
    /// Postgres only: where migrations run, when `address` goes through a pooler.
    pub migration_address: Option<DatabaseAddress>,
    /// Postgres only: the schema that holds our tables; made when missing.
    pub schema: Option<String>,
    /// Upper bound of connections to Postgres.
    pub max_connections: u32,
    pub mode: OpenMode,
    pub clock: Clock,
}

impl Store {
    /// Opens the database and brings it to this version, as `options.mode` allows.
    pub async fn open(options: OpenOptions) -> Result<Self, OpenError> {
        let (backend, sink, lock) = match &options.address {
            DatabaseAddress::Sqlite(path) => {
                let (pools, usage, lock) = open_sqlite(&path.0, options.mode).await?;
                (Backend::Sqlite(pools), Sink::Sqlite(Box::new(usage)), Some(Arc::new(lock)))
            }
            DatabaseAddress::Postgres(address) => {
                let pool = open_postgres(address, &options).await?;
                (Backend::Postgres(pool.clone()), Sink::Postgres(pool), None)
            }
        };
        let recorder = Recorder::start(sink, options.clock.clone(), options.mode);
        let changes = match (&lock, options.mode) {
            (Some(lock), OpenMode::Server) => Changes::Own(Arc::new(Cache::new(Arc::clone(lock)))),
            (Some(lock), OpenMode::Tool) => Changes::Beside(Arc::clone(lock)),
            (Some(_), OpenMode::Function) | (None, _) => Changes::Nobody,
        };
        let store = Self { backend, recorder, changes, later: Later::new(), _lock: lock };
        if options.mode == OpenMode::Server {
            store.close_left_open(options.clock.now()).await.map_err(|error| match error {
                StoreError::Unavailable(source) | StoreError::Full(source) | StoreError::Internal(source) => {
                    OpenError::Prepare(source)
                }
                StoreError::Closed | StoreError::Corrupt { .. } => OpenError::Prepare(sqlx::Error::PoolClosed),
            })?;
        }
        Ok(store)
    }

    /// Settles what an earlier process began and did not end.
    async fn close_left_open(&self, now: Timestamp) -> Result<(), StoreError> {
        self.requests().close_left_open(now).await?;
        self.download_jobs().close_left_open(now).await?;
        Ok(())
    }
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
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
fn private(options: &mut FileOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &mut FileOptions) {}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

async fn open_sqlite(path: &Path, mode: OpenMode) -> Result<(SqlitePools, SqliteConnection, File), OpenError> {
    refuse_legacy(path).await?;
    let lock = lock_file(path)?;
    let held = match mode {
        OpenMode::Server | OpenMode::Tool => lock.try_lock(),
        OpenMode::Function => lock.try_lock_shared(),
    };
    let alone = match (held, mode) {
        (Ok(()), _) => true,
        (Err(TryLockError::WouldBlock), OpenMode::Tool) => false,
        (Err(TryLockError::WouldBlock), OpenMode::Server | OpenMode::Function) => {
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
    };
    Ok((pools, usage, lock))
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
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
        .connect_with(options)
        .await
        .map_err(OpenError::Prepare)
}

/// The Python service's file has `users.email` and none of our migrations; it is only ever read, by the importer.
async fn refuse_legacy(path: &Path) -> Result<(), OpenError> {
    let ours_is_new = !path.exists();
    let legacy_beside = path.with_file_name("llm_api.db");
    let suspects = [
        Some(path.to_owned()).filter(|_| !ours_is_new),
        Some(legacy_beside).filter(|file| ours_is_new && file.exists()),
    ];
    for suspect in suspects.into_iter().flatten() {
        if is_legacy(&suspect).await? {
            return Err(OpenError::LegacyFile { path: suspect.display().to_string() });
        }
    }
    Ok(())
}

async fn is_legacy(path: &Path) -> Result<bool, OpenError> {
    if std::fs::metadata(path).map_err(file_error(path))?.len() == 0 {
        return Ok(false);
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)?;
    let found: Option<(i64,)> = sqlx::query_as(
        "SELECT 1 FROM pragma_table_info('users') WHERE name = 'email'
         AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations')",
    )
    .fetch_optional(&mut conn)
    .await
    .map_err(OpenError::Prepare)?;
    conn.close().await.map_err(OpenError::Prepare)?;
    Ok(found.is_some())
}

/// Lower-case identifiers only: everything else would need quoting in other people's tools, and could be an injection.
fn valid_schema(schema: &str) -> bool {
    let mut bytes = schema.bytes();
    schema.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn with_schema(options: &PgConnectOptions, schema: Option<&str>) -> PgConnectOptions {
    let timeout = STATEMENT_TIMEOUT.as_millis().to_string();
    let options = options.clone().options([("statement_timeout", timeout.as_str())]);
    match schema {
        Some(schema) => options.options([("search_path", schema)]),
        None => options,
    }
}

async fn open_postgres(address: &PgConnectOptions, options: &OpenOptions) -> Result<PostgresPool, OpenError> {
    let schema = options.schema.as_deref();
    if schema.is_some_and(|schema| !valid_schema(schema)) {
        return Err(OpenError::Address(
            "LLM_API_DATABASE_SCHEMA may hold a-z, 0-9 and _ and starts with a letter".to_owned(),
        ));
    }
    let connect = with_schema(address, schema);
    if options.mode == OpenMode::Function {
        migrate::check_postgres(&connect).await?;
    } else {
        let migration = match &options.migration_address {
            Some(DatabaseAddress::Postgres(migration)) => migration.as_ref(),
            Some(DatabaseAddress::Sqlite(_)) => {
                return Err(OpenError::Address("LLM_API_MIGRATION_DATABASE_URL must be a Postgres address".to_owned()));
            }
            None => address,
        };
        // A migration may take longer than a request's statement.
        let migration = match schema {
            Some(schema) => migration.clone().options([("search_path", schema)]),
            None => migration.clone(),
        };
        migrate::postgres(&migration, schema).await?;
    }
    let pool: PgPoolOptions = PoolOptions::new();
    let pool = pool
        .max_connections(options.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // A connection that has just been used is alive; one that rested may have been cut by a restart or a firewall.
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > Duration::from_secs(2) {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(connect)
        .await
        .map_err(migrate::connect_error)?;
    if let Some(wanted) = schema {
        let (found,): (Option<String>,) =
            sqlx::query_as("SELECT current_schema()::text").fetch_one(&pool).await.map_err(OpenError::Prepare)?;
        if found.as_deref() != Some(wanted) {
            return Err(OpenError::WrongSchema { wanted: wanted.to_owned(), found: found.unwrap_or_default() });
        }
    }
    Ok(PostgresPool { pool })
}
