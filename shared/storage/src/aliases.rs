//! Names that stand for models: an administrator's, for everybody, and everybody's own, which win.

use std::sync::Arc;

use llm_api_domain::{ModelName, Timestamp, UserId};

use crate::{
    Action, AuditContext, Store, StoreError,
    audit::audit,
    cache::{Changes, Epoch, KeptAliases},
    dialect::DbTime,
};

/// How many names somebody may give: all of them are read together, and kept together.
const MOST: i64 = 200;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAlias {
    pub name: String,
    /// Asked one after the other.
    pub targets: Vec<ModelName>,
    /// Asked where a prompt is too long for those.
    pub context_target: Option<ModelName>,
}

/// A stored alias; it has one target at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    /// Asked one after the other.
    pub targets: Vec<ModelName>,
    /// Asked where a prompt is too long for those.
    pub context_target: Option<ModelName>,
    /// Whether it is everybody's.
    pub is_global: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    is_global: bool,
    name: String,
    targets: String,
    context_target: Option<String>,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    #[sqlx(try_from = "DbTime")]
    updated_at: Timestamp,
}

impl Row {
    /// `None` where this version knows none of the targets: another version's providers must not keep others from
    /// being asked.
    fn into_alias(self) -> Option<Alias> {
        let targets: Vec<String> = serde_json::from_str(&self.targets).unwrap_or_default();
        let known: Vec<ModelName> = targets.iter().filter_map(|target| target.parse().ok()).collect();
        if known.len() < targets.len() || known.is_empty() {
            tracing::warn!(alias = self.name, "an alias names models of providers that this version does not know");
        }
        (!known.is_empty()).then_some(Alias {
            name: self.name,
            targets: known,
            context_target: self.context_target.and_then(|target| target.parse().ok()),
            is_global: self.is_global,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn targets_text(alias: &NewAlias) -> String {
    let targets: Vec<String> = alias.targets.iter().map(ModelName::to_string).collect();
    serde_json::json!(targets).to_string()
}

/// The alias as it was written.
fn written(alias: &NewAlias, is_global: bool, created_at: DbTime, now: Timestamp) -> Alias {
    Alias {
        name: alias.name.clone(),
        targets: alias.targets.clone(),
        context_target: alias.context_target.clone(),
        is_global,
        created_at: created_at.into(),
        updated_at: now,
    }
}

/// The tables `model_aliases` and `user_model_aliases`.
#[derive(Debug)]
pub struct Aliases<'s>(pub(crate) &'s Store);

/// Tells that aliases were written, however the write ended, where nobody else tells so.
struct Changing<'s>(&'s Store);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.aliases.changed();
    }
}

impl Aliases<'_> {
    /// What `name` stands for when this user says it: their own alias, else everybody's. Where other processes write to
    /// the database, a change of theirs may be seen up to two seconds late.
    pub async fn find(&self, user: UserId, name: &str) -> Result<Option<Alias>, StoreError> {
        let aliases = self.effective(user).await?;
        let place = aliases.binary_search_by(|alias| alias.name.as_str().cmp(name));
        Ok(place.ok().map(|place| aliases[place].clone()))
    }

    /// What holds for the user, by name: their own aliases, and those of everybody that they have not replaced.
    pub async fn list(&self, user: UserId) -> Result<Vec<Alias>, StoreError> {
        self.read(user).await
    }

    /// Everybody's, by name.
    pub async fn global(&self) -> Result<Vec<Alias>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT TRUE AS is_global, name, targets, context_target, created_at, updated_at FROM model_aliases")).await?
        });
        Ok(sorted(rows))
    }

    /// Sets one of the user's own aliases. `None` when they have as many as they may.
    pub async fn put(&self, user: UserId, alias: &NewAlias, now: Timestamp) -> Result<Option<Alias>, StoreError> {
        let targets = targets_text(alias);
        let changing = Changing(self.0);
        let created_at: Option<DbTime> = on_write!(self.0, db => {
            let others = db.scalar(sqlx::query_scalar::<_, i64>(
                "SELECT COUNT(*) FROM user_model_aliases WHERE user_id = $1 AND name <> $2")
                .bind(user.as_uuid()).bind(alias.name.as_str())).await?;
            if others.unwrap_or_default() >= MOST {
                return Ok(None);
            }
            db.scalar(sqlx::query_scalar(
                "INSERT INTO user_model_aliases (user_id, name, targets, context_target, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $5)
                 ON CONFLICT (user_id, name) DO UPDATE SET targets = excluded.targets,
                    context_target = excluded.context_target, updated_at = excluded.updated_at
                 RETURNING created_at")
                .bind(user.as_uuid()).bind(alias.name.as_str()).bind(targets.as_str())
                .bind(alias.context_target.as_ref().map(ModelName::to_string)).bind(DbTime(now))).await?
        });
        drop(changing);
        Ok(created_at.map(|created_at| written(alias, false, created_at, now)))
    }

    /// Sets an alias of everybody's. `None` when there are as many as there may be.
    pub async fn put_global(&self, alias: &NewAlias, context: &AuditContext) -> Result<Option<Alias>, StoreError> {
        let targets = targets_text(alias);
        let changing = Changing(self.0);
        let created_at: Option<DbTime> = on_write!(self.0, db => {
            let others = db.scalar(sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM model_aliases WHERE name <> $1")
                .bind(alias.name.as_str())).await?;
            if others.unwrap_or_default() >= MOST {
                return Ok(None);
            }
            let created_at = db.scalar(sqlx::query_scalar(
                "INSERT INTO model_aliases (name, targets, context_target, created_at, updated_at, updated_by)
                 VALUES ($1, $2, $3, $4, $4, $5)
                 ON CONFLICT (name) DO UPDATE SET targets = excluded.targets, context_target = excluded.context_target,
                    updated_at = excluded.updated_at, updated_by = excluded.updated_by
                 RETURNING created_at")
                .bind(alias.name.as_str()).bind(targets.as_str())
                .bind(alias.context_target.as_ref().map(ModelName::to_string)).bind(DbTime(context.now))
                .bind(context.actor.map(UserId::as_uuid))).await?;
            audit!(db, context, Action::ModelAliasSet, None);
            created_at
        });
        drop(changing);
        Ok(created_at.map(|created_at| written(alias, true, created_at, context.now)))
    }

    /// Deletes one of the user's own aliases. False when they have none with that name.
    pub async fn delete(&self, user: UserId, name: &str) -> Result<bool, StoreError> {
        if is_nobodys(name) {
            return Ok(false);
        }
        let changing = Changing(self.0);
        let deleted = on_write!(self.0, db => {
            db.execute(sqlx::query("DELETE FROM user_model_aliases WHERE user_id = $1 AND name = $2")
                .bind(user.as_uuid()).bind(name)).await? > 0
        });
        drop(changing);
        Ok(deleted)
    }

    /// Deletes an alias of everybody's. False when there is none with that name.
    pub async fn delete_global(&self, name: &str, context: &AuditContext) -> Result<bool, StoreError> {
        if is_nobodys(name) {
            return Ok(false);
        }
        let changing = Changing(self.0);
        let deleted = on_write!(self.0, db => {
            let deleted = db.execute(sqlx::query("DELETE FROM model_aliases WHERE name = $1").bind(name)).await? > 0;
            if deleted {
                audit!(db, context, Action::ModelAliasDeleted, None);
            }
            deleted
        });
        drop(changing);
        Ok(deleted)
    }

    /// What holds for the user, from memory where something may be kept there.
    async fn effective(&self, user: UserId) -> Result<Arc<[Alias]>, StoreError> {
        let keeper = self.keeper();
        if let Some(aliases) = keeper.and_then(|(kept, epoch)| kept.get(epoch, &user)) {
            return Ok(aliases);
        }
        // Boxed: see `Tokens::authenticate`.
        let aliases: Arc<[Alias]> = Box::pin(self.read(user)).await?.into();
        if let Some((kept, epoch)) = keeper {
            kept.put(epoch, user, Arc::clone(&aliases));
        }
        Ok(aliases)
    }

    fn keeper(&self) -> Option<(&KeptAliases, Epoch)> {
        match &self.0.changes {
            Changes::Own(_) => self.0.changes.cache().map(|(cache, epoch)| (cache.aliases(), epoch)),
            Changes::Beside(_) | Changes::Nobody => Some(self.0.aliases.now()),
        }
    }

    async fn read(&self, user: UserId) -> Result<Vec<Alias>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT FALSE AS is_global, name, targets, context_target, created_at, updated_at
                 FROM user_model_aliases WHERE user_id = $1
                 UNION ALL
                 SELECT TRUE AS is_global, name, targets, context_target, created_at, updated_at FROM model_aliases
                 WHERE name NOT IN (SELECT name FROM user_model_aliases WHERE user_id = $1)")
                .bind(user.as_uuid())).await?
        });
        Ok(sorted(rows))
    }
}

/// Postgres takes no U+0000, not even to look for it.
fn is_nobodys(name: &str) -> bool {
    name.contains('\0')
}

/// By bytes, which no collation of a database is sure to do.
fn sorted(rows: Vec<Row>) -> Vec<Alias> {
    let mut aliases: Vec<Alias> = rows.into_iter().filter_map(Row::into_alias).collect();
    aliases.sort_by(|left, right| left.name.cmp(&right.name));
    aliases
}
