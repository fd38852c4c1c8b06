//! Generated files, by signed links.

mod open;

use llm_api_app::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(open::open))
}
