use std::{borrow::Cow, sync::Arc};

use axum::extract::State;
use http::StatusCode;
use llm_api_app::Config;
use llm_api_domain::{Modality, ProviderId};
use llm_api_relay::{HubSearch, Relay, RelayError};
use llm_api_upstream::{Endpoint, HubModel, UpstreamError};
use llm_api_web::{ApiError, Caller, Generate, Json, Problem, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// Words of the name.
    query: String,
    /// `huggingface` is the only one.
    #[param(example = "huggingface")]
    source: Option<String>,
    /// Only models that make this.
    #[param(value_type = Option<String>, example = "text")]
    modality: Option<Modality>,
    /// At most so many; 20 when missing.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchResults {
    results: Vec<FoundModel>,
    next_cursor: Option<String>,
}

/// A model of the hub's.
#[derive(Debug, Serialize, ToSchema)]
struct FoundModel {
    #[schema(example = "Qwen/Qwen2.5-7B-Instruct")]
    id: String,
    name: String,
    tags: Vec<String>,
    /// What it makes, as far as the hub tells.
    #[schema(value_type = Vec<String>, example = json!(["text"]))]
    modality_hints: Vec<Modality>,
    /// Whether Hugging Face serves it; null is unknown.
    hf_hosted_supported: Option<bool>,
    downloads: Option<i64>,
    last_modified: Option<String>,
}

/// Look for models at Hugging Face's hub.
#[utoipa::path(get, path = "/v1/models/search", tag = "models", params(SearchQuery),
    responses((status = 200, body = SearchResults), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody),
        (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn search(
    State(relay): State<Relay>,
    State(config): State<Arc<Config>>,
    _: Caller<Generate>,
    Query(query): Query<SearchQuery>,
) -> Result<Json<SearchResults>, ApiError> {
    let source = query.source.as_deref().filter(|source| !source.is_empty());
    if source.is_some_and(|source| source != ProviderId::Huggingface.as_str()) {
        return Err(ApiError::bad_request("Unsupported source"));
    }
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(limit_out_of_range());
    }
    let hub = Endpoint::operator(&config.hub_base_url).map_err(ApiError::internal)?;
    let search = HubSearch {
        hub: &hub,
        query: &query.query,
        modality: query.modality,
        limit,
        cursor: query.cursor.as_deref().filter(|cursor| !cursor.is_empty()),
    };
    let page = relay.search_hub(search).await.map_err(hub_failed)?;
    let results = page.models.into_iter().map(FoundModel::from).collect();
    Ok(Json(SearchResults { results, next_cursor: page.next_cursor }))
}

/// The hub is asked without a key and not for one model, so no refusal of its is the caller's fault.
fn hub_failed(error: RelayError) -> ApiError {
    match &error {
        RelayError::Upstream { error: UpstreamError::Refused { .. } | UpstreamError::KeyRejected { .. }, .. } => {
            ApiError::coded(StatusCode::BAD_GATEWAY, "upstream_error", error.to_string())
        }
        _ => error.into(),
    }
}

fn limit_out_of_range() -> ApiError {
    ApiError::invalid(vec![Problem {
        kind: Cow::Borrowed("value_error"),
        loc: vec!["query".to_owned(), "limit".to_owned()],
        msg: format!("must be from 1 to {MAX_LIMIT}"),
    }])
}

impl From<HubModel> for FoundModel {
    fn from(model: HubModel) -> Self {
        let hint = model.pipeline_tag.as_deref().and_then(hint);
        Self {
            name: model.id.rsplit('/').next().unwrap_or_default().to_owned(),
            id: model.id,
            tags: model.tags,
            modality_hints: hint.into_iter().collect(),
            // Nothing that makes 3D is served; for the rest the hub's list does not tell.
            hf_hosted_supported: (hint == Some(Modality::ThreeD)).then_some(false),
            downloads: model.downloads,
            last_modified: model.last_modified,
        }
    }
}

/// What the hub's word for a model's task says of what it makes.
fn hint(pipeline_tag: &str) -> Option<Modality> {
    match pipeline_tag {
        "text-generation" | "text2text-generation" | "image-text-to-text" | "conversational" => Some(Modality::Text),
        "text-to-image" | "image-to-image" => Some(Modality::Image),
        "text-to-3d" | "image-to-3d" => Some(Modality::ThreeD),
        _ => None,
    }
}
