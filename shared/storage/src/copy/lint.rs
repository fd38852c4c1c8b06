//! What a row may not hold. A database takes more than it should: SQLite any bytes as text, hands with foreign keys
//! switched off anything at all.

use std::collections::HashMap;

use llm_api_crypto::{SealContext, Vault};
use serde::de::IgnoredAny;

use crate::{Bound, SEALED_COLUMNS, SealedColumn};

use super::{
    row::{Cell, Row},
    tables::{Kind, Table},
};

/// The years 1 to 9999, which every client can write.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_207_200_000_000;

/// What surely fits into one entry of a Postgres index, beside a UUID.
const LONGEST_INDEXED: usize = 2600;

/// Version, key id, commitment, nonce and tag.
const SHORTEST_ENVELOPE: usize = 65;

/// Something about one row, without any of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub table: &'static str,
    /// The primary key.
    pub id: String,
    pub column: &'static str,
    pub reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct Lint {
    /// These stop a copy.
    pub(crate) findings: Vec<Finding>,
    /// These do not.
    pub(crate) warnings: Vec<Finding>,
    /// How many provider keys were opened.
    pub(crate) opened: u64,
    /// Canaries that were read, and those that opened: one for each key that the database was ever used with.
    canaries: (u64, u64),
    /// People are few: their names fit in memory.
    usernames: HashMap<String, String>,
}

impl Lint {
    pub(crate) fn row(&mut self, table: &Table, row: &Row, vault: Option<&Vault>) {
        for (place, column) in table.columns.iter().enumerate() {
            let reason = match row.cell(place) {
                Cell::Null if column.nullable => None,
                Cell::Null => Some("is missing".to_owned()),
                Cell::Odd(reason) => Some(reason.to_owned()),
                Cell::Data(bytes) if column.indexed && bytes.len() > LONGEST_INDEXED => {
                    Some(format!("has {} bytes, {LONGEST_INDEXED} fit into an index", bytes.len()))
                }
                Cell::Data(bytes) => wrong(column.kind, bytes, row, place),
            };
            if let Some(reason) = reason {
                self.findings.push(finding(table, row, place, reason));
            }
        }
        if let Some((smaller, greater)) = table.at_most
            && let (Some(small), Some(great)) = (row.int(smaller), row.int(greater))
            && small > great
        {
            let reason = format!("is greater than {}", table.columns[greater].name);
            self.findings.push(finding(table, row, smaller, reason));
        }
        if table.name == "users" {
            self.username(table, row);
        }
        for sealed in SEALED_COLUMNS.iter().filter(|sealed| sealed.table == table.name) {
            self.open(table, row, sealed, vault);
        }
    }

    /// Whether none of the keys that are set is one that the database was used with.
    pub(crate) fn is_wrong_key(&self) -> bool {
        matches!(self.canaries, (1.., 0))
    }

    pub(crate) fn orphan(&mut self, table: &Table, row: &Row, place: usize, parent: &str) {
        self.findings.push(finding(table, row, place, format!("names a row of {parent} that is not there")));
    }

    fn username(&mut self, table: &Table, row: &Row) {
        let Some(place) = table.place("username") else { return };
        let Some(name) = row.text(place) else { return };
        let id = row.id(table);
        if let Some(other) = self.usernames.get(&name.to_lowercase()) {
            let reason = format!("differs from the name of {other} by case alone");
            self.warnings.push(finding(table, row, place, reason));
        } else {
            self.usernames.insert(name.to_lowercase(), id);
        }
    }

    fn open(&mut self, table: &Table, row: &Row, column: &SealedColumn, vault: Option<&Vault>) {
        let place = |name| table.place(name).unwrap_or_default();
        let Some(vault) = vault else { return };
        let Bound::Row { purpose, id, owner, provider, origin } = column.bound else {
            // That of a former key stops no copy.
            let opens =
                matches!(row.cell(place(column.column)), Cell::Data(sealed) if vault.open_canary(sealed).is_ok());
            self.canaries.0 += 1;
            self.canaries.1 += u64::from(opens);
            return;
        };
        let (Some(record), Some(owner)) = (row.uuid(place(id)), row.uuid(place(owner))) else { return };
        let (Some(provider), Some(origin)) = (row.text(place(provider)), row.text(place(origin))) else { return };
        let Cell::Data(sealed) = row.cell(place(column.column)) else { return };
        let context = SealContext { purpose, record, owner, provider, origin };
        match vault.open(&context, sealed) {
            Ok(_) => self.opened += 1,
            // Told already, as what it is.
            Err(llm_api_crypto::OpenError::Malformed) => {}
            Err(reason) => self.findings.push(finding(
                table,
                row,
                place(column.column),
                format!("does not open with the encryption keys that are set: {reason}"),
            )),
        }
    }
}

fn finding(table: &Table, row: &Row, place: usize, reason: String) -> Finding {
    Finding { table: table.name, id: row.id(table), column: table.columns[place].name, reason }
}

fn wrong(kind: Kind, bytes: &[u8], row: &Row, place: usize) -> Option<String> {
    let text = |check: fn(&str) -> bool, otherwise: &str| match std::str::from_utf8(bytes) {
        Err(_) => Some("is not UTF-8".to_owned()),
        Ok(text) if text.contains('\0') => Some("holds U+0000".to_owned()),
        Ok(text) if !check(text) => Some(otherwise.to_owned()),
        Ok(_) => None,
    };
    match kind {
        Kind::Text => text(|_| true, ""),
        Kind::Json => text(|text| serde_json::from_str::<IgnoredAny>(text).is_ok(), "is no JSON"),
        Kind::Word(words) => {
            let known = words.iter().any(|word| word.as_bytes() == bytes);
            text(|_| true, "").or_else(|| (!known).then(|| format!("is none of {}", words.join(", "))))
        }
        Kind::Id => (bytes.len() != 16).then(|| format!("has {} bytes, an id has 16", bytes.len())),
        Kind::Sealed => {
            (bytes.len() < SHORTEST_ENVELOPE || bytes[0] != 1).then(|| "is no envelope of the vault".to_owned())
        }
        Kind::Time => {
            let known = row.micros(place).is_some_and(|micros| TIMES.contains(&micros));
            (!known).then(|| "is a time outside the years 1 to 9999".to_owned())
        }
        Kind::Real => (!row.real(place).is_some_and(f64::is_finite)).then(|| "is not a finite number".to_owned()),
        Kind::Bytes | Kind::Int | Kind::Flag => None,
    }
}
