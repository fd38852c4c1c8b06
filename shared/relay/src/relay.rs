use std::{sync::Arc, time::Duration};

use llm_api_artifacts::Artifacts;
use llm_api_crypto::Vault;
use llm_api_domain::{Clock, ProviderId, RequestId, TokenId, UserId};
use llm_api_storage::Store;
use llm_api_telemetry::{Telemetry, TraceParent};
use llm_api_upstream::{Auth, Client, Endpoint, UpstreamError};
use tokio::sync::watch;

use crate::{
    ProviderSettings, RelayError, StreamLimits, breaker::Breakers, catalogue::Catalogue, credits::CreditBook,
    defaults::Defaults, limits::StreamPlace, local::Local,
};

/// Who generates.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    pub user: UserId,
    /// `None` for the static key.
    pub token: Option<TokenId>,
    pub request: RequestId,
    /// Whether the client made the id up: then it may be one that was used before.
    pub chose_id: bool,
    /// What a collector files calls to providers under.
    pub trace: Option<TraceParent>,
}

/// What the relay is made of.
#[derive(Debug)]
pub struct RelayConfig {
    pub store: Store,
    pub vault: Vault,
    pub client: Client,
    pub clock: Clock,
    pub providers: ProviderSettings,
    pub limits: StreamLimits,
    /// Takes images that are too large for a reply.
    pub artifacts: Artifacts,
    /// For requests that name no model, and users and operators who set none.
    pub defaults: Defaults,
    /// A stream that is silent for so long gets a comment, so that nobody on the way closes it.
    pub heartbeat: Duration,
    pub telemetry: Telemetry,
    /// Turns true when running streams must end.
    pub stop: watch::Receiver<bool>,
}

/// Generates. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Relay(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: RelayConfig,
    pub(crate) catalogue: Catalogue,
    pub(crate) credits: CreditBook,
    pub(crate) local: Local,
    pub(crate) breakers: Breakers,
}

impl Relay {
    pub fn new(config: RelayConfig) -> Self {
        Self(Arc::new(Inner {
            config,
            catalogue: Catalogue::default(),
            credits: CreditBook::default(),
            local: Local::default(),
            breakers: Breakers::default(),
        }))
    }

    /// Whether running streams were asked to end.
    pub fn is_stopping(&self) -> bool {
        *self.0.config.stop.borrow()
    }

    /// A place among the streams of this process, for a user who has not too many of them in all processes together.
    pub(crate) async fn stream_place(&self, user: UserId) -> Result<StreamPlace, RelayError> {
        let config = &self.0.config;
        let place = config.limits.take(user)?;
        if !config.store.is_shared() {
            return Ok(place);
        }
        let requests = config.store.requests();
        // Boxed: a large future that every stream would carry.
        let running = Box::pin(requests.running_streams(user, config.clock.now())).await?;
        if running >= config.limits.max_per_user() { Err(RelayError::UserStreams) } else { Ok(place) }
    }

    /// How many streams are open now.
    pub fn open_streams(&self) -> usize {
        self.0.config.limits.open()
    }

    /// How many there may be.
    pub fn max_streams(&self) -> usize {
        self.0.config.limits.max()
    }

    /// How often a provider was asked once more because nothing of its answer had come.
    pub fn provider_retries(&self) -> u64 {
        self.0.config.client.retries()
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.0.config.telemetry
    }

    pub fn artifacts(&self) -> &Artifacts {
        &self.0.config.artifacts
    }

    pub fn vault(&self) -> &Vault {
        &self.0.config.vault
    }

    pub fn providers(&self) -> &ProviderSettings {
        &self.0.config.providers
    }

    /// Tries a credential by asking for the provider's list of models.
    pub async fn probe(&self, provider: ProviderId, endpoint: &Endpoint, auth: &Auth) -> Result<usize, UpstreamError> {
        self.0.config.client.models(endpoint, provider.family(), Some(auth)).await.map(|models| models.len())
    }

    /// Whether the provider is one that this build can call.
    pub fn can_call(provider: ProviderId) -> bool {
        provider.family() != llm_api_domain::WireFamily::Unsupported
    }
}
