use axum::extract::State;
use llm_api_domain::Clock;
use llm_api_storage::Store;
use llm_api_web::{
    Account, ApiError, Caller, Json, Path,
    aliases::{AliasView, PutAlias, too_many_aliases},
};

/// Give models a name of the caller's own, or change what it stands for. It goes before a name that everybody has.
#[utoipa::path(put, path = "/v1/users/aliases/{name}", tag = "users", params(("name" = String, Path)),
    request_body = PutAlias,
    responses((status = 200, body = AliasView), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 403, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn put_alias(
    State(store): State<Store>,
    State(clock): State<Clock>,
    caller: Caller<Account>,
    Path(name): Path<String>,
    Json(body): Json<PutAlias>,
) -> Result<Json<AliasView>, ApiError> {
    let alias = body.into_alias(name)?;
    let stored = store.aliases().put(caller.user, &alias, clock.now()).await?;
    Ok(Json(stored.ok_or_else(too_many_aliases)?.into()))
}
