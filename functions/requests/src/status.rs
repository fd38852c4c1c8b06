use axum::extract::State;
use llm_api_domain::RequestId;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{not_found, request_id, word};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusView {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// `running`, `completed`, `failed` or `cancelled`.
    #[schema(example = "running")]
    status: &'static str,
    /// Always null: requests do not wait in a queue.
    queue_position: Option<i64>,
}

/// How far one of the caller's requests is.
#[utoipa::path(get, path = "/v1/requests/{id}/status", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = StatusView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn status(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<StatusView>, ApiError> {
    let request_id = request_id(&id)?;
    let status = relay.request_status(caller.user, request_id).await?.ok_or_else(not_found)?;
    Ok(Json(StatusView { request_id, status: word(status), queue_position: None }))
}
