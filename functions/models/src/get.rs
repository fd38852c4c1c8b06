use axum::extract::State;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json};

use crate::{dispatch::ModelId, find::find, view::ModelInfo};

/// One model by its id, also one that only a key would open. Slashes in the id are taken as they are.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = ModelInfo), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn get(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    ModelId(id): ModelId,
) -> Result<Json<ModelInfo>, ApiError> {
    Ok(Json(ModelInfo::new(find(&relay, caller.user, &id).await?)))
}
