use axum::extract::State;
use llm_api_domain::RequestId;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{not_found, request_id, word};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelView {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// False for a request that had ended before.
    cancelled: bool,
    /// How it is now, in the words of its status.
    #[schema(example = "cancelled")]
    status: &'static str,
}

/// End one of the caller's running requests, whichever server it runs on.
#[utoipa::path(post, path = "/v1/requests/{id}/cancel", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = CancelView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn cancel(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<CancelView>, ApiError> {
    let request_id = request_id(&id)?;
    let found = relay.cancel(caller.user, request_id).await?.ok_or_else(not_found)?;
    Ok(Json(CancelView { request_id, cancelled: found.cancelled, status: word(found.status) }))
}
