//! What each failure of the relay looks like to a client (the table in `docs/ERRORS.md`).

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use llm_api_domain::ProviderId;
use llm_api_relay::RelayError;
use llm_api_upstream::{Detail, UpstreamError, wire::BodyError};

use crate::ApiError;

impl From<RelayError> for ApiError {
    fn from(error: RelayError) -> Self {
        let code = error.code();
        let message = error.to_string();
        match error {
            RelayError::Store(error) => error.into(),
            RelayError::ModelNotFound(_) | RelayError::NoModelAvailable(_) => Self::model_not_found(code, message),
            RelayError::UnsupportedProvider(_)
            | RelayError::UnsupportedModality(_)
            | RelayError::NoImages(_)
            | RelayError::ModelRequired
            | RelayError::ProviderNotConfigured(_) => Self::coded(StatusCode::BAD_REQUEST, code, message),
            RelayError::InvalidParameter { parameter, .. } => {
                Self::coded(StatusCode::BAD_REQUEST, code, message).with_param(Some(parameter))
            }
            RelayError::SessionNotFound(id) => Self::session_not_found(&id),
            RelayError::SessionClosed | RelayError::NothingToRegenerate | RelayError::NoUserMessage => {
                Self::bad_state(code, message)
            }
            RelayError::LocalDisabled | RelayError::ModelBusy => Self::bad_state(code, message),
            RelayError::NotSupported(_) => Self::coded(StatusCode::NOT_IMPLEMENTED, code, message),
            RelayError::RequestIdInUse | RelayError::Cancelled => Self::coded(StatusCode::CONFLICT, code, message),
            RelayError::KeyUnusable(_) | RelayError::UnsupportedCredential(_) => {
                Self::coded(StatusCode::FAILED_DEPENDENCY, code, message)
            }
            RelayError::UserStreams | RelayError::ServerStreams | RelayError::Stopping => {
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, code, message)
                    .with_retry_after(Some(Duration::from_secs(1)))
            }
            RelayError::Resting { retry_after, .. } => {
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, code, message).with_retry_after(Some(retry_after))
            }
            RelayError::Upstream { provider, error } => upstream(provider, code, error),
        }
    }
}

fn upstream(provider: ProviderId, code: &'static str, error: UpstreamError) -> ApiError {
    let message = format!("{provider}: {error}");
    let answer = |status| ApiError::coded(status, code, message.clone());
    let is_too_long = error.is_context_length();
    match error {
        UpstreamError::Unreachable { .. } | UpstreamError::BadResponse { .. } | UpstreamError::Died { .. } => {
            answer(StatusCode::BAD_GATEWAY).with_cause(error)
        }
        UpstreamError::Failed { .. } => answer(StatusCode::BAD_GATEWAY),
        UpstreamError::Timeout { .. } => answer(StatusCode::GATEWAY_TIMEOUT),
        UpstreamError::RateLimited { retry_after, .. } => {
            answer(StatusCode::TOO_MANY_REQUESTS).with_retry_after(retry_after)
        }
        // Never 401: that would look like the caller's own login having failed.
        UpstreamError::KeyRejected { .. } => answer(StatusCode::FAILED_DEPENDENCY),
        UpstreamError::Refused { status: 404, detail } => ApiError::model_not_found(
            "model_not_found",
            format!("Model not found: {provider} says: {}", detail.message),
        ),
        // One word for all: not every provider has one.
        UpstreamError::Refused { detail, .. } if is_too_long => refused("context_length_exceeded", message, detail),
        UpstreamError::Refused { detail, .. } => refused(code, message, detail),
    }
}

/// The provider's own code and field survive: SDKs tell users which parameter was at fault.
fn refused(code: &'static str, message: String, detail: Detail) -> ApiError {
    // Google's is the status once more.
    let own = detail.code.filter(|code| !code.bytes().all(|byte| byte.is_ascii_digit()));
    let code = own.map_or(Cow::Borrowed(code), Cow::Owned);
    ApiError::coded(StatusCode::BAD_REQUEST, code, message).with_param(detail.param)
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let param = error.param().map(str::to_owned);
        Self::coded(StatusCode::BAD_REQUEST, "invalid_request", error.to_string()).with_param(param)
    }
}
