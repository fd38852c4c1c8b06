//! `llm-api backup`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use llm_api_app::{Config, DatabaseTarget, StartError, vault_of_settings};
use llm_api_crypto::Vault;
use llm_api_domain::Clock;
use llm_api_transfer::backup::{ArtifactContent, BackupError, BackupJob, BackupReport, Form, back_up};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::{commands::db, exit::Exit, progress::ProgressLine};

/// Write a backup while the server runs
///
/// It holds one state of the configured database, SQLite or PostgreSQL, whatever is written meanwhile, and is complete or not
/// there. An archive also holds the generated files of the data directory, and is sealed with the encryption key: whoever
/// finds it can read nothing, and whoever loses that key has no backup. Keep the key elsewhere. A plain SQLite file
/// holds the database alone, and whoever has it can read everything but provider keys. `llm-api restore` takes both, and
/// brings each of them into either database.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Backup {
    /// Where to write it. The folder must be there; the file must not.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// What to write; without it: a plain file where its name ends with .db or .sqlite, else an archive.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Leave the generated files out of an archive.
    #[arg(long)]
    without_artifacts: bool,
    /// Replace an earlier backup of that name, once the new one is complete.
    #[arg(long)]
    overwrite: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api backup --output /backup/llm-api-$(date +%F).archive
  llm-api restore --from /backup/llm-api-2026-11-22.archive --dry-run      # is it good, and what is in it?
  llm-api backup --output before-upgrade.db";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Archive,
    Sqlite,
}

pub(crate) async fn run(config: &Config, arguments: Backup) -> Result<(), Exit> {
    let line = ProgressLine::new();
    let progress = |progress| db::tell(&line, progress);
    let job = BackupJob {
        source: db::end(config, "--source", "configured")?,
        data_dir: config.data_dir.clone(),
        form: form(&arguments),
        output: arguments.output,
        overwrite: arguments.overwrite,
        artifacts: !arguments.without_artifacts,
        vault: vault(config)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        clock: Clock::system(),
        progress: &progress,
    };
    let made = unless_interrupted(Box::pin(back_up(&job))).await;
    line.clear();
    let report = made.map_err(|error| refused(error, arguments.json))?;
    if arguments.json {
        println!("{}", report_json(&report, job.vault.as_ref()));
        return Ok(());
    }
    print_report(&report, &job);
    Ok(())
}

fn form(arguments: &Backup) -> Form {
    let is_plain = |path: &Path| path.extension().is_some_and(|end| end == "db" || end == "sqlite");
    match arguments.format {
        Some(Format::Sqlite) => Form::Sqlite,
        None if is_plain(&arguments.output) => Form::Sqlite,
        Some(Format::Archive) | None => Form::Archive,
    }
}

/// The keys that the server would take: a key file counts on SQLite alone.
pub(crate) fn vault(config: &Config) -> Result<Option<Vault>, StartError> {
    let folder = matches!(config.database, DatabaseTarget::Sqlite(_)).then_some(config.data_dir.as_path());
    vault_of_settings(config, folder)
}

/// Ends the process when it is told to, after what is half done was taken away.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> T {
    // The work is dropped, and its folders with it, before this goes on.
    let done = tokio::select! {
        done = work => Some(done),
        () = interrupted() => None,
    };
    done.unwrap_or_else(|| {
        eprintln!("\nllm-api: interrupted: what was half done is taken back, and running it again is safe");
        // Work on files that cannot be called back would be waited for.
        std::process::exit(1)
    })
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The exit for what stopped it.
pub(crate) fn refused(error: BackupError, json: bool) -> Exit {
    match error {
        BackupError::Copy(error) => db::refused(error, json),
        error if error.is_configuration() => Exit::new(78, error),
        error => Exit::failed(error),
    }
}

fn report_json(report: &BackupReport, vault: Option<&Vault>) -> Value {
    let manifest = &report.manifest;
    let form = match report.form {
        Form::Archive => "archive",
        Form::Sqlite => "sqlite",
    };
    let key_id = vault.filter(|_| report.form == Form::Archive).map(key_id);
    json!({
        "output": report.output,
        "format": form,
        "bytes": report.bytes,
        "key_id": key_id,
        "made_at": manifest.made_at,
        "source": manifest.source,
        "migration": manifest.migration,
        "rows": manifest.tables.iter().map(|table| table.rows).sum::<u64>(),
        "tables": manifest.tables,
        "artifacts": manifest.artifacts,
        "keys_opened": report.keys_opened,
        "findings": report.findings.iter().map(db::finding_json).collect::<Vec<_>>(),
    })
}

fn key_id(vault: &Vault) -> String {
    format!("{:08x}", u32::from_be_bytes(vault.key_id()))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn print_report(report: &BackupReport, job: &BackupJob<'_>) {
    for finding in &report.findings {
        eprintln!("warning: {}", db::finding_line(finding));
    }
    if !report.findings.is_empty() {
        eprintln!("warning: `llm-api restore` would refuse these rows; they are in the backup as they are");
    }
    for note in notes(&report.manifest.artifacts, report.form, job.artifacts) {
        eprintln!("note: {note}");
    }
    let rows: u64 = report.manifest.tables.iter().map(|table| table.rows).sum();
    let files = report.manifest.artifacts.files;
    let with_files = if files > 0 { format!(" and {files} generated files") } else { String::new() };
    println!("{rows} rows{with_files} of {}.", job.source.describe());
    let (output, size) = (report.output.display(), megabytes(report.bytes));
    match job.vault.as_ref().filter(|_| report.form == Form::Archive) {
        Some(vault) => {
            println!("Wrote {output} ({size}), sealed with the encryption key of id {}.", key_id(vault));
            println!("Nothing but that key opens it: keep the key, and keep it elsewhere.");
        }
        None => {
            println!("Wrote {output} ({size}). Whoever has this file can read it; provider keys in it stay sealed.");
        }
    }
}

fn notes(artifacts: &ArtifactContent, form: Form, wanted: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if artifacts.missing > 0 {
        let missing = artifacts.missing;
        notes.push(match form {
            Form::Archive if wanted => {
                format!("{missing} generated files that the database names are not in the data directory")
            }
            Form::Archive => format!("{missing} generated files were left out"),
            Form::Sqlite => format!("{missing} generated files are not part of a plain file; an archive holds them"),
        });
    }
    if artifacts.in_bucket > 0 {
        notes.push(format!("{} generated files in the bucket are no part of a backup", artifacts.in_bucket));
    }
    notes
}
