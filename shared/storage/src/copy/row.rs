//! One row in the form of Postgres' binary COPY: a count of fields, then each with its length, -1 for NULL.

use std::{cmp::Ordering, fmt::Write as _};

use uuid::Uuid;

use super::{
    hex,
    tables::{Kind, Table},
};

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since the Unix epoch.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Stands for a length where the value is of a type that its column cannot have.
const ODD: i32 = -2;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'r> {
    Null,
    Data(&'r [u8]),
    /// A value of the wrong type, and what is wrong.
    Odd(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Span {
    Null,
    Data { start: usize, end: usize },
    Odd(&'static str),
}

/// Filled again and again: a table of any size needs the memory of its widest row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    bytes: Vec<u8>,
    cells: Vec<Span>,
}

impl Row {
    pub(crate) fn begin(&mut self, columns: usize) {
        self.bytes.clear();
        self.cells.clear();
        // No table has anywhere near as many columns as fit.
        self.bytes.extend(u16::try_from(columns).unwrap_or(u16::MAX).to_be_bytes());
    }

    pub(crate) fn null(&mut self) {
        self.bytes.extend((-1_i32).to_be_bytes());
        self.cells.push(Span::Null);
    }

    pub(crate) fn data(&mut self, value: &[u8]) {
        let Ok(length) = i32::try_from(value.len()) else {
            return self.odd("is larger than 2 GiB", &[]);
        };
        self.bytes.extend(length.to_be_bytes());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.cells.push(Span::Data { start, end: self.bytes.len() });
    }

    /// A time in microseconds since the Unix epoch.
    pub(crate) fn time(&mut self, micros: i64) {
        match micros.checked_sub(POSTGRES_EPOCH) {
            Some(since) => self.data(&since.to_be_bytes()),
            None => self.odd("is no time", &micros.to_be_bytes()),
        }
    }

    pub(crate) fn odd(&mut self, reason: &'static str, value: &[u8]) {
        self.bytes.extend(ODD.to_be_bytes());
        self.bytes.extend(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.cells.push(Span::Odd(reason));
    }

    /// The whole row; equal bytes are equal rows.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn cell(&self, place: usize) -> Cell<'_> {
        match self.cells.get(place) {
            Some(&Span::Data { start, end }) => Cell::Data(&self.bytes[start..end]),
            Some(&Span::Odd(reason)) => Cell::Odd(reason),
            Some(Span::Null) | None => Cell::Null,
        }
    }

    pub(crate) fn same_cell(&self, other: &Self, place: usize) -> bool {
        match (self.cell(place), other.cell(place)) {
            (Cell::Data(own), Cell::Data(other)) => own == other,
            (Cell::Null, Cell::Null) => true,
            _ => false,
        }
    }

    pub(crate) fn text(&self, place: usize) -> Option<&str> {
        match self.cell(place) {
            Cell::Data(bytes) => std::str::from_utf8(bytes).ok(),
            Cell::Null | Cell::Odd(_) => None,
        }
    }

    pub(crate) fn uuid(&self, place: usize) -> Option<Uuid> {
        match self.cell(place) {
            Cell::Data(bytes) => Uuid::from_slice(bytes).ok(),
            Cell::Null | Cell::Odd(_) => None,
        }
    }

    /// An integer, or a flag, as SQLite stores it.
    pub(crate) fn int(&self, place: usize) -> Option<i64> {
        match self.cell(place) {
            Cell::Data(bytes) => bytes.try_into().ok().map(i64::from_be_bytes),
            Cell::Null | Cell::Odd(_) => None,
        }
    }

    /// Microseconds since the Unix epoch; `None` also where Postgres has `infinity`.
    pub(crate) fn micros(&self, place: usize) -> Option<i64> {
        let since = self.int(place).filter(|since| !matches!(*since, i64::MIN | i64::MAX))?;
        since.checked_add(POSTGRES_EPOCH)
    }

    pub(crate) fn real(&self, place: usize) -> Option<f64> {
        match self.cell(place) {
            Cell::Data(bytes) => bytes.try_into().ok().map(f64::from_be_bytes),
            Cell::Null | Cell::Odd(_) => None,
        }
    }

    /// The primary key for people: never a secret, for no key is one.
    pub(crate) fn id(&self, table: &Table) -> String {
        let mut id = String::new();
        for (index, &place) in table.key.iter().enumerate() {
            if index > 0 {
                id.push('/');
            }
            let part = match (table.columns[place].kind, self.cell(place)) {
                (Kind::Id, Cell::Data(bytes)) => self.uuid(place).map_or_else(|| hex(bytes), |id| id.to_string()),
                (Kind::Time, Cell::Data(_)) => self.micros(place).map_or_else(
                    || "?".to_owned(),
                    |micros| llm_api_domain::Timestamp::from_micros(micros).to_string(),
                ),
                (Kind::Text, Cell::Data(bytes)) => String::from_utf8_lossy(bytes).escape_debug().to_string(),
                (_, Cell::Data(bytes)) => hex(bytes),
                (_, Cell::Null) => "NULL".to_owned(),
                (_, Cell::Odd(_)) => "?".to_owned(),
            };
            // Writing to a string cannot fail.
            let _ = write!(id, "{part}");
        }
        id
    }
}

/// The order in which both databases give their rows.
pub(crate) fn key_order(table: &Table, left: &Row, right: &Row) -> Ordering {
    let orders =
        table.key.iter().map(|&place| match (table.columns[place].kind, left.cell(place), right.cell(place)) {
            (Kind::Time, ..) => left.int(place).cmp(&right.int(place)),
            (_, Cell::Data(left), Cell::Data(right)) => left.cmp(right),
            (_, Cell::Data(_), _) => Ordering::Greater,
            (_, _, Cell::Data(_)) => Ordering::Less,
            _ => Ordering::Equal,
        });
    orders.fold(Ordering::Equal, Ordering::then)
}
