use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use llm_api_app::{Config, open_for_import};
use llm_api_crypto::FernetKey;
use llm_api_domain::Clock;
use llm_api_storage::LegacyFile;
use llm_api_transfer::import::{ImportError, ImportOptions, Progress, Report, RowOutcome, import};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{exit::Exit, progress::ProgressLine};

/// Rows of one kind that people are shown; programs get all.
const SHOWN: usize = 100;

pub(crate) const ABOUT: &str = "Bring over the data of the Python service";
pub(crate) const LONG_ABOUT: &str = "Bring over the data of the Python service

Its file is only read. Every row is brought over, brought over with a change that is told, or left out with a reason; \
all of it in one transaction. Password hashes and tokens keep working, and provider keys are opened with the old key and \
sealed with the new one. Running it again brings only what is not there yet. On SQLite the server must not run meanwhile.";
pub(crate) const EXAMPLES: &str = "Examples:
  llm-api import --source models/llm_api.db --legacy-key-file models/.llm_api_enc.key --dry-run
  llm-api import --source models/llm_api.db --legacy-passphrase-file old-key.txt --session-owner ada --report import.json";

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The database of the Python service.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    #[command(flatten)]
    key: LegacyKey,
    /// Who gets the sessions, which had no owner; the first administrator when missing.
    #[arg(long, value_name = "NAME")]
    session_owner: Option<String>,
    /// Say what would happen, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write the whole report into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct LegacyKey {
    /// A file that holds the text of the old `ENCRYPTION_KEY`.
    #[arg(long, value_name = "FILE")]
    legacy_passphrase_file: Option<PathBuf>,
    /// The old `.llm_api_enc.key`, where no `ENCRYPTION_KEY` was set.
    #[arg(long, value_name = "FILE")]
    legacy_key_file: Option<PathBuf>,
}

pub(crate) async fn run(config: &Config, arguments: Import) -> Result<(), Exit> {
    let old_keys = old_keys(&arguments.key)?;
    let file = LegacyFile::open(&arguments.source).await.map_err(Exit::failed)?;
    // Opened before anything happens: a report that cannot be written is told in time.
    let report_file = arguments.report.as_deref().map(|path| report_file(path, &arguments.source)).transpose()?;

    let clock = Clock::system();
    let target = open_for_import(config, &clock, arguments.dry_run).await?;
    let options = ImportOptions {
        store: &target.store,
        vault: &target.vault,
        providers: &target.providers,
        old_keys,
        session_owner: arguments.session_owner.as_deref(),
        dry_run: arguments.dry_run,
        now: clock.now(),
    };
    let line = ProgressLine::new();
    let mut tell = |Progress { table, done, of }| line.tell(format_args!("{} {done} of {of}", table.name()));
    let imported = import(file, options, &mut tell).await;
    line.clear();
    target.store.close().await;
    let mut report = imported.map_err(|error| match error {
        ImportError::NoSuchOwner => Exit::usage(error),
        ImportError::Legacy(_) | ImportError::Store(_) | ImportError::Random(_) => Exit::failed(error),
    })?;
    if target.stand_in.is_some() {
        report
            .notes
            .push("the database is not there yet, or not at this version: compared with an empty one".to_owned());
    }
    let json = serde_json::to_string_pretty(&report).map_err(Exit::failed)?;
    if let Some(mut file) = report_file {
        writeln!(file, "{json}").map_err(|error| Exit::failed(format!("the report could not be written: {error}")))?;
    }
    if arguments.json {
        println!("{json}");
    } else {
        print!("{}", text(&report));
    }
    Ok(())
}

/// A passphrase file nearly always ends with a line break that is not meant, and blanks count in the old service: each
/// reading is tried.
fn old_keys(key: &LegacyKey) -> Result<Vec<FernetKey>, Exit> {
    if let Some(path) = &key.legacy_key_file {
        let key = FernetKey::from_key_file(&read(path)?);
        return Ok(vec![key.map_err(|problem| Exit::usage(format!("{}: {problem}", path.display())))?]);
    }
    let Some(path) = &key.legacy_passphrase_file else { return Ok(Vec::new()) };
    let text = read(path)?;
    let text = text.expose_secret();
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(Exit::usage(format!("{} is empty", path.display())));
    }
    let mut readings = vec![line, text.trim(), text];
    readings.dedup();
    Ok(readings.into_iter().map(|reading| FernetKey::from_passphrase(&SecretString::from(reading))).collect())
}

fn read(path: &Path) -> Result<SecretString, Exit> {
    let text =
        fs::read_to_string(path).map_err(|error| Exit::failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(SecretString::from(text))
}

fn report_file(path: &Path, source: &Path) -> Result<File, Exit> {
    let same = |path: &Path| fs::canonicalize(path).ok();
    if same(path).is_some_and(|path| Some(path) == same(source)) {
        return Err(Exit::usage("--report and --source name the same file"));
    }
    File::create(path).map_err(|error| Exit::failed(format!("cannot write {}: {error}", path.display())))
}

fn text(report: &Report) -> String {
    let mut lines = vec![match report.dry_run {
        true => format!("A dry run: nothing was written. This would come into the {} database:", report.target),
        false => format!("Imported into the {} database:", report.target),
    }];
    let columns = |name: &str, cells: [&str; 5]| {
        let [read, imported, changed, skipped, already_there] = cells;
        format!("{name:<20}{read:>10}{imported:>10}{changed:>10}{skipped:>10}{already_there:>15}")
    };
    lines.push(columns("", ["read", "imported", "changed", "skipped", "already there"]));
    for (table, counts) in &report.tables {
        let numbers = [counts.read, counts.imported, counts.changed, counts.skipped, counts.already_there];
        let numbers = numbers.map(|number| number.to_string());
        lines.push(columns(table, numbers.each_ref().map(String::as_str)));
    }
    for (outcome, title) in [(RowOutcome::Changed, "Changed:"), (RowOutcome::Skipped, "Skipped:")] {
        let rows: Vec<_> = report.rows.iter().filter(|row| row.outcome == outcome).collect();
        if !rows.is_empty() {
            lines.push(format!("\n{title}"));
        }
        lines.extend(rows.iter().take(SHOWN).map(|row| format!("  {} {}: {}", row.table, row.id, row.reason)));
        if rows.len() > SHOWN {
            lines.push(format!("  and {} more; --report FILE keeps all of them", rows.len() - SHOWN));
        }
    }
    if !report.notes.is_empty() {
        lines.push("\nNotes:".to_owned());
        lines.extend(report.notes.iter().map(|note| format!("  {note}")));
    }
    lines.iter().map(|line| printable(line) + "\n").collect()
}

/// Names in the file may hold what a terminal would obey.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\n' { '\u{FFFD}' } else { c }).collect()
}
