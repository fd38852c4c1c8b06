//! Accounts, tokens and invites.

mod change_password;
mod create_invite;
mod create_token;
mod delete_alias;
mod get_me;
mod list_aliases;
mod list_invites;
mod list_tokens;
mod login;
mod logout;
mod put_alias;
mod register;
mod revoke_invite;
mod revoke_token;
mod session;
mod update_me;
mod views;

use llm_api_app::AppState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The group's routes and its piece of the OpenAPI document.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(logout::logout))
        .routes(routes!(get_me::get_me, update_me::patch_me, update_me::put_me))
        .routes(routes!(change_password::change_password))
        .routes(routes!(list_tokens::list_tokens, create_token::create_token))
        .routes(routes!(revoke_token::revoke_token))
        .routes(routes!(list_aliases::list_aliases))
        .routes(routes!(put_alias::put_alias, delete_alias::delete_alias))
        .routes(routes!(list_invites::list_invites, create_invite::create_invite))
        .routes(routes!(revoke_invite::revoke_invite))
}
