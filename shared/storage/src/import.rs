//! One long transaction that takes in rows of another service: their ids and times are kept, and a row that is there
//! already stays as it is.

use llm_api_crypto::TokenHash;
use llm_api_domain::{InviteId, SessionId, SessionStatus, Timestamp, TokenId, UserId};
use uuid::Uuid;

use crate::{
    Action, AuditContext, DefaultModel, NewExchange, NewProviderKey, Store, StoreError, TokenKind,
    audit::audit,
    db::{PostgresDb, SqliteDb},
    dialect::{DbTime, storable},
    store::Backend,
};

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    New,
    /// A row with this id is there already; it was not touched.
    Present,
    /// Another row has what must be unique: the name, the token, the place.
    Taken,
}

#[derive(Clone, Debug)]
pub struct ImportedUser {
    pub id: UserId,
    pub username: String,
    /// In any form that the password gate knows; nobody can sign in without one.
    pub password_hash: Option<String>,
    pub display_name: Option<String>,
    pub preferred_model: Option<String>,
    /// JSON text of an object.
    pub preferences: String,
    pub is_admin: bool,
    pub is_active: bool,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

/// A token without scopes: it may do what its user may.
#[derive(Clone, Debug)]
pub struct ImportedToken {
    pub id: TokenId,
    pub user: UserId,
    pub kind: TokenKind,
    pub name: Option<String>,
    pub hash: TokenHash,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// An invite for one person, who becomes no administrator.
#[derive(Clone, Debug)]
pub struct ImportedInvite {
    pub id: InviteId,
    pub hash: TokenHash,
    pub created_by: Option<UserId>,
    pub is_used: bool,
    pub used_by: Option<UserId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct ImportedSession {
    pub id: SessionId,
    pub user: UserId,
    pub status: SessionStatus,
    pub title: Option<String>,
    pub system_prompt: Option<String>,
    /// JSON text of an object.
    pub state_tokens: Option<String>,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
}

enum Conn {
    Sqlite(SqliteDb),
    Postgres(PostgresDb),
}

/// The transaction. Dropped without [`Self::commit`], it leaves everything as it was.
pub struct Import {
    conn: Conn,
    written: u64,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("written", &self.written).finish_non_exhaustive()
    }
}

/// Runs `$body` once for the driver in use.
macro_rules! on_import {
    ($import:expr, $db:ident => $body:expr) => {
        match &mut $import.conn {
            Conn::Sqlite($db) => $body,
            Conn::Postgres($db) => $body,
        }
    };
}

/// Runs an insert that does nothing on a conflict, and says what it met.
macro_rules! place {
    ($import:expr, $query:expr, $table:literal, $id:expr) => {{
        let inserted = on_import!($import, db => db.execute($query).await?);
        $import.written += inserted;
        if inserted > 0 {
            Placed::New
        } else {
            const FIND: &str = concat!("SELECT id FROM ", $table, " WHERE id = $1");
            let found: Option<Uuid> = on_import!($import, db => db.scalar(sqlx::query_scalar(FIND).bind($id)).await?);
            if found.is_some() { Placed::Present } else { Placed::Taken }
        }
    }};
}

impl Store {
    /// Begins the transaction. On SQLite it keeps every other writer waiting until its end.
    pub async fn begin_import(&self) -> Result<Import, StoreError> {
        let conn = match &self.backend {
            Backend::Sqlite(pools) => Conn::Sqlite(pools.writer().await?),
            Backend::Postgres(pool) => {
                let mut db = pool.writer().await?.patient();
                // A row may hold many megabytes, and the way may be long.
                db.execute(sqlx::query("SET LOCAL statement_timeout TO 120000")).await?;
                Conn::Postgres(db)
            }
        };
        Ok(Import { conn, written: 0 })
    }
}

impl Import {
    /// Commits, and notes in the audit trail that it happened when anything came in. Gives how many rows came in.
    pub async fn commit(mut self, context: &AuditContext) -> Result<u64, StoreError> {
        if self.written > 0 {
            on_import!(self, db => audit!(db, context, Action::DataImported, None));
        }
        match self.conn {
            Conn::Sqlite(db) => db.finish().await?,
            Conn::Postgres(db) => db.finish().await?,
        }
        Ok(self.written)
    }

    pub async fn user(&mut self, user: &ImportedUser) -> Result<Placed, StoreError> {
        Ok(place!(
            self,
            sqlx::query(
                "INSERT INTO users (id, username, kind, password_hash, display_name, preferred_model, preferences, is_admin,
                    is_active, created_at, last_login_at)
                 VALUES ($1, $2, 'person', $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
            )
            .bind(user.id.as_uuid())
            .bind(user.username.as_str())
            .bind(user.password_hash.as_deref())
            .bind(user.display_name.as_deref())
            .bind(user.preferred_model.as_deref())
            .bind(user.preferences.as_str())
            .bind(user.is_admin)
            .bind(user.is_active)
            .bind(DbTime(user.created_at))
            .bind(user.last_login_at.map(DbTime)),
            "users",
            user.id.as_uuid()
        ))
    }

    pub async fn token(&mut self, token: &ImportedToken) -> Result<Placed, StoreError> {
        Ok(place!(
            self,
            sqlx::query(
                "INSERT INTO user_tokens (id, user_id, kind, name, token_hash, scopes, created_at, last_used_at, expires_at,
                    revoked_at)
                 VALUES ($1, $2, $3, $4, $5, '[]', $6, $7, $8, $9) ON CONFLICT DO NOTHING"
            )
            .bind(token.id.as_uuid())
            .bind(token.user.as_uuid())
            .bind(token.kind.as_str())
            .bind(token.name.as_deref())
            .bind(token.hash.as_bytes().as_slice())
            .bind(DbTime(token.created_at))
            .bind(token.last_used_at.map(DbTime))
            .bind(token.expires_at.map(DbTime))
            .bind(token.revoked_at.map(DbTime)),
            "user_tokens",
            token.id.as_uuid()
        ))
    }

    pub async fn invite(&mut self, invite: &ImportedInvite) -> Result<Placed, StoreError> {
        Ok(place!(
            self,
            sqlx::query(
                "INSERT INTO invite_tokens (id, token_hash, created_by, grants_admin, max_uses, uses, last_used_by, created_at,
                    expires_at)
                 VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
            )
            .bind(invite.id.as_uuid())
            .bind(invite.hash.as_bytes().as_slice())
            .bind(invite.created_by.map(UserId::as_uuid))
            .bind(false)
            .bind(i64::from(invite.is_used))
            .bind(invite.used_by.map(UserId::as_uuid))
            .bind(DbTime(invite.created_at))
            .bind(DbTime(invite.expires_at)),
            "invite_tokens",
            invite.id.as_uuid()
        ))
    }

    pub async fn provider_key(
        &mut self,
        key: &NewProviderKey,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<Placed, StoreError> {
        Ok(place!(
            self,
            sqlx::query(
                "INSERT INTO provider_keys (id, user_id, provider, credential_type, base_url, origin, sealed, masked_key, status,
                    status_detail, checked_at, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING"
            )
            .bind(key.id.as_uuid())
            .bind(key.user.as_uuid())
            .bind(key.provider.as_str())
            .bind(key.credential_type.as_str())
            .bind(key.base_url.as_deref())
            .bind(key.origin.as_str())
            .bind(key.sealed.as_slice())
            .bind(key.masked_key.as_str())
            .bind(key.status.as_str())
            .bind(key.status_detail.as_deref())
            .bind(key.checked_at.map(DbTime))
            .bind(DbTime(created_at))
            .bind(DbTime(now)),
            "provider_keys",
            key.id.as_uuid()
        ))
    }

    pub async fn session(&mut self, session: &ImportedSession) -> Result<Placed, StoreError> {
        Ok(place!(
            self,
            sqlx::query(
                "INSERT INTO sessions (id, user_id, status, title, system_prompt, state_tokens, exchange_count, last_sequence,
                    created_at, last_used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8) ON CONFLICT DO NOTHING"
            )
            .bind(session.id.as_uuid())
            .bind(session.user.as_uuid())
            .bind(session.status.as_str())
            .bind(session.title.as_deref().map(storable))
            .bind(session.system_prompt.as_deref().map(storable))
            .bind(session.state_tokens.as_deref())
            .bind(DbTime(session.created_at))
            .bind(DbTime(session.last_used_at)),
            "sessions",
            session.id.as_uuid()
        ))
    }

    /// Stores an exchange under this number; its session must be there, with this owner.
    pub async fn exchange(&mut self, exchange: &NewExchange, sequence: i64) -> Result<Placed, StoreError> {
        Ok(place!(
            self,
            sqlx::query(
                "INSERT INTO exchanges (id, session_id, user_id, sequence, request_id, modality, provider, model, status,
                    finish_reason, error_code, created_at, prompt, reply, state_tokens, input, output)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
                 ON CONFLICT DO NOTHING"
            )
            .bind(exchange.id.as_uuid())
            .bind(exchange.session.as_uuid())
            .bind(exchange.user.as_uuid())
            .bind(sequence)
            .bind(exchange.request.as_uuid())
            .bind(exchange.modality.as_str())
            .bind(exchange.provider.as_str())
            .bind(exchange.model.as_str())
            .bind(exchange.status.as_str())
            .bind(exchange.finish_reason.as_deref())
            .bind(exchange.error_code.as_deref())
            .bind(DbTime(exchange.created_at))
            .bind(exchange.prompt.as_deref().map(storable))
            .bind(exchange.reply.as_deref().map(storable))
            .bind(exchange.state_tokens.as_deref())
            .bind(exchange.input.as_deref())
            .bind(exchange.output.as_deref()),
            "exchanges",
            exchange.id.as_uuid()
        ))
    }

    /// Brings a session's counters up to its exchanges.
    pub async fn count_exchanges(&mut self, user: UserId, session: SessionId) -> Result<(), StoreError> {
        on_import!(self, db => db.execute(sqlx::query(
            "UPDATE sessions SET
                exchange_count = (SELECT COUNT(*) FROM exchanges WHERE session_id = $1 AND user_id = $2),
                last_sequence = (SELECT COALESCE(MAX(sequence), 0) FROM exchanges WHERE session_id = $1 AND user_id = $2)
             WHERE id = $1 AND user_id = $2")
            .bind(session.as_uuid()).bind(user.as_uuid())).await?);
        Ok(())
    }

    /// The highest number in a session, whoever's it is; 0 where there is none.
    pub async fn last_sequence(&mut self, session: SessionId) -> Result<i64, StoreError> {
        let last: Option<i64> = on_import!(self, db => db.scalar(sqlx::query_scalar(
            "SELECT COALESCE(MAX(sequence), 0) FROM exchanges WHERE session_id = $1").bind(session.as_uuid())).await?);
        Ok(last.unwrap_or(0))
    }

    /// Sets the default for everybody where none is set. `Present` when the same model is the default already.
    pub async fn default_model(&mut self, default: &DefaultModel, updated_at: Timestamp) -> Result<Placed, StoreError> {
        let inserted = on_import!(self, db => db.execute(sqlx::query(
            "INSERT INTO default_models (modality, provider, model, updated_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING")
            .bind(default.modality.as_str()).bind(default.provider.map(llm_api_domain::ProviderId::as_str))
            .bind(default.model.as_str()).bind(DbTime(updated_at))).await?);
        self.written += inserted;
        if inserted > 0 {
            return Ok(Placed::New);
        }
        let model: Option<String> = on_import!(self, db => db.scalar(sqlx::query_scalar(
            "SELECT model FROM default_models WHERE modality = $1").bind(default.modality.as_str())).await?);
        Ok(if model.as_deref() == Some(default.model.as_str()) { Placed::Present } else { Placed::Taken })
    }

    /// The name of the person with this id.
    pub async fn person(&mut self, user: UserId) -> Result<Option<String>, StoreError> {
        Ok(on_import!(self, db => db.scalar(sqlx::query_scalar(
            "SELECT username FROM users WHERE id = $1 AND kind = 'person'").bind(user.as_uuid())).await?))
    }

    pub async fn person_named(&mut self, username: &str) -> Result<Option<UserId>, StoreError> {
        let id: Option<Uuid> = on_import!(self, db => db.scalar(sqlx::query_scalar(
            "SELECT id FROM users WHERE username = $1 AND kind = 'person'").bind(username)).await?);
        Ok(id.map(UserId::from))
    }

    /// The longest-standing administrator; one who may sign in before one who may not.
    pub async fn first_admin(&mut self) -> Result<Option<(UserId, String)>, StoreError> {
        let found: Option<(Uuid, String)> = on_import!(self, db => db.optional(sqlx::query_as(
            "SELECT id, username FROM users WHERE kind = 'person' AND is_admin
             ORDER BY CASE WHEN is_active THEN 0 ELSE 1 END, created_at, id LIMIT 1")).await?);
        Ok(found.map(|(id, username)| (id.into(), username)))
    }

    /// Whose session this is.
    pub async fn session_owner(&mut self, session: SessionId) -> Result<Option<UserId>, StoreError> {
        let owner: Option<Uuid> = on_import!(self, db => db.scalar(sqlx::query_scalar(
            "SELECT user_id FROM sessions WHERE id = $1").bind(session.as_uuid())).await?);
        Ok(owner.map(UserId::from))
    }
}
