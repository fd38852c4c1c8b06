//! Moves everything from one database of ours to another, either way, in one transaction; and compares two at any time.
//!
//! Every row has one form, that of Postgres' binary COPY, whichever database it comes from: it is what is checked, summed,
//! sent and compared.

mod check;
mod clear;
mod compare;
#[macro_use]
mod conn;
mod end;
mod error;
mod freeze;
mod lint;
mod outflow;
mod receipt;
mod row;
mod run;
mod scan;
mod tables;
mod write;

pub use check::{Checked, check_database};
pub use compare::{Comparison, Difference, TableComparison, compare_databases};
pub use end::DatabaseEnd;
pub use error::{CopyError, Side};
pub use lint::Finding;
pub use receipt::Receipt;
pub use run::{CopyJob, CopyReport, Outcome, copy_database};
pub use scan::{Progress, Step, TableSum};
pub use tables::{Column, Kind, TABLES, Table};

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
