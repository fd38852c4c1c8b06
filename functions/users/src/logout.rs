use axum::extract::State;
use llm_api_storage::{Action, Store};
use llm_api_web::{Any, ApiError, Audit, Caller, Json};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedOut {
    logged_out: bool,
}

/// End the token that this request was made with.
#[utoipa::path(post, path = "/v1/users/logout", tag = "users",
    responses((status = 200, body = LoggedOut), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn logout(
    State(store): State<Store>,
    caller: Caller<Any>,
    Audit(context): Audit,
) -> Result<Json<LoggedOut>, ApiError> {
    let token = caller.token.ok_or_else(|| ApiError::bad_request("The static key cannot be logged out"))?;
    let context = context.by(caller.user);
    let logged_out = store.tokens().revoke(caller.user, token, Action::LoggedOut, &context).await?;
    Ok(Json(LoggedOut { logged_out }))
}
