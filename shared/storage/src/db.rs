//! One connection to run statements on, whatever the driver, and the macros that give it out.
//!
//! A statement can only be run through [`Db`], and a [`Db`] only comes from [`on_read!`], [`on_write!`] or [`on_write_uncached!`]: one place decides
//! about transactions, about statements that stay prepared, and how long a silent server is waited for.

use sqlx::{
    Database, Executor, FromRow, IntoArguments, Postgres, SqlStr, Sqlite, Transaction,
    database::HasStatementCache,
    pool::PoolConnection,
    query::{Query, QueryAs, QueryScalar},
};

use tokio::time::{Instant, timeout_at};

use crate::{StoreError, pool::ANSWER_TIME};

pub(crate) enum Conn<D: Database> {
    Pooled(PoolConnection<D>),
    Tx(Transaction<'static, D>),
    Guarded(Tx<D>),
    /// Given up: it did not answer in time, and nobody else may wait for its late answer.
    Gone,
}

pub(crate) struct Db<D: Database> {
    conn: Conn<D>,
    /// Whether statements may be kept prepared on the server.
    persistent: bool,
    /// When to stop waiting for a server that says nothing; none for a file.
    deadline: Option<Instant>,
}

/// A transaction on Postgres; rolls back when dropped.
///
/// Not the driver's: when a client leaves while that one begins, its connection goes back into the pool inside a
/// transaction that nobody knows of, and what is written there next is never committed.
pub(crate) struct Tx<D: Database> {
    /// `None` when it has ended, or is somebody else's to end.
    conn: Option<PoolConnection<D>>,
    begun: bool,
    read_only: bool,
    roll_back: fn(PoolConnection<D>),
}

impl Tx<Postgres> {
    pub(crate) async fn begin(
        conn: PoolConnection<Postgres>,
        statement: SqlStr,
        read_only: bool,
    ) -> Result<Self, sqlx::Error> {
        let mut tx = Self { conn: Some(conn), begun: false, read_only, roll_back };
        sqlx::raw_sql(statement).execute(tx.executor()?).await?;
        tx.begun = true;
        Ok(tx)
    }
}

impl<D: Database> Tx<D> {
    fn executor(&mut self) -> Result<&mut D::Connection, sqlx::Error> {
        self.conn.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    async fn commit(mut self, deadline: Option<Instant>) -> Result<(), sqlx::Error>
    where
        for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    {
        let committed = within(deadline, sqlx::raw_sql("COMMIT").execute(self.executor()?)).await;
        // Whatever the answer was, the transaction is over.
        let conn = self.conn.take();
        if matches!(committed, Err(sqlx::Error::PoolTimedOut)) {
            drop(conn.map(PoolConnection::detach));
        }
        committed.map(drop)
    }
}

impl<D: Database> Drop for Tx<D> {
    fn drop(&mut self) {
        match self.conn.take() {
            Some(conn) if self.begun => (self.roll_back)(conn),
            // Nobody knows how far it came.
            Some(conn) => drop(conn.detach()),
            None => {}
        }
    }
}

/// In the background: nobody waits for it, and the connection goes back to the pool by itself.
fn roll_back(mut conn: PoolConnection<Postgres>) {
    let work = async move {
        let deadline = Some(Instant::now() + ANSWER_TIME);
        if within(deadline, sqlx::raw_sql("ROLLBACK").execute(&mut *conn)).await.is_err() {
            drop(conn.detach());
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends in time; closing the pool waits for its connection")]
    tokio::spawn(work);
}

/// Waits for `work`, but not past `deadline`.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match deadline {
        None => work.await,
        Some(deadline) => timeout_at(deadline, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)),
    }
}

/// How many rows a statement changed; the drivers have no common name for it.
pub(crate) trait RowsAffected {
    fn count(&self) -> u64;
}

impl RowsAffected for sqlx::sqlite::SqliteQueryResult {
    fn count(&self) -> u64 {
        self.rows_affected()
    }
}

impl RowsAffected for sqlx::postgres::PgQueryResult {
    fn count(&self) -> u64 {
        self.rows_affected()
    }
}

impl<D: Database> Db<D> {
    pub(crate) fn new(conn: Conn<D>, persistent: bool, deadline: Option<Instant>) -> Self {
        Self { conn, persistent, deadline }
    }

    /// For long work of the operator: however many statements it has, the server is waited for.
    pub(crate) fn patient(self) -> Self {
        Self { deadline: None, ..self }
    }

    fn executor(&mut self) -> Result<&mut D::Connection, sqlx::Error> {
        match &mut self.conn {
            Conn::Pooled(conn) => Ok(conn),
            Conn::Tx(tx) => Ok(tx),
            Conn::Guarded(tx) => tx.executor(),
            Conn::Gone => Err(sqlx::Error::PoolClosed),
        }
    }

    fn give_up_when_silent<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if matches!(result, Err(sqlx::Error::PoolTimedOut)) {
            let conn = match std::mem::replace(&mut self.conn, Conn::Gone) {
                Conn::Pooled(conn) => Some(conn),
                Conn::Guarded(mut tx) => tx.conn.take(),
                Conn::Tx(_) | Conn::Gone => None,
            };
            // Out of the pool and closed: going back, it would be asked whether it is alive, and keep its place for long.
            drop(conn.map(PoolConnection::detach));
        }
        result
    }
}

impl<D> Db<D>
where
    D: Database + HasStatementCache,
    D::QueryResult: RowsAffected,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    D::Arguments: IntoArguments<D>,
{
    /// Commits where there is a transaction. A `Db` that is dropped before rolls back.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        match self.conn {
            Conn::Tx(tx) => Ok(within(self.deadline, tx.commit()).await?),
            Conn::Guarded(tx) if !tx.read_only => Ok(tx.commit(self.deadline).await?),
            // What was only read is rolled back, and nobody waits for that.
            Conn::Guarded(_) | Conn::Pooled(_) | Conn::Gone => Ok(()),
        }
    }

    /// Runs a statement; gives how many rows it changed.
    pub(crate) async fn execute(&mut self, query: Query<'_, D, D::Arguments>) -> Result<u64, sqlx::Error> {
        let query = query.persistent(self.persistent);
        let done = within(self.deadline, query.execute(self.executor()?)).await;
        Ok(self.give_up_when_silent(done)?.count())
    }

    pub(crate) async fn optional<O>(&mut self, query: QueryAs<'_, D, O, D::Arguments>) -> Result<Option<O>, sqlx::Error>
    where
        O: Send + Unpin + for<'r> FromRow<'r, D::Row>,
    {
        let query = query.persistent(self.persistent);
        let rows = within(self.deadline, query.fetch_optional(self.executor()?)).await;
        self.give_up_when_silent(rows)
    }

    pub(crate) async fn all<O>(&mut self, query: QueryAs<'_, D, O, D::Arguments>) -> Result<Vec<O>, sqlx::Error>
    where
        O: Send + Unpin + for<'r> FromRow<'r, D::Row>,
    {
        let query = query.persistent(self.persistent);
        let rows = within(self.deadline, query.fetch_all(self.executor()?)).await;
        self.give_up_when_silent(rows)
    }

    pub(crate) async fn scalar<O>(
        &mut self,
        query: QueryScalar<'_, D, O, D::Arguments>,
    ) -> Result<Option<O>, sqlx::Error>
    where
        O: Send + Unpin,
        (O,): Send + Unpin + for<'r> FromRow<'r, D::Row>,
    {
        let query = query.persistent(self.persistent);
        let rows = within(self.deadline, query.fetch_optional(self.executor()?)).await;
        self.give_up_when_silent(rows)
    }
}

/// Runs `$body` once for the driver in use, on a connection for reading. `?` inside leaves the calling method.
macro_rules! on_read {
    ($store:expr, $db:ident => $body:expr) => {
        match &$store.backend {
            $crate::store::Backend::Sqlite(pools) => {
                let mut $db = pools.reader().await?;
                $body
            }
            $crate::store::Backend::Postgres(pool) => {
                let mut $db = pool.reader().await?;
                let output = $body;
                $db.finish().await?;
                output
            }
        }
    };
}

/// Runs `$body` in a transaction for writing and commits it. `?` inside leaves the calling method and rolls back, and so
/// does `return`.
macro_rules! on_write {
    ($store:expr, $db:ident => $body:expr) => {{
        let mut changing = $store.changes.changing();
        let output = match &$store.backend {
            $crate::store::Backend::Sqlite(pools) => {
                let mut $db = pools.writer().await?;
                let output = $body;
                changing.committing();
                $db.finish().await?;
                output
            }
            $crate::store::Backend::Postgres(pool) => {
                let mut $db = pool.writer().await?;
                let output = $body;
                changing.committing();
                $db.finish().await?;
                output
            }
        };
        changing.committed();
        output
    }};
}

/// The same for tables that the cache knows nothing of: what it has stays good.
macro_rules! on_write_uncached {
    ($store:expr, $db:ident => $body:expr) => {
        match &$store.backend {
            $crate::store::Backend::Sqlite(pools) => {
                let mut $db = pools.writer().await?;
                let output = $body;
                $db.finish().await?;
                output
            }
            $crate::store::Backend::Postgres(pool) => {
                let mut $db = pool.writer().await?;
                let output = $body;
                $db.finish().await?;
                output
            }
        }
    };
}

pub(crate) type SqliteDb = Db<Sqlite>;
pub(crate) type PostgresDb = Db<Postgres>;
