//! Liveness, readiness, version and the OpenAPI document.

mod health;
mod openapi;
mod ready;
mod version;

use llm_api_app::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(ready::ready))
        .routes(routes!(version::version))
        .route("/openapi.json", axum::routing::get(openapi::openapi))
}
