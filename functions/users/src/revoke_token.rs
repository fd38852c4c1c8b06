use axum::extract::State;
use llm_api_storage::{Action, Store};
use llm_api_web::{Account, ApiError, Audit, Caller, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revoked {
    pub(crate) revoked: bool,
}

/// Revoke one of the caller's tokens, at once.
#[utoipa::path(delete, path = "/v1/users/tokens/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = Revoked), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn revoke_token(
    State(store): State<Store>,
    caller: Caller<Account>,
    Audit(context): Audit,
    Path(id): Path<String>,
) -> Result<Json<Revoked>, ApiError> {
    let not_found = || ApiError::not_found("Token");
    let id = id.parse().map_err(|_| not_found())?;
    match store.tokens().revoke(caller.user, id, Action::TokenRevoked, &context.by(caller.user)).await? {
        true => Ok(Json(Revoked { revoked: true })),
        false => Err(not_found()),
    }
}
