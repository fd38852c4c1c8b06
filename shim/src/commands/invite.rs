//! `llm-api invite …`

mod create;
mod list;
mod revoke;

use clap::Subcommand;
use llm_api_app::Config;

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Invite {
    Create(create::InviteCreate),
    List(list::InviteList),
    Revoke(revoke::InviteRevoke),
}

pub(crate) async fn run(config: &Config, command: Invite) -> Result<(), Exit> {
    match command {
        Invite::Create(arguments) => create::run(config, &arguments).await,
        Invite::List(arguments) => list::run(config, &arguments).await,
        Invite::Revoke(arguments) => revoke::run(config, &arguments).await,
    }
}
