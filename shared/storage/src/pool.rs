//! Connections to Postgres: sessions that are ours, or transactions that a pooler hands out one by one.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, PgPool, SqlSafeStr as _, SqlStr};
use tokio::time::Instant;

use crate::{
    StoreError,
    address::STATEMENT_TIMEOUT,
    db::{Conn, Db, PostgresDb, Tx, within},
    figures::{PoolFigures, Waits},
};

/// How long a server may take for one piece of work, the wait for a connection included. Its own limit on statements does
/// not help where the network swallows the answer.
pub(crate) const ANSWER_TIME: Duration = Duration::from_millis(3300);

/// What an address of Postgres gives its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolMode {
    /// Transactions on port 6543, which is Supabase's for them, else sessions.
    #[default]
    Auto,
    /// A server process for as long as the connection lasts.
    Session,
    /// Another server process for each transaction.
    Transaction,
}

/// Supabase's for transactions.
pub(crate) const TRANSACTION_PORT: u16 = 6543;

impl PoolMode {
    pub(crate) fn is_transaction(self, port: u16) -> bool {
        match self {
            Self::Auto => port == TRANSACTION_PORT,
            Self::Session => false,
            Self::Transaction => true,
        }
    }
}

/// Gives out connections for statements; the pool behind it is private, so that none can run past [`Db`].
#[derive(Clone)]
pub(crate) struct PostgresPool {
    pool: PgPool,
    /// `None` where sessions are ours.
    begin: Option<Begin>,
    waits: Waits,
}

/// How a transaction begins where nothing that was said before it counts. One round trip each.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    read: SqlStr,
    write: SqlStr,
}

impl Begin {
    /// Without a schema the role's own search path counts, not what another client has left in the session.
    pub(crate) fn new(schema: Option<&str>) -> Self {
        // An identifier cannot be a parameter; only [a-z_][a-z0-9_]* comes here.
        let path = schema.map_or_else(|| "DEFAULT".to_owned(), |schema| format!("\"{schema}\""));
        let timeout = STATEMENT_TIMEOUT.as_millis();
        let begin = |access: &str| {
            let statements = format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED {access}; SET LOCAL search_path TO {path}; \
                 SET LOCAL statement_timeout TO {timeout}"
            );
            AssertSqlSafe(Arc::<str>::from(statements)).into_sql_str()
        };
        Self { read: begin("READ ONLY"), write: begin("READ WRITE") }
    }

    /// How a transaction begins that changes nothing.
    pub(crate) fn read_only(self) -> SqlStr {
        self.read
    }
}

impl PostgresPool {
    pub(crate) fn of_sessions(pool: PgPool) -> Self {
        Self { pool, begin: None, waits: Waits::default() }
    }

    pub(crate) fn of_transactions(pool: PgPool, begin: Begin) -> Self {
        Self { pool, begin: Some(begin), waits: Waits::default() }
    }

    pub(crate) async fn reader(&self) -> Result<PostgresDb, StoreError> {
        match &self.begin {
            None => self.session().await,
            Some(begin) => self.transaction(begin.read.clone(), true).await,
        }
    }

    /// For one statement that changes something and needs nothing around it.
    pub(crate) async fn statement(&self) -> Result<PostgresDb, StoreError> {
        match &self.begin {
            None => self.session().await,
            Some(begin) => self.transaction(begin.write.clone(), false).await,
        }
    }

    pub(crate) async fn writer(&self) -> Result<PostgresDb, StoreError> {
        let begin = self.begin.as_ref().map_or(SqlStr::from_static("BEGIN"), |begin| begin.write.clone());
        self.transaction(begin, false).await
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        PoolFigures::of("all", &self.pool)
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn session(&self) -> Result<PostgresDb, StoreError> {
        let deadline = Some(Instant::now() + ANSWER_TIME);
        let wait = self.waits.begin();
        let conn = within(deadline, self.pool.acquire()).await;
        drop(wait);
        Ok(Db::new(Conn::Pooled(conn?), true, deadline))
    }

    async fn transaction(&self, begin: SqlStr, read_only: bool) -> Result<PostgresDb, StoreError> {
        let deadline = Some(Instant::now() + ANSWER_TIME);
        let wait = self.waits.begin();
        let conn = within(deadline, self.pool.acquire()).await;
        drop(wait);
        let tx = within(deadline, Tx::begin(conn?, begin, read_only)).await?;
        // A statement that stays prepared would meet us again in another client's hands.
        Ok(Db::new(Conn::Guarded(tx), self.begin.is_none(), deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_decides_when_nobody_else_does() {
        assert!(PoolMode::Auto.is_transaction(6543) && !PoolMode::Auto.is_transaction(5432));
        assert!(PoolMode::Transaction.is_transaction(5432) && !PoolMode::Session.is_transaction(6543));
    }

    #[test]
    fn a_transaction_relies_on_nothing_in_its_session() {
        let begin = Begin::new(Some("llm_api"));
        assert_eq!(
            begin.read.as_str(),
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path TO \"llm_api\"; \
             SET LOCAL statement_timeout TO 5000"
        );
        let begin = Begin::new(None);
        assert!(begin.write.as_str().contains("READ WRITE; SET LOCAL search_path TO DEFAULT;"), "{begin:?}");
    }
}
