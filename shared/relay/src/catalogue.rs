//! What a caller can use: the live lists of their providers, kept for a while; and what a key would open to them.

mod hub;
mod names;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use llm_api_domain::{Modality, ProviderId, ProviderKeyId, Timestamp, UserId};
use llm_api_facts::Facts;
use llm_api_storage::{DefaultModel, KeyStatus, SealedKey};
use llm_api_upstream::{Auth, Balance, Endpoint, ListedModel, UpstreamError};

pub use hub::HubSearch;
pub use names::modality_of;

use crate::{Credential, CreditState, Credits, Relay, RelayError, route::split_prefix};

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
    entries: Arc<[CatalogueEntry]>,
    good_until: Timestamp,
}

/// Whether the caller can use a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Available,
    /// Once a good key for its provider is stored.
    Locked,
}

/// One model, with what its provider lists of it and what is publicly known.
#[derive(Clone, Debug)]
pub struct CatalogueEntry {
    pub provider: ProviderId,
    pub model: ListedModel,
    pub modality: Modality,
    pub access: Access,
    pub facts: Option<Facts>,
    /// Whether requests of its modality that name no model go to it; only in lists for people, as is what follows.
    pub is_default: bool,
    /// What is known of the account that would pay.
    pub credits: Option<Credits>,
}

impl CatalogueEntry {
    fn new(provider: ProviderId, model: ListedModel, access: Access) -> Self {
        let facts = llm_api_facts::find(provider, &model.id);
        let modality = facts.map_or_else(|| names::modality_of(&model.id), |facts| facts.modality);
        Self { provider, model, modality, access, facts, is_default: false, credits: None }
    }

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

    /// Whether a default means this model, or another of the same name.
    fn is_meant_by(&self, default: &DefaultModel) -> bool {
        self.modality == default.modality
            && match default.provider {
                Some(provider) => provider == self.provider && default.model == self.model.id,
                None => self.is_asked_for_by(&default.model),
            }
    }

    /// How long a prompt it takes: what the provider says, else what is publicly known.
    pub fn context_tokens(&self) -> Option<i64> {
        self.model.context_length.or_else(|| self.facts?.context_tokens)
    }
}

/// A provider that the caller can use, with what a call needs.
struct Source {
    key: Key,
    endpoint: Endpoint,
    auth: Option<Auth>,
}

impl Relay {
    /// All models of all providers that the caller can use, a provider's one after the other.
    pub async fn catalogue(&self, user: UserId) -> Result<Vec<CatalogueEntry>, RelayError> {
        let sources = self.sources(user).await?;
        let lists = join_all(sources.iter().map(|source| self.listing(source))).await;
        let all = lists.iter().flat_map(|entries| entries.iter());
        Ok(all.filter(|entry| entry.access == Access::Available).cloned().collect())
    }

    /// The same for people to look at: with the caller's defaults marked and what is known of each account's credit, and
    /// behind them the well-known models that a key would open.
    pub async fn whole_catalogue(&self, user: UserId) -> Result<Vec<CatalogueEntry>, RelayError> {
        let sources = self.sources(user).await?;
        let lists = join_all(sources.iter().map(|source| self.listing(source))).await;
        let now = self.0.config.clock.now();
        let (mut open, mut locked) = (Vec::new(), Vec::new());
        for (source, entries) in sources.iter().zip(lists) {
            let known = Some(self.0.credits.of(source.key, now)).filter(|known| known.state != CreditState::Unknown);
            for entry in entries.iter() {
                let list = if entry.access == Access::Locked { &mut locked } else { &mut open };
                list.push(CatalogueEntry { credits: known, ..entry.clone() });
            }
        }
        for provider in ProviderId::ALL.into_iter().filter(|provider| Self::can_call(*provider)) {
            if !sources.iter().any(|source| source.key.0 == provider) {
                locked.extend(self.well_known(provider, Access::Locked));
            }
        }
        open.append(&mut locked);
        for default in self.default_models(user).await? {
            // The first of a name is the one that is called.
            if let Some(entry) = open.iter_mut().find(|entry| entry.is_meant_by(&default)) {
                entry.is_default = true;
            }
        }
        Ok(open)
    }

    /// How long a prompt the model takes, in tokens. Asks no provider for it: generation must not wait for a list. Only
    /// the operator's own server is asked, since nobody else knows how it was started.
    pub async fn context_tokens(&self, user: UserId, provider: ProviderId, model: &str) -> Option<i64> {
        let entries = match provider {
            ProviderId::Local => match self.shared_source(provider) {
                Some(source) => Some(self.listing(&source).await),
                None => None,
            },
            _ => self.kept_list(user, provider).await,
        };
        let entry = entries.as_ref().and_then(|entries| entries.iter().find(|entry| entry.model.id == model));
        match entry {
            Some(entry) => entry.context_tokens(),
            None => llm_api_facts::find(provider, model)?.context_tokens,
        }
    }

    /// Forgets the lists that were read with the caller's own keys; tells how many there were.
    pub async fn forget_lists(&self, user: UserId) -> Result<usize, RelayError> {
        let keys = self.0.config.store.provider_keys().all_sealed(user).await?;
        let mut kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.iter().filter(|key| kept.remove(&(key.provider, Some(key.id))).is_some()).count())
    }

    /// Forgets the list of the operator's own server, whose models have changed.
    pub(crate) fn forget_local_list(&self) {
        let mut kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&(ProviderId::Local, None));
    }

    async fn sources(&self, user: UserId) -> Result<Vec<Source>, RelayError> {
        let config = &self.0.config;
        let keys = config.store.provider_keys().all_sealed(user).await?;
        let mut sources: Vec<Source> = keys.iter().filter_map(|key| self.own_source(user, key)).collect();
        for provider in config.providers.shared() {
            // A stored key replaces the operator's, also one that is of no use.
            if !keys.iter().any(|key| key.provider == provider) {
                sources.extend(self.shared_source(provider));
            }
        }
        Ok(sources)
    }

    /// `None` for a key that cannot be used.
    fn own_source(&self, user: UserId, key: &SealedKey) -> Option<Source> {
        if !Self::can_call(key.provider) || key.status == KeyStatus::Rejected {
            return None;
        }
        let config = &self.0.config;
        let endpoint = config.providers.endpoint(key.provider, key.base_url.as_deref()).ok()??;
        let auth = Credential::open(&config.vault, user, key, endpoint.origin_text()).ok()?;
        Some(Source { key: (key.provider, Some(key.id)), endpoint, auth: Some(auth) })
    }

    fn shared_source(&self, provider: ProviderId) -> Option<Source> {
        let providers = &self.0.config.providers;
        let endpoint = providers.endpoint(provider, None).ok()??;
        Some(Source { key: (provider, None), endpoint, auth: providers.server_key(provider).cloned() })
    }

    /// The list of the key that the caller's requests go out with, where it was read before. What it says of a model's
    /// context does not go stale.
    async fn kept_list(&self, user: UserId, provider: ProviderId) -> Option<Arc<[CatalogueEntry]>> {
        let key = self.0.config.store.provider_keys().sealed(user, provider).await.ok()?;
        let key = (provider, key.map(|key| key.id));
        let kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key).map(|listing| Arc::clone(&listing.entries))
    }

    async fn listing(&self, source: &Source) -> Arc<[CatalogueEntry]> {
        let config = &self.0.config;
        let kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner).get(&source.key).cloned();
        if let Some(kept) = kept.filter(|kept| kept.good_until > config.clock.now()) {
            return kept.entries;
        }
        let provider = source.key.0;
        let answer = config.client.models(&source.endpoint, provider.family(), source.auth.as_ref());
        let (answer, ()) = tokio::join!(answer, self.note_balance(source));
        let keep = if answer.is_ok() { KEEP } else { KEEP_FAILURE };
        let now = config.clock.now();
        let listing = Listing { entries: self.entries(provider, answer).into(), good_until: now + keep };
        let mut kept = self.0.catalogue.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_ENTRIES {
            kept.retain(|_, listing| listing.good_until > now);
        }
        kept.insert(source.key, listing.clone());
        listing.entries
    }

    /// Asks what the account has left, where the provider tells.
    async fn note_balance(&self, source: &Source) {
        if source.key.0 != ProviderId::Deepseek {
            return;
        }
        let config = &self.0.config;
        match config.client.balance(&source.endpoint, source.auth.as_ref()).await {
            Ok(Balance { is_available, total }) => {
                self.0.credits.balance(source.key, is_available, total.as_deref().and_then(amount), config.clock.now());
            }
            Err(error) => tracing::debug!(%error, "deepseek did not tell its balance"),
        }
    }

    /// What is listed of a provider's answer. A provider that told nothing is taken to have its well-known models.
    fn entries(&self, provider: ProviderId, answer: Result<Vec<ListedModel>, UpstreamError>) -> Vec<CatalogueEntry> {
        let listed = match answer {
            Ok(models) => models,
            Err(error) => {
                tracing::debug!(%provider, %error, "a provider did not list its models");
                if let UpstreamError::KeyRejected { .. } = error {
                    return self.well_known(provider, Access::Locked).collect();
                }
                Vec::new()
            }
        };
        let listed = listed.into_iter().filter(|model| names::is_offered(provider, &model.id));
        let entries = listed.map(|model| CatalogueEntry::new(provider, model, Access::Available));
        let mut entries: Vec<CatalogueEntry> = entries.filter(can_be_made).collect();
        if entries.is_empty() {
            return self.well_known(provider, Access::Available).collect();
        }
        entries.extend(self.images_of(provider, Access::Available));
        entries
    }

    fn well_known(&self, provider: ProviderId, access: Access) -> impl Iterator<Item = CatalogueEntry> {
        let texts = names::well_known(provider, access == Access::Available);
        let texts = texts.map(move |id| CatalogueEntry::new(provider, unlisted(id), access));
        texts.chain(self.images_of(provider, access))
    }

    /// The image models that a provider does not list although it makes them.
    fn images_of(&self, provider: ProviderId, access: Access) -> impl Iterator<Item = CatalogueEntry> + use<> {
        let ids = match provider {
            ProviderId::Huggingface => names::huggingface_images(&self.0.config.defaults.image),
            _ => Vec::new(),
        };
        ids.into_iter().map(move |id| {
            let entry = CatalogueEntry::new(provider, unlisted(&id), access);
            CatalogueEntry { modality: Modality::Image, ..entry }
        })
    }
}

/// Whether there is a way to have the model make what it makes.
fn can_be_made(entry: &CatalogueEntry) -> bool {
    match entry.modality {
        Modality::Text => true,
        Modality::Image => matches!(entry.provider, ProviderId::Openai | ProviderId::Huggingface),
        Modality::ThreeD => false,
    }
}

/// The number in `4.20 USD`.
fn amount(total: &str) -> Option<f64> {
    total.split_whitespace().next()?.parse().ok().filter(|amount: &f64| amount.is_finite())
}

/// A model of which nothing but the id is known.
fn unlisted(id: &str) -> ListedModel {
    ListedModel { id: id.to_owned(), name: None, created: None, owned_by: None, context_length: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(provider: ProviderId, id: &str) -> CatalogueEntry {
        CatalogueEntry::new(provider, unlisted(id), Access::Available)
    }

    #[test]
    fn an_entry_answers_to_its_id_with_or_without_the_provider() {
        let gpt = entry(ProviderId::Openai, "gpt-4o");
        assert_eq!(gpt.id(), "gpt-4o");
        assert!(gpt.is_asked_for_by("gpt-4o") && gpt.is_asked_for_by("openai:gpt-4o"));
        assert!(!gpt.is_asked_for_by("groq:gpt-4o") && !gpt.is_asked_for_by("gpt-4"));
        let llama = entry(ProviderId::Local, "llama3:8b");
        assert_eq!(llama.id(), "local:llama3:8b");
        assert!(llama.is_asked_for_by("llama3:8b") && llama.is_asked_for_by("local:llama3:8b"));
    }

    #[test]
    fn a_default_is_one_of_its_modality_and_provider() {
        let default = |modality, provider, model: &str| DefaultModel { modality, provider, model: model.to_owned() };
        let gpt = entry(ProviderId::Openai, "gpt-4o");
        assert!(gpt.is_meant_by(&default(Modality::Text, None, "gpt-4o")));
        assert!(gpt.is_meant_by(&default(Modality::Text, None, "openai:gpt-4o")));
        assert!(gpt.is_meant_by(&default(Modality::Text, Some(ProviderId::Openai), "gpt-4o")));
        assert!(!gpt.is_meant_by(&default(Modality::Text, Some(ProviderId::Azure), "gpt-4o")));
        assert!(!gpt.is_meant_by(&default(Modality::Image, None, "gpt-4o")));
    }

    #[test]
    fn what_the_provider_says_of_the_context_goes_before_what_is_publicly_known() {
        let known = entry(ProviderId::Openai, "gpt-4o");
        assert_eq!(known.context_tokens(), Some(128_000));
        let told = CatalogueEntry { model: ListedModel { context_length: Some(7), ..unlisted("gpt-4o") }, ..known };
        assert_eq!(told.context_tokens(), Some(7));
        assert_eq!(entry(ProviderId::Local, "gpt-4o").context_tokens(), None);
    }

    #[test]
    fn only_what_can_be_made_here_is_listed() {
        assert!(can_be_made(&entry(ProviderId::Openai, "dall-e-3")));
        assert!(!can_be_made(&entry(ProviderId::Xai, "grok-imagine-image")), "known as an image model");
        assert!(!can_be_made(&entry(ProviderId::Openrouter, "black-forest-labs/flux-2")), "named as one");
        assert!(can_be_made(&entry(ProviderId::Openrouter, "openai/gpt-4o")));
        assert!(!can_be_made(&entry(ProviderId::Custom, "openai/shap-e")));
    }
}
