//! Models the caller can use, and what clients ask before they offer them: parameters, providers, features.

mod dispatch;
mod features;
mod find;
mod get;
mod list;
mod providers;
mod runtime_cache;
mod schema;
mod search;
mod set_default;
mod status;
mod view;

use llm_api_app::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(dispatch::document())
        .routes(routes!(list::list))
        .routes(routes!(search::search))
        .routes(routes!(schema::schema))
        .routes(routes!(features::features))
        .routes(routes!(providers::providers))
        .routes(routes!(runtime_cache::get, runtime_cache::clear))
        .route("/v1/models/{*path}", axum::routing::get(dispatch::get).post(dispatch::post))
}
