use std::sync::Arc;

use axum::extract::State;
use llm_api_app::Config;
use llm_api_web::{Any, Caller, Json};
use serde::Serialize;
use utoipa::ToSchema;

/// What this server can do beside the providers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Features {
    local_models_enabled: bool,
    huggingface_hosted_3d_supported: bool,
}

/// What this server can do beside the providers.
#[utoipa::path(get, path = "/v1/features", tag = "models",
    responses((status = 200, body = Features), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn features(State(config): State<Arc<Config>>, _: Caller<Any>) -> Json<Features> {
    Json(Features { local_models_enabled: config.local_base_url.is_some(), huggingface_hosted_3d_supported: false })
}
