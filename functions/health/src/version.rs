use std::sync::Arc;

use axum::extract::State;
use llm_api_app::Config;
use llm_api_web::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Version {
    #[schema(example = "0.1.0")]
    version: String,
}

/// The version that runs, as the operator named it or as it was built.
#[utoipa::path(get, path = "/version", tag = "health", security(()), responses((status = 200, body = Version)))]
pub(crate) async fn version(State(config): State<Arc<Config>>) -> Json<Version> {
    Json(Version { version: config.app_version.clone() })
}
