use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Account, ApiError, Caller, Json};

use crate::views::TokenView;

/// The caller's tokens that are not revoked, logins included, oldest first.
#[utoipa::path(get, path = "/v1/users/tokens", tag = "users",
    responses((status = 200, body = Vec<TokenView>), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list_tokens(
    State(store): State<Store>,
    caller: Caller<Account>,
) -> Result<Json<Vec<TokenView>>, ApiError> {
    let tokens = store.tokens().list(caller.user).await?;
    Ok(Json(tokens.into_iter().map(TokenView::from).collect()))
}
