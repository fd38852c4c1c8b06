use clap::Args;
use llm_api_app::Config;

use crate::exit::Exit;

/// Bring a backup back.
#[derive(Debug, Args)]
pub(crate) struct Restore {}

pub(crate) async fn run(_config: &Config, _arguments: Restore) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
