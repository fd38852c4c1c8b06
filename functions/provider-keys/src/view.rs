use llm_api_domain::{CredentialType, ProviderId, ProviderKeyId, Timestamp};
use llm_api_storage::ProviderKey;
use serde::Serialize;
use utoipa::ToSchema;

/// A stored key: what its owner needs to know of it, never the key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderKeyView {
    #[schema(value_type = String)]
    id: ProviderKeyId,
    #[schema(value_type = String, example = "openai")]
    provider: ProviderId,
    #[schema(value_type = String, example = "api_key")]
    credential_type: CredentialType,
    #[schema(example = "sk-...001")]
    masked_key: String,
    endpoint: Option<String>,
    /// What the last try with the key showed: `unchecked`, `valid`, `rejected` or `unreachable`.
    #[schema(example = "valid")]
    status: &'static str,
    /// One sentence more about `status`.
    status_detail: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    checked_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<ProviderKey> for ProviderKeyView {
    fn from(key: ProviderKey) -> Self {
        Self {
            id: key.id,
            provider: key.provider,
            credential_type: key.credential_type,
            masked_key: key.masked_key,
            endpoint: key.base_url,
            status: key.status.as_str(),
            status_detail: key.status_detail,
            checked_at: key.checked_at,
            created_at: key.created_at,
        }
    }
}
