use clap::Args;

use crate::exit::Exit;

/// Smoke.
#[derive(Debug, Args)]
pub(crate) struct Smoke {}

pub(crate) async fn run(_arguments: Smoke) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
