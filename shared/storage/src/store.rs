//! [`Store`]: the handle that handlers clone, and the pools behind it.

use std::{fs::File, sync::Arc};

use sqlx::SqlitePool;

use crate::{
    Aliases, Artifacts, DefaultModels, DownloadJobs, Exchanges, Freezes, IdempotencyKeys, Invites, ProviderKeys,
    Recorder, Requests, Sealed, Sessions, SharedThrottles, StoreError, Tokens, UsageBuckets, Users, VaultCanaries,
    cache::{Changes, FleetingAliases},
    db::{Conn, Db, SqliteDb},
    figures::{Figures, PoolFigures, Waits},
    freeze::Watch,
    later::Later,
    pool::PostgresPool,
};

/// The database. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Store {
    pub(crate) backend: Backend,
    pub(crate) recorder: Recorder,
    pub(crate) changes: Changes,
    pub(crate) aliases: Arc<FleetingAliases>,
    pub(crate) later: Later,
    pub(crate) freeze: Arc<Watch>,
    /// The operating system's lock on an SQLite file, held as long as the store lives.
    pub(crate) lock: Option<Arc<File>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.backend {
            Backend::Sqlite(_) => "Store(SQLite)",
            Backend::Postgres(_) => "Store(Postgres)",
        })
    }
}

#[derive(Clone)]
pub(crate) enum Backend {
    Sqlite(SqlitePools),
    Postgres(PostgresPool),
}

/// SQLite takes one writer at a time, so the writers share one connection and readers never wait for them.
#[derive(Clone)]
pub(crate) struct SqlitePools {
    pub(crate) read: SqlitePool,
    pub(crate) write: SqlitePool,
    pub(crate) waits: Waits,
}

impl SqlitePools {
    pub(crate) async fn reader(&self) -> Result<SqliteDb, StoreError> {
        let wait = self.waits.begin();
        let conn = self.read.acquire().await;
        drop(wait);
        Ok(Db::new(Conn::Pooled(conn?), true, None))
    }

    /// `BEGIN IMMEDIATE`: a plain `BEGIN` that reads and then writes fails under concurrency in spite of a busy timeout.
    pub(crate) async fn writer(&self) -> Result<SqliteDb, StoreError> {
        let wait = self.waits.begin();
        let tx = self.write.begin_with("BEGIN IMMEDIATE").await;
        drop(wait);
        Ok(Db::new(Conn::Tx(tx?), true, None))
    }
}

impl Store {
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    pub fn invites(&self) -> Invites<'_> {
        Invites(self)
    }

    pub fn provider_keys(&self) -> ProviderKeys<'_> {
        ProviderKeys(self)
    }

    pub fn requests(&self) -> Requests<'_> {
        Requests(self)
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn exchanges(&self) -> Exchanges<'_> {
        Exchanges(self)
    }

    pub fn default_models(&self) -> DefaultModels<'_> {
        DefaultModels(self)
    }

    pub fn usage_buckets(&self) -> UsageBuckets<'_> {
        UsageBuckets(self)
    }

    pub fn artifacts(&self) -> Artifacts<'_> {
        Artifacts(self)
    }

    pub fn download_jobs(&self) -> DownloadJobs<'_> {
        DownloadJobs(self)
    }

    /// Names that stand for models.
    pub fn aliases(&self) -> Aliases<'_> {
        Aliases(self)
    }

    pub fn idempotency_keys(&self) -> IdempotencyKeys<'_> {
        IdempotencyKeys(self)
    }

    /// Limits that hold across processes.
    pub fn throttles(&self) -> SharedThrottles<'_> {
        SharedThrottles(self)
    }

    /// Whether other processes may serve from this database, too.
    pub fn is_shared(&self) -> bool {
        !matches!(self.changes, Changes::Own(_))
    }

    /// The operator's freeze.
    pub fn freezes(&self) -> Freezes<'_> {
        Freezes(self)
    }

    /// The encrypted columns.
    pub fn sealed(&self) -> Sealed<'_> {
        Sealed(self)
    }

    pub fn vault_canaries(&self) -> VaultCanaries<'_> {
        VaultCanaries(self)
    }

    /// Where usage rows go: written in batches, by a task of this store.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What the pools and the recorder are busy with, for operators.
    pub fn figures(&self) -> Figures {
        let (pools, waits) = match &self.backend {
            Backend::Sqlite(pools) => {
                (vec![PoolFigures::of("read", &pools.read), PoolFigures::of("write", &pools.write)], &pools.waits)
            }
            Backend::Postgres(pool) => (vec![pool.figures()], pool.waits()),
        };
        let (acquired, waited, waiting) = waits.read();
        Figures { pools, acquired, waited, waiting, rows_waiting: self.recorder.rows_waiting() }
    }

    /// "SQLite" or "Postgres".
    pub fn kind(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite(_) => "SQLite",
            Backend::Postgres(_) => "Postgres",
        }
    }

    /// Writes what is still queued and closes every connection.
    pub async fn close(&self) {
        self.later.finish().await;
        self.recorder.close().await;
        match &self.backend {
            Backend::Sqlite(pools) => {
                pools.read.close().await;
                pools.write.close().await;
            }
            Backend::Postgres(pool) => pool.close().await,
        }
    }
}
