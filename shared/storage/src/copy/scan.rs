//! Reads a whole database once: sums for each table, and on the way what is wrong with its rows.

use llm_api_crypto::Vault;
use sha2::{Digest as _, Sha256};

use super::{
    conn::Conn,
    error::{CopyError, Side},
    hex,
    lint::Lint,
    row::Row,
    tables::{TABLES, Table},
};

/// How often progress is told, in rows.
const TELL_EVERY: u64 = 1000;

/// What a table holds: equal sums are equal tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSum {
    pub table: &'static str,
    pub rows: u64,
    /// Of the rows in their common form.
    pub bytes: u64,
    /// SHA-256 over the rows in the order of their keys.
    pub sha256: [u8; 32],
}

impl TableSum {
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }
}

/// One SHA-256 for all tables.
pub(crate) fn checksum(sums: &[TableSum]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for sum in sums {
        hash.update(sum.table);
        hash.update([0]);
        hash.update(sum.rows.to_be_bytes());
        hash.update(sum.sha256);
    }
    hash.finalize().into()
}

/// What a copy is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Checking,
    Copying,
    Verifying,
    Comparing,
}

impl Step {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Copying => "copying",
            Self::Verifying => "verifying",
            Self::Comparing => "comparing",
        }
    }
}

/// Told every thousand rows and at each new table.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub step: Step,
    pub table: &'static str,
    /// Of this step so far, all tables together.
    pub rows: u64,
    /// How many it will be, once that is known.
    pub of: Option<u64>,
}

/// Counts rows for a listener.
pub(crate) struct Teller<'p> {
    pub(crate) listener: &'p (dyn Fn(Progress) + Send + Sync),
    pub(crate) step: Step,
    pub(crate) of: Option<u64>,
    rows: u64,
}

impl<'p> Teller<'p> {
    pub(crate) fn new(listener: &'p (dyn Fn(Progress) + Send + Sync), step: Step, of: Option<u64>) -> Self {
        Self { listener, step, of, rows: 0 }
    }

    pub(crate) fn table(&self, table: &'static str) {
        (self.listener)(Progress { step: self.step, table, rows: self.rows, of: self.of });
    }

    pub(crate) fn row(&mut self, table: &'static str) {
        self.rows += 1;
        if self.rows.is_multiple_of(TELL_EVERY) {
            self.table(table);
        }
    }
}

/// Adds up one table.
pub(crate) struct Summing {
    table: &'static str,
    rows: u64,
    bytes: u64,
    hash: Sha256,
}

impl Summing {
    pub(crate) fn new(table: &Table) -> Self {
        Self { table: table.name, rows: 0, bytes: 0, hash: Sha256::new() }
    }

    pub(crate) fn row(&mut self, row: &Row) {
        self.rows += 1;
        self.bytes += u64::try_from(row.bytes().len()).unwrap_or(u64::MAX);
        self.hash.update(row.bytes());
    }

    pub(crate) fn finish(self) -> TableSum {
        TableSum { table: self.table, rows: self.rows, bytes: self.bytes, sha256: self.hash.finalize().into() }
    }
}

/// The sums of every table.
pub(crate) async fn sums(conn: &mut Conn, side: Side, teller: &mut Teller<'_>) -> Result<Vec<TableSum>, CopyError> {
    let mut sums = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        sums.push(each_row(conn, side, table, teller, |_| {}).await?);
    }
    Ok(sums)
}

/// The sums of every table, and everything that is wrong with their rows.
pub(crate) async fn check(
    conn: &mut Conn,
    vault: Option<&Vault>,
    teller: &mut Teller<'_>,
) -> Result<(Vec<TableSum>, Lint), CopyError> {
    let mut lint = Lint::default();
    let mut sums = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        sums.push(each_row(conn, Side::Source, table, teller, |row| lint.row(table, row, vault)).await?);
        orphans(conn, table, &mut lint).await?;
    }
    Ok((sums, lint))
}

async fn each_row(
    conn: &mut Conn,
    side: Side,
    table: &'static Table,
    teller: &mut Teller<'_>,
    mut look: impl FnMut(&Row),
) -> Result<TableSum, CopyError> {
    let failed = CopyError::of(side, Some(table.name));
    teller.table(table.name);
    let mut sum = Summing::new(table);
    let mut row = Row::default();
    let mut rows = conn.rows(table, None);
    while rows.next(&mut row).await.map_err(&failed)? {
        sum.row(&row);
        look(&row);
        teller.row(table.name);
    }
    Ok(sum.finish())
}

/// Rows that name what is not there.
async fn orphans(conn: &mut Conn, table: &'static Table, lint: &mut Lint) -> Result<(), CopyError> {
    let failed = CopyError::of(Side::Source, Some(table.name));
    let mut row = Row::default();
    for (place, column) in table.columns.iter().enumerate() {
        let (name, Some(parent)) = (column.name, column.references) else { continue };
        let condition = format!("c.{name} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = c.{name})");
        let mut rows = conn.rows(table, Some(&condition));
        while rows.next(&mut row).await.map_err(&failed)? {
            lint.orphan(table, &row, place, parent);
        }
    }
    Ok(())
}
