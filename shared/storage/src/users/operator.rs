//! What operators do with people's accounts: keeping out, a new password, removal. The last active administrator is
//! looked after.

use llm_api_domain::UserId;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{UserRef, Users};
use crate::{
    Action, AuditContext, StoreError, TABLES,
    artifacts::{self, Artifact},
    audit::audit,
    dialect::DbTime,
    store::Backend,
};

/// What became of the wish to keep somebody out, or to remove them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    Done,
    /// There is no such person.
    Unknown,
    /// Nobody could administer the server any more.
    LastAdmin,
}

/// Whether `$id` is the only active administrator. Locks them all, in place: of two who remove each other at once, one
/// stays.
macro_rules! is_last_admin {
    ($db:ident, $id:expr) => {{
        let id: Uuid = $id;
        $db.execute(sqlx::query(
            "UPDATE users SET is_admin = is_admin WHERE is_admin AND is_active AND kind = 'person'",
        ))
        .await?;
        let admins: Vec<(Uuid,)> = $db
            .all(sqlx::query_as("SELECT id FROM users WHERE is_admin AND is_active AND kind = 'person' LIMIT 2"))
            .await?;
        admins == [(id,)]
    }};
}

impl Users<'_> {
    /// Keeps a person out at once; what they have stays. `even_last_admin` for operators who say so.
    pub async fn disable(
        &self,
        user: impl Into<UserRef<'_>>,
        even_last_admin: bool,
        context: &AuditContext,
    ) -> Result<AccountChange, StoreError> {
        let (id, name) = user.into().parts();
        Ok(on_write!(self.0, db => {
            let found: Option<(Uuid,)> = db.optional(sqlx::query_as(
                "SELECT id FROM users WHERE kind = 'person' AND (id = $1 OR username = $2)").bind(id).bind(name)).await?;
            let Some((id,)) = found else { return Ok(AccountChange::Unknown) };
            if !even_last_admin && is_last_admin!(db, id) {
                return Ok(AccountChange::LastAdmin);
            }
            db.execute(sqlx::query("UPDATE users SET is_active = FALSE WHERE id = $1").bind(id)).await?;
            audit!(db, context, Action::UserDisabled, id);
            AccountChange::Done
        }))
    }

    /// Sets a new password, whatever the old one was, and ends every login token; personal tokens go on. False when
    /// there is no such person.
    pub async fn set_password(&self, user: UserId, hash: &str, context: &AuditContext) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            let changed = db.execute(sqlx::query(
                "UPDATE users SET password_hash = $1 WHERE id = $2 AND kind = 'person'")
                .bind(hash).bind(user.as_uuid())).await?;
            if changed == 0 {
                return Ok(false);
            }
            db.execute(sqlx::query(
                "UPDATE user_tokens SET revoked_at = $1 WHERE user_id = $2 AND kind = 'login' AND revoked_at IS NULL")
                .bind(DbTime(context.now)).bind(user.as_uuid())).await?;
            audit!(db, context, Action::PasswordChanged, user.as_uuid());
            true
        }))
    }

    /// Removes a person with all they have, in one transaction. What others have and only names the person (the audit
    /// trail, invites, defaults for everybody) stays and names nobody. The bytes of files are the caller's to erase:
    /// before, and for the files that are answered with, which were made in between, after.
    pub async fn delete(
        &self,
        user: UserId,
        context: &AuditContext,
    ) -> Result<(AccountChange, Vec<Artifact>), StoreError> {
        let id = user.as_uuid();
        // No name holds a control character. Changing what is unique locks out whoever would add a row of the person's.
        let nobody = format!("\u{1}{user}");
        let statements = statements();
        Ok(on_write!(self.0, db => {
            db = db.patient();
            if matches!(self.0.backend, Backend::Postgres(_)) {
                db.execute(sqlx::query("SET LOCAL statement_timeout TO 120000")).await?;
            }
            if is_last_admin!(db, id) {
                return Ok((AccountChange::LastAdmin, Vec::new()));
            }
            let found = db.execute(sqlx::query(
                "UPDATE users SET username = $1, is_active = FALSE WHERE id = $2 AND kind = 'person'")
                .bind(nobody.as_str()).bind(id)).await?;
            if found == 0 {
                return Ok((AccountChange::Unknown, Vec::new()));
            }
            let files: Vec<artifacts::Row> = db.all(sqlx::query_as(artifacts::OF_USER).bind(id).bind(i64::MAX)).await?;
            for statement in &statements {
                db.execute(sqlx::query(AssertSqlSafe(statement.clone())).bind(id)).await?;
            }
            audit!(db, context, Action::UserDeleted, id);
            let files = files.into_iter().map(Artifact::try_from).collect::<Result<_, _>>()?;
            (AccountChange::Done, files)
        }))
    }
}

/// One for each column that names a user, children before parents: rows that cannot be without them go, others stay and
/// name nobody. From the registry of tables, so that none is forgotten.
fn statements() -> Vec<String> {
    let mut statements = Vec::new();
    for table in TABLES.iter().rev() {
        for column in table.columns.iter().filter(|column| column.references == Some("users")) {
            let (table, column) = (table.name, column);
            statements.push(match column.nullable {
                true => format!("UPDATE {table} SET {} = NULL WHERE {} = $1", column.name, column.name),
                false => format!("DELETE FROM {table} WHERE {} = $1", column.name),
            });
        }
    }
    statements.push("DELETE FROM users WHERE id = $1".to_owned());
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_a_user_is_taken_care_of() {
        let statements = statements();
        let expected = [
            "DELETE FROM idempotency_keys WHERE user_id = $1",
            "DELETE FROM user_model_aliases WHERE user_id = $1",
            "UPDATE model_aliases SET updated_by = NULL WHERE updated_by = $1",
            "DELETE FROM download_jobs WHERE user_id = $1",
            "DELETE FROM artifacts WHERE user_id = $1",
            "DELETE FROM user_default_models WHERE user_id = $1",
            "UPDATE default_models SET updated_by = NULL WHERE updated_by = $1",
            "DELETE FROM exchanges WHERE user_id = $1",
            "DELETE FROM sessions WHERE user_id = $1",
            "UPDATE audit_events SET actor_id = NULL WHERE actor_id = $1",
            "DELETE FROM requests WHERE user_id = $1",
            "DELETE FROM provider_keys WHERE user_id = $1",
            "UPDATE invite_tokens SET created_by = NULL WHERE created_by = $1",
            "UPDATE invite_tokens SET last_used_by = NULL WHERE last_used_by = $1",
            "DELETE FROM user_tokens WHERE user_id = $1",
            "DELETE FROM users WHERE id = $1",
        ];
        assert_eq!(statements, expected, "a new one: is it right that these rows go, or name nobody?");
    }
}
