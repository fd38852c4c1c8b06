use llm_api_domain::UserId;
use llm_api_relay::{CatalogueEntry, Relay};
use llm_api_web::ApiError;

/// A model by its id, alone or with its provider's prefix; also one that only a key would open.
pub(crate) async fn find(relay: &Relay, user: UserId, id: &str) -> Result<CatalogueEntry, ApiError> {
    let found = relay.whole_catalogue(user).await?.into_iter().find(|entry| entry.is_asked_for_by(id));
    found.ok_or_else(|| ApiError::not_found(&format!("Model '{id}'")))
}
