use clap::Args;
use llm_api_app::{Config, open_with_vault};
use llm_api_crypto::Vault;
use llm_api_domain::Clock;
use llm_api_storage::{RotateError, Rotated, Rotation, Told, rotate};
use serde_json::json;

use super::{Findings, counted, stopped};
use crate::{exit::Exit, progress::ProgressLine};

pub(crate) const EXAMPLES: &str = "Examples:
  llm-api keys rotate --dry-run
  llm-api keys rotate
  llm-api keys rotate --batch 50

Afterwards `llm-api keys verify` proves that every value opens, and `llm-api keys status` that the old key can go.";

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Values in one transaction.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    batch: u32,
    /// Open everything, say what would be sealed again, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: &Config, arguments: &Rotate) -> Result<(), Exit> {
    let clock = Clock::system();
    let (store, vault) = open_with_vault(config, &clock).await?;
    let line = ProgressLine::new();
    let mut findings = Findings::begin(arguments.json);
    let rotated = match &vault {
        Some(vault) => {
            let Rotate { batch, dry_run, .. } = *arguments;
            let rotation = Rotation { store: &store, vault, batch, dry_run, clock: &clock };
            let mut tell = |told| match told {
                Told::Progress { done, of } => line.tell(format_args!("Rotated {done} of {of} values")),
                Told::Unopened(value) => {
                    line.clear();
                    findings.tell(&value);
                }
                Told::FirstUse => eprintln!("{FIRST_USE}"),
            };
            rotate(&rotation, &mut tell).await
        }
        None => Ok(Rotated::default()),
    };
    line.clear();
    store.close().await;
    let rotated = rotated.map_err(|error| match error {
        RotateError::Store(error) => stopped(&error),
        RotateError::Random(error) => Exit::failed(error),
    })?;
    findings.end(&json!({
        "outcome": outcome(arguments, &rotated),
        "resealed": rotated.resealed,
        "already_current": rotated.current,
        "left": rotated.left,
        "canaries_removed": rotated.canaries_removed,
    }));
    if !arguments.json {
        print(arguments, &rotated, vault.as_ref());
    }
    match rotated {
        Rotated { unopened: 0, left: 0, .. } => Ok(()),
        Rotated { unopened: 0, left, .. } => Err(Exit::failed(format!(
            "{} sealed under an old key meanwhile: restart every server that has it as its current key, then run this \
             again",
            counted(left, "value was", "values were")
        ))),
        Rotated { unopened, .. } => {
            let values = counted(unopened, "value does", "values do");
            Err(Exit::failed(format!("{values} not open with the configured keys (left as found)")))
        }
    }
}

const FIRST_USE: &str = "warning: no server was started with this encryption key yet; one that runs with earlier settings \
                         cannot use what is sealed now until it is restarted";

fn is_nothing(rotated: &Rotated) -> bool {
    rotated.resealed == 0 && rotated.canaries_removed == 0
}

fn outcome(arguments: &Rotate, rotated: &Rotated) -> &'static str {
    match (is_nothing(rotated), arguments.dry_run) {
        (true, _) => "nothing_to_do",
        (false, true) => "would_rotate",
        (false, false) => "rotated",
    }
}

fn print(arguments: &Rotate, rotated: &Rotated, vault: Option<&Vault>) {
    let Rotated { resealed, current, canaries_removed, .. } = *rotated;
    let Some(vault) = vault else {
        println!("Nothing to do: there is no encryption key yet, and nothing is sealed.");
        return;
    };
    let key = llm_api_crypto::KeyId(vault.key_id());
    let under = counted(current, "value is", "values are");
    if is_nothing(rotated) {
        println!("Nothing to do: {under} under the current key {key}.");
        return;
    }
    let (values, canaries) = (counted(resealed, "value", "values"), counted(canaries_removed, "canary", "canaries"));
    if arguments.dry_run {
        println!(
            "Would seal {values} again under the current key {key}; {under} under it already. Nothing was written."
        );
        return;
    }
    let before = counted(current, "value was", "values were");
    println!("Sealed {values} again under the current key {key}; {before} under it before.");
    if canaries_removed > 0 {
        println!("Removed {canaries} of keys that nothing is sealed under any more.");
    }
}
