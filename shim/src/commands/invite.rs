//! `llm-api invite …`

mod create;

use clap::Subcommand;
use llm_api_app::Config;

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Invite {
    /// Make an invite and print it; it is shown once.
    Create(create::InviteCreate),
}

pub(crate) async fn run(config: &Config, command: Invite) -> Result<(), Exit> {
    match command {
        Invite::Create(arguments) => create::run(config, &arguments).await,
    }
}
