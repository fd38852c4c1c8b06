use clap::Args;

use crate::exit::Exit;

/// Doctor.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

pub(crate) async fn run(_arguments: Doctor) -> Result<(), Exit> {
    Err(Exit::failed("not there yet"))
}
