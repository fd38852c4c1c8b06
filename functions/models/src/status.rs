use axum::extract::State;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::dispatch::ModelId;

/// Whether a model is ready to answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelStatus {
    model_id: String,
    /// `unloaded`, `loading`, `loaded` or `busy`. What a provider hosts is loaded, unless a key is missing.
    #[schema(example = "loaded")]
    runtime_status: &'static str,
    /// Always 0: requests go to the provider at once.
    queue_depth: u32,
}

/// Whether a model is ready to answer.
#[utoipa::path(get, path = "/v1/models/{id}/status", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = ModelStatus), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn status(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    ModelId(id): ModelId,
) -> Result<Json<ModelStatus>, ApiError> {
    let found = relay.model_status(caller.user, &id).await?;
    let (model_id, status) = found.ok_or_else(|| ApiError::not_found(&format!("Model '{id}'")))?;
    Ok(Json(ModelStatus { model_id, runtime_status: status.as_str(), queue_depth: 0 }))
}
