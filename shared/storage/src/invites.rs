//! Invites: who holds one may register.

use llm_api_crypto::TokenHash;
use llm_api_domain::{InviteId, Timestamp, UserId};
use uuid::Uuid;

use crate::{Action, AuditContext, Store, StoreError, audit::audit, dialect::DbTime, store::Backend};

#[derive(Clone, Debug)]
pub struct NewInvite {
    pub id: InviteId,
    pub hash: TokenHash,
    /// `None` for the operator at the command line.
    pub created_by: Option<UserId>,
    /// Whether who registers with it becomes an administrator.
    pub grants_admin: bool,
    pub max_uses: i64,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Invite {
    pub id: InviteId,
    pub created_by: Option<UserId>,
    pub last_used_by: Option<UserId>,
    pub grants_admin: bool,
    pub max_uses: i64,
    pub uses: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    created_by: Option<Uuid>,
    last_used_by: Option<Uuid>,
    grants_admin: bool,
    max_uses: i64,
    uses: i64,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    #[sqlx(try_from = "DbTime")]
    expires_at: Timestamp,
    revoked_at: Option<DbTime>,
}

impl From<Row> for Invite {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            created_by: row.created_by.map(UserId::from),
            last_used_by: row.last_used_by.map(UserId::from),
            grants_admin: row.grants_admin,
            max_uses: row.max_uses,
            uses: row.uses,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at.map(Timestamp::from),
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct ClaimedInvite {
    pub(crate) id: Uuid,
    pub(crate) grants_admin: bool,
}

/// Counts one use, in one statement: under concurrent attempts an invite is used at most `max_uses` times.
macro_rules! claim_invite {
    ($db:ident, $hash:expr, $now:expr) => {{
        let query = sqlx::query_as(
            "UPDATE invite_tokens SET uses = uses + 1
             WHERE token_hash = $1 AND revoked_at IS NULL AND uses < max_uses AND expires_at > $2
             RETURNING id, grants_admin",
        )
        .bind($hash.to_vec())
        .bind($crate::dialect::DbTime($now));
        $db.optional(query).await?
    }};
}
pub(crate) use claim_invite;

macro_rules! insert_invite {
    ($db:ident, $invite:expr, $now:expr, $conflict:literal) => {{
        let invite: &NewInvite = $invite;
        let query = sqlx::query(concat!(
            "INSERT INTO invite_tokens (id, token_hash, created_by, grants_admin, max_uses, uses, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, 0, $6, $7) ",
            $conflict
        ))
        .bind(invite.id.as_uuid())
        .bind(invite.hash.as_bytes().as_slice())
        .bind(invite.created_by.map(UserId::as_uuid))
        .bind(invite.grants_admin)
        .bind(invite.max_uses)
        .bind(DbTime($now))
        .bind(DbTime(invite.expires_at));
        $db.execute(query).await?
    }};
}

/// The `invite_tokens` table.
#[derive(Debug)]
pub struct Invites<'s>(pub(crate) &'s Store);

impl Invites<'_> {
    /// The one invite that a server without any user prints. A fixed id makes it one row however often the server starts.
    pub const FIRST_ADMIN: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002);

    pub async fn create(&self, invite: &NewInvite, context: &AuditContext) -> Result<(), StoreError> {
        on_write!(self.0, db => {
            insert_invite!(db, invite, context.now, "");
            audit!(db, context, Action::InviteCreated, invite.id.as_uuid());
        });
        Ok(())
    }

    /// Makes or renews the invite for the first administrator (its id must be [`Self::FIRST_ADMIN`]). False when it was
    /// used, or when another process on the same Postgres made it within the last minute: that one's text is the good one.
    pub async fn renew_first_admin(&self, invite: &NewInvite, context: &AuditContext) -> Result<bool, StoreError> {
        let written = on_write!(self.0, db => {
            // On SQLite there is no other server: an invite of a moment ago was printed by this one's last start.
            let fresh = match self.0.backend {
                Backend::Sqlite(_) => std::time::Duration::ZERO,
                Backend::Postgres(_) => std::time::Duration::from_secs(60),
            };
            let stale = context.now - fresh;
            let renewed = db.execute(sqlx::query(
                "UPDATE invite_tokens SET token_hash = $1, created_at = $2, expires_at = $3
                 WHERE id = $4 AND uses = 0 AND created_at <= $5")
                .bind(invite.hash.as_bytes().as_slice()).bind(DbTime(context.now)).bind(DbTime(invite.expires_at))
                .bind(invite.id.as_uuid()).bind(DbTime(stale))).await?;
            let inserted = insert_invite!(db, invite, context.now, "ON CONFLICT (id) DO NOTHING");
            renewed + inserted
        });
        Ok(written > 0)
    }

    /// All invites, newest first.
    pub async fn list(&self) -> Result<Vec<Invite>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT id, created_by, last_used_by, grants_admin, max_uses, uses, created_at, expires_at, revoked_at
                 FROM invite_tokens ORDER BY created_at DESC, id DESC LIMIT 1000")).await?
        });
        Ok(rows.into_iter().map(Invite::from).collect())
    }

    /// True also when it was revoked before; false when there is none with that id.
    pub async fn revoke(&self, invite: InviteId, context: &AuditContext) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            let found = db.execute(sqlx::query("UPDATE invite_tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2")
                .bind(DbTime(context.now)).bind(invite.as_uuid())).await?;
            if found == 0 {
                return Ok(false);
            }
            audit!(db, context, Action::InviteRevoked, invite.as_uuid());
            true
        }))
    }
}
