use std::io::IsTerminal as _;

use clap::Args;
use llm_api_app::{Config, Sources, settings_table};

use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Show) -> Result<(), Exit> {
    let sources = Sources::from_process();
    let effective = Config::effective(&sources);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&effective).map_err(Exit::failed)?);
    } else {
        print!("{}", settings_table(&effective));
    }
    // Shown first, so that a mistake can be seen beside its source.
    let (_, warnings) = Config::load(&sources)?;
    if std::io::stderr().is_terminal() || !arguments.json {
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
    }
    Ok(())
}
