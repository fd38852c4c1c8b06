use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use llm_api_domain::Clock;
use llm_api_relay::Relay;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Caller, Generate, Json, Path, Query, native::session_id};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{delete_files, view::SessionView};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CloseQuery {
    /// Deletes the session with everything in it; else it is closed, and stays readable.
    #[serde(default)]
    purge: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Purged {
    id: String,
    deleted: bool,
}

/// Close a session, or delete it with `purge=true`.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path), CloseQuery),
    responses((status = 200, body = SessionView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn close(
    State(store): State<Store>,
    State(relay): State<Relay>,
    State(clock): State<Clock>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
    Query(query): Query<CloseQuery>,
) -> Result<Response, ApiError> {
    let not_found = || ApiError::session_not_found(&id);
    let session = session_id(&id)?;
    if query.purge {
        if !store.sessions().purge(caller.user, session).await? {
            return Err(not_found());
        }
        delete_files(&relay, caller.user, session).await;
        return Ok(Json(Purged { id, deleted: true }).into_response());
    }
    let session = store.sessions().close(caller.user, session, clock.now()).await?.ok_or_else(not_found)?;
    Ok(Json(SessionView::from(session)).into_response())
}
