use axum::extract::State;
use http::StatusCode;
use llm_api_artifacts::ArtifactError;
use llm_api_domain::UserId;
use llm_api_relay::Relay;
use llm_api_storage::AccountChange;
use llm_api_web::{Admin, ApiError, Audit, Caller, Path};

use crate::disable_user::last_admin;

/// Remove a user with everything they have: tokens, keys, sessions, files, usage. Nothing of it comes back.
#[utoipa::path(delete, path = "/v1/admin/users/{id}", tag = "admin", params(("id" = String, Path)),
    responses((status = 204), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 403, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn delete_user(
    State(relay): State<Relay>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let not_found = || ApiError::not_found("User");
    let id: UserId = id.parse().map_err(|_| not_found())?;
    if id == caller.user {
        return Err(ApiError::bad_request("You cannot delete your own account"));
    }
    let removed = relay.artifacts().remove_owner(id, &context.by(caller.user)).await;
    let removed = removed.map_err(|error| match error {
        ArtifactError::Store(error) => ApiError::from(error),
        error => ApiError::internal(error),
    })?;
    match removed {
        AccountChange::Done => Ok(StatusCode::NO_CONTENT),
        AccountChange::Unknown => Err(not_found()),
        AccountChange::LastAdmin => Err(last_admin()),
    }
}
