use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request;
use llm_api_domain::RequestId;
use llm_api_storage::AuditContext;

use crate::{ApiError, AuthState, ClientAddress};

/// When and from where a change is made, for the audit trail; the handler adds by whom.
#[derive(Clone, Copy, Debug)]
pub struct Audit(pub AuditContext);

impl<S: Send + Sync> FromRequestParts<S> for Audit
where
    Arc<AuthState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, ApiError> {
        let ClientAddress(address) = parts.extensions.get().copied().unwrap_or(ClientAddress(None));
        let request = parts.extensions.get::<RequestId>().copied();
        let now = Arc::<AuthState>::from_ref(state).clock.now();
        Ok(Self(AuditContext { now, actor: None, address, request }))
    }
}
