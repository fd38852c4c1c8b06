//! The OpenAI-compatible endpoints: any OpenAI SDK works by changing its base URL.

mod chat_completions;
mod embeddings;
mod responses;

use llm_api_app::AppState;
use llm_api_web::describe_headers;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(chat_completions::chat_completions))
        .routes(routes!(responses::responses))
        .routes(routes!(embeddings::embeddings));
    describe_headers(router.get_openapi_mut());
    router
}
