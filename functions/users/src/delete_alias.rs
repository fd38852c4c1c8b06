use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Account, ApiError, Caller, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedAlias {
    deleted: bool,
}

/// Delete one of the caller's own names for models.
#[utoipa::path(delete, path = "/v1/users/aliases/{name}", tag = "users", params(("name" = String, Path)),
    responses((status = 200, body = DeletedAlias), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn delete_alias(
    State(store): State<Store>,
    caller: Caller<Account>,
    Path(name): Path<String>,
) -> Result<Json<DeletedAlias>, ApiError> {
    match store.aliases().delete(caller.user, &name).await? {
        true => Ok(Json(DeletedAlias { deleted: true })),
        false => Err(ApiError::not_found("Alias")),
    }
}
