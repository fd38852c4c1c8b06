//! `llm-api keys …`

pub(crate) mod generate;

use clap::Subcommand;
use llm_api_app::Config;

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Print a fresh `LLM_API_ENCRYPTION_KEY`.
    Generate,
}

pub(crate) async fn run(_config: &Config, command: Keys) -> Result<(), Exit> {
    match command {
        Keys::Generate => generate::run(),
    }
}
