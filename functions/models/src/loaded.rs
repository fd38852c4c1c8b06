use axum::extract::State;
use llm_api_domain::Timestamp;
use llm_api_relay::{LoadedLocalModel, Relay};
use llm_api_web::{ApiError, Caller, Generate, Json};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadedModels {
    models: Vec<LoadedModel>,
}

/// A local model in memory.
#[derive(Debug, Serialize, ToSchema)]
struct LoadedModel {
    #[schema(example = "local:llama3.2:1b")]
    model_id: String,
    /// Since when this server knows it to be there.
    #[schema(value_type = String)]
    loaded_at: Timestamp,
    #[schema(value_type = String)]
    last_used_at: Timestamp,
    /// Always false: no model is pinned here.
    is_pinned: bool,
    /// 0 is unknown.
    memory_bytes: i64,
    is_busy: bool,
    /// How many requests it answers now.
    busy_count: u32,
}

impl From<LoadedLocalModel> for LoadedModel {
    fn from(model: LoadedLocalModel) -> Self {
        Self {
            model_id: model.id,
            loaded_at: model.loaded_at,
            last_used_at: model.last_used_at,
            is_pinned: false,
            memory_bytes: model.memory_bytes,
            is_busy: model.busy_count > 0,
            busy_count: model.busy_count,
        }
    }
}

/// The local models in memory. A server that cannot tell has what it lists there.
#[utoipa::path(get, path = "/v1/models/loaded", tag = "models",
    responses((status = 200, body = LoadedModels), (status = 401, body = llm_api_web::ErrorBody),
        (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn loaded(State(relay): State<Relay>, _: Caller<Generate>) -> Result<Json<LoadedModels>, ApiError> {
    let models = relay.loaded_models().await?;
    Ok(Json(LoadedModels { models: models.into_iter().map(LoadedModel::from).collect() }))
}
