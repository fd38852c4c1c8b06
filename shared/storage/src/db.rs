//! One connection to run statements on, whatever the driver, and the macros that give it out.
//!
//! A statement can only be run through [`Db`], and a [`Db`] only comes from [`on_read!`] or [`on_write!`]: this is
//! where a transaction-mode pooler gets the explicit transaction and the unnamed statements it needs.

use sqlx::{
    Database, Executor, FromRow, IntoArguments, Postgres, Sqlite, Transaction,
    database::HasStatementCache,
    pool::PoolConnection,
    query::{Query, QueryAs, QueryScalar},
};

use crate::StoreError;

pub(crate) enum Conn<D: Database> {
    Pooled(PoolConnection<D>),
    Tx(Transaction<'static, D>),
}

pub(crate) struct Db<D: Database> {
    conn: Conn<D>,
    /// Whether statements may be kept prepared on the server.
    persistent: bool,
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
    pub(crate) fn new(conn: Conn<D>, persistent: bool) -> Self {
        Self { conn, persistent }
    }

    fn executor(&mut self) -> &mut D::Connection {
        match &mut self.conn {
            Conn::Pooled(conn) => conn,
            Conn::Tx(tx) => tx,
        }
    }

    /// Commits where there is a transaction. A `Db` that is dropped before rolls back.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        match self.conn {
            Conn::Pooled(_) => Ok(()),
            Conn::Tx(tx) => Ok(tx.commit().await?),
        }
    }
}

impl<D> Db<D>
where
    D: Database + HasStatementCache,
    D::QueryResult: RowsAffected,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    D::Arguments: IntoArguments<D>,
{
    /// Runs a statement; gives how many rows it changed.
    pub(crate) async fn execute(&mut self, query: Query<'_, D, D::Arguments>) -> Result<u64, sqlx::Error> {
        let query = query.persistent(self.persistent);
        Ok(query.execute(self.executor()).await?.count())
    }

    pub(crate) async fn optional<O>(&mut self, query: QueryAs<'_, D, O, D::Arguments>) -> Result<Option<O>, sqlx::Error>
    where
        O: Send + Unpin + for<'r> FromRow<'r, D::Row>,
    {
        let query = query.persistent(self.persistent);
        query.fetch_optional(self.executor()).await
    }

    pub(crate) async fn all<O>(&mut self, query: QueryAs<'_, D, O, D::Arguments>) -> Result<Vec<O>, sqlx::Error>
    where
        O: Send + Unpin + for<'r> FromRow<'r, D::Row>,
    {
        let query = query.persistent(self.persistent);
        query.fetch_all(self.executor()).await
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
        query.fetch_optional(self.executor()).await
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
        let _changing = $store.changes.changing();
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
    }};
}

pub(crate) type SqliteDb = Db<Sqlite>;
pub(crate) type PostgresDb = Db<Postgres>;
