use std::sync::Arc;

use axum::extract::State;
use llm_api_app::Config;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json, Path};

use crate::view::ModelInfo;

/// One model that the caller can use, by its id; slashes in it are taken as they are.
#[utoipa::path(get, path = "/v1/models/{*id}", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = ModelInfo), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn get(
    State(relay): State<Relay>,
    State(config): State<Arc<Config>>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<ModelInfo>, ApiError> {
    let found = relay.catalogue(caller.user).await?.into_iter().find(|entry| entry.is_asked_for_by(&id));
    let entry = found.ok_or_else(|| ApiError::not_found(&format!("Model '{id}'")))?;
    Ok(Json(ModelInfo::new(entry, &config.default_model)))
}
