use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Account, ApiError, Caller, Json, aliases::AliasView};

/// The names for models that hold for the caller, sorted: their own, and those of everybody that they have not replaced.
#[utoipa::path(get, path = "/v1/users/aliases", tag = "users",
    responses((status = 200, body = Vec<AliasView>), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list_aliases(
    State(store): State<Store>,
    caller: Caller<Account>,
) -> Result<Json<Vec<AliasView>>, ApiError> {
    let aliases = store.aliases().list(caller.user).await?;
    Ok(Json(aliases.into_iter().map(AliasView::from).collect()))
}
