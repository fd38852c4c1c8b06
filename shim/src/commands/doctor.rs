mod data;
mod disk;
mod network;
mod postgres;
mod providers;
mod report;
mod schema;
mod settings;
mod sqlite;

use std::{future::Future, time::Duration};

use clap::Args;
use llm_api_app::{Config, Sources};
use llm_api_domain::Clock;

use crate::exit::Exit;
use report::Report;

/// Check an installation: settings, database, keys, disk and providers, a line each
///
/// Nothing is written and nothing is migrated, so it may run at any time, also beside a server and where the settings are
/// wrong. Run it as the system user of the server, with the same settings. Each line is `ok`, `warn` (works, but look at
/// it), `fail` (with what to do), or `skip` (because of an earlier failure). No secret is printed.
///
/// It ends with 0 when nothing failed, 78 when a setting must change, and 1 for any other failure. The database is asked
/// to let us in once, so a wrong password is counted there once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  llm-api doctor
  llm-api doctor --timeout 60 --json | jq '.[] | select(.status == \"fail\")'
  sudo -u llm-api env LLM_API_DATA_DIR=/var/lib/llm-api llm-api doctor")]
pub(crate) struct Doctor {
    /// Print a list of {check, status, detail, remedy} for programs.
    #[arg(long)]
    json: bool,
    /// Longest wait for the answer to one check.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// What the checks share.
struct Run<'c> {
    report: Report,
    config: &'c Config,
    clock: Clock,
    limit: Duration,
    is_database_silent: bool,
}

/// A check has failed (which is told already), and others depend on it.
struct Failed(&'static str);

impl Run<'_> {
    /// `None` when there was no answer in time.
    async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.limit, work).await.ok()
    }

    fn no_answer(&self) -> String {
        format!("no answer within {} s", self.limit.as_secs())
    }
}

pub(crate) async fn run(arguments: Doctor) -> Result<(), Exit> {
    let mut report = Report::new(arguments.json);
    let (config, warnings) = match Config::load(&Sources::from_process()) {
        Ok(loaded) => loaded,
        Err(error) => {
            for problem in error.problems() {
                report.settings_fail("settings", problem, "");
            }
            for check in ["database", "disk", "providers"] {
                report.skip(check, "the settings cannot be read");
            }
            return report.end();
        }
    };
    for warning in &warnings {
        report.warn("settings", warning, "");
    }
    let limit = Duration::from_secs(arguments.timeout);
    let mut run = Run { report, config: &config, clock: Clock::system(), limit, is_database_silent: false };
    let found = settings::check(&mut run);
    if let Some(address) = &found.address {
        let probe = match address.place() {
            Some(place) => postgres::check(&mut run, address, &place).await,
            None => sqlite::check(&mut run, address).await,
        };
        data::check(&mut run, probe, &found).await;
    } else {
        run.report.skip("database", "its address cannot be used");
    }
    disk::check(&mut run);
    match found.providers {
        Some(found) => providers::check(&mut run, found).await,
        None => run.report.skip("providers", "a setting of theirs cannot be used"),
    }
    run.report.end()
}
