use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Admin, ApiError, Caller, Json, aliases::AliasView};

/// The names for models that everybody has, sorted.
#[utoipa::path(get, path = "/v1/admin/aliases", tag = "admin",
    responses((status = 200, body = Vec<AliasView>), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list_aliases(
    State(store): State<Store>,
    _: Caller<Admin>,
) -> Result<Json<Vec<AliasView>>, ApiError> {
    let aliases = store.aliases().global().await?;
    Ok(Json(aliases.into_iter().map(AliasView::from).collect()))
}
