//! What became of every row, for people and for programs. Never a secret in it.

use std::collections::BTreeMap;

use llm_api_storage::{LegacyTable, Placed};
use serde::Serialize;

/// What became of a row that did not arrive exactly as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowOutcome {
    /// It is there, with the change that the reason tells.
    Changed,
    /// It is not there.
    Skipped,
}

#[derive(Clone, Debug, Serialize)]
pub struct RowReport {
    pub table: &'static str,
    /// As it stands in the file.
    pub id: String,
    pub outcome: RowOutcome,
    pub reason: String,
}

/// Counts of one table: `read = imported + skipped`; `changed` and `already_there` are part of `imported`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    pub read: u64,
    pub imported: u64,
    pub changed: u64,
    pub skipped: u64,
    /// From an earlier run; not touched.
    pub already_there: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub dry_run: bool,
    /// "SQLite" or "Postgres".
    pub target: &'static str,
    /// By the old service's names; tables that the file lacks are absent.
    pub tables: BTreeMap<&'static str, TableReport>,
    pub rows: Vec<RowReport>,
    /// What concerns no single row.
    pub notes: Vec<String>,
}

impl Report {
    pub(super) fn new(dry_run: bool, target: &'static str) -> Self {
        Self { dry_run, target, tables: BTreeMap::new(), rows: Vec::new(), notes: Vec::new() }
    }

    fn table(&mut self, table: LegacyTable) -> &mut TableReport {
        self.tables.entry(table.name()).or_default()
    }

    pub(super) fn read(&mut self, table: LegacyTable, rows: u64) {
        self.table(table).read += rows;
    }

    pub(super) fn skipped(&mut self, table: LegacyTable, id: String, reason: impl Into<String>) {
        self.table(table).skipped += 1;
        self.rows.push(RowReport { table: table.name(), id, outcome: RowOutcome::Skipped, reason: reason.into() });
    }

    /// A row that arrived, now or in an earlier run. Changes are told when they are made.
    pub(super) fn arrived(&mut self, table: LegacyTable, id: String, placed: Placed, changes: &[String]) {
        let counts = self.table(table);
        counts.imported += 1;
        match placed {
            Placed::Present => counts.already_there += 1,
            Placed::New | Placed::Taken if changes.is_empty() => {}
            Placed::New | Placed::Taken => {
                counts.changed += 1;
                let reason = changes.join("; ");
                self.rows.push(RowReport { table: table.name(), id, outcome: RowOutcome::Changed, reason });
            }
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}
