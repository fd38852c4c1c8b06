//! Login and personal tokens.

use std::sync::Arc;

use llm_api_crypto::TokenHash;
use llm_api_domain::{OnDisconnect, Scope, ScopeSet, Timestamp, TokenId, UserId};
use uuid::Uuid;

use crate::{Action, AuditContext, Store, StoreError, audit::audit, dialect::DbTime};

/// What a token was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// By signing in; ends with a changed password.
    Login,
    /// By its user, for programs.
    Personal,
}

impl TokenKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Personal => "personal",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: TokenId,
    pub user: UserId,
    pub kind: TokenKind,
    pub name: Option<String>,
    pub hash: TokenHash,
    pub scopes: ScopeSet,
    pub expires_at: Option<Timestamp>,
    pub on_disconnect: OnDisconnect,
}

/// A token in a list; the secret is not kept anywhere.
#[derive(Clone, Debug)]
pub struct Token {
    pub id: TokenId,
    pub name: Option<String>,
    pub scopes: ScopeSet,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub on_disconnect: OnDisconnect,
}

/// The holder of a token that is good now.
#[derive(Clone, Debug)]
pub struct AuthenticatedToken {
    pub id: TokenId,
    pub kind: TokenKind,
    pub user: UserId,
    pub username: Arc<str>,
    pub is_admin: bool,
    pub scopes: ScopeSet,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub on_disconnect: OnDisconnect,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: Option<String>,
    scopes: String,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    last_used_at: Option<DbTime>,
    expires_at: Option<DbTime>,
    on_disconnect: String,
}

#[derive(sqlx::FromRow)]
struct AuthRow {
    id: Uuid,
    kind: String,
    user_id: Uuid,
    username: String,
    is_admin: bool,
    scopes: String,
    last_used_at: Option<DbTime>,
    expires_at: Option<DbTime>,
    on_disconnect: String,
}

/// The stored form: a JSON array of names. Empty means everything.
pub(crate) fn scopes_text(scopes: &ScopeSet) -> String {
    let names: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    serde_json::json!(names).to_string()
}

fn parse_scopes(text: &str) -> Result<ScopeSet, StoreError> {
    // Most tokens have none, and this stands on the hot path.
    if text == "[]" {
        return Ok(ScopeSet::default());
    }
    serde_json::from_str::<Vec<Scope>>(text)
        .map(ScopeSet::new)
        .map_err(|error| StoreError::corrupt("user_tokens", "scopes", error))
}

fn parse_on_disconnect(text: &str) -> Result<OnDisconnect, StoreError> {
    OnDisconnect::from_text(text).ok_or_else(|| StoreError::corrupt("user_tokens", "on_disconnect", "unknown policy"))
}

macro_rules! insert_token {
    ($db:ident, $token:expr, $now:expr) => {{
        let token: &$crate::NewToken = $token;
        let query = sqlx::query(
            "INSERT INTO user_tokens (id, user_id, kind, name, token_hash, scopes, created_at, expires_at, on_disconnect)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(token.id.as_uuid())
        .bind(token.user.as_uuid())
        .bind(token.kind.as_str())
        .bind(token.name.as_deref())
        .bind(token.hash.as_bytes().as_slice())
        .bind($crate::tokens::scopes_text(&token.scopes))
        .bind($crate::dialect::DbTime($now))
        .bind(token.expires_at.map($crate::dialect::DbTime))
        .bind(token.on_disconnect.as_str());
        $db.execute(query).await?
    }};
}
pub(crate) use insert_token;

impl TryFrom<Row> for Token {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            name: row.name,
            scopes: parse_scopes(&row.scopes)?,
            created_at: row.created_at,
            last_used_at: row.last_used_at.map(Timestamp::from),
            expires_at: row.expires_at.map(Timestamp::from),
            on_disconnect: parse_on_disconnect(&row.on_disconnect)?,
        })
    }
}

/// The `user_tokens` table.
#[derive(Debug)]
pub struct Tokens<'s>(pub(crate) &'s Store);

impl Tokens<'_> {
    /// Whose token this is, when it is neither revoked nor expired and its user is active.
    pub async fn authenticate(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<AuthenticatedToken>, StoreError> {
        let cache = self.0.changes.cache();
        let kept = cache.and_then(|(cache, epoch)| cache.token(epoch, hash));
        let token = if let Some(token) = kept {
            Some(token)
        } else {
            // Boxed: the way through the database is rare and its future large, and every request would carry it.
            let read = Box::pin(self.read(hash)).await?;
            if let (Some((cache, epoch)), Some(token)) = (cache, &read) {
                cache.keep_token(epoch, hash, token);
            }
            read
        };
        Ok(token.filter(|token| token.expires_at.is_none_or(|expiry| expiry > now)))
    }

    /// Notes that a token was used; it is written soon, with the next usage rows.
    pub fn used(&self, hash: &TokenHash, token: TokenId, now: Timestamp) {
        if let Some((cache, _)) = self.0.changes.cache() {
            cache.token_used(hash, now);
        }
        self.0.recorder.token_used(token, now);
    }

    async fn read(&self, hash: &TokenHash) -> Result<Option<AuthenticatedToken>, StoreError> {
        let row: Option<AuthRow> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(
                "SELECT t.id, t.kind, t.user_id, u.username, u.is_admin, t.scopes, t.last_used_at, t.expires_at,
                    t.on_disconnect
                 FROM user_tokens t JOIN users u ON u.id = t.user_id
                 WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND u.is_active")
                .bind(hash.as_bytes().as_slice())).await?
        });
        row.map(|row| {
            Ok(AuthenticatedToken {
                id: row.id.into(),
                kind: if row.kind == TokenKind::Login.as_str() { TokenKind::Login } else { TokenKind::Personal },
                user: row.user_id.into(),
                username: row.username.into(),
                is_admin: row.is_admin,
                scopes: parse_scopes(&row.scopes)?,
                last_used_at: row.last_used_at.map(Timestamp::from),
                expires_at: row.expires_at.map(Timestamp::from),
                on_disconnect: parse_on_disconnect(&row.on_disconnect)?,
            })
        })
        .transpose()
    }

    pub async fn create(&self, token: &NewToken, context: &AuditContext) -> Result<(), StoreError> {
        on_write!(self.0, db => {
            insert_token!(db, token, context.now);
            audit!(db, context, Action::TokenCreated, token.id.as_uuid());
        });
        Ok(())
    }

    /// The user's tokens that are not revoked, oldest first; expired ones are included.
    pub async fn list(&self, user: UserId) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT id, name, scopes, created_at, last_used_at, expires_at, on_disconnect FROM user_tokens
                 WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id")
                .bind(user.as_uuid())).await?
        });
        rows.into_iter().map(Token::try_from).collect()
    }

    /// Revokes one of the user's tokens, at once. True also when it was revoked before; false when the user has none
    /// with that id.
    pub async fn revoke(
        &self,
        user: UserId,
        token: TokenId,
        action: Action,
        context: &AuditContext,
    ) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            let found = db.execute(sqlx::query(
                "UPDATE user_tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2 AND user_id = $3")
                .bind(DbTime(context.now)).bind(token.as_uuid()).bind(user.as_uuid())).await?;
            if found == 0 {
                return Ok(false);
            }
            audit!(db, context, action, token.as_uuid());
            true
        }))
    }
}
