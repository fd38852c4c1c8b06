use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Any, ApiError, Caller, Json};

use crate::views::ProfileView;

/// The caller's profile.
#[utoipa::path(get, path = "/v1/users/me", tag = "users",
    responses((status = 200, body = ProfileView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn get_me(State(store): State<Store>, caller: Caller<Any>) -> Result<Json<ProfileView>, ApiError> {
    let profile = store.users().profile(caller.user).await?;
    // The service account behind the static key is no person.
    let profile = profile.ok_or_else(|| ApiError::not_found("User"))?;
    Ok(Json(profile.into()))
}
