//! Generated files, by signed links.

use llm_api_app::AppState;
use utoipa_axum::router::OpenApiRouter;

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
}
