//! Models the caller can use, and what clients ask before they offer them: parameters, providers, features.

mod cancel_job;
mod dispatch;
mod download;
mod features;
mod find;
mod get;
mod get_job;
mod jobs;
mod list;
mod load;
mod loaded;
mod providers;
mod runtime_cache;
mod schema;
mod search;
mod set_default;
mod status;
mod unload;
mod view;

use llm_api_app::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(dispatch::document())
        .routes(routes!(list::list))
        .routes(routes!(search::search))
        .routes(routes!(loaded::loaded))
        .routes(routes!(download::download))
        .routes(routes!(jobs::jobs))
        .routes(routes!(get_job::get_job, cancel_job::cancel_job))
        .routes(routes!(schema::schema))
        .routes(routes!(features::features))
        .routes(routes!(providers::providers))
        .routes(routes!(runtime_cache::get, runtime_cache::clear))
        .route("/v1/models/{*path}", axum::routing::get(dispatch::get).post(dispatch::post))
}
