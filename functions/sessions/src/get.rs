use axum::extract::State;
use llm_api_domain::Clock;
use llm_api_relay::Relay;
use llm_api_storage::Store;
use llm_api_web::{ApiError, BaseUrl, Caller, Generate, Json, Path, native::session_id};

use crate::{messages::messages, view::SessionView};

/// One of the caller's sessions with its messages.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = SessionView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn get(
    State(store): State<Store>,
    State(clock): State<Clock>,
    State(relay): State<Relay>,
    base: BaseUrl,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, ApiError> {
    let session = store.sessions().get(caller.user, session_id(&id)?).await?;
    let session = session.ok_or_else(|| ApiError::session_not_found(&id))?;
    store.sessions().touch(caller.user, session.id, clock.now()).await?;
    let exchanges = store.exchanges().list(caller.user, session.id, 0, i64::MAX).await?;
    let messages = messages(exchanges, |file| base.join(&relay.artifacts().link(file).path));
    Ok(Json(SessionView::from(session).with(messages)))
}
