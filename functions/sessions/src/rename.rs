use axum::extract::State;
use llm_api_domain::Clock;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Caller, Generate, Json, Path, native::session_id};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{create::title, view::SessionView};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RenameSession {
    /// Stays as it is when not given.
    title: Option<String>,
}

/// Give a session another title.
#[utoipa::path(put, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    request_body = RenameSession,
    responses((status = 200, body = SessionView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn rename(
    State(store): State<Store>,
    State(clock): State<Clock>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
    Json(body): Json<RenameSession>,
) -> Result<Json<SessionView>, ApiError> {
    let sessions = store.sessions();
    let session = match body.title.as_deref().map(title).transpose()? {
        Some(title) => sessions.rename(caller.user, session_id(&id)?, &title, clock.now()).await?,
        None => sessions.get(caller.user, session_id(&id)?).await?,
    };
    session.map(|session| Json(session.into())).ok_or_else(|| ApiError::session_not_found(&id))
}
