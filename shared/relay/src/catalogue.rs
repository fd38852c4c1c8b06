//! What a caller can use: the live lists of their providers, kept for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use llm_api_domain::{ProviderId, ProviderKeyId, Timestamp, UserId};
use llm_api_storage::KeyStatus;
use llm_api_upstream::{Endpoint, ListedModel};
use secrecy::SecretString;

use crate::{Credential, Relay, RelayError, route::split_prefix};

const KEEP: Duration = Duration::from_secs(300);
/// A provider that did not answer is asked again sooner.
const KEEP_FAILURE: Duration = Duration::from_secs(20);
const MAX_ENTRIES: usize = 10_000;

/// A stored key, or `None` for what all callers share. A replaced key has a new id, so its list is never stale.
type Key = (ProviderId, Option<ProviderKeyId>);

#[derive(Debug, Default)]
pub(crate) struct Catalogue(Mutex<HashMap<Key, Listing>>);

#[derive(Clone, Debug)]
struct Listing {
    models: Arc<Vec<ListedModel>>,
    good_until: Timestamp,
}

/// One model that the caller can use.
#[derive(Clone, Debug)]
pub struct CatalogueEntry {
    pub provider: ProviderId,
    pub model: ListedModel,
}

impl CatalogueEntry {
    /// The id to ask for it by: the provider's own, with a prefix where the name alone says nothing of the provider.
    pub fn id(&self) -> String {
        match self.provider {
            ProviderId::Custom | ProviderId::Local => format!("{}:{}", self.provider, self.model.id),
            _ => self.model.id.clone(),
        }
    }

    /// Whether `id` names this model: its own id, alone or with the provider's prefix.
    pub fn is_asked_for_by(&self, id: &str) -> bool {
        id == self.model.id || split_prefix(id) == Some((self.provider, self.model.id.as_str()))
    }
}

/// A provider that the caller can use, with what a call needs.
struct Source {
    key: Key,
    endpoint: Endpoint,
    secret: Option<SecretString>,
}

impl Relay {
    /// All models of all providers that the caller can use. A provider that does not answer is left out.
    pub async fn catalogue(&self, user: UserId) -> Result<Vec<CatalogueEntry>, RelayError> {
        let sources = self.sources(user).await?;
        let lists = join_all(sources.iter().map(|source| self.listing(source))).await;
        let entries = sources.iter().zip(lists).flat_map(|(source, models)| {
            let provider = source.key.0;
            models.iter().map(move |model| CatalogueEntry { provider, model: model.clone() }).collect::<Vec<_>>()
        });
        Ok(entries.collect())
    }

    async fn sources(&self, user: UserId) -> Result<Vec<Source>, RelayError> {
        let config = &self.0.config;
        let mut sources = Vec::new();
        for key in config.store.provider_keys().all_sealed(user).await? {
            if !Self::can_call(key.provider) || key.status == KeyStatus::Rejected {
                continue;
            }
            let Ok(Some(endpoint)) = config.providers.endpoint(key.provider, key.base_url.as_deref()) else { continue };
            let Ok(secret) = Credential::open(&config.vault, user, &key, endpoint.origin_text()) else {
                continue;
            };
            sources.push(Source { key: (key.provider, Some(key.id)), endpoint, secret: Some(secret) });
        }
        for provider in config.providers.shared() {
            if sources.iter().any(|source| source.key.0 == provider) {
                continue;
            }
            if let Ok(Some(endpoint)) = config.providers.endpoint(provider, None) {
                let secret = config.providers.server_key(provider).cloned();
                sources.push(Source { key: (provider, None), endpoint, secret });
            }
        }
        Ok(sources)
    }

    async fn listing(&self, source: &Source) -> Arc<Vec<ListedModel>> {
        let config = &self.0.config;
        let kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner).get(&source.key).cloned();
        if let Some(kept) = kept.filter(|kept| kept.good_until > config.clock.now()) {
            return kept.models;
        }
        let (models, keep) = match config.client.models(&source.endpoint, source.secret.as_ref()).await {
            Ok(models) => (models, KEEP),
            Err(error) => {
                tracing::debug!(provider = %source.key.0, %error, "a provider did not list its models");
                (Vec::new(), KEEP_FAILURE)
            }
        };
        let now = config.clock.now();
        let listing = Listing { models: Arc::new(models), good_until: now + keep };
        let mut kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_ENTRIES {
            kept.retain(|_, listing| listing.good_until > now);
        }
        kept.insert(source.key, listing.clone());
        listing.models
    }
}
