//! Models the caller can use.

mod get;
mod list;
mod view;

use axum::middleware::map_response;
use llm_api_app::AppState;
use llm_api_web::shared_family;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    // OpenAI SDKs and native clients ask here alike.
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(get::get)).layer(map_response(shared_family))
}
