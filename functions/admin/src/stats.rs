use std::collections::BTreeMap;

use axum::extract::State;
use llm_api_storage::{Store, Totals};
use llm_api_web::{ApiError, Caller, Json, Operator};
use serde::Serialize;
use utoipa::ToSchema;

use crate::average::one_decimal;

/// Requests that have ended, a few seconds behind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    request_count: i64,
    /// Failed and broken off ones; a client that left is no error.
    error_count: i64,
    /// Answered by another model than the one that was asked for.
    fallback_count: i64,
    /// Over the newest hundred requests or a few more; 0 when there were none.
    avg_latency_ms: f64,
    /// Requests by provider.
    provider_counts: BTreeMap<String, i64>,
}

impl From<Totals> for Stats {
    fn from(totals: Totals) -> Self {
        Self {
            request_count: totals.requests,
            error_count: totals.errors,
            fallback_count: totals.fallbacks,
            avg_latency_ms: totals.recent_latency_ms.map_or(0.0, one_decimal),
            provider_counts: totals.by_provider.into_iter().collect(),
        }
    }
}

/// How much was asked of which provider, over all processes of this database.
#[utoipa::path(get, path = "/v1/stats", tag = "admin",
    responses((status = 200, body = Stats), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody)))]
pub(crate) async fn stats(State(store): State<Store>, _: Caller<Operator>) -> Result<Json<Stats>, ApiError> {
    Ok(Json(store.usage_buckets().totals().await?.into()))
}
