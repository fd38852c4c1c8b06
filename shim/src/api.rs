//! The one list of endpoint groups.

use axum::Router;
use llm_api_app::AppState;
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

/// Name and routes of every group; `functions/` and `template.yaml` have the same ones.
pub fn groups() -> [(&'static str, OpenApiRouter<AppState>); 11] {
    [
        ("health", llm_api_fn_health::router()),
        ("users", llm_api_fn_users::router()),
        ("provider-keys", llm_api_fn_provider_keys::router()),
        ("models", llm_api_fn_models::router()),
        ("sessions", llm_api_fn_sessions::router()),
        ("generate", llm_api_fn_generate::router()),
        ("requests", llm_api_fn_requests::router()),
        ("artifacts", llm_api_fn_artifacts::router()),
        ("openai", llm_api_fn_openai::router()),
        ("anthropic", llm_api_fn_anthropic::router()),
        ("admin", llm_api_fn_admin::router()),
    ]
}

/// All groups in one router, and the document that describes them.
pub fn all() -> (Router<AppState>, OpenApi) {
    let mut all = OpenApiRouter::with_openapi(document());
    for (_, router) in groups() {
        all = all.merge(router);
    }
    all.split_for_parts()
}

fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("llm-api")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Self-hosted LLM API for a small team"))
        .build();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .security(Some([
            SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []),
            SecurityRequirement::new::<_, [&str; 0], &str>("api_key", []),
        ]))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    document
}
