//! `llm-api user …`

mod create;

use clap::Subcommand;
use llm_api_app::Config;

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; the password is asked for without echo.
    Create(create::UserCreate),
}

pub(crate) async fn run(config: &Config, command: User) -> Result<(), Exit> {
    match command {
        User::Create(arguments) => create::run(config, arguments).await,
    }
}
