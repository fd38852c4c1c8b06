//! How far requests are, and ending them.

mod cancel;
mod status;

use llm_api_app::AppState;
use llm_api_domain::{RequestId, RequestStatus};
use llm_api_web::ApiError;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(status::status)).routes(routes!(cancel::cancel))
}

/// The words that the Python client knows: it fails on any other.
const fn word(status: RequestStatus) -> &'static str {
    match status {
        RequestStatus::Incomplete | RequestStatus::Interrupted => RequestStatus::Failed.as_str(),
        status => status.as_str(),
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Request")
}

/// The request that a path names; what cannot be an id names nothing.
fn request_id(text: &str) -> Result<RequestId, ApiError> {
    text.parse().map_err(|_| not_found())
}
