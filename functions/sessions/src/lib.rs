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
use llm_api_domain::Timestamp;
use llm_api_storage::{Store, StoreError};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(rename::rename))
        .routes(routes!(close::close))
        .routes(routes!(reset::reset))
        .routes(routes!(generate::generate))
        .routes(routes!(regenerate::regenerate))
}

/// Sessions of any owner that one request clears away: as many as it hardly notices.
const RETENTION_BATCH: i64 = 100;

/// Deletes sessions that nobody has used for as long as the operator keeps them. Done where sessions are made and listed:
/// a server that nobody uses does not grow.
async fn clear_idle(store: &Store, config: &Config, now: Timestamp) -> Result<(), StoreError> {
    if let Some(retention) = config.session_retention {
        store.sessions().purge_idle(now - retention, RETENTION_BATCH).await?;
    }
    Ok(())
}
