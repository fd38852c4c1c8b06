//! The file of the Python service, row by row: each is taken in, taken in with a stated change, or left out with a reason.
//! One bad cell never stops the rest, and nothing of it is stored unless all of it is.

mod cell;
mod defaults;
mod exchanges;
mod ids;
mod invites;
mod json;
mod keys;
mod people;
mod report;
mod sessions;
mod tokens;

use llm_api_crypto::{FernetKey, RandomError, Vault};
use llm_api_domain::{Timestamp, UserId};
use llm_api_relay::ProviderSettings;
use llm_api_storage::{AuditContext, Import, LegacyError, LegacyFile, LegacyRow, LegacyTable, Store, StoreError};

pub use report::{Report, RowOutcome, RowReport, TableReport};

use ids::People;

/// Rows read at once where rows are narrow.
const PAGE: i64 = 500;

/// What the import needs to know.
#[derive(Debug)]
pub struct ImportOptions<'a> {
    pub store: &'a Store,
    /// Seals the credentials anew.
    pub vault: &'a Vault,
    /// Where each provider is reached, and so what a credential is sealed for.
    pub providers: &'a ProviderSettings,
    /// The old key in each reading that its file allows; the first one that fits opens a credential.
    pub old_keys: Vec<FernetKey>,
    /// Who gets the sessions, by name; else the first administrator.
    pub session_owner: Option<&'a str>,
    /// Says everything, and stores nothing.
    pub dry_run: bool,
    pub now: Timestamp,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Legacy(#[from] LegacyError),
    #[error("the database failed, and nothing was imported: {0}")]
    Store(#[from] StoreError),
    #[error("--session-owner: there is nobody with this name, neither in the file nor in the database")]
    NoSuchOwner,
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// How far it is: rows of a table that are done, of so many.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub table: LegacyTable,
    pub done: u64,
    pub of: u64,
}

/// Brings everything over in one transaction.
pub async fn import(
    file: LegacyFile,
    options: ImportOptions<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, ImportError> {
    let target = options.store.begin_import().await?;
    let report = Report::new(options.dry_run, options.store.kind());
    let mut run = Run { file, target, options, report, people: People::default(), owner: None, progress };
    run.people().await?;
    run.tokens().await?;
    run.keys().await?;
    run.invites().await?;
    run.sessions().await?;
    run.exchanges().await?;
    run.defaults().await?;
    run.left_behind().await?;
    let Run { file, target, options, report, .. } = run;
    file.close().await?;
    if !options.dry_run {
        target.commit(&AuditContext::operator(options.now)).await?;
    }
    Ok(report)
}

/// One import under way.
struct Run<'a> {
    file: LegacyFile,
    target: Import,
    options: ImportOptions<'a>,
    report: Report,
    people: People,
    /// Who gets the sessions that belong to nobody.
    owner: Option<UserId>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Run<'_> {
    /// All rows of a narrow table.
    async fn all(&mut self, table: LegacyTable) -> Result<Vec<LegacyRow>, ImportError> {
        let mut rows: Vec<LegacyRow> = Vec::new();
        loop {
            let place = rows.last().map_or(i64::MIN, |row| row.place);
            let page = self.file.rows(table, None, place, PAGE).await?;
            if page.is_empty() {
                break;
            }
            rows.extend(page);
        }
        if self.file.has(table) {
            self.report.read(table, rows.len() as u64);
        }
        Ok(rows)
    }

    /// Tells how far it is, now and then.
    fn tell(&mut self, table: LegacyTable, done: usize, of: usize) {
        if done.is_multiple_of(100) || done == of {
            (self.progress)(Progress { table, done: done as u64, of: of as u64 });
        }
    }

    /// Tables that have no counterpart here.
    async fn left_behind(&mut self) -> Result<(), ImportError> {
        for (table, reason) in [
            (LegacyTable::Models, "the list of models is not kept here: providers are asked for it"),
            (LegacyTable::Requests, "requests of the old service are not kept"),
            (LegacyTable::DownloadJobs, "downloads of the old service are not kept"),
            (LegacyTable::MetricsBuckets, "statistics of the old service are not kept"),
        ] {
            for row in self.all(table).await? {
                self.report.skipped(table, cell::shown_id(&row, table), reason);
            }
        }
        Ok(())
    }
}
