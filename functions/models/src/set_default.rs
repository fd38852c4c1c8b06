use axum::extract::State;
use llm_api_domain::Scope;
use llm_api_relay::{CatalogueEntry, Relay};
use llm_api_storage::{DefaultModel, Store};
use llm_api_web::{ApiError, Audit, Caller, Generate, Json, OptionalJson, Query};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{dispatch::ModelId, find::find, view::ModelInfo};

/// For whom a default is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DefaultScope {
    /// The caller.
    User,
    /// Everybody who has set none.
    Global,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SetDefault {
    /// Administrators set the default of all when this is not given, others their own.
    scope: Option<DefaultScope>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SetDefaultQuery {
    /// The same as in the body, which goes before.
    scope: Option<DefaultScope>,
}

/// Make a model the default of its modality.
#[utoipa::path(post, path = "/v1/models/{id}/default", tag = "models", params(("id" = String, Path), SetDefaultQuery),
    request_body = SetDefault,
    responses((status = 200, body = ModelInfo), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 404, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn set_default(
    State(relay): State<Relay>,
    State(store): State<Store>,
    caller: Caller<Generate>,
    ModelId(id): ModelId,
    Audit(context): Audit,
    Query(query): Query<SetDefaultQuery>,
    OptionalJson(body): OptionalJson<SetDefault>,
) -> Result<Json<ModelInfo>, ApiError> {
    let may_set_global = caller.is_admin && caller.scopes.allows(Scope::Admin);
    let scope = decide(body.scope.or(query.scope), may_set_global)?;
    let entry = find(&relay, caller.user, &id).await?;
    let default =
        DefaultModel { modality: entry.modality, provider: Some(entry.provider), model: entry.model.id.clone() };
    match scope {
        DefaultScope::User => store.default_models().set_own(caller.user, &default, context.now).await?,
        DefaultScope::Global => store.default_models().set_global(&default, &context.by(caller.user)).await?,
    }
    Ok(Json(ModelInfo::new(CatalogueEntry { is_default: true, ..entry })))
}

fn decide(asked: Option<DefaultScope>, may_set_global: bool) -> Result<DefaultScope, ApiError> {
    match (asked, may_set_global) {
        (None | Some(DefaultScope::Global), true) => Ok(DefaultScope::Global),
        (None, false) | (Some(DefaultScope::User), _) => Ok(DefaultScope::User),
        (Some(DefaultScope::Global), false) => Err(ApiError::forbidden("Admin privileges required")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_administrators_set_the_default_of_all() {
        use DefaultScope::{Global, User};
        for (asked, is_admin, expected) in [
            (None, true, Some(Global)),
            (None, false, Some(User)),
            (Some(User), true, Some(User)),
            (Some(User), false, Some(User)),
            (Some(Global), true, Some(Global)),
            (Some(Global), false, None),
        ] {
            assert_eq!(decide(asked, is_admin).ok(), expected, "{asked:?} {is_admin}");
        }
    }
}
