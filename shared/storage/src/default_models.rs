//! The model for each modality when a request names none: an administrator's choice, and everybody's own, which wins.

use llm_api_domain::{Modality, ProviderId, Timestamp, UserId};

use crate::{Action, AuditContext, Store, StoreError, audit::audit, dialect::DbTime};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultModel {
    pub modality: Modality,
    /// `None` leaves the choice to the model's name.
    pub provider: Option<ProviderId>,
    pub model: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    modality: String,
    provider: Option<String>,
    model: String,
}

impl TryFrom<Row> for DefaultModel {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            modality: Modality::from_text(&row.modality)
                .ok_or_else(|| StoreError::corrupt("default_models", "modality", "unknown modality"))?,
            // A provider that another version knows must not keep the model from being found by its name.
            provider: row.provider.and_then(|provider| provider.parse().ok()),
            model: row.model,
        })
    }
}

/// The tables `default_models` and `user_default_models`.
#[derive(Debug)]
pub struct DefaultModels<'s>(pub(crate) &'s Store);

impl DefaultModels<'_> {
    /// What administrators have set, for everybody.
    pub async fn global(&self) -> Result<Vec<DefaultModel>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as("SELECT modality, provider, model FROM default_models ORDER BY modality")).await?
        });
        rows.into_iter().map(DefaultModel::try_from).collect()
    }

    /// What the user has set for themselves.
    pub async fn of_user(&self, user: UserId) -> Result<Vec<DefaultModel>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT modality, provider, model FROM user_default_models WHERE user_id = $1 ORDER BY modality")
                .bind(user.as_uuid())).await?
        });
        rows.into_iter().map(DefaultModel::try_from).collect()
    }

    /// What holds for the user: their own, else the one for everybody.
    pub async fn effective(&self, user: UserId, modality: Modality) -> Result<Option<DefaultModel>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(
                "SELECT modality, provider, model FROM (
                    SELECT 0 AS place, modality, provider, model FROM user_default_models WHERE user_id = $1 AND modality = $2
                    UNION ALL
                    SELECT 1 AS place, modality, provider, model FROM default_models WHERE modality = $2
                 ) AS defaults ORDER BY place LIMIT 1")
                .bind(user.as_uuid()).bind(modality.as_str())).await?
        });
        row.map(DefaultModel::try_from).transpose()
    }

    /// Sets the default for everybody.
    pub async fn set_global(&self, default: &DefaultModel, context: &AuditContext) -> Result<(), StoreError> {
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "INSERT INTO default_models (modality, provider, model, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (modality) DO UPDATE SET provider = excluded.provider, model = excluded.model,
                    updated_at = excluded.updated_at, updated_by = excluded.updated_by")
                .bind(default.modality.as_str()).bind(default.provider.map(ProviderId::as_str))
                .bind(default.model.as_str()).bind(DbTime(context.now)).bind(context.actor.map(UserId::as_uuid))).await?;
            audit!(db, context, Action::DefaultModelSet, None);
        });
        Ok(())
    }

    /// Sets the user's own default.
    pub async fn set_own(&self, user: UserId, default: &DefaultModel, now: Timestamp) -> Result<(), StoreError> {
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "INSERT INTO user_default_models (user_id, modality, provider, model, updated_at)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (user_id, modality) DO UPDATE SET provider = excluded.provider, model = excluded.model,
                    updated_at = excluded.updated_at")
                .bind(user.as_uuid()).bind(default.modality.as_str()).bind(default.provider.map(ProviderId::as_str))
                .bind(default.model.as_str()).bind(DbTime(now))).await?
        });
        Ok(())
    }
}
