//! The vault's rows. This module sees sealed bytes only.

use std::sync::Arc;

use llm_api_domain::{CredentialType, ProviderId, ProviderKeyId, Timestamp, UserId};
use uuid::Uuid;

use crate::{Action, AuditContext, Store, StoreError, audit::audit, cache::Found, dialect::DbTime};

/// What the last try with a key showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    Unchecked,
    Valid,
    /// The provider answered 401 or 403.
    Rejected,
    Unreachable,
}

impl KeyStatus {
    const ALL: [Self; 4] = [Self::Unchecked, Self::Valid, Self::Rejected, Self::Unreachable];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Valid => "valid",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewProviderKey {
    pub id: ProviderKeyId,
    pub user: UserId,
    pub provider: ProviderId,
    pub credential_type: CredentialType,
    /// The user's own endpoint, where the provider has none of its own.
    pub base_url: Option<String>,
    /// What the ciphertext is bound to.
    pub origin: String,
    pub sealed: Vec<u8>,
    pub masked_key: String,
    pub status: KeyStatus,
    pub status_detail: Option<String>,
    pub checked_at: Option<Timestamp>,
}

/// A stored credential as its owner sees it.
#[derive(Clone, Debug)]
pub struct ProviderKey {
    pub id: ProviderKeyId,
    pub provider: ProviderId,
    pub credential_type: CredentialType,
    pub base_url: Option<String>,
    pub masked_key: String,
    pub status: KeyStatus,
    pub status_detail: Option<String>,
    pub checked_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// A stored credential as the relay needs it.
#[derive(Clone, Debug)]
pub struct SealedKey {
    pub id: ProviderKeyId,
    pub provider: ProviderId,
    pub base_url: Option<Arc<str>>,
    pub origin: Arc<str>,
    pub sealed: Arc<[u8]>,
    pub status: KeyStatus,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    provider: String,
    credential_type: String,
    base_url: Option<String>,
    masked_key: String,
    status: String,
    status_detail: Option<String>,
    checked_at: Option<DbTime>,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct SealedRow {
    id: Uuid,
    provider: String,
    base_url: Option<String>,
    origin: String,
    sealed: Vec<u8>,
    status: String,
}

fn parse_provider(text: &str) -> Result<ProviderId, StoreError> {
    text.parse().map_err(|error| StoreError::corrupt("provider_keys", "provider", error))
}

fn parse_status(text: &str) -> Result<KeyStatus, StoreError> {
    KeyStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("provider_keys", "status", "unknown status"))
}

impl TryFrom<Row> for ProviderKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            provider: parse_provider(&row.provider)?,
            credential_type: CredentialType::ALL
                .into_iter()
                .find(|known| known.as_str() == row.credential_type)
                .ok_or_else(|| StoreError::corrupt("provider_keys", "credential_type", "unknown type"))?,
            base_url: row.base_url,
            masked_key: row.masked_key,
            status: parse_status(&row.status)?,
            status_detail: row.status_detail,
            checked_at: row.checked_at.map(Timestamp::from),
            created_at: row.created_at,
        })
    }
}

impl TryFrom<SealedRow> for SealedKey {
    type Error = StoreError;

    fn try_from(row: SealedRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            provider: parse_provider(&row.provider)?,
            base_url: row.base_url.map(Arc::from),
            origin: row.origin.into(),
            sealed: row.sealed.into(),
            status: parse_status(&row.status)?,
        })
    }
}

/// The `provider_keys` table.
#[derive(Debug)]
pub struct ProviderKeys<'s>(pub(crate) &'s Store);

impl ProviderKeys<'_> {
    /// Stores the user's key for a provider in place of an earlier one, and answers with what is stored. The row gets
    /// the new id, for the ciphertext is bound to it; the time of the first one stays.
    pub async fn put(&self, key: &NewProviderKey, context: &AuditContext) -> Result<ProviderKey, StoreError> {
        let row: Option<Row> = on_write!(self.0, db => {
            let row = db.optional(sqlx::query_as(
                "INSERT INTO provider_keys (id, user_id, provider, credential_type, base_url, origin, sealed, masked_key,
                    status, status_detail, checked_at, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
                 ON CONFLICT (user_id, provider) DO UPDATE SET id = excluded.id, credential_type = excluded.credential_type,
                    base_url = excluded.base_url, origin = excluded.origin, sealed = excluded.sealed,
                    masked_key = excluded.masked_key, status = excluded.status, status_detail = excluded.status_detail,
                    checked_at = excluded.checked_at, updated_at = excluded.updated_at
                 RETURNING id, provider, credential_type, base_url, masked_key, status, status_detail, checked_at, created_at")
                .bind(key.id.as_uuid()).bind(key.user.as_uuid()).bind(key.provider.as_str())
                .bind(key.credential_type.as_str()).bind(key.base_url.as_deref()).bind(key.origin.as_str())
                .bind(key.sealed.as_slice()).bind(key.masked_key.as_str()).bind(key.status.as_str())
                .bind(key.status_detail.as_deref()).bind(key.checked_at.map(DbTime)).bind(DbTime(context.now))).await?;
            audit!(db, context, Action::ProviderKeyStored, key.id.as_uuid());
            row
        });
        row.ok_or(StoreError::Internal(sqlx::Error::RowNotFound))?.try_into()
    }

    /// The user's keys, by provider.
    pub async fn list(&self, user: UserId) -> Result<Vec<ProviderKey>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT id, provider, credential_type, base_url, masked_key, status, status_detail, checked_at, created_at
                 FROM provider_keys WHERE user_id = $1 ORDER BY provider")
                .bind(user.as_uuid())).await?
        });
        rows.into_iter().map(ProviderKey::try_from).collect()
    }

    /// The user's sealed key for one provider.
    pub async fn sealed(&self, user: UserId, provider: ProviderId) -> Result<Option<SealedKey>, StoreError> {
        let cache = self.0.changes.cache();
        if let Some(Found(kept)) = cache.and_then(|(cache, epoch)| cache.key(epoch, user, provider)) {
            return Ok(kept);
        }
        // Boxed: see `Tokens::authenticate`.
        let key = Box::pin(self.read_sealed(user, provider)).await?;
        if let Some((cache, epoch)) = cache {
            cache.keep_key(epoch, user, provider, key.as_ref());
        }
        Ok(key)
    }

    async fn read_sealed(&self, user: UserId, provider: ProviderId) -> Result<Option<SealedKey>, StoreError> {
        let row: Option<SealedRow> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(
                "SELECT id, provider, base_url, origin, sealed, status FROM provider_keys WHERE user_id = $1 AND provider = $2")
                .bind(user.as_uuid()).bind(provider.as_str())).await?
        });
        row.map(SealedKey::try_from).transpose()
    }

    /// All of the user's sealed keys, for listing what their providers offer.
    pub async fn all_sealed(&self, user: UserId) -> Result<Vec<SealedKey>, StoreError> {
        let rows: Vec<SealedRow> = on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT id, provider, base_url, origin, sealed, status FROM provider_keys WHERE user_id = $1 ORDER BY provider")
                .bind(user.as_uuid())).await?
        });
        rows.into_iter().map(SealedKey::try_from).collect()
    }

    /// Notes what a try with the key showed. Nothing happens when the key was replaced meanwhile.
    pub async fn set_status(
        &self,
        user: UserId,
        key: ProviderKeyId,
        status: KeyStatus,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        on_write!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE provider_keys SET status = $1, status_detail = $2, checked_at = $3 WHERE id = $4 AND user_id = $5")
                .bind(status.as_str()).bind(detail).bind(DbTime(now)).bind(key.as_uuid()).bind(user.as_uuid())).await?
        });
        Ok(())
    }

    /// Deletes the row: nothing of the key is left. False when there was none.
    pub async fn delete(&self, user: UserId, provider: ProviderId, context: &AuditContext) -> Result<bool, StoreError> {
        let id: Option<(Uuid,)> = on_write!(self.0, db => {
            let id: Option<(Uuid,)> = db.optional(sqlx::query_as(
                "DELETE FROM provider_keys WHERE user_id = $1 AND provider = $2 RETURNING id")
                .bind(user.as_uuid()).bind(provider.as_str())).await?;
            if let Some((id,)) = id {
                audit!(db, context, Action::ProviderKeyDeleted, id);
            }
            id
        });
        Ok(id.is_some())
    }
}
