use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use llm_api_app::Config;
use llm_api_domain::{Clock, SessionId};
use llm_api_relay::Relay;
use llm_api_storage::{NewSession, Store};
use llm_api_web::{ApiError, Caller, Generate, Json, OptionalJson};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{clear_idle, view::SessionView};

/// The longest title, in characters.
pub(crate) const MAX_TITLE: usize = 1000;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct CreateSession {
    /// Taken from the first prompt when not given.
    title: Option<String>,
    /// Sent before every conversation in this session.
    system_prompt: Option<String>,
}

/// Begin a conversation.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = Option<CreateSession>,
    responses((status = 201, body = SessionView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn create(
    State(store): State<Store>,
    State(relay): State<Relay>,
    State(clock): State<Clock>,
    State(config): State<Arc<Config>>,
    caller: Caller<Generate>,
    OptionalJson(body): OptionalJson<CreateSession>,
) -> Result<(StatusCode, Json<SessionView>), ApiError> {
    let now = clock.now();
    clear_idle(&store, &relay, &config, now).await?;
    let session = NewSession {
        id: SessionId::new(now),
        user: caller.user,
        title: body.title.as_deref().map(title).transpose()?.filter(|title| !title.is_empty()),
        system_prompt: body.system_prompt.filter(|prompt| !prompt.is_empty()),
    };
    let session = store.sessions().create(&session, now).await?;
    Ok((StatusCode::CREATED, Json(session.into())))
}

/// A title without blanks around it.
pub(crate) fn title(text: &str) -> Result<String, ApiError> {
    match text.chars().count() > MAX_TITLE {
        true => Err(ApiError::invalid_field("title", format!("at most {MAX_TITLE} characters"))),
        false => Ok(text.trim().to_owned()),
    }
}
