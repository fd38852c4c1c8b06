use clap::Args;
use llm_api_app::Config;

use crate::exit::Exit;

/// Stop all writing.
#[derive(Debug, Args)]
pub(crate) struct Freeze {}
/// Let writing go on.
#[derive(Debug, Args)]
pub(crate) struct Thaw {}
pub(crate) async fn freeze(_config: &Config, _arguments: Freeze) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
pub(crate) async fn thaw(_config: &Config, _arguments: Thaw) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
