//! The operator's freeze, which a copy takes along: nobody writes to the new database before the operator says so.

use super::{
    conn::Conn,
    error::{CopyError, Side},
};
use crate::dialect::DbTime;

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Carried {
    state: String,
    reason: Option<String>,
    since: Option<i64>,
}

/// Microseconds on both databases.
const SINCE: (&str, &str) = ("since", "(EXTRACT(EPOCH FROM since) * 1000000)::bigint");

impl Carried {
    pub(crate) fn is_frozen(&self) -> bool {
        self.state == "frozen"
    }

    pub(crate) async fn read(conn: &mut Conn, side: Side) -> Result<Self, CopyError> {
        let since = if matches!(conn, Conn::Sqlite(_)) { SINCE.0 } else { SINCE.1 };
        let query = super::conn::sql(format!("SELECT state, reason, {since} AS since FROM maintenance"));
        each!(conn, conn => sqlx::query_as(query).persistent(false).fetch_one(conn).await)
            .map_err(CopyError::of(side, Some("maintenance")))
    }

    /// Makes it the target's. A source that is only about to be frozen may still change: its copy is open.
    pub(crate) async fn write(&self, target: &mut Conn) -> Result<(), CopyError> {
        let state = if self.state == "draining" { "open" } else { self.state.as_str() };
        let (reason, since) = if state == "open" { (None, None) } else { (self.reason.as_deref(), self.since) };
        let since = since.map(|micros| DbTime(llm_api_domain::Timestamp::from_micros(micros)));
        let statement = "UPDATE maintenance SET state = $1, reason = $2, since = $3";
        each!(target, conn => sqlx::query(statement).persistent(false)
            .bind(state).bind(reason).bind(since).execute(conn).await.map(drop))
        .map_err(CopyError::of(Side::Target, Some("maintenance")))
    }
}

/// Lets this transaction write to a target that is frozen.
pub(crate) async fn lift(target: &mut Conn) -> Result<(), CopyError> {
    let statement = "UPDATE maintenance SET state = 'open', reason = NULL, since = NULL WHERE state <> 'open'";
    target.run(statement.to_owned()).await.map_err(CopyError::of(Side::Target, Some("maintenance")))
}
