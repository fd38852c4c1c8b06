use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{Admin, ApiError, Audit, Caller, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedGlobalAlias {
    deleted: bool,
}

/// Delete a name for models that everybody has.
#[utoipa::path(delete, path = "/v1/admin/aliases/{name}", tag = "admin", params(("name" = String, Path)),
    responses((status = 200, body = DeletedGlobalAlias), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn delete_alias(
    State(store): State<Store>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    Path(name): Path<String>,
) -> Result<Json<DeletedGlobalAlias>, ApiError> {
    match store.aliases().delete_global(&name, &context.by(caller.user)).await? {
        true => Ok(Json(DeletedGlobalAlias { deleted: true })),
        false => Err(ApiError::not_found("Alias")),
    }
}
