//! Where a request goes, and how a model is chosen for one that names none.

use std::sync::Arc;

use llm_api_domain::{Modality, ProviderId, ProviderKeyId, UserId, WireFamily};
use llm_api_facts::Facts;
use llm_api_storage::KeyStatus;
use llm_api_translate::Format;
use llm_api_upstream::{Api, Auth, Endpoint};

use crate::{
    CatalogueEntry, Credential, GenerateCall, Relay, RelayError, SelectionMode, local::AtWork, route::named_provider,
};

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub provider: ProviderId,
    /// The provider's own name of the model.
    pub model: String,
    pub(crate) family: WireFamily,
    /// What every provider of the family is asked in.
    pub(crate) format: Format,
    pub(crate) endpoint: Endpoint,
    pub(crate) auth: Option<Auth>,
    /// The caller's stored key, when it is that one.
    pub(crate) key: Option<(ProviderKeyId, KeyStatus)>,
    /// Keeps a local model from being unloaded.
    _at_work: Option<Arc<AtWork>>,
}

/// A target, and why it is not the one that was asked for.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) target: Target,
    pub(crate) fallback_reason: Option<&'static str>,
}

impl From<Target> for Selection {
    fn from(target: Target) -> Self {
        Self { target, fallback_reason: None }
    }
}

fn fits(mode: SelectionMode, provider: ProviderId) -> bool {
    match mode {
        SelectionMode::FreeOnly => provider == ProviderId::Local,
        SelectionMode::CommercialOnly => provider != ProviderId::Local,
        SelectionMode::Auto | SelectionMode::Model => true,
    }
}

impl Target {
    /// What is known of the model.
    pub(crate) fn facts(&self) -> Option<Facts> {
        llm_api_facts::find(self.provider, &self.model)
    }
}

impl Relay {
    /// Who is to answer a call.
    pub(crate) async fn select(&self, call: &GenerateCall) -> Result<Selection, RelayError> {
        let provider = named_provider(call.provider.as_deref())?;
        let user = call.subject.user;
        match call.model.as_deref().map(str::trim).filter(|model| !model.is_empty() && *model != "auto") {
            Some(model) => Ok(self.route_named(user, model, provider).await?.into()),
            None if call.selection_mode == SelectionMode::Model => Err(RelayError::ModelRequired),
            None => match provider {
                Some(provider) => self.first_of(user, provider, call.modality, call.selection_mode).await,
                None => Ok(self.default_or_first(user, call.modality, call.selection_mode).await?.into()),
            },
        }
    }

    /// The first model that the provider lists, unless its account has run dry; else a free one.
    async fn first_of(
        &self,
        user: UserId,
        provider: ProviderId,
        modality: Modality,
        mode: SelectionMode,
    ) -> Result<Selection, RelayError> {
        let catalogue = self.catalogue(user).await?;
        let first = catalogue
            .iter()
            .find(|entry| entry.provider == provider && entry.modality == modality && fits(mode, entry.provider));
        let mut reason = "no_access";
        if let Some(entry) = first {
            let target = self.target(user, provider, &entry.model.id).await?;
            if !self.0.credits.is_exhausted(target.account(), self.0.config.clock.now()) {
                return Ok(target.into());
            }
            reason = "credits_exhausted";
        }
        let free = catalogue.iter().find(|entry| entry.provider == ProviderId::Local && entry.modality == modality);
        match free {
            Some(entry) if mode != SelectionMode::CommercialOnly => {
                let target = self.target(user, entry.provider, &entry.model.id).await?;
                Ok(Selection { target, fallback_reason: Some(reason) })
            }
            _ => Err(RelayError::NoModelAvailable(modality)),
        }
    }

    /// The default where the caller can use it, else the first that the caller's providers list.
    async fn default_or_first(
        &self,
        user: UserId,
        modality: Modality,
        mode: SelectionMode,
    ) -> Result<Target, RelayError> {
        if let Some(default) = self.default_model(user, modality).await? {
            let target = match default.provider {
                // Not by its name: `mistral:7b` of the local server is nobody else's.
                Some(provider) => self.target(user, provider, &default.model).await,
                None => self.route_named(user, &default.model, None).await,
            };
            match target {
                Ok(target) if fits(mode, target.provider) => return Ok(target),
                Err(error @ RelayError::Store(_)) => return Err(error),
                // Not usable by this caller: something else may be.
                Ok(_) | Err(_) => {}
            }
        }
        let suits = |entry: &CatalogueEntry| fits(mode, entry.provider) && entry.modality == modality;
        match self.catalogue(user).await?.into_iter().find(suits) {
            Some(entry) => self.target(user, entry.provider, &entry.model.id).await,
            None => Err(RelayError::NoModelAvailable(modality)),
        }
    }

    /// Adds endpoint and key: the caller's stored one, else the operator's.
    pub(crate) async fn target(&self, user: UserId, provider: ProviderId, model: &str) -> Result<Target, RelayError> {
        let config = &self.0.config;
        let family = provider.family();
        let Some(Api::Reply(format)) = Api::of_family(family) else {
            return Err(RelayError::UnsupportedProvider(provider.to_string()));
        };
        let stored =
            if provider.takes_stored_key() { config.store.provider_keys().sealed(user, provider).await? } else { None };
        let base_url = stored.as_ref().and_then(|key| key.base_url.as_deref());
        let endpoint = config
            .providers
            .endpoint(provider, base_url)
            // The address was good when it was stored; the operator has since taken it off the list.
            .map_err(|_| RelayError::KeyUnusable(provider))?
            .ok_or(RelayError::ProviderNotConfigured(provider))?;
        let (auth, key) = match stored {
            Some(key) => {
                let auth = Credential::open(&config.vault, user, &key, endpoint.origin_text())?;
                (Some(auth), Some((key.id, key.status)))
            }
            None => match config.providers.server_key(provider) {
                Some(auth) => (Some(auth.clone()), None),
                None if provider == ProviderId::Local => (None, None),
                None => return Err(RelayError::ProviderNotConfigured(provider)),
            },
        };
        let at_work = self.answering(provider, model);
        Ok(Target { provider, family, format, model: model.to_owned(), endpoint, auth, key, _at_work: at_work })
    }
}
