use std::{collections::HashSet, num::NonZeroUsize};

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::HeaderMap;
use llm_api_domain::{Modality, Timestamp};
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::view::ModelInfo;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only models of this modality.
    #[param(value_type = Option<String>, example = "text")]
    modality: Option<Modality>,
    /// At most so many; all when missing.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<usize>,
    /// The same for Anthropic's SDKs: `last_id` of the page before.
    after_id: Option<String>,
}

/// One body for two readers: `data` for OpenAI SDKs, `models` for native clients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList<'m> {
    #[schema(example = "list")]
    object: &'static str,
    data: &'m [ModelInfo],
    models: &'m [ModelInfo],
    next_cursor: Option<String>,
}

/// The same for SDKs that send `anthropic-version`.
#[derive(Debug, Serialize, ToSchema)]
struct AnthropicList<'m> {
    data: Vec<AnthropicModel<'m>>,
    has_more: bool,
    first_id: Option<&'m str>,
    last_id: Option<&'m str>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AnthropicModel<'m> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'m str,
    display_name: &'m str,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

/// The models that the caller's providers list, those of the operator's own server, and the well-known ones that a key
/// would open.
#[utoipa::path(get, path = "/v1/models", tag = "models", params(ListQuery),
    responses((status = 200, body = ModelList), (status = 401, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut seen = HashSet::new();
    let models: Vec<ModelInfo> = relay
        .whole_catalogue(caller.user)
        .await?
        .into_iter()
        .map(ModelInfo::new)
        .filter(|model| query.modality.is_none_or(|wanted| wanted == model.modality))
        .filter_map(|model| if seen.insert(model.id.clone()) { Some(model) } else { model.prefixed_if_default() })
        .collect();
    let from = first(&query, &models).min(models.len());
    let to = from.saturating_add(query.limit.map_or(usize::MAX, NonZeroUsize::get)).min(models.len());
    let page = models.get(from..to).unwrap_or_default();
    let more = to < models.len();
    if headers.contains_key("anthropic-version") {
        return Ok(Json(anthropic(page, more)).into_response());
    }
    let next_cursor = more.then(|| to.to_string());
    Ok(Json(ModelList { object: "list", data: page, models: page, next_cursor }).into_response())
}

/// The place of a page's first model.
fn first(query: &ListQuery, models: &[ModelInfo]) -> usize {
    match &query.after_id {
        Some(id) => models.iter().position(|model| model.id == *id).map_or(models.len(), |place| place + 1),
        None => query.cursor.unwrap_or(0),
    }
}

fn anthropic(page: &[ModelInfo], has_more: bool) -> AnthropicList<'_> {
    let data = page.iter().map(|model| AnthropicModel {
        kind: "model",
        id: &model.id,
        display_name: &model.name,
        created_at: model.created(),
    });
    AnthropicList {
        data: data.collect(),
        has_more,
        first_id: page.first().map(|model| model.id.as_str()),
        last_id: page.last().map(|model| model.id.as_str()),
    }
}
