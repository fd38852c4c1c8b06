//! Generation in the native format.

mod generate;

use llm_api_app::AppState;
use llm_api_web::describe_headers;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    let mut router = OpenApiRouter::new().routes(routes!(generate::generate));
    describe_headers(router.get_openapi_mut());
    router
}
