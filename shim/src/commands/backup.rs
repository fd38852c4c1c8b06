use clap::Args;
use llm_api_app::Config;

use crate::exit::Exit;

/// Write a backup while the server runs.
#[derive(Debug, Args)]
pub(crate) struct Backup {}

pub(crate) async fn run(_config: &Config, _arguments: Backup) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
