use clap::Args;
use llm_api_app::{Config, open_with_vault};
use llm_api_domain::Clock;
use llm_api_storage::{Told, Verified, verify};
use serde_json::json;

use super::{Findings, counted, stopped};
use crate::{exit::Exit, progress::ProgressLine};

pub(crate) const EXAMPLES: &str = "Examples:
  llm-api keys verify
  llm-api keys verify --json";

/// Values in memory at once.
const BATCH: u32 = 500;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: &Config, arguments: &Verify) -> Result<(), Exit> {
    let (store, vault) = open_with_vault(config, &Clock::system()).await?;
    let line = ProgressLine::new();
    let mut findings = Findings::begin(arguments.json);
    let verified = match &vault {
        Some(vault) => {
            let mut tell = |told| match told {
                Told::Progress { done, of } => line.tell(format_args!("Opened {done} of {of} values")),
                Told::Unopened(value) => {
                    line.clear();
                    findings.tell(&value);
                }
                Told::FirstUse => {}
            };
            verify(&store, vault, BATCH, &mut tell).await
        }
        None => Ok(Verified::default()),
    };
    line.clear();
    store.close().await;
    let Verified { current, old, unopened } = verified.map_err(|error| stopped(&error))?;
    let (opened, checked) = (current + old, current + old + unopened);
    findings.end(&json!({ "checked": checked, "opened": opened, "under_current": current, "under_old": old }));
    if unopened > 0 {
        let values = counted(unopened, "value does", "values do");
        return Err(Exit::failed(format!("{values} not open, {opened} of {checked} do")));
    }
    if !arguments.json {
        println!("Every sealed value opens ({opened}): {current} under the current key, {old} under an old one.");
    }
    Ok(())
}
