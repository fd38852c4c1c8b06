//! `llm-api restore`.

use std::path::PathBuf;

use clap::Args;
use llm_api_app::Config;
use llm_api_domain::Clock;
use llm_api_storage::{Checked, Outcome, TableSum};
use llm_api_transfer::backup::{Content, Form, RestoreJob, RestoreReport, restore, verify_backup};
use serde_json::{Value, json};

use super::backup::{megabytes, refused, unless_interrupted, vault};
use crate::{commands::db, exit::Exit, progress::ProgressLine};

/// Bring a backup back
///
/// Takes what `llm-api backup` wrote, archive or plain SQLite file, of this version or an older one and of either database,
/// into the database that is configured. First everything is opened and checked; then, in one transaction, the database
/// is filled, read again and compared, and gets a receipt; generated files go back into the data directory. When anything
/// fails, the database is as before. On SQLite the server must not run; on PostgreSQL, stop it. What was revoked,
/// disabled or deleted since the backup is back, too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Restore {
    /// The backup; an archive needs the encryption key that it was sealed with.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Open and check everything in the backup, say what is in it, and change nothing. A server may run.
    #[arg(long)]
    dry_run: bool,
    /// Delete our rows in a database that holds data; other applications' tables are never touched.
    #[arg(long)]
    truncate_target: bool,
    /// The name of the database or the file that --truncate-target may empty.
    #[arg(long, value_name = "NAME")]
    confirm_target: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api restore --from /backup/llm-api-2026-11-22.archive --dry-run
  llm-api restore --from /backup/llm-api-2026-11-22.archive
  llm-api restore --from before-upgrade.db --truncate-target --confirm-target llm-api.db";

pub(crate) async fn run(config: &Config, arguments: Restore) -> Result<(), Exit> {
    let line = ProgressLine::new();
    let progress = |progress| db::tell(&line, progress);
    let job = RestoreJob {
        from: arguments.from,
        target: db::end(config, "--target", "configured")?,
        data_dir: config.data_dir.clone(),
        truncate: arguments.truncate_target,
        confirmed: arguments.confirm_target,
        vault: vault(config)?,
        clock: Clock::system(),
        progress: &progress,
    };
    if arguments.dry_run {
        let verified = unless_interrupted(Box::pin(verify_backup(&job))).await;
        line.clear();
        let (content, checked) = verified.map_err(|error| refused(error, arguments.json))?;
        return tell_verified(&job, &content, &checked, arguments.json);
    }
    let restored = unless_interrupted(Box::pin(restore(&job))).await;
    line.clear();
    let report = restored.map_err(|error| refused(error, arguments.json))?;
    if arguments.json {
        println!("{}", report_json(&report));
    } else {
        print_report(&job, &report);
    }
    Ok(())
}

fn tell_verified(job: &RestoreJob<'_>, content: &Content, checked: &Checked, json: bool) -> Result<(), Exit> {
    let is_good = checked.findings.is_empty();
    if json {
        let outcome = if is_good { "verified" } else { "refused" };
        let mut about = content_json(content, &checked.tables);
        about["outcome"] = outcome.into();
        about["keys_opened"] = checked.keys_opened.into();
        about["findings"] = checked.findings.iter().map(db::finding_json).collect::<Vec<_>>().into();
        about["warnings"] = checked.warnings.iter().map(db::finding_json).collect::<Vec<_>>().into();
        println!("{about}");
    } else {
        for warning in &checked.warnings {
            eprintln!("warning: {}", db::finding_line(warning));
        }
        for finding in &checked.findings {
            eprintln!("{}", db::finding_line(finding));
        }
        print_tables(&checked.tables);
        print_keys(checked.keys_opened.filter(|_| is_good), job.vault.is_some());
        print_content(content);
    }
    if !is_good {
        let count = checked.findings.len();
        return Err(Exit::failed(format!("the backup holds what cannot be brought back as it is (findings: {count})")));
    }
    if !json {
        println!("{} is good. Nothing was changed.", job.from.display());
    }
    Ok(())
}

fn rows(tables: &[TableSum]) -> u64 {
    tables.iter().map(|sum| sum.rows).sum()
}

fn content_json(content: &Content, tables: &[TableSum]) -> Value {
    let form = match content.form {
        Form::Archive => "archive",
        Form::Sqlite => "sqlite",
    };
    let sums = tables.iter().map(|sum| json!({ "table": sum.table, "rows": sum.rows, "sha256": sum.sha256_hex() }));
    json!({
        "format": form,
        "manifest": content.manifest,
        "migration": content.migration,
        "migrated": content.migrated,
        "rows": rows(tables),
        "tables": sums.collect::<Vec<_>>(),
    })
}

fn report_json(report: &RestoreReport) -> Value {
    let mut about = content_json(&report.content, &report.copy.tables);
    about["outcome"] = match report.copy.outcome {
        Outcome::AlreadyDone => "already_done",
        Outcome::Copied | Outcome::WouldCopy => "restored",
    }
    .into();
    about["receipt"] = json!(report.copy.receipt.as_ref().map(|receipt| receipt.id));
    about["keys_opened"] = report.copy.keys_opened.into();
    about["frozen"] = report.copy.is_frozen.into();
    about["replaced"] =
        report.copy.replaced.iter().map(|(table, rows)| json!({ "table": table, "rows": rows })).collect();
    about["warnings"] = report.copy.warnings.iter().map(db::finding_json).collect();
    about["artifacts"] = json!({
        "restored": report.artifacts.restored,
        "kept": report.artifacts.kept,
        "replaced": report.artifacts.replaced,
        "missing": report.content.missing_artifacts,
    });
    about
}

fn print_tables(tables: &[TableSum]) {
    for sum in tables.iter().filter(|sum| sum.rows > 0) {
        println!("{:>10}  {}", sum.rows, sum.table);
    }
}

fn print_keys(opened: Option<u64>, has_vault: bool) {
    match opened {
        Some(opened) => println!("Every provider key opens ({opened})."),
        None if has_vault => {}
        None => println!("No encryption key is set, so provider keys were not opened."),
    }
}

fn print_content(content: &Content) {
    if let Some(manifest) = &content.manifest {
        let source = if manifest.source == "sqlite" { "SQLite" } else { "Postgres" };
        let (version, made_at) = (&manifest.version, manifest.made_at);
        println!("An archive made on {made_at} by llm-api {version}, of a database on {source}.");
        let artifacts = &manifest.artifacts;
        if artifacts.files > 0 {
            println!("It holds {} generated files ({}).", artifacts.files, megabytes(artifacts.bytes));
        }
    } else {
        println!("A plain SQLite file. It could not tell whether somebody has changed its content; an archive can.");
    }
    if content.migrated {
        println!("It is of an older version, and a copy of it was brought to this one.");
    }
    if content.missing_artifacts > 0 {
        println!("{} generated files that its database names are not in it.", content.missing_artifacts);
    }
}

fn print_report(job: &RestoreJob<'_>, report: &RestoreReport) {
    for warning in &report.copy.warnings {
        eprintln!("warning: {}", db::finding_line(warning));
    }
    print_tables(&report.copy.tables);
    for (table, rows) in &report.copy.replaced {
        println!("In the database {rows} rows of {table} were deleted.");
    }
    print_keys(report.copy.keys_opened, job.vault.is_some());
    print_content(&report.content);
    let placed = report.artifacts;
    if placed.restored + placed.kept + placed.replaced > 0 {
        println!(
            "Generated files: {} came back, {} were there already, {} replaced damaged ones.",
            placed.restored, placed.kept, placed.replaced
        );
    }
    let (rows, from, into) = (rows(&report.copy.tables), job.from.display(), job.target.describe());
    match report.copy.outcome {
        Outcome::AlreadyDone => println!("Already done: {into} has all {rows} rows of {from}."),
        Outcome::Copied | Outcome::WouldCopy => println!("Restored {rows} rows of {from} into {into}."),
    }
    if report.copy.is_frozen {
        println!("The backup was made while its database was frozen, and so this one is: `llm-api thaw` ends that.");
    }
    if let Some(receipt) = &report.copy.receipt {
        println!("Receipt {} of {}", receipt.id, receipt.created_at);
    }
}
