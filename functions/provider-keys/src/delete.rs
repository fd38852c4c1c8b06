use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Audit, Caller, Json, Keys, Path};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    deleted: bool,
}

/// Delete the caller's key for one provider. Nothing of it is kept.
#[utoipa::path(delete, path = "/v1/users/provider-keys/{provider}", tag = "provider-keys",
    params(("provider" = String, Path)),
    responses((status = 200, body = Deleted), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn delete(
    State(store): State<Store>,
    caller: Caller<Keys>,
    Audit(context): Audit,
    Path(provider): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let not_found = || ApiError::not_found("Provider key");
    let provider = provider.parse().map_err(|_| not_found())?;
    match store.provider_keys().delete(caller.user, provider, &context.by(caller.user)).await? {
        true => Ok(Json(Deleted { deleted: true })),
        false => Err(not_found()),
    }
}
