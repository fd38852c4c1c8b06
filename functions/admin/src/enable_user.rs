use axum::extract::State;
use llm_api_domain::UserId;
use llm_api_storage::Store;
use llm_api_web::{Admin, ApiError, Audit, Caller, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enabled {
    enabled: bool,
}

/// Let a user in again, with the tokens they had.
#[utoipa::path(post, path = "/v1/admin/users/{id}/enable", tag = "admin", params(("id" = String, Path)),
    responses((status = 200, body = Enabled), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn enable_user(
    State(store): State<Store>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    Path(id): Path<String>,
) -> Result<Json<Enabled>, ApiError> {
    let not_found = || ApiError::not_found("User");
    let id: UserId = id.parse().map_err(|_| not_found())?;
    match store.users().set_active(id, true, &context.by(caller.user)).await? {
        true => Ok(Json(Enabled { enabled: true })),
        false => Err(not_found()),
    }
}
