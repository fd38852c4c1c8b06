//! Reading the usage rows.

use std::time::Duration;

use llm_api_domain::{RequestId, RequestStatus, SessionId, Timestamp, TokenUsage, UserId};
use uuid::Uuid;

use crate::{
    OpenMode, RequestRecord, Store, StoreError,
    dialect::DbTime,
    recorder::{CLAIM, bind_row},
    store::Backend,
};

/// How long a stream counts at most: as long as a call to a provider may take where the operator says nothing else.
const STREAM_COUNTS: Duration = Duration::from_secs(900);
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
    /// Why another model than the chosen one answered.
    pub fallback_reason: Option<String>,
    pub session: Option<SessionId>,
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
    fallback_reason: Option<String>,
    session_id: Option<Uuid>,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    #[sqlx(try_from = "DbTime")]
    started_at: Timestamp,
    finished_at: Option<DbTime>,
}

fn parse_status(text: &str) -> Result<RequestStatus, StoreError> {
    RequestStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("requests", "status", "unknown status"))
}

impl TryFrom<Row> for Request {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            endpoint: row.endpoint,
            provider: row.provider,
            model: row.model,
            streamed: row.streamed,
            status: parse_status(&row.status)?,
            error_code: row.error_code,
            fallback_reason: row.fallback_reason,
            session: row.session_id.map(SessionId::from),
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

macro_rules! select_request {
    ($rest:literal) => {
        concat!(
            "SELECT id, endpoint, provider, model, streamed, status, error_code, fallback_reason, session_id,
                prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, started_at, finished_at
             FROM requests ",
            $rest
        )
    };
}

/// The `requests` table.
#[derive(Debug)]
pub struct Requests<'s>(pub(crate) &'s Store);

impl Requests<'_> {
    /// The newest requests of one user, newest first.
    pub async fn list(&self, user: UserId, limit: i64) -> Result<Vec<Request>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_request!("WHERE user_id = $1 ORDER BY id DESC LIMIT $2"))
                .bind(user.as_uuid()).bind(limit)).await?
        });
        rows.into_iter().map(Request::try_from).collect()
    }

    /// One of the user's requests; a short one only after it has ended.
    pub async fn get(&self, user: UserId, id: RequestId) -> Result<Option<Request>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_request!("WHERE user_id = $1 AND id = $2"))
                .bind(user.as_uuid()).bind(id.as_uuid())).await?
        });
        row.map(Request::try_from).transpose()
    }

    /// How many streams of a user run in all processes together. Those of the last second may be missing, and those of a
    /// process that was killed count until they are too old to be anyone's.
    pub async fn running_streams(&self, user: UserId, now: Timestamp) -> Result<usize, StoreError> {
        let count: Option<i64> = on_read!(self.0, db => {
            db.scalar(sqlx::query_scalar(
                "SELECT COUNT(*) FROM requests
                 WHERE status = 'running' AND streamed AND user_id = $1 AND started_at > $2")
                .bind(user.as_uuid()).bind(DbTime(now - STREAM_COUNTS))).await?
        });
        Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
    }

    /// Writes the `running` row of a request at once, whose id the client chose: every process knows of it from then on.
    /// False when the user has used that id before. The caller settles it, as any other request.
    pub async fn claim(&self, record: &RequestRecord) -> Result<bool, StoreError> {
        let mut claiming = self.0.recorder.claiming(record);
        let is_new = on_write_uncached!(self.0, db => {
            let is_new = db.execute(bind_row!(sqlx::query(*CLAIM), record, record.started_at)).await? > 0;
            if is_new {
                claiming.inserted();
            }
            is_new
        });
        claiming.done();
        Ok(is_new)
    }

    /// Asks for the end of a request that runs, in whatever process: there it takes half a second to be seen. Gives the
    /// status of its row; `None` when there is none (yet: see [`Recorder::cancel_here`](crate::Recorder::cancel_here)).
    pub async fn request_cancel(
        &self,
        user: UserId,
        id: RequestId,
        now: Timestamp,
    ) -> Result<Option<RequestStatus>, StoreError> {
        let status: Option<String> = on_write_uncached!(self.0, db => {
            // One statement: between two, the row could appear, and its status would be told without the wish being noted.
            db.scalar(sqlx::query_scalar(
                "UPDATE requests SET cancel_requested_at =
                    CASE WHEN status = 'running' THEN COALESCE(cancel_requested_at, $1) ELSE cancel_requested_at END
                 WHERE user_id = $2 AND id = $3 RETURNING status")
                .bind(DbTime(now)).bind(user.as_uuid()).bind(id.as_uuid())).await?
        });
        status.as_deref().map(parse_status).transpose()
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
