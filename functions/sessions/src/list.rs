use std::{num::NonZeroU32, sync::Arc};

use axum::extract::State;
use llm_api_app::Config;
use llm_api_domain::Clock;
use llm_api_relay::Relay;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Caller, Generate, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{clear_idle, view::SessionEntry};

/// More than anybody scrolls through.
const MOST: u32 = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most so many; all when missing.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<NonZeroU32>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    sessions: Vec<SessionEntry>,
    next_cursor: Option<String>,
}

/// The caller's sessions, the last used one first.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(ListQuery),
    responses((status = 200, body = SessionList), (status = 401, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list(
    State(store): State<Store>,
    State(relay): State<Relay>,
    State(clock): State<Clock>,
    State(config): State<Arc<Config>>,
    caller: Caller<Generate>,
    Query(query): Query<ListQuery>,
) -> Result<Json<SessionList>, ApiError> {
    clear_idle(&store, &relay, &config, clock.now()).await?;
    let limit = query.limit.map_or(MOST, NonZeroU32::get).min(MOST);
    let from = query.cursor.unwrap_or(0);
    let mut sessions = store.sessions().list(caller.user, i64::from(limit) + 1, i64::from(from)).await?;
    let has_more = sessions.len() > limit as usize;
    sessions.truncate(limit as usize);
    let next_cursor = has_more.then(|| from.saturating_add(limit).to_string());
    Ok(Json(SessionList { sessions: sessions.into_iter().map(SessionEntry::from).collect(), next_cursor }))
}
