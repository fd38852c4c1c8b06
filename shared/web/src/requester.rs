//! Who generates, and under which id.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request;
use llm_api_domain::RequestId;
use llm_api_relay::Subject;
use llm_api_telemetry::TraceParent;

use crate::{ApiError, AuthState, Caller, Generate};

/// The id of the request is the client's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChosenId;

/// A caller who may generate, as the relay wants it told.
#[derive(Clone, Copy, Debug)]
pub struct Requester(pub Subject);

impl<S: Send + Sync> FromRequestParts<S> for Requester
where
    Arc<AuthState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::<Generate>::from_request_parts(parts, state).await?;
        let id = parts.extensions.get::<RequestId>().copied();
        let id = id.ok_or_else(|| ApiError::internal("a request came past the edge"))?;
        let chose_id = parts.extensions.get::<ChosenId>().is_some();
        let trace = parts.extensions.get::<TraceParent>().copied();
        Ok(Self(Subject { user: caller.user, token: caller.token, request: id, chose_id, trace }))
    }
}
