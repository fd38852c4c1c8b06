use axum::extract::State;
use llm_api_storage::{ProfileChange, Store};
use llm_api_web::{Account, ApiError, Audit, Caller, Json};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::views::ProfileView;

/// `null` and missing leave a field as it is; `preferences` is replaced whole.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct UpdateMe {
    #[schema(max_length = 255)]
    display_name: Option<String>,
    #[schema(max_length = 255)]
    preferred_model: Option<String>,
    #[schema(value_type = Option<Object>)]
    preferences: Option<Map<String, Value>>,
}

/// Change the caller's profile.
#[utoipa::path(patch, path = "/v1/users/me", tag = "users", request_body = UpdateMe,
    responses((status = 200, body = ProfileView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn patch_me(
    store: State<Store>,
    caller: Caller<Account>,
    audit: Audit,
    body: Json<UpdateMe>,
) -> Result<Json<ProfileView>, ApiError> {
    update(store, caller, audit, body).await
}

/// The same by PUT, as the Dart client sends it.
#[utoipa::path(put, path = "/v1/users/me", tag = "users", request_body = UpdateMe,
    responses((status = 200, body = ProfileView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn put_me(
    store: State<Store>,
    caller: Caller<Account>,
    audit: Audit,
    body: Json<UpdateMe>,
) -> Result<Json<ProfileView>, ApiError> {
    update(store, caller, audit, body).await
}

async fn update(
    State(store): State<Store>,
    caller: Caller<Account>,
    Audit(context): Audit,
    Json(body): Json<UpdateMe>,
) -> Result<Json<ProfileView>, ApiError> {
    for (field, text) in [("display_name", &body.display_name), ("preferred_model", &body.preferred_model)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > 255) {
            return Err(ApiError::invalid_field(field, "at most 255 characters"));
        }
    }
    let change = ProfileChange {
        display_name: body.display_name,
        preferred_model: body.preferred_model,
        preferences: body.preferences.map(|preferences| Value::Object(preferences).to_string()),
    };
    let profile = store.users().update_profile(caller.user, &change, &context.by(caller.user)).await?;
    Ok(Json(profile.ok_or_else(|| ApiError::not_found("User"))?.into()))
}
