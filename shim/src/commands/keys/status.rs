use std::collections::BTreeMap;

use clap::Args;
use llm_api_app::{Config, DatabaseTarget, open_store, vault_of_settings};
use llm_api_crypto::{KeyId, Vault};
use llm_api_domain::Clock;
use llm_api_storage::{Bound, OpenMode, SealedCount};
use serde_json::{Value, json};

use super::{counted, stopped};
use crate::exit::Exit;

pub(crate) const EXAMPLES: &str = "Examples:
  llm-api keys status
  llm-api keys status --json";

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Current,
    Old,
    NotConfigured,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Old => "old",
            Self::NotConfigured => "not_configured",
        }
    }
}

/// One encryption key, and what is sealed under it.
struct Line {
    key: KeyId,
    state: State,
    /// By table.
    values: BTreeMap<&'static str, u64>,
    /// The values of users.
    rows: u64,
    canaries: u64,
}

pub(crate) async fn run(config: &Config, arguments: &Status) -> Result<(), Exit> {
    // No refusal of a wrong key: this is where one looks for the right one.
    let folder = matches!(config.database, DatabaseTarget::Sqlite(_)).then_some(config.data_dir.as_path());
    let vault = vault_of_settings(config, folder)?;
    let store = open_store(config, OpenMode::Tool, &Clock::system()).await?;
    let counts = store.sealed().by_key().await;
    store.close().await;
    let counts = counts.map_err(|error| stopped(&error))?;

    let damaged: u64 = counts.iter().filter(|count| count.key.is_none()).map(|count| count.values).sum();
    let lines = lines(vault.as_ref(), &counts);
    if arguments.json {
        println!("{}", json!({ "keys": lines.iter().map(line_json).collect::<Vec<_>>(), "damaged": damaged }));
    } else {
        print(&lines);
    }
    problem(&lines, damaged).map_or(Ok(()), |problem| Err(Exit::failed(problem)))
}

fn problem(lines: &[Line], damaged: u64) -> Option<String> {
    let (missing, configured): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.state == State::NotConfigured);
    let sealed = missing.iter().map(|line| line.rows).sum();
    if sealed > 0 {
        let values = counted(sealed, "provider key is", "provider keys are");
        return Some(format!(
            "{values} sealed under a key that is not configured here: name it in LLM_API_ENCRYPTION_KEYS_OLD"
        ));
    }
    if let Some(line) = missing.first() {
        if configured.iter().all(|line| line.canaries == 0) {
            return Some(format!("this database was used with key {}, which is not configured here", line.key));
        }
        return Some(format!(
            "the canary of key {} is still there, which is not configured here and seals nothing else: \
             `llm-api keys rotate` removes it",
            line.key
        ));
    }
    let values = counted(damaged, "value is", "values are");
    (damaged > 0).then(|| format!("{values} damaged: `llm-api keys verify` names them"))
}

/// The configured keys first, also those that seal nothing.
fn lines(vault: Option<&Vault>, counts: &[SealedCount]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    if let Some(vault) = vault {
        line(&mut lines, KeyId(vault.key_id()), State::Current);
        for key in vault.old_key_ids() {
            line(&mut lines, key, State::Old);
        }
    }
    for count in counts {
        let Some(key) = count.key else { continue };
        let found = line(&mut lines, key, State::NotConfigured);
        *found.values.entry(count.column.table).or_default() += count.values;
        match count.column.bound {
            Bound::Row { .. } => found.rows += count.values,
            Bound::Canary { .. } => found.canaries += count.values,
        }
    }
    lines
}

/// The line of a key; a new one in this state when there is none.
fn line(lines: &mut Vec<Line>, key: KeyId, state: State) -> &mut Line {
    let place = lines.iter().position(|line| line.key == key).unwrap_or_else(|| {
        lines.push(Line { key, state, values: BTreeMap::new(), rows: 0, canaries: 0 });
        lines.len() - 1
    });
    &mut lines[place]
}

fn line_json(line: &Line) -> Value {
    let mut object = json!({ "id": line.key.to_string(), "state": line.state.as_str() });
    for column in llm_api_storage::SEALED_COLUMNS {
        object[column.table] = line.values.get(column.table).copied().unwrap_or_default().into();
    }
    object
}

fn print(lines: &[Line]) {
    if lines.is_empty() {
        println!("There is no encryption key yet, and nothing is sealed.");
        return;
    }
    println!("{:<10}{:<21}{:>13}  canary", "key", "state", "provider keys");
    for line in lines {
        let state = match line.state {
            State::NotConfigured => "not configured here",
            state => state.as_str(),
        };
        let canary = if line.canaries > 0 { "yes" } else { "no" };
        println!("{:<10}{state:<21}{:>13}  {canary}", line.key.to_string(), line.rows);
    }
    let old = lines.iter().filter(|line| line.state == State::Old);
    let (waiting, free): (Vec<_>, Vec<_>) = old.partition(|line| line.rows > 0);
    let waiting: u64 = waiting.iter().map(|line| line.rows).sum();
    if waiting > 0 {
        let values = counted(waiting, "value is", "values are");
        println!("{values} sealed under an old key: `llm-api keys rotate` seals them under the current one.");
    }
    for line in free {
        println!(
            "Nothing is sealed under {}: once no server has it as its current key, it can be taken out of \
             LLM_API_ENCRYPTION_KEYS_OLD.",
            line.key
        );
    }
}
