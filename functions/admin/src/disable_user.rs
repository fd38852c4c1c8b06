use axum::extract::State;
use llm_api_domain::UserId;
use llm_api_storage::{AccountChange, Store};
use llm_api_web::{Admin, ApiError, Audit, Caller, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Disabled {
    disabled: bool,
}

/// Keep a user out: their tokens stop working at once, and start again when they are enabled.
#[utoipa::path(post, path = "/v1/admin/users/{id}/disable", tag = "admin", params(("id" = String, Path)),
    responses((status = 200, body = Disabled), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 403, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn disable_user(
    State(store): State<Store>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    Path(id): Path<String>,
) -> Result<Json<Disabled>, ApiError> {
    let not_found = || ApiError::not_found("User");
    let id: UserId = id.parse().map_err(|_| not_found())?;
    if id == caller.user {
        return Err(ApiError::bad_request("You cannot disable your own account"));
    }
    match store.users().disable(id, false, &context.by(caller.user)).await? {
        AccountChange::Done => Ok(Json(Disabled { disabled: true })),
        AccountChange::Unknown => Err(not_found()),
        AccountChange::LastAdmin => Err(last_admin()),
    }
}

/// Who asks is one, and so it happens only to two who ask at once.
pub(crate) fn last_admin() -> ApiError {
    ApiError::bad_request("The last administrator stays")
}
