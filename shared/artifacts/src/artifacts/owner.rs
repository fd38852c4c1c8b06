//! Removing a person, files and all: the one place that knows both the rows and the bytes.

use llm_api_domain::UserId;
use llm_api_storage::{AccountChange, AuditContext};

use super::{Artifacts, BATCH};
use crate::ArtifactError;

impl Artifacts {
    /// Removes a person with everything they have. Where it fails half-way they are out already, and it can be done
    /// again.
    pub async fn remove_owner(&self, user: UserId, context: &AuditContext) -> Result<AccountChange, ArtifactError> {
        let users = self.0.store.users();
        // Their tokens stop first, so that hardly anything new comes while the bytes go, which no transaction brings
        // back.
        match users.disable(user, false, context).await? {
            AccountChange::Done => {}
            refused => return Ok(refused),
        }
        loop {
            let artifacts = self.0.store.artifacts().of_user(user, BATCH).await?;
            if artifacts.is_empty() {
                break;
            }
            self.remove_all(&artifacts).await?;
        }
        let (change, files) = users.delete(user, context).await?;
        for file in files {
            if let Err(error) = self.erase(file.id, file.store, &file.object_key).await {
                let key = file.object_key;
                tracing::warn!(%error, key, "the bytes of a deleted user's file may still be there");
            }
        }
        Ok(change)
    }
}
