//! From the name a caller asks for to a provider, a model and a key.

use llm_api_domain::{Modality, ProviderId, ProviderKeyId, UserId, WireFamily};
use llm_api_storage::KeyStatus;
use llm_api_upstream::Endpoint;
use secrecy::SecretString;

use crate::{CatalogueEntry, Credential, Relay, RelayError, SelectionMode};

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub provider: ProviderId,
    /// The provider's own name of the model.
    pub model: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) secret: Option<SecretString>,
    /// The caller's stored key, when it is that one.
    pub(crate) key: Option<(ProviderKeyId, KeyStatus)>,
}

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

fn fits(mode: SelectionMode, provider: ProviderId) -> bool {
    match mode {
        SelectionMode::FreeOnly => provider == ProviderId::Local,
        SelectionMode::CommercialOnly => provider != ProviderId::Local,
        SelectionMode::Auto | SelectionMode::Model => true,
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

    /// Chooses a model for a request that names none: the default where the caller can use it, else the first that the
    /// caller's providers list.
    pub(crate) async fn route_auto(
        &self,
        user: UserId,
        provider: Option<ProviderId>,
        mode: SelectionMode,
    ) -> Result<Target, RelayError> {
        let default = &self.0.config.default_model;
        if provider.is_none() {
            match self.route_named(user, default, None).await {
                Ok(target) if fits(mode, target.provider) => return Ok(target),
                Err(error @ RelayError::Store(_)) => return Err(error),
                // Not usable by this caller: something else may be.
                Ok(_) | Err(_) => {}
            }
        }
        let suits = |entry: &CatalogueEntry| {
            fits(mode, entry.provider) && provider.is_none_or(|wanted| wanted == entry.provider)
        };
        match self.catalogue(user).await?.into_iter().find(suits) {
            Some(entry) => self.target(user, entry.provider, &entry.model.id).await,
            None => Err(RelayError::NoModelAvailable(Modality::Text)),
        }
    }

    /// Adds endpoint and key: the caller's stored one, else the operator's.
    async fn target(&self, user: UserId, provider: ProviderId, model: &str) -> Result<Target, RelayError> {
        let config = &self.0.config;
        match provider.family() {
            WireFamily::OpenaiChat => {}
            WireFamily::Unsupported => return Err(RelayError::UnsupportedProvider(provider.to_string())),
        }
        let stored =
            if provider.takes_stored_key() { config.store.provider_keys().sealed(user, provider).await? } else { None };
        let base_url = stored.as_ref().and_then(|key| key.base_url.as_deref());
        let endpoint = config
            .providers
            .endpoint(provider, base_url)
            // The address was good when it was stored; the operator has since taken it off the list.
            .map_err(|_| RelayError::KeyUnusable(provider))?
            .ok_or(RelayError::ProviderNotConfigured(provider))?;
        let (secret, key) = match stored {
            Some(key) => {
                let secret = Credential::open(&config.vault, user, &key, endpoint.origin_text())?;
                (Some(secret), Some((key.id, key.status)))
            }
            None => match config.providers.server_key(provider) {
                Some(secret) => (Some(secret.clone()), None),
                None if provider == ProviderId::Local => (None, None),
                None => return Err(RelayError::ProviderNotConfigured(provider)),
            },
        };
        Ok(Target { provider, model: model.to_owned(), endpoint, secret, key })
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
