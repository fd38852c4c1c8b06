use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Caller, Json, Keys};

use crate::view::ProviderKeyView;

/// The caller's stored keys, by provider.
#[utoipa::path(get, path = "/v1/users/provider-keys", tag = "provider-keys",
    responses((status = 200, body = Vec<ProviderKeyView>), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list(
    State(store): State<Store>,
    caller: Caller<Keys>,
) -> Result<Json<Vec<ProviderKeyView>>, ApiError> {
    let keys = store.provider_keys().list(caller.user).await?;
    Ok(Json(keys.into_iter().map(ProviderKeyView::from).collect()))
}
