//! What operators watch, and whom administrators let in.

mod average;
mod delete_alias;
mod delete_user;
mod disable_user;
mod enable_user;
mod history;
mod list_aliases;
mod list_users;
mod logs;
mod metrics;
mod put_alias;
mod stats;

use llm_api_app::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(metrics::metrics))
        .routes(routes!(stats::stats))
        .routes(routes!(history::history))
        .routes(routes!(logs::logs))
        .routes(routes!(list_users::list_users))
        .routes(routes!(disable_user::disable_user))
        .routes(routes!(enable_user::enable_user))
        .routes(routes!(delete_user::delete_user))
        .routes(routes!(list_aliases::list_aliases))
        .routes(routes!(put_alias::put_alias, delete_alias::delete_alias))
}
