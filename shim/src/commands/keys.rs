//! `llm-api keys …`

pub(crate) mod generate;
mod rotate;
mod status;
mod verify;

use clap::Subcommand;
use llm_api_app::Config;
use llm_api_storage::{StoreError, Unopened};
use serde_json::{Value, json};

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Print a fresh `LLM_API_ENCRYPTION_KEY`.
    Generate,
    /// Show under which encryption keys the stored provider keys are sealed.
    ///
    /// Keys are told apart by their ids, which are not secret. `current` is `LLM_API_ENCRYPTION_KEY` (or the file
    /// `encryption.key` in the data directory), `old` stands in `LLM_API_ENCRYPTION_KEYS_OLD`. Nothing is opened or
    /// changed. Ends with 1 when something is sealed under a key that is not configured here, or is damaged.
    #[command(after_help = status::EXAMPLES)]
    Status(status::Status),
    /// Seal again, under the current encryption key, what an old one has sealed.
    ///
    /// Set the new key as `LLM_API_ENCRYPTION_KEY`, name the earlier one in `LLM_API_ENCRYPTION_KEYS_OLD`, restart every
    /// server, then run this with the same settings. Servers go on serving meanwhile. Killed at any moment, it goes on
    /// when run again; what a user stores or deletes meanwhile is never overwritten. What no configured key opens is told
    /// with its id and left as it is, and the command ends with 1.
    #[command(after_help = rotate::EXAMPLES)]
    Rotate(rotate::Rotate),
    /// Open every sealed value, and name those that do not open.
    ///
    /// Nothing is changed. Ends with 1 when a value does not open with the configured keys.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Verify),
}

pub(crate) async fn run(config: &Config, command: Keys) -> Result<(), Exit> {
    match command {
        Keys::Generate => generate::run(),
        Keys::Status(arguments) => status::run(config, &arguments).await,
        Keys::Rotate(arguments) => rotate::run(config, &arguments).await,
        Keys::Verify(arguments) => verify::run(config, &arguments).await,
    }
}

/// What stopped a command in the middle.
fn stopped(error: &StoreError) -> Exit {
    match error {
        StoreError::ReadOnly => Exit::failed("the database is frozen: run `llm-api thaw` first"),
        error => Exit::failed(error),
    }
}

fn unopened_line(value: &Unopened) -> String {
    let of = value.of.as_ref().map(|(user, provider)| format!(" (user {user}, {})", printable(provider)));
    format!("{} {}{}: {}", value.table, value.id, of.unwrap_or_default(), value.reason)
}

fn unopened_json(value: &Unopened) -> Value {
    let (user, provider) = value.of.as_ref().map_or((None, None), |(user, provider)| (Some(user), Some(provider)));
    json!({ "table": value.table, "id": value.id, "user_id": user, "provider": provider, "reason": value.reason })
}

/// A damaged row may hold what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// One line on a terminal that is written over and over.
/// What does not open: printed as it is found, however much it is, as lines or as the list in a JSON object.
struct Findings {
    json: bool,
    any: bool,
}

impl Findings {
    /// Begins the JSON object; its other members follow at the end.
    fn begin(json: bool) -> Self {
        if json {
            print!("{{\"unopened\":[");
        }
        Self { json, any: false }
    }

    fn tell(&mut self, value: &Unopened) {
        if self.json {
            let comma = if self.any { "," } else { "" };
            print!("{comma}{}", unopened_json(value));
        } else {
            println!("{}", unopened_line(value));
        }
        self.any = true;
    }

    /// Ends it with the members of `rest`, an object.
    fn end(self, rest: &Value) {
        if self.json {
            println!("],{}", rest.to_string().trim_start_matches('{'));
        }
    }
}
