use std::time::Duration;

use llm_api_domain::{Modality, ProviderId};
use llm_api_storage::StoreError;
use llm_api_upstream::UpstreamError;

/// Why a request was not generated. Knows no HTTP.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("Model not found: {0}")]
    ModelNotFound(String),
    #[error("Model not found: no {0} model is available; store a provider key or start a local model server")]
    NoModelAvailable(Modality),
    #[error("Provider '{0}' is not supported here")]
    UnsupportedProvider(String),
    #[error("Modality '{0}' is not supported here")]
    UnsupportedModality(Modality),
    #[error("{0} makes no images here; use openai or huggingface")]
    NoImages(ProviderId),
    #[error("selection_mode 'model' needs a model")]
    ModelRequired,
    /// What the chosen model cannot take, as far as we know it.
    #[error("{parameter}: {message}")]
    InvalidParameter { parameter: String, message: String },
    #[error("Session '{0}' not found")]
    SessionNotFound(String),
    #[error("Session is closed")]
    SessionClosed,
    #[error("Session has no messages to regenerate")]
    NothingToRegenerate,
    #[error("No user message found in session")]
    NoUserMessage,
    #[error("The request id was used before; every request needs one of its own")]
    RequestIdInUse,
    #[error("The request was cancelled")]
    Cancelled,
    #[error("No key is stored for {0}; store one with POST /v1/users/provider-keys")]
    ProviderNotConfigured(ProviderId),
    /// The ciphertext does not open, or was sealed for another address than the provider's present one.
    #[error("The stored key for {0} cannot be used any more; store it again")]
    KeyUnusable(ProviderId),
    /// A service account's key file has to be exchanged for a token first, which is not done here.
    #[error("The stored credential for {0} is a service account, which is kept but cannot be used to generate")]
    UnsupportedCredential(ProviderId),
    #[error("Local models are disabled")]
    LocalDisabled,
    /// Only Ollama can be told.
    #[error("The local model server cannot be told to {0} models; Ollama can")]
    NotSupported(&'static str),
    #[error("Cannot unload model (pinned or busy)")]
    ModelBusy,
    #[error("You have as many streams open as one user may have; close one first")]
    UserStreams,
    #[error("The server has as many streams open as it can take")]
    ServerStreams,
    #[error("The server is stopping; try again")]
    Stopping,
    /// It failed several times in a row.
    #[error("{provider} failed several times in a row and is left alone for a moment; try again later")]
    Resting { provider: ProviderId, retry_after: Duration },
    #[error("{provider}: {error}")]
    Upstream {
        provider: ProviderId,
        #[source]
        error: UpstreamError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RelayError {
    /// The word for programs; it stands in replies, usage rows and metrics alike.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ModelNotFound(_) => "model_not_found",
            Self::NoModelAvailable(_) => "no_model_available",
            Self::UnsupportedProvider(_) => "unsupported_provider",
            Self::UnsupportedModality(_) | Self::NoImages(_) => "unsupported_modality",
            Self::ModelRequired => "model_required",
            Self::InvalidParameter { .. } => "invalid_parameter",
            Self::SessionNotFound(_) => "session_not_found",
            Self::SessionClosed => "session_closed",
            Self::NothingToRegenerate | Self::NoUserMessage => "nothing_to_regenerate",
            Self::RequestIdInUse => "request_id_in_use",
            Self::Cancelled => "request_cancelled",
            Self::UnsupportedCredential(_) => "unsupported_credential",
            Self::ProviderNotConfigured(_) => "provider_not_configured",
            Self::KeyUnusable(_) => "provider_key_unusable",
            Self::LocalDisabled => "local_models_disabled",
            Self::NotSupported(_) => "not_supported",
            Self::ModelBusy => "model_busy",
            Self::UserStreams | Self::ServerStreams => "too_many_streams",
            Self::Stopping => "server_stopping",
            Self::Resting { .. } => "upstream_resting",
            Self::Upstream { error, .. } => code_of(error),
            Self::Store(_) => "storage_error",
        }
    }
}

/// The same for what a provider did wrong.
pub(crate) const fn code_of(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Unreachable { .. } => "upstream_unreachable",
        UpstreamError::Timeout { .. } => "upstream_timeout",
        UpstreamError::RateLimited { insufficient_quota: true, .. } => "insufficient_quota",
        UpstreamError::RateLimited { .. } => "upstream_rate_limited",
        UpstreamError::KeyRejected { .. } => "provider_key_rejected",
        UpstreamError::Refused { .. } => "provider_refused_request",
        UpstreamError::Failed { .. } => "upstream_error",
        UpstreamError::BadResponse { .. } => "upstream_bad_response",
        UpstreamError::Died { .. } => "upstream_interrupted",
    }
}
