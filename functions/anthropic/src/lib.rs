//! The Anthropic-compatible endpoints: any Anthropic SDK works by changing its base URL.

mod count_tokens;
mod messages;

use llm_api_app::AppState;
use llm_api_web::describe_headers;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    let mut router =
        OpenApiRouter::new().routes(routes!(messages::messages)).routes(routes!(count_tokens::count_tokens));
    describe_headers(router.get_openapi_mut());
    router
}
