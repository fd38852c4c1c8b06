//! Reading the usage rows.

use std::time::Duration;

use llm_api_domain::{RequestId, RequestStatus, Timestamp, TokenUsage, UserId};
use uuid::Uuid;

use crate::{OpenMode, Store, StoreError, dialect::DbTime, store::Backend};

/// Longer than any request may run: a `running` row older than this has no process behind it.
const LONGEST_REQUEST: Duration = Duration::from_secs(3600);

/// One generating request, as stored.
#[derive(Clone, Debug)]
pub struct Request {
    pub id: RequestId,
    pub endpoint: String,
    pub provider: String,
    pub model: String,
    pub streamed: bool,
    pub status: RequestStatus,
    pub error_code: Option<String>,
    pub usage: TokenUsage,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    endpoint: String,
    provider: String,
    model: String,
    streamed: bool,
    status: String,
    error_code: Option<String>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    #[sqlx(try_from = "DbTime")]
    started_at: Timestamp,
    finished_at: Option<DbTime>,
}

impl TryFrom<Row> for Request {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let status = RequestStatus::ALL.into_iter().find(|status| status.as_str() == row.status);
        Ok(Self {
            id: row.id.into(),
            endpoint: row.endpoint,
            provider: row.provider,
            model: row.model,
            streamed: row.streamed,
            status: status.ok_or_else(|| StoreError::corrupt("requests", "status", "unknown status"))?,
            error_code: row.error_code,
            usage: TokenUsage {
                prompt_tokens: row.prompt_tokens,
                completion_tokens: row.completion_tokens,
                total_tokens: row.total_tokens,
                cached_tokens: row.cached_tokens,
                reasoning_tokens: row.reasoning_tokens,
            },
            started_at: row.started_at,
            finished_at: row.finished_at.map(Timestamp::from),
        })
    }
}

/// The `requests` table.
#[derive(Debug)]
pub struct Requests<'s>(pub(crate) &'s Store);

impl Requests<'_> {
    /// The newest requests of one user, newest first.
    pub async fn list(&self, user: UserId, limit: i64) -> Result<Vec<Request>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT id, endpoint, provider, model, streamed, status, error_code, prompt_tokens, completion_tokens,
                    total_tokens, cached_tokens, reasoning_tokens, started_at, finished_at
                 FROM requests WHERE user_id = $1 ORDER BY id DESC LIMIT $2")
                .bind(user.as_uuid()).bind(limit)).await?
        });
        rows.into_iter().map(Request::try_from).collect()
    }

    /// Closes the rows that a process left `running` when it was killed: on SQLite all of them, for the caller is the
    /// only server; on Postgres those that are too old to be anyone's.
    pub(crate) async fn close_left_open(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = match &self.0.backend {
            Backend::Sqlite(_) => now,
            Backend::Postgres(_) => now - LONGEST_REQUEST,
        };
        let closed = on_write!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE requests SET status = 'interrupted', finished_at = $1 WHERE status = 'running' AND started_at <= $2")
                .bind(DbTime(now)).bind(DbTime(before))).await?
        });
        if closed > 0 {
            tracing::warn!(requests = closed, mode = ?OpenMode::Server, "requests of an earlier process were closed as interrupted");
        }
        Ok(closed)
    }
}
