use axum::extract::State;
use llm_api_domain::Clock;
use llm_api_relay::Relay;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Caller, Generate, Json, Path, native::session_id};

use crate::{delete_files, view::SessionView};

/// Forget what was said in a session; its title and system prompt stay.
#[utoipa::path(post, path = "/v1/sessions/{id}/reset", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = SessionView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn reset(
    State(store): State<Store>,
    State(relay): State<Relay>,
    State(clock): State<Clock>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, ApiError> {
    let session = store.sessions().reset(caller.user, session_id(&id)?, clock.now()).await?;
    let session = session.ok_or_else(|| ApiError::session_not_found(&id))?;
    delete_files(&relay, caller.user, session.id).await;
    Ok(Json(session.into()))
}
