//! The copy itself: check the source, then clear, copy, verify and write the receipt in one transaction of the target.

use std::fs::File;

use llm_api_crypto::Vault;
use llm_api_domain::Clock;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    clear::{References, clear},
    conn::Conn,
    end::DatabaseEnd,
    error::{CopyError, Side},
    freeze,
    lint::{Finding, Lint},
    receipt::{self, Receipt},
    row::Row,
    scan::{self, Progress, Step, TableSum, Teller},
    tables::{Fresh, TABLES},
    write::Writer,
};
use crate::open::lock_alone;

/// What to copy, and how.
pub struct CopyJob<'j> {
    pub source: DatabaseEnd,
    pub target: DatabaseEnd,
    pub dry_run: bool,
    /// Delete what the target holds; `confirmed` must then be its name.
    pub truncate: bool,
    pub confirmed: Option<String>,
    /// With it every provider key is opened once.
    pub vault: Option<Vault>,
    pub clock: Clock,
    pub progress: &'j (dyn Fn(Progress) + Send + Sync),
}

impl std::fmt::Debug for CopyJob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyJob").field("source", &self.source).field("target", &self.target).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Copied,
    /// The target has it all from an earlier copy.
    AlreadyDone,
    /// A dry run found nothing in the way.
    WouldCopy,
}

#[derive(Clone, Debug)]
pub struct CopyReport {
    pub outcome: Outcome,
    pub tables: Vec<TableSum>,
    /// What may surprise, and does not stop a copy.
    pub warnings: Vec<Finding>,
    /// How many provider keys were opened; `None` without a vault.
    pub keys_opened: Option<u64>,
    /// `None` for a dry run.
    pub receipt: Option<Receipt>,
    /// Rows that were deleted in the target, or would be.
    pub replaced: Vec<(&'static str, u64)>,
    /// Whether the target is frozen now, as the source is.
    pub is_frozen: bool,
}

/// Copies everything, or changes nothing.
pub async fn copy_database(job: &CopyJob<'_>) -> Result<CopyReport, CopyError> {
    if job.source.is_same_file(&job.target) {
        return Err(CopyError::SameDatabase);
    }
    confirm(job)?;
    job.target.refuse_legacy().await.map_err(CopyError::open(Side::Target))?;
    // Held to the end: no server starts on a half-written file.
    let lock = lock(job)?;
    let mut source = job.source.open_for_reading(Side::Source).await?;
    let copied = from(job, &mut source).await;
    source.close().await;
    drop(lock);
    copied
}

fn confirm(job: &CopyJob<'_>) -> Result<(), CopyError> {
    let name = job.target.name();
    match (&job.confirmed, job.truncate) {
        (Some(given), _) if *given != name => Err(CopyError::ConfirmedAnother { name, given: given.clone() }),
        (None, true) => Err(CopyError::Unconfirmed { name }),
        _ => Ok(()),
    }
}

fn lock(job: &CopyJob<'_>) -> Result<Option<File>, CopyError> {
    let Some(file) = job.target.sqlite_file() else { return Ok(None) };
    if job.dry_run && !file.exists() {
        return Ok(None);
    }
    lock_alone(file).map(Some).map_err(CopyError::open(Side::Target))
}

async fn from(job: &CopyJob<'_>, source: &mut Conn) -> Result<CopyReport, CopyError> {
    let mut teller = Teller::new(job.progress, Step::Checking, None);
    let (tables, lint) = scan::check(source, job.vault.as_ref(), &mut teller).await?;
    if lint.is_wrong_key() {
        return Err(CopyError::WrongKey);
    }
    if !lint.findings.is_empty() {
        return Err(CopyError::Findings(lint.findings));
    }
    if job.dry_run {
        return dry_run(job, source, tables, lint).await;
    }
    job.target.migrate(&job.clock).await.map_err(CopyError::open(Side::Target))?;
    let mut target = job.target.open_for_writing().await.map_err(CopyError::open(Side::Target))?;
    let freeze = freeze::Carried::read(source, Side::Source).await?;
    let is_frozen = freeze.is_frozen();
    let written = into(job, source, &mut target, &tables, &freeze).await;
    match written {
        Ok(Written::Now { receipt, replaced }) => {
            target.commit().await.map_err(CopyError::of(Side::Target, None))?;
            Ok(report(job, Outcome::Copied, tables, lint, Some(receipt), replaced, is_frozen))
        }
        Ok(Written::Before(receipt)) => {
            // The source may have been frozen since.
            target.commit().await.map_err(CopyError::of(Side::Target, None))?;
            Ok(report(job, Outcome::AlreadyDone, tables, lint, Some(receipt), Vec::new(), is_frozen))
        }
        Err(error) => {
            target.close().await;
            Err(error)
        }
    }
}

fn report(
    job: &CopyJob<'_>,
    outcome: Outcome,
    tables: Vec<TableSum>,
    lint: Lint,
    receipt: Option<Receipt>,
    replaced: Vec<(&'static str, u64)>,
    is_frozen: bool,
) -> CopyReport {
    let keys_opened = job.vault.is_some().then_some(lint.opened);
    CopyReport { outcome, tables, warnings: lint.warnings, keys_opened, receipt, replaced, is_frozen }
}

enum Written {
    Now { receipt: Receipt, replaced: Vec<(&'static str, u64)> },
    Before(Receipt),
}

async fn into(
    job: &CopyJob<'_>,
    source: &mut Conn,
    target: &mut Conn,
    tables: &[TableSum],
    freeze: &freeze::Carried,
) -> Result<Written, CopyError> {
    alone(source, target).await?;
    if let Some(receipt) = already_done(job, target, tables).await? {
        freeze.write(target).await?;
        return Ok(Written::Before(receipt));
    }
    let replaced = present(target).await?;
    if !replaced.is_empty() && !job.truncate {
        return Err(CopyError::NotEmpty { name: job.target.name(), tables: replaced });
    }
    freeze::lift(target).await?;
    clear(target).await?;
    let all: u64 = tables.iter().map(|sum| sum.rows).sum();
    let references = References::lift(target).await?;
    transfer(job, source, target, all).await?;
    references.restore(target).await?;
    verify(job, target, tables, all).await?;
    let receipt = Receipt::new(job.source.describe(), job.target.describe(), tables, job.clock.now());
    receipt.insert(target, tables).await.map_err(CopyError::of(Side::Target, Some("transfer_receipts")))?;
    freeze.write(target).await?;
    Ok(Written::Now { receipt, replaced })
}

/// One copy at a time into a Postgres database, and never out of it meanwhile: locks are per database, so two addresses of
/// the same one are found out. A server may go on reading the target, and waits with what it writes.
async fn alone(source: &mut Conn, target: &mut Conn) -> Result<(), CopyError> {
    if !matches!(target, Conn::Postgres(_)) {
        return Ok(());
    }
    if !advisory_lock(target, "").await.map_err(CopyError::of(Side::Target, None))? {
        return Err(CopyError::Busy(Side::Target));
    }
    if matches!(source, Conn::Postgres(_))
        && !advisory_lock(source, "_shared").await.map_err(CopyError::of(Side::Source, None))?
    {
        return Err(CopyError::SameDatabase);
    }
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let statement = format!("LOCK TABLE ONLY {} IN EXCLUSIVE MODE", names.join(", ONLY "));
    target.run(statement).await.map_err(CopyError::of(Side::Target, None))
}

async fn advisory_lock(conn: &mut Conn, form: &str) -> Result<bool, sqlx::Error> {
    let schema = conn.texts("SELECT COALESCE(current_schema()::text, '')".to_owned()).await?.pop().unwrap_or_default();
    let hash = Sha256::digest(format!("llm-api db copy {schema}"));
    let key = hash.iter().take(8).fold(0_i64, |key, &byte| (key << 8) | i64::from(byte));
    let taken = conn.number(format!("SELECT pg_try_advisory_xact_lock{form}({key})::int::bigint"), None).await?;
    Ok(taken == 1)
}

/// The receipt of an earlier copy of the same content, as long as the target still has exactly that.
async fn already_done(job: &CopyJob<'_>, target: &mut Conn, tables: &[TableSum]) -> Result<Option<Receipt>, CopyError> {
    let receipt = receipt::latest(target).await.map_err(CopyError::of(Side::Target, Some("transfer_receipts")))?;
    let Some(receipt) = receipt.filter(|receipt| receipt.checksum == scan::checksum(tables)) else {
        return Ok(None);
    };
    let mut teller = Teller::new(job.progress, Step::Verifying, Some(receipt.rows));
    let present = scan::sums(target, Side::Target, &mut teller).await?;
    Ok((present == tables).then_some(receipt))
}

/// Tables with rows that a fresh installation does not have; those there are of an older version's.
async fn present(target: &mut Conn) -> Result<Vec<(&'static str, u64)>, CopyError> {
    let known = target.tables().await.map_err(CopyError::of(Side::Target, None))?;
    let mut present = Vec::new();
    for table in TABLES.iter().filter(|table| known.iter().any(|known| known == table.name)) {
        let count = format!("SELECT COUNT(*) FROM {}", table.name);
        let (query, id): (String, Option<Uuid>) = match table.fresh {
            Fresh::Anything => continue,
            Fresh::Nothing => (count, None),
            // A condition on NULL is neither true nor false.
            Fresh::Rows(condition, id) => (format!("{count} WHERE ({condition}) IS NOT TRUE"), Some(id)),
        };
        let rows = target.number(query, id).await.map_err(CopyError::of(Side::Target, Some(table.name)))?;
        if rows > 0 {
            present.push((table.name, u64::try_from(rows).unwrap_or_default()));
        }
    }
    Ok(present)
}

async fn transfer(job: &CopyJob<'_>, source: &mut Conn, target: &mut Conn, all: u64) -> Result<(), CopyError> {
    let mut teller = Teller::new(job.progress, Step::Copying, Some(all));
    let mut row = Row::default();
    for table in TABLES {
        teller.table(table.name);
        let read = CopyError::of(Side::Source, Some(table.name));
        let write = CopyError::of(Side::Target, Some(table.name));
        let mut rows = source.rows(table, None);
        let mut writer = Writer::begin(target, table).await.map_err(&write)?;
        while rows.next(&mut row).await.map_err(&read)? {
            writer.put(&row).await.map_err(&write)?;
            teller.row(table.name);
        }
        writer.finish().await.map_err(&write)?;
    }
    Ok(())
}

async fn verify(job: &CopyJob<'_>, target: &mut Conn, tables: &[TableSum], all: u64) -> Result<(), CopyError> {
    let mut teller = Teller::new(job.progress, Step::Verifying, Some(all));
    let written = scan::sums(target, Side::Target, &mut teller).await?;
    match written.iter().zip(tables).find(|(written, read)| written != read) {
        Some((written, _)) => Err(CopyError::Differs { table: written.table }),
        None => Ok(()),
    }
}

async fn dry_run(
    job: &CopyJob<'_>,
    source: &mut Conn,
    tables: Vec<TableSum>,
    lint: Lint,
) -> Result<CopyReport, CopyError> {
    let peeked = job.target.peek().await.map_err(CopyError::open(Side::Target))?;
    let Some(mut target) = peeked else {
        return Ok(report(job, Outcome::WouldCopy, tables, lint, None, Vec::new(), false));
    };
    let looked = look(job, source, &mut target, &tables).await;
    target.close().await;
    let (outcome, receipt, replaced) = looked?;
    Ok(report(job, outcome, tables, lint, receipt, replaced, false))
}

async fn look(
    job: &CopyJob<'_>,
    source: &mut Conn,
    target: &mut Conn,
    tables: &[TableSum],
) -> Result<(Outcome, Option<Receipt>, Vec<(&'static str, u64)>), CopyError> {
    if matches!(target, Conn::Postgres(_)) {
        if !advisory_lock(target, "").await.map_err(CopyError::of(Side::Target, None))? {
            return Err(CopyError::Busy(Side::Target));
        }
        if matches!(source, Conn::Postgres(_))
            && !advisory_lock(source, "_shared").await.map_err(CopyError::of(Side::Source, None))?
        {
            return Err(CopyError::SameDatabase);
        }
    }
    if target.applied(Side::Target).await? == super::conn::versions()
        && let Some(receipt) = already_done(job, target, tables).await?
    {
        return Ok((Outcome::AlreadyDone, Some(receipt), Vec::new()));
    }
    let replaced = present(target).await?;
    if !replaced.is_empty() && !job.truncate {
        return Err(CopyError::NotEmpty { name: job.target.name(), tables: replaced });
    }
    Ok((Outcome::WouldCopy, None, replaced))
}
