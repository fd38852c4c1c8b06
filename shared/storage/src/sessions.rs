//! Conversations. Reading one does not count as using it: a use is told by [`Sessions::touch`] or by what is stored.

use llm_api_domain::{SessionId, SessionStatus, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    dialect::{DbTime, storable},
};

/// A conversation of one user.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub status: SessionStatus,
    pub title: Option<String>,
    pub system_prompt: Option<String>,
    /// JSON text, as the client sent it.
    pub state_tokens: Option<String>,
    pub exchange_count: i64,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub user: UserId,
    pub title: Option<String>,
    pub system_prompt: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    status: String,
    title: Option<String>,
    system_prompt: Option<String>,
    state_tokens: Option<String>,
    exchange_count: i64,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    #[sqlx(try_from = "DbTime")]
    last_used_at: Timestamp,
}

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            status: SessionStatus::from_text(&row.status)
                .ok_or_else(|| StoreError::corrupt("sessions", "status", "unknown status"))?,
            title: row.title,
            system_prompt: row.system_prompt,
            state_tokens: row.state_tokens,
            exchange_count: row.exchange_count,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// What a [`Row`] reads, between the two halves of its statement.
macro_rules! with_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, status, title, system_prompt, state_tokens, exchange_count, created_at, last_used_at ",
            $after
        )
    };
}

/// The files of sessions that go are removed after them, by their expiry.
macro_rules! expire_artifacts {
    ($db:ident, $id:expr, $user:expr) => {{
        let query = sqlx::query(
            "UPDATE artifacts SET expires_at = created_at WHERE session_id = $1 AND user_id = $2 AND expires_at IS NULL",
        );
        $db.execute(query.bind($id.as_uuid()).bind($user.as_uuid())).await?
    }};
}

macro_rules! delete_exchanges {
    ($db:ident, $id:expr, $user:expr) => {{
        let query = sqlx::query("DELETE FROM exchanges WHERE session_id = $1 AND user_id = $2");
        $db.execute(query.bind($id.as_uuid()).bind($user.as_uuid())).await?
    }};
}

/// The `sessions` table.
///
/// Whoever changes a session together with its exchanges changes its row first: that row's lock is what orders them on
/// Postgres.
#[derive(Debug)]
pub struct Sessions<'s>(pub(crate) &'s Store);

impl Sessions<'_> {
    pub async fn create(&self, session: &NewSession, now: Timestamp) -> Result<Session, StoreError> {
        let title = session.title.as_deref().map(storable);
        let system_prompt = session.system_prompt.as_deref().map(storable);
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "INSERT INTO sessions (id, user_id, status, title, system_prompt, exchange_count, last_sequence, created_at,
                    last_used_at)
                 VALUES ($1, $2, 'active', $3, $4, 0, 0, $5, $5)")
                .bind(session.id.as_uuid()).bind(session.user.as_uuid()).bind(title.as_deref())
                .bind(system_prompt.as_deref()).bind(DbTime(now))).await?
        });
        Ok(Session {
            id: session.id,
            status: SessionStatus::Active,
            title: title.map(Into::into),
            system_prompt: system_prompt.map(Into::into),
            state_tokens: None,
            exchange_count: 0,
            created_at: now,
            last_used_at: now,
        })
    }

    /// The user's sessions, closed ones included, newest use first.
    pub async fn list(&self, user: UserId, limit: i64, offset: i64) -> Result<Vec<Session>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(with_columns!(
                "SELECT",
                "FROM sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id DESC LIMIT $2 OFFSET $3"))
                .bind(user.as_uuid()).bind(limit).bind(offset)).await?
        });
        rows.into_iter().map(Session::try_from).collect()
    }

    /// One of the user's sessions.
    pub async fn get(&self, user: UserId, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(with_columns!("SELECT", "FROM sessions WHERE id = $1 AND user_id = $2"))
                .bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Session::try_from).transpose()
    }

    pub async fn rename(
        &self,
        user: UserId,
        id: SessionId,
        title: &str,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = on_write_uncached!(self.0, db => {
            db.optional(sqlx::query_as(with_columns!(
                "UPDATE sessions SET title = $1,
                    last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END
                 WHERE id = $3 AND user_id = $4 RETURNING", ""))
                .bind(&*storable(title)).bind(DbTime(now)).bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Session::try_from).transpose()
    }

    /// Ends a session; it stays readable.
    pub async fn close(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = on_write_uncached!(self.0, db => {
            db.optional(sqlx::query_as(with_columns!(
                "UPDATE sessions SET status = 'closed',
                    last_used_at = CASE WHEN last_used_at < $1 THEN $1 ELSE last_used_at END
                 WHERE id = $2 AND user_id = $3 RETURNING", ""))
                .bind(DbTime(now)).bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Session::try_from).transpose()
    }

    /// Deletes what was said, and starts counting anew; title, system prompt and status stay.
    pub async fn reset(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = on_write_uncached!(self.0, db => {
            let row: Option<Row> = db.optional(sqlx::query_as(with_columns!(
                "UPDATE sessions SET exchange_count = 0, last_sequence = 0, state_tokens = NULL,
                    last_used_at = CASE WHEN last_used_at < $1 THEN $1 ELSE last_used_at END
                 WHERE id = $2 AND user_id = $3 RETURNING", ""))
                .bind(DbTime(now)).bind(id.as_uuid()).bind(user.as_uuid())).await?;
            if row.is_none() {
                return Ok(None);
            }
            expire_artifacts!(db, id, user);
            delete_exchanges!(db, id, user);
            row
        });
        row.map(Session::try_from).transpose()
    }

    /// Deletes a session with all that was said in it. False when the user has none with that id.
    pub async fn purge(&self, user: UserId, id: SessionId) -> Result<bool, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            let locked = db.execute(sqlx::query(
                "UPDATE sessions SET status = 'closed' WHERE id = $1 AND user_id = $2")
                .bind(id.as_uuid()).bind(user.as_uuid())).await?;
            if locked == 0 {
                return Ok(false);
            }
            expire_artifacts!(db, id, user);
            delete_exchanges!(db, id, user);
            db.execute(sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
                .bind(id.as_uuid()).bind(user.as_uuid())).await?;
            true
        }))
    }

    /// Notes that a session is used; nothing happens when the user has none with that id.
    pub async fn touch(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE sessions SET last_used_at = $1 WHERE id = $2 AND user_id = $3 AND last_used_at < $1")
                .bind(DbTime(now)).bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        Ok(())
    }

    /// Deletes sessions of whatever owner that nobody has used since `before`, with all that was said in them: the
    /// longest idle ones first, `limit` at most. Gives how many went. For maintenance alone.
    pub async fn purge_idle(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        // Those that are to go are locked and marked by the oldest of times: one that was used meanwhile stays whole.
        const MARK: DbTime = DbTime(Timestamp::from_micros(0));
        Ok(on_write_uncached!(self.0, db => {
            let marked = db.execute(sqlx::query(
                "UPDATE sessions SET last_used_at = $1 WHERE last_used_at < $2
                 AND id IN (SELECT id FROM sessions WHERE last_used_at < $2 ORDER BY last_used_at, id LIMIT $3)")
                .bind(MARK).bind(DbTime(before)).bind(limit)).await?;
            if marked == 0 {
                return Ok(0);
            }
            db.execute(sqlx::query(
                "UPDATE artifacts SET expires_at = created_at WHERE expires_at IS NULL
                 AND session_id IN (SELECT id FROM sessions WHERE last_used_at = $1)")
                .bind(MARK)).await?;
            db.execute(sqlx::query(
                "DELETE FROM exchanges WHERE session_id IN (SELECT id FROM sessions WHERE last_used_at = $1)")
                .bind(MARK)).await?;
            db.execute(sqlx::query("DELETE FROM sessions WHERE last_used_at = $1").bind(MARK)).await?
        }))
    }
}
