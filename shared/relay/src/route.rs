//! From the name a caller asks for to a provider, a model and a key.

use llm_api_domain::{ProviderId, ProviderKeyId, UserId};
use llm_api_storage::KeyStatus;

use crate::{Relay, RelayError, Target};

/// `provider:id`, only where the prefix is a provider: ids such as `llama3:8b` keep their colon.
pub(crate) fn split_prefix(model: &str) -> Option<(ProviderId, &str)> {
    let (prefix, id) = model.split_once(':')?;
    let provider = prefix.parse().ok()?;
    (!id.is_empty()).then_some((provider, id))
}

/// The provider that a request names beside its model.
pub(crate) fn named_provider(provider: Option<&str>) -> Result<Option<ProviderId>, RelayError> {
    match provider.map(str::trim).filter(|name| !name.is_empty()) {
        None => Ok(None),
        Some(name) => name.parse().map(Some).map_err(|_| RelayError::UnsupportedProvider(name.to_owned())),
    }
}

impl Relay {
    /// Finds the target of a model that was asked for by name: the prefix, then the provider beside it, then the
    /// caller's discovered models, then well-known name patterns.
    pub async fn route_named(
        &self,
        user: UserId,
        model: &str,
        provider: Option<ProviderId>,
    ) -> Result<Target, RelayError> {
        if let Some((provider, id)) = split_prefix(model) {
            return self.target(user, provider, id).await;
        }
        if let Some(provider) = provider {
            return self.target(user, provider, model).await;
        }
        // Boxed: large, and not needed by a model that names its provider.
        let discovered = Box::pin(self.catalogue(user)).await?.into_iter().find(|entry| entry.model.id == model);
        let provider = discovered.map(|entry| entry.provider).or_else(|| ProviderId::from_model_name(model));
        match provider {
            Some(provider) => self.target(user, provider, model).await,
            None => Err(RelayError::ModelNotFound(model.to_owned())),
        }
    }

    /// Notes on the caller's stored key what this call showed, where that is news.
    pub(crate) async fn note_key(&self, user: UserId, target: &Target, now_is: KeyStatus) {
        let Some((id, was)) = target.key else { return };
        if was == now_is {
            return;
        }
        Box::pin(self.write_key_status(user, id, now_is)).await;
    }

    async fn write_key_status(&self, user: UserId, id: ProviderKeyId, now_is: KeyStatus) {
        let detail = (now_is == KeyStatus::Rejected).then_some("The provider rejected this key when it was used");
        let config = &self.0.config;
        let noted = config.store.provider_keys().set_status(user, id, now_is, detail, config.clock.now()).await;
        if let Err(error) = noted {
            tracing::warn!(%error, key_id = %id, "the state of a key could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_provider_is_a_prefix() {
        assert_eq!(split_prefix("openai:gpt-4o"), Some((ProviderId::Openai, "gpt-4o")));
        assert_eq!(split_prefix("Local:llama3:8b"), Some((ProviderId::Local, "llama3:8b")));
        assert_eq!(split_prefix("llama3:8b"), None);
        assert_eq!(split_prefix("openai:"), None);
    }
}
