//! `llm-api db copy` and `llm-api db verify`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use llm_api_app::{Config, DatabaseTarget, vault_of_settings};
use llm_api_domain::Clock;
use llm_api_storage::{
    Comparison, CopyError, CopyJob, CopyReport, DatabaseAddress, DatabaseEnd, Difference, Finding, OpenError, Outcome,
    Progress, Side, TableSum, compare_databases, copy_database,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::{exit::Exit, progress::ProgressLine};

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Copy everything into another database, or nothing.
    ///
    /// First every row of the source is checked: what the target could not hold is told with table and id, and nothing
    /// is written. Then, in one transaction: the target is emptied, filled, read again and compared, and gets a receipt.
    /// When anything fails, the target is as before. A server may run on the source; stop or freeze it before the last
    /// copy. Where the target has it all already, that is said and nothing is done.
    #[command(after_help = EXAMPLES)]
    Copy(Copy),
    /// Compare two databases row by row; changes neither.
    ///
    /// Ends with 1 when they differ, and names the rows that do.
    Verify(Verify),
}

const EXAMPLES: &str = "Examples:
  llm-api db copy --source configured --target postgres://app@db.example.com/llm --dry-run
  llm-api db copy --source sqlite:///var/lib/llm-api/llm-api.db --target 'postgres://app@db.example.com/llm?schema=llm_api'
  llm-api db copy --source configured --target sqlite:///var/lib/llm-api/back.db

A password in an address stands in the process list: leave it out, and set PGPASSWORD or use ~/.pgpass.";

#[derive(Debug, Args)]
struct Ends {
    /// `sqlite:///file`, `postgres://user@host/database`, or `configured` for the database of the settings. On Postgres
    /// `?schema=NAME` names the schema, else it is `LLM_API_DATABASE_SCHEMA`.
    #[arg(long, value_name = "ADDRESS")]
    source: String,
    /// The same for the other side. Made and migrated by `copy` when needed.
    #[arg(long, value_name = "ADDRESS")]
    target: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[command(flatten)]
    ends: Ends,
    /// Check the source and look at the target, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Delete our rows in a target that holds data; other applications' tables are never touched.
    #[arg(long)]
    truncate_target: bool,
    /// The name of the database or the file that --truncate-target may empty.
    #[arg(long, value_name = "NAME")]
    confirm_target: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    ends: Ends,
}

pub(crate) async fn run(config: &Config, command: Db) -> Result<(), Exit> {
    match command {
        Db::Copy(arguments) => copy(config, arguments).await,
        Db::Verify(arguments) => verify(config, &arguments).await,
    }
}

async fn copy(config: &Config, arguments: Copy) -> Result<(), Exit> {
    let (source, target) = ends(config, &arguments.ends)?;
    let vault = vault_of_settings(config, source.sqlite_file().and_then(Path::parent))?;
    let line = ProgressLine::new();
    let progress = |progress| tell(&line, progress);
    let job = CopyJob {
        source,
        target,
        dry_run: arguments.dry_run,
        truncate: arguments.truncate_target,
        confirmed: arguments.confirm_target,
        vault,
        clock: Clock::system(),
        progress: &progress,
    };
    let begun = Instant::now();
    let copied = copy_database(&job).await;
    line.clear();
    let report = copied.map_err(|error| refused(error, arguments.ends.json))?;
    if arguments.ends.json {
        println!("{}", copy_json(&report, begun.elapsed()));
        return Ok(());
    }
    for warning in &report.warnings {
        eprintln!("warning: {}", finding_line(warning));
    }
    print_copy(&job, &report, begun.elapsed());
    Ok(())
}

async fn verify(config: &Config, Verify { ends: arguments }: &Verify) -> Result<(), Exit> {
    let (source, target) = ends(config, arguments)?;
    let line = ProgressLine::new();
    let compared = compare_databases(&source, &target, &|progress| tell(&line, progress)).await;
    line.clear();
    let comparison = compared.map_err(|error| refused(error, arguments.json))?;
    if arguments.json {
        println!("{}", comparison_json(&comparison));
    } else {
        print_comparison(&comparison);
    }
    if comparison.is_equal() { Ok(()) } else { Err(Exit::failed("source and target differ")) }
}

fn ends(config: &Config, arguments: &Ends) -> Result<(DatabaseEnd, DatabaseEnd), Exit> {
    Ok((end(config, "--source", &arguments.source)?, end(config, "--target", &arguments.target)?))
}

pub(crate) fn end(config: &Config, option: &str, text: &str) -> Result<DatabaseEnd, Exit> {
    // Settings count a relative path from the data directory; at the prompt it counts from here.
    let here = std::env::current_dir().map_err(Exit::failed)?;
    let schema = config.database_schema.as_deref();
    let root_cert = config.database_root_cert.as_ref();
    let parse = |url: &SecretString| DatabaseAddress::parse(url.expose_secret(), &config.data_dir, root_cert);
    let read = match (text, &config.database) {
        ("configured", DatabaseTarget::Sqlite(path)) => DatabaseEnd::new(DatabaseAddress::sqlite(path), None),
        ("configured", DatabaseTarget::Url(url)) => configured(config, parse(url)?, parse),
        _ => DatabaseEnd::parse(text, &here, root_cert, schema),
    };
    read.map_err(|error| match error {
        // Whatever it names, it was not read from a setting.
        OpenError::Address(reason) if text != "configured" => Exit::usage(format!("{option}: {reason}")),
        other => other.into(),
    })
}

fn configured(
    config: &Config,
    address: DatabaseAddress,
    parse: impl Fn(&SecretString) -> Result<DatabaseAddress, OpenError>,
) -> Result<DatabaseEnd, OpenError> {
    let migration = config.migration_database_url.as_ref().map(parse).transpose()?;
    let end = DatabaseEnd::new(address, config.database_schema.clone())?;
    Ok(end.behind(config.database_pool_mode, migration))
}

/// The exit for what stopped it; findings are told on the way.
pub(crate) fn refused(error: CopyError, json: bool) -> Exit {
    match error {
        CopyError::Findings(findings) => {
            if json {
                let list: Vec<Value> = findings.iter().map(finding_json).collect();
                println!("{}", json!({ "outcome": "refused", "findings": list }));
            } else {
                for finding in &findings {
                    eprintln!("{}", finding_line(finding));
                }
            }
            Exit::failed(CopyError::Findings(findings))
        }
        CopyError::Open { side, source } => {
            let exit = Exit::from(source);
            Exit::new(exit.code(), format!("{side}: {exit}"))
        }
        error @ (CopyError::Behind { .. } | CopyError::WrongKey) => Exit::new(78, error),
        error @ (CopyError::SameDatabase | CopyError::Unconfirmed { .. } | CopyError::ConfirmedAnother { .. }) => {
            Exit::usage(error)
        }
        error => Exit::failed(error),
    }
}

pub(crate) fn finding_line(finding: &Finding) -> String {
    format!("{} {}: {} {}", finding.table, finding.id, finding.column, finding.reason)
}

pub(crate) fn finding_json(finding: &Finding) -> Value {
    json!({ "table": finding.table, "id": finding.id, "column": finding.column, "reason": finding.reason })
}

fn sum_json(sum: &TableSum) -> Value {
    json!({ "table": sum.table, "rows": sum.rows, "bytes": sum.bytes, "sha256": sum.sha256_hex() })
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Copied => "copied",
        Outcome::AlreadyDone => "already_done",
        Outcome::WouldCopy => "would_copy",
    }
}

fn copy_json(report: &CopyReport, took: Duration) -> Value {
    let (rows, bytes) = totals(report);
    json!({
        "outcome": outcome_name(report.outcome),
        "receipt": report.receipt.as_ref().map(|receipt| receipt.id),
        "rows": rows,
        "bytes": bytes,
        "seconds": took.as_secs_f64(),
        "keys_opened": report.keys_opened,
        "frozen": report.is_frozen,
        "tables": report.tables.iter().map(sum_json).collect::<Vec<_>>(),
        "replaced": report.replaced.iter().map(|(table, rows)| json!({ "table": table, "rows": rows })).collect::<Vec<_>>(),
        "warnings": report.warnings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn totals(report: &CopyReport) -> (u64, u64) {
    (report.tables.iter().map(|sum| sum.rows).sum(), report.tables.iter().map(|sum| sum.bytes).sum())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn print_copy(job: &CopyJob<'_>, report: &CopyReport, took: Duration) {
    let (rows, bytes) = totals(report);
    for sum in report.tables.iter().filter(|sum| sum.rows > 0) {
        println!("{:>10}  {}", sum.rows, sum.table);
    }
    for (table, rows) in &report.replaced {
        let verb = if job.dry_run { "would be deleted" } else { "were deleted" };
        println!("In the target {rows} rows of {table} {verb}.");
    }
    match report.keys_opened {
        Some(opened) => println!("Every provider key opens ({opened})."),
        None => println!("No encryption key is set, so provider keys were not opened."),
    }
    let (from, to) = (job.source.describe(), job.target.describe());
    let megabytes = bytes as f64 / 1e6;
    match report.outcome {
        Outcome::Copied => {
            let seconds = took.as_secs_f64();
            let speed = rows as f64 / seconds.max(0.001);
            println!("Copied {rows} rows ({megabytes:.1} MB) in {seconds:.1} s, {speed:.0} rows/s: {from} to {to}.");
        }
        Outcome::AlreadyDone => println!("Already done: {to} has all {rows} rows of {from}."),
        Outcome::WouldCopy => {
            println!("Would copy {rows} rows ({megabytes:.1} MB): {from} to {to}. Nothing was written.");
        }
    }
    if report.is_frozen {
        println!("The target is frozen, as the source is: `llm-api thaw` with its settings lets writing go on.");
    }
    if let Some(receipt) = &report.receipt {
        println!("Receipt {} of {}", receipt.id, receipt.created_at);
    }
}

fn difference_json(difference: &Difference) -> Value {
    json!({
        "id": difference.id,
        "columns": difference.columns,
        "only_in": difference.only_in.map(|side| side.to_string()),
    })
}

fn comparison_json(comparison: &Comparison) -> Value {
    let tables = comparison.tables.iter().map(|table| {
        json!({
            "table": table.source.table,
            "equal": table.is_equal(),
            "source": sum_json(&table.source),
            "target": sum_json(&table.target),
            "differing": table.differing,
            "differences": table.differences.iter().map(difference_json).collect::<Vec<_>>(),
        })
    });
    json!({ "equal": comparison.is_equal(), "tables": tables.collect::<Vec<_>>() })
}

fn print_comparison(comparison: &Comparison) {
    for table in comparison.tables.iter().filter(|table| !table.is_equal()) {
        let (name, source, target) = (table.source.table, table.source.rows, table.target.rows);
        println!("{name}: {} differ ({source} rows in the source, {target} in the target)", table.differing);
        for difference in &table.differences {
            let how = match difference.only_in {
                Some(Side::Source) => "only in the source".to_owned(),
                Some(Side::Target) => "only in the target".to_owned(),
                None => format!("differs in {}", difference.columns.join(", ")),
            };
            println!("  {} {how}", difference.id);
        }
    }
    if comparison.is_equal() {
        let rows: u64 = comparison.tables.iter().map(|table| table.source.rows).sum();
        println!("Equal: {rows} rows in {} tables.", comparison.tables.len());
    }
}

/// How far a copy or a comparison is.
pub(crate) fn tell(line: &ProgressLine, progress: Progress) {
    let of = progress.of.map(|of| format!(" of {of}")).unwrap_or_default();
    let (step, rows, table) = (progress.step.as_str(), progress.rows, progress.table);
    line.tell(format_args!("{step} {rows}{of} rows ({table})"));
}
