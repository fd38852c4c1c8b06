use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Admin, ApiError, Audit, Caller, Json, Path};

use crate::revoke_token::Revoked;

/// Revoke an invite, at once.
#[utoipa::path(delete, path = "/v1/users/invites/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = Revoked), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn revoke_invite(
    State(store): State<Store>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    Path(id): Path<String>,
) -> Result<Json<Revoked>, ApiError> {
    let not_found = || ApiError::not_found("Invite");
    let id = id.parse().map_err(|_| not_found())?;
    match store.invites().revoke(id, &context.by(caller.user)).await? {
        true => Ok(Json(Revoked { revoked: true })),
        false => Err(not_found()),
    }
}
