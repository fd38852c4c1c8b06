use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{
    Admin, ApiError, Audit, Caller, Json, Path,
    aliases::{AliasView, PutAlias, too_many_aliases},
};

/// Give models a name for everybody, or change what it stands for. Somebody's own name goes before it.
#[utoipa::path(put, path = "/v1/admin/aliases/{name}", tag = "admin", params(("name" = String, Path)),
    request_body = PutAlias,
    responses((status = 200, body = AliasView), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 403, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn put_alias(
    State(store): State<Store>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    Path(name): Path<String>,
    Json(body): Json<PutAlias>,
) -> Result<Json<AliasView>, ApiError> {
    let alias = body.into_alias(name)?;
    let stored = store.aliases().put_global(&alias, &context.by(caller.user)).await?;
    Ok(Json(stored.ok_or_else(too_many_aliases)?.into()))
}
