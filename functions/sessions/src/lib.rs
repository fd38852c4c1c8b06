//! Conversations of one user, and generation in them.

mod close;
mod create;
mod generate;
mod get;
mod list;
mod messages;
mod regenerate;
mod rename;
mod reset;
mod view;

use llm_api_app::{AppState, Config};
use llm_api_domain::{SessionId, Timestamp, UserId};
use llm_api_relay::Relay;
use llm_api_storage::{Store, StoreError};
use llm_api_web::describe_headers;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(rename::rename))
        .routes(routes!(close::close))
        .routes(routes!(reset::reset))
        .routes(routes!(generate::generate))
        .routes(routes!(regenerate::regenerate));
    describe_headers(router.get_openapi_mut());
    router
}

/// Sessions of any owner that one request clears away: as many as it hardly notices.
const RETENTION_BATCH: i64 = 100;

/// Deletes sessions that nobody has used for as long as the operator keeps them. Done where sessions are made and listed:
/// a server that nobody uses does not grow.
async fn clear_idle(store: &Store, relay: &Relay, config: &Config, now: Timestamp) -> Result<(), StoreError> {
    let Some(retention) = config.session_retention else { return Ok(()) };
    let purged = match store.sessions().purge_idle(now - retention, RETENTION_BATCH).await {
        // Whoever only lists is answered; they go after the thaw.
        Err(StoreError::ReadOnly) => 0,
        purged => purged?,
    };
    if purged > 0
        && let Err(error) = relay.artifacts().purge_expired(now).await
    {
        // They go with the next ones.
        tracing::warn!(%error, "files of deleted sessions could not be deleted");
    }
    Ok(())
}

/// Deletes the files of a session whose exchanges are gone.
async fn delete_files(relay: &Relay, user: UserId, session: SessionId) {
    if let Err(error) = relay.artifacts().delete_of_session(user, session).await {
        tracing::warn!(%error, session_id = %session, "files of a deleted session could not be deleted yet");
    }
}
