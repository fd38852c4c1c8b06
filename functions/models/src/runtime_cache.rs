//! The caches of the old runtime, which held weights. None are held here: what can be cleared is the lists of models.

use axum::extract::State;
use llm_api_relay::Relay;
use llm_api_web::{Any, ApiError, Caller, Json};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PerCache<T> {
    llama_cpp: T,
    hf_text: T,
    diffusion: T,
    shap_e: T,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CacheCounters {
    hits: u32,
    misses: u32,
    maxsize: u32,
    currsize: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cleared {
    cleared: PerCache<u32>,
    message: String,
}

/// The counters of the caches for weights; all zero, because none are held here.
#[utoipa::path(get, path = "/v1/runtime-cache", tag = "models",
    responses((status = 200, body = PerCache<CacheCounters>), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn get(_: Caller<Any>) -> Json<PerCache<CacheCounters>> {
    Json(PerCache::default())
}

/// Forget the lists of models that were read with the caller's keys.
#[utoipa::path(delete, path = "/v1/runtime-cache", tag = "models",
    responses((status = 200, body = Cleared), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn clear(State(relay): State<Relay>, caller: Caller<Any>) -> Result<Json<Cleared>, ApiError> {
    let lists = relay.forget_lists(caller.user).await?;
    let message = format!("No weights are held here; lists of models read with your keys and now forgotten: {lists}");
    Ok(Json(Cleared { cleared: PerCache::default(), message }))
}
