//! Requests that a client may repeat without generating twice: who answers, and what the answer was.

use std::{error::Error as _, time::Duration};

use llm_api_domain::{RequestId, Timestamp, UserId};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::{Store, StoreError, dialect::DbTime, exchanges::WAITS, store::Backend};

/// How long a reply can be repeated, from the moment its key was claimed.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// A request that wants to answer for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub user: UserId,
    /// The client's own.
    pub key: String,
    /// SHA-256 of what is asked.
    pub fingerprint: [u8; 32],
    pub request: RequestId,
    pub at: Timestamp,
    /// How long the claim holds without an end: then its process has died.
    pub life: Duration,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The key is the caller's, who has to finish or release it.
    Mine,
    /// Another request answers at the moment.
    Running,
    /// The key stands for another question.
    OtherBody,
    Done(KeptReply),
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReply {
    pub request: RequestId,
    pub status: u16,
    pub content_type: Option<String>,
    pub headers: Vec<(String, String)>,
    /// `None` when it was too large, or later ones have taken its room.
    pub body: Option<Vec<u8>>,
}

/// The most that is kept of the replies of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAtMost {
    pub replies: u32,
    /// Of bodies and headers together.
    pub bytes: u64,
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    state: String,
    request_id: Uuid,
    status_code: Option<i64>,
    content_type: Option<String>,
    headers: Option<String>,
    body: Option<Vec<u8>>,
}

impl Row {
    fn into_claimed(self, fingerprint: &[u8; 32]) -> Result<Claimed, StoreError> {
        if self.fingerprint != fingerprint {
            return Ok(Claimed::OtherBody);
        }
        if self.state != "done" {
            return Ok(Claimed::Running);
        }
        let corrupt = |column| move |error| StoreError::corrupt("idempotency_keys", column, error);
        let headers = self.headers.as_deref().unwrap_or("[]");
        Ok(Claimed::Done(KeptReply {
            request: self.request_id.into(),
            status: u16::try_from(self.status_code.unwrap_or_default())
                .map_err(|error| StoreError::corrupt("idempotency_keys", "status_code", error))?,
            content_type: self.content_type,
            headers: serde_json::from_str(headers).map_err(corrupt("headers"))?,
            body: self.body,
        }))
    }
}

/// Takes a key that nobody has, or that is nobody's any more. No row is changed where somebody has it, but it stays
/// locked until the transaction ends.
const CLAIM: &str = "
    INSERT INTO idempotency_keys (user_id, key, fingerprint, state, request_id, created_at, expires_at)
    VALUES ($1, $2, $3, 'running', $4, $5, $6)
    ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state,
        request_id = excluded.request_id, status_code = NULL, content_type = NULL, headers = NULL, body = NULL,
        created_at = excluded.created_at, finished_at = NULL, expires_at = excluded.expires_at, kept_bytes = 0
    WHERE idempotency_keys.expires_at <= excluded.created_at";

const LOOK: &str = "
    SELECT fingerprint, state, request_id, status_code, content_type, headers, body FROM idempotency_keys
    WHERE user_id = $1 AND key = $2 AND expires_at > $3";

const KEPT_OF_USER: &str = "
    SELECT COUNT(*), CAST(COALESCE(SUM(kept_bytes), 0) AS BIGINT) FROM idempotency_keys
    WHERE user_id = $1 AND state = 'done'";

/// The keys behind the newest `$2` ones.
const TOO_MANY: &str = "
    SELECT key FROM idempotency_keys WHERE user_id = $1 AND state = 'done'
    ORDER BY created_at DESC, key DESC LIMIT 1000 OFFSET $2";

/// The keys of replies behind the newest ones that take `$2` bytes together.
const TOO_LARGE: &str = "
    SELECT key FROM (
        SELECT key, kept_bytes, SUM(kept_bytes) OVER (ORDER BY created_at DESC, key DESC) AS so_far
        FROM idempotency_keys WHERE user_id = $1 AND state = 'done') AS kept
    WHERE so_far > $2 AND kept_bytes > 0";

/// The `idempotency_keys` table.
#[derive(Debug)]
pub struct IdempotencyKeys<'s>(pub(crate) &'s Store);

impl IdempotencyKeys<'_> {
    /// Claims a key, or tells who has it. Of several who claim it at once, in whatever process, one gets it.
    pub async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let (taken, row): (u64, Option<Row>) = on_write_uncached!(self.0, db => {
            let taken = db.execute(sqlx::query(CLAIM)
                .bind(claim.user.as_uuid()).bind(claim.key.as_str()).bind(claim.fingerprint.as_slice())
                .bind(claim.request.as_uuid()).bind(DbTime(claim.at)).bind(DbTime(claim.at + claim.life))).await?;
            let look = sqlx::query_as(LOOK).bind(claim.user.as_uuid()).bind(claim.key.as_str()).bind(DbTime(claim.at));
            let row = if taken > 0 { None } else { db.optional(look).await? };
            (taken, row)
        });
        if taken > 0 {
            return Ok(Claimed::Mine);
        }
        row.map_or(Ok(Claimed::Running), |row| row.into_claimed(&claim.fingerprint))
    }

    /// What stands behind a key, without claiming it; `None` when nothing does.
    pub async fn look(
        &self,
        user: UserId,
        key: &str,
        fingerprint: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Claimed>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(LOOK).bind(user.as_uuid()).bind(key).bind(DbTime(now))).await?
        });
        row.map(|row| row.into_claimed(fingerprint)).transpose()
    }

    /// Keeps the reply of a claim. False when the claim is over.
    pub async fn finish(&self, claim: &Claim, reply: &KeptReply, now: Timestamp) -> Result<bool, StoreError> {
        let body = reply.body.as_deref();
        // Without its body a reply is not given again, so that its headers are of no use.
        let headers = body.map(|_| serde_json::json!(reply.headers).to_string());
        let kept = body.map_or(0, <[u8]>::len) + headers.as_deref().map_or(0, str::len);
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE idempotency_keys SET state = 'done', status_code = $1, content_type = $2, headers = $3, body = $4,
                    finished_at = $5, expires_at = $6, kept_bytes = $7
                 WHERE user_id = $8 AND key = $9 AND request_id = $10 AND created_at = $11 AND state = 'running'")
                .bind(i64::from(reply.status)).bind(reply.content_type.as_deref()).bind(headers.as_deref())
                .bind(body).bind(DbTime(now)).bind(DbTime(claim.at + KEPT)).bind(kept)
                .bind(claim.user.as_uuid()).bind(claim.key.as_str()).bind(claim.request.as_uuid())
                .bind(DbTime(claim.at))).await? > 0
        }))
    }

    /// Makes room where more of a user's replies is kept than may be. The oldest lose what they said, but stay known as
    /// answered; only beyond the number they are forgotten.
    pub async fn make_room(&self, user: UserId, most: KeptAtMost) -> Result<(), StoreError> {
        let kept: Option<(i64, i64)> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(KEPT_OF_USER).bind(user.as_uuid())).await?
        });
        let (replies, bytes) = kept.unwrap_or_default();
        let most_replies = i64::from(most.replies);
        let most_bytes = i64::try_from(most.bytes).unwrap_or(i64::MAX);
        if replies <= most_replies && bytes <= most_bytes {
            return Ok(());
        }
        // Who waits for nobody takes part in no deadlock: another request of the user's may make room as well.
        let free = match self.0.backend {
            Backend::Postgres(_) => " FOR UPDATE SKIP LOCKED",
            Backend::Sqlite(_) => "",
        };
        let among = |keys| {
            let mine = "user_id = $1 AND state = 'done' AND key IN";
            format!("{mine} (SELECT key FROM idempotency_keys WHERE {mine} ({keys}){free})")
        };
        let forget = AssertSqlSafe(format!("DELETE FROM idempotency_keys WHERE {}", among(TOO_MANY)));
        let empty = AssertSqlSafe(format!(
            "UPDATE idempotency_keys SET content_type = NULL, headers = NULL, body = NULL, kept_bytes = 0 WHERE {}",
            among(TOO_LARGE)
        ));
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(forget).bind(user.as_uuid()).bind(most_replies)).await?;
            db.execute(sqlx::query(empty).bind(user.as_uuid()).bind(most_bytes)).await?
        });
        Ok(())
    }

    /// Gives a claim up: the next one who asks generates.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "DELETE FROM idempotency_keys
                 WHERE user_id = $1 AND key = $2 AND request_id = $3 AND created_at = $4 AND state = 'running'")
                .bind(claim.user.as_uuid()).bind(claim.key.as_str()).bind(claim.request.as_uuid())
                .bind(DbTime(claim.at))).await?
        });
        Ok(())
    }

    /// The same from a place that cannot wait, such as a drop guard. Tries again for a while when the database is away;
    /// [`Store::close`] waits for it.
    pub fn release_later(&self, claim: Claim) {
        let store = self.0.clone();
        self.0.later.spawn(async move { store.idempotency_keys().release_patiently(&claim).await });
    }

    async fn release_patiently(&self, claim: &Claim) {
        let mut waits = WAITS.into_iter();
        loop {
            let Err(error) = self.release(claim).await else { return };
            let Some(wait) = waits.next().filter(|_| error.may_pass()) else {
                let source = error.source();
                return tracing::warn!(%error, source, request_id = %claim.request, "a key stays claimed for a while");
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Deletes keys of any owner that stand for nothing any more: the longest expired ones first, `limit` at most. Gives
    /// how many went. For maintenance alone.
    pub async fn sweep(&self, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "DELETE FROM idempotency_keys WHERE expires_at <= $1 AND (user_id, key) IN (
                    SELECT user_id, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)")
                .bind(DbTime(now)).bind(limit)).await?
        }))
    }

    /// Releases what a process claimed until then and left behind: on SQLite all of it, for the caller is the only
    /// server; on Postgres none, for another server may be answering.
    pub(crate) async fn close_left_open(&self, before: Timestamp) -> Result<(), StoreError> {
        if matches!(self.0.backend, Backend::Postgres(_)) {
            return Ok(());
        }
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query("DELETE FROM idempotency_keys WHERE state = 'running' AND created_at <= $1")
                .bind(DbTime(before))).await?
        });
        Ok(())
    }
}
