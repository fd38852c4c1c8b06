//! A sealed constant for each encryption key, so that a wrong key is told at start.

use llm_api_domain::Timestamp;

use crate::{Store, StoreError, dialect::DbTime};

/// The `vault_canaries` table.
#[derive(Debug)]
pub struct VaultCanaries<'s>(pub(crate) &'s Store);

impl VaultCanaries<'_> {
    /// The canaries of every key this database was ever used with: `(key id, sealed)`.
    pub async fn list(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        Ok(on_read!(self.0, db => {
            db.all(sqlx::query_as("SELECT key_id, sealed FROM vault_canaries ORDER BY created_at")).await?
        }))
    }

    /// Keeps the first canary of a key; several processes may start at once.
    pub async fn put(&self, key_id: &[u8], sealed: &[u8], now: Timestamp) -> Result<(), StoreError> {
        on_write!(self.0, db => {
            db.execute(sqlx::query(
                "INSERT INTO vault_canaries (key_id, sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO NOTHING")
                .bind(key_id).bind(sealed).bind(DbTime(now))).await?
        });
        Ok(())
    }
}
