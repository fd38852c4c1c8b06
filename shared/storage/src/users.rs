//! People: making them, signing them in, their profile.

mod operator;

use llm_api_domain::{Timestamp, UserId};
use uuid::Uuid;

pub use operator::AccountChange;

use crate::{
    Action, AuditContext, NewToken, Store, StoreError,
    audit::audit,
    dialect::DbTime,
    error::is_unique_violation,
    invites::{ClaimedInvite, claim_invite},
    tokens::insert_token,
};

/// A user as others see one.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub display_name: Option<String>,
    pub is_admin: bool,
    pub is_active: bool,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

/// The caller's own profile. `preferences` is JSON text of an object.
#[derive(Clone, Debug)]
pub struct Profile {
    pub user: User,
    pub preferred_model: Option<String>,
    pub preferences: String,
}

/// What signing in needs; the hash may be missing (the service account).
#[derive(Clone, Debug)]
pub struct LoginUser {
    pub user: User,
    pub password_hash: Option<String>,
}

#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: UserId,
    pub username: String,
    /// A PHC string.
    pub password_hash: String,
    pub display_name: Option<String>,
    pub is_admin: bool,
}

/// `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    pub display_name: Option<String>,
    pub preferred_model: Option<String>,
    pub preferences: Option<String>,
}

#[derive(Clone, Debug)]
pub enum RegisterOutcome {
    Registered {
        is_admin: bool,
    },
    /// The invite is unknown, used up, revoked or expired.
    InviteRefused,
    NameTaken,
}

/// How a caller names a person.
#[derive(Clone, Copy, Debug)]
pub enum UserRef<'n> {
    Id(UserId),
    Name(&'n str),
}

impl<'n> UserRef<'n> {
    fn parts(self) -> (Option<Uuid>, Option<&'n str>) {
        match self {
            Self::Id(id) => (Some(id.as_uuid()), None),
            Self::Name(name) => (None, Some(name)),
        }
    }
}

impl From<UserId> for UserRef<'_> {
    fn from(id: UserId) -> Self {
        Self::Id(id)
    }
}

impl<'n> From<&'n str> for UserRef<'n> {
    fn from(name: &'n str) -> Self {
        Self::Name(name)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    username: String,
    password_hash: Option<String>,
    display_name: Option<String>,
    preferred_model: Option<String>,
    preferences: String,
    is_admin: bool,
    is_active: bool,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    last_login_at: Option<DbTime>,
}

impl From<Row> for Profile {
    fn from(row: Row) -> Self {
        Self {
            user: User {
                id: row.id.into(),
                username: row.username,
                display_name: row.display_name,
                is_admin: row.is_admin,
                is_active: row.is_active,
                created_at: row.created_at,
                last_login_at: row.last_login_at.map(Timestamp::from),
            },
            preferred_model: row.preferred_model,
            preferences: row.preferences,
        }
    }
}

/// `$from` names the rest of the statement; all reads of a whole user share the columns.
macro_rules! select_user {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, password_hash, display_name, preferred_model, preferences, is_admin, is_active,
                created_at, last_login_at FROM users ",
            $rest
        )
    };
}

macro_rules! insert_user {
    ($db:ident, $user:expr, $now:expr) => {{
        let user: &NewUser = $user;
        let query = sqlx::query(
            "INSERT INTO users (id, username, kind, password_hash, display_name, preferences, is_admin, is_active, created_at)
             VALUES ($1, $2, 'person', $3, $4, '{}', $5, $6, $7)",
        )
        .bind(user.id.as_uuid())
        .bind(user.username.as_str())
        .bind(user.password_hash.as_str())
        .bind(user.display_name.as_deref())
        .bind(user.is_admin)
        .bind(true)
        .bind(DbTime($now));
        $db.execute(query).await
    }};
}

/// The `users` table.
#[derive(Debug)]
pub struct Users<'s>(pub(crate) &'s Store);

impl Users<'_> {
    /// Makes an account and its first login token, using up an invite when one is given: all of it or nothing.
    /// The invite is looked at first, so that only its holder learns whether a name is taken.
    pub async fn register(
        &self,
        mut user: NewUser,
        invite_hash: Option<[u8; 32]>,
        token: &NewToken,
        context: &AuditContext,
    ) -> Result<RegisterOutcome, StoreError> {
        let context = &context.by(user.id);
        Ok(on_write!(self.0, db => {
            let mut invite = None;
            if let Some(hash) = invite_hash {
                let claimed: Option<ClaimedInvite> = claim_invite!(db, hash, context.now);
                let Some(claimed) = claimed else { return Ok(RegisterOutcome::InviteRefused) };
                user.is_admin = claimed.grants_admin;
                invite = Some(claimed.id);
            }
            match insert_user!(db, &user, context.now) {
                Ok(_) => {}
                Err(error) if is_unique_violation(&error) => return Ok(RegisterOutcome::NameTaken),
                Err(error) => return Err(error.into()),
            }
            if let Some(invite) = invite {
                db.execute(sqlx::query("UPDATE invite_tokens SET last_used_by = $1 WHERE id = $2")
                    .bind(user.id.as_uuid()).bind(invite)).await?;
            }
            insert_token!(db, token, context.now);
            audit!(db, context, Action::Registered, user.id.as_uuid());
            RegisterOutcome::Registered { is_admin: user.is_admin }
        }))
    }

    /// Makes an account without an invite, by an operator. False when the name is taken.
    pub async fn create(&self, user: &NewUser, context: &AuditContext) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            match insert_user!(db, user, context.now) {
                Ok(_) => {}
                Err(error) if is_unique_violation(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            audit!(db, context, Action::UserCreated, user.id.as_uuid());
            true
        }))
    }

    /// The person with that name, with what is needed to check a password.
    pub async fn find_for_login(&self, username: &str) -> Result<Option<LoginUser>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_user!("WHERE username = $1 AND kind = 'person'")).bind(username)).await?
        });
        Ok(row.map(|mut row| {
            let password_hash = row.password_hash.take();
            LoginUser { user: Profile::from(row).user, password_hash }
        }))
    }

    /// The same by id, for someone who is signed in already.
    pub async fn get_for_login(&self, user: UserId) -> Result<Option<LoginUser>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_user!("WHERE id = $1 AND kind = 'person'")).bind(user.as_uuid())).await?
        });
        Ok(row.map(|mut row| {
            let password_hash = row.password_hash.take();
            LoginUser { user: Profile::from(row).user, password_hash }
        }))
    }

    /// Notes a good login, stores its token, and replaces the hash when it was made with older parameters.
    /// False when the account was disabled or its password changed since it was checked.
    pub async fn record_login(
        &self,
        checked: &LoginUser,
        new_hash: Option<&str>,
        token: &NewToken,
        context: &AuditContext,
    ) -> Result<bool, StoreError> {
        let user = checked.user.id;
        let context = &context.by(user);
        Ok(on_write!(self.0, db => {
            let current = checked.password_hash.as_deref();
            let changed = db.execute(sqlx::query(
                "UPDATE users SET last_login_at = $1, password_hash = $2 WHERE id = $3 AND password_hash = $4 AND is_active")
                .bind(DbTime(context.now)).bind(new_hash.or(current)).bind(user.as_uuid()).bind(current)).await?;
            if changed == 0 {
                return Ok(false);
            }
            insert_token!(db, token, context.now);
            audit!(db, context, Action::LoggedIn, user.as_uuid());
            true
        }))
    }

    /// Whether anyone but the service account exists.
    pub async fn any_person(&self) -> Result<bool, StoreError> {
        let found = on_read!(self.0, db => {
            db.scalar(sqlx::query_scalar::<_, String>("SELECT username FROM users WHERE kind = 'person' LIMIT 1")).await?
        });
        Ok(found.is_some())
    }

    /// A person's profile; `None` for the service account.
    pub async fn profile(&self, user: UserId) -> Result<Option<Profile>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_user!("WHERE id = $1 AND kind = 'person'")).bind(user.as_uuid())).await?
        });
        Ok(row.map(Profile::from))
    }

    /// Changes what is given and answers with the profile as it is then.
    pub async fn update_profile(
        &self,
        user: UserId,
        change: &ProfileChange,
        context: &AuditContext,
    ) -> Result<Option<Profile>, StoreError> {
        let row: Option<Row> = on_write!(self.0, db => {
            let changed = db.execute(sqlx::query(
                "UPDATE users SET display_name = COALESCE($1, display_name), preferred_model = COALESCE($2, preferred_model),
                    preferences = COALESCE($3, preferences) WHERE id = $4 AND kind = 'person'")
                .bind(change.display_name.as_deref()).bind(change.preferred_model.as_deref())
                .bind(change.preferences.as_deref()).bind(user.as_uuid())).await?;
            if changed == 0 {
                return Ok(None);
            }
            audit!(db, context, Action::UserUpdated, user.as_uuid());
            db.optional(sqlx::query_as(select_user!("WHERE id = $1")).bind(user.as_uuid())).await?
        });
        Ok(row.map(Profile::from))
    }

    /// Sets a new password and ends every login token but `keep`. False when the old hash is not the stored one any
    /// more: someone else changed it meanwhile.
    pub async fn change_password(
        &self,
        user: UserId,
        old_hash: &str,
        new_hash: &str,
        keep: Option<llm_api_domain::TokenId>,
        context: &AuditContext,
    ) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            let changed = db.execute(sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
                .bind(new_hash).bind(user.as_uuid()).bind(old_hash)).await?;
            if changed == 0 {
                return Ok(false);
            }
            db.execute(sqlx::query(
                "UPDATE user_tokens SET revoked_at = $1
                 WHERE user_id = $2 AND kind = 'login' AND revoked_at IS NULL AND id <> $3")
                .bind(DbTime(context.now)).bind(user.as_uuid())
                .bind(keep.map_or(Uuid::nil(), llm_api_domain::TokenId::as_uuid))).await?;
            audit!(db, context, Action::PasswordChanged, user.as_uuid());
            true
        }))
    }

    /// People, newest first; the service account is none.
    pub async fn list(&self, limit: i64, offset: i64) -> Result<Vec<User>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_user!(
                "WHERE kind = 'person' ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2"))
                .bind(limit).bind(offset)).await?
        });
        Ok(rows.into_iter().map(|row| Profile::from(row).user).collect())
    }

    /// Lets a person in again, or keeps them out: their tokens stay, but none of them works while they are disabled.
    /// False when there is no such person.
    pub async fn set_active(
        &self,
        user: impl Into<UserRef<'_>>,
        is_active: bool,
        context: &AuditContext,
    ) -> Result<bool, StoreError> {
        let (id, name) = user.into().parts();
        let action = if is_active { Action::UserEnabled } else { Action::UserDisabled };
        Ok(on_write!(self.0, db => {
            let found: Option<(Uuid,)> = db.optional(sqlx::query_as(
                "UPDATE users SET is_active = $1 WHERE kind = 'person' AND (id = $2 OR username = $3) RETURNING id")
                .bind(is_active).bind(id).bind(name)).await?;
            let Some((id,)) = found else { return Ok(false) };
            audit!(db, context, action, id);
            true
        }))
    }
}
