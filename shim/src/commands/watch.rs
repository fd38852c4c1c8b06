use clap::Args;

use crate::exit::Exit;

/// Watch.
#[derive(Debug, Args)]
pub(crate) struct Watch {}

pub(crate) async fn run(_arguments: Watch) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
