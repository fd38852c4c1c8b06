//! Cells as they should be read, with every departure noted: what the old service wrote, and what hands have edited since.

use jiff::{civil, tz::TimeZone};
use llm_api_domain::Timestamp;
use llm_api_storage::{Cell, LegacyRow, LegacyTable};

use super::json;

/// Seconds since the epoch of the years that both databases and every client know.
const YEAR_ONE: i64 = -62_135_596_800;
const YEAR_TEN_THOUSAND: i64 = 253_402_300_800;

/// Reads the cells of one row and collects what must be said of it.
pub(super) struct RowReader<'r> {
    row: &'r LegacyRow,
    pub(super) changes: Vec<String>,
}

/// A time that may be missing or beyond reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Missing,
    At(Timestamp),
    Unreadable,
}

impl<'r> RowReader<'r> {
    pub(super) fn new(row: &'r LegacyRow) -> Self {
        Self { row, changes: Vec::new() }
    }

    pub(super) fn changed(&mut self, change: impl Into<String>) {
        self.changes.push(change.into());
    }

    /// The text of a cell, in UTF-8 and without U+0000; `None` for NULL and for a column that the file lacks.
    pub(super) fn text(&mut self, column: &str) -> Option<String> {
        let text = self.raw(column)?;
        Some(self.without_nul(column, text))
    }

    /// The same with U+0000 left in.
    fn raw(&mut self, column: &str) -> Option<String> {
        match self.row.cell(column)? {
            Cell::Null => None,
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Real(number) => Some(number.clone()),
            Cell::Text(bytes) | Cell::Blob(bytes) => match String::from_utf8_lossy(bytes) {
                std::borrow::Cow::Borrowed(text) => Some(text.to_owned()),
                std::borrow::Cow::Owned(text) => {
                    self.changed(format!("{column}: bytes that are no UTF-8 became U+FFFD"));
                    Some(text)
                }
            },
        }
    }

    /// Neither database of ours takes U+0000 in a text from everywhere.
    pub(super) fn without_nul(&mut self, what: &str, text: String) -> String {
        if !text.contains('\0') {
            return text;
        }
        self.changed(format!("{what}: U+0000 became U+FFFD"));
        text.replace('\0', "\u{FFFD}")
    }

    /// True only for 1.
    pub(super) fn flag(&mut self, column: &str) -> bool {
        match self.row.cell(column) {
            Some(Cell::Integer(1)) => true,
            Some(Cell::Integer(0)) => false,
            _ => {
                self.changed(format!("{column}: neither 0 nor 1, read as 0"));
                false
            }
        }
    }

    /// JSON text that everybody can read; `None` for NULL, in both of its forms, and for what is no JSON.
    pub(super) fn json(&mut self, column: &str) -> Option<String> {
        let text = self.raw(column)?;
        let Some((text, replaced)) = json::strict(&text) else {
            self.changed(format!("{column}: no JSON, left empty"));
            return None;
        };
        if replaced != json::Replaced::default() {
            self.changed(format!("{column}: {replaced}"));
        }
        (text.trim() != "null").then_some(text)
    }

    /// The same where only an object makes sense.
    pub(super) fn object(&mut self, column: &str) -> Option<String> {
        let text = self.json(column)?;
        if text.trim_start().starts_with('{') {
            return Some(text);
        }
        self.changed(format!("{column}: JSON, but no object, left empty"));
        None
    }

    /// A time in UTC.
    pub(super) fn moment(&mut self, column: &str) -> Moment {
        let parsed = match self.row.cell(column) {
            None | Some(Cell::Null) => return Moment::Missing,
            Some(Cell::Integer(number)) => parse_time(&number.to_string()).or_else(|| unix_time(*number)),
            Some(Cell::Real(_)) => None,
            Some(Cell::Text(bytes) | Cell::Blob(bytes)) => std::str::from_utf8(bytes).ok().and_then(parse_time),
        };
        parsed.map_or(Moment::Unreadable, Moment::At)
    }

    /// A time that may be missing; one that cannot be read counts as missing.
    pub(super) fn optional_time(&mut self, column: &str) -> Option<Timestamp> {
        match self.moment(column) {
            Moment::Missing => None,
            Moment::At(time) => Some(time),
            Moment::Unreadable => {
                self.changed(format!("{column}: no time, left empty"));
                None
            }
        }
    }

    /// A time that must be there, else `instead`.
    pub(super) fn time_or(&mut self, column: &str, instead: Timestamp) -> Timestamp {
        if let Moment::At(time) = self.moment(column) {
            return time;
        }
        self.changed(format!("{column}: no time, set to {instead}"));
        instead
    }
}

/// The row's name in the report, as it stands in the file.
pub(super) fn shown_id(row: &LegacyRow, table: LegacyTable) -> String {
    let column = match table {
        LegacyTable::DefaultModels => "modality",
        LegacyTable::MetricsBuckets => "bucket_time",
        _ => "id",
    };
    id_text(row, column).unwrap_or_else(|| format!("row {}", row.place))
}

/// A cell that names a row, as text; `None` for NULL.
pub(super) fn id_text(row: &LegacyRow, column: &str) -> Option<String> {
    match row.cell(column)? {
        Cell::Null => None,
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Real(number) => Some(number.clone()),
        Cell::Text(bytes) | Cell::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, or with `T`, with a zone, without the fraction, or a day alone.
fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let moment = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment,
        Err(_) => text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    (YEAR_ONE..YEAR_TEN_THOUSAND).contains(&moment.as_second()).then(|| Timestamp::from_micros(moment.as_microsecond()))
}

/// Seconds since the epoch, from 1973 on: smaller numbers are something else.
fn unix_time(seconds: i64) -> Option<Timestamp> {
    (100_000_000..YEAR_TEN_THOUSAND).contains(&seconds).then(|| Timestamp::from_micros(seconds * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        parse_time(text).map_or_else(|| "none".to_owned(), |time| time.to_string())
    }

    #[test]
    fn times_are_read_in_every_form_that_hands_write() {
        for text in [
            "2026-11-22 12:06:02.130275",
            "2026-11-22T12:06:02.130275",
            "2026-11-22T12:06:02.130275Z",
            "2026-11-22 12:06:02.130275+00:00",
            "2026-11-22T13:06:02.130275+01:00",
            "2026-11-22 07:06:02.130275-0500",
            " 2026-11-22 12:06:02.130275999 ",
        ] {
            assert_eq!(parsed(text), "2026-11-22T12:06:02.130275Z", "{text}");
        }
        assert_eq!(parsed("2026-11-22 12:06:02"), "2026-11-22T12:06:02.000000Z");
        assert_eq!(parsed("2026-11-22 12:06"), "2026-11-22T12:06:00.000000Z");
        assert_eq!(parsed("2026-11-22"), "2026-11-22T00:00:00.000000Z");
        assert_eq!(parsed("20261122"), "2026-11-22T00:00:00.000000Z");
        assert_eq!(parsed("1965-01-01 00:00:00.5"), "1965-01-01T00:00:00.500000Z");
        for text in
            ["", "yesterday", "2026-13-01 00:00:00", "2026-02-30", "12:06", "0000-01-01", "-000004-01-01", "22/11/2026"]
        {
            assert_eq!(parsed(text), "none", "{text}");
        }
        assert_eq!(
            unix_time(1_795_342_420).map(|time| time.to_string()).as_deref(),
            Some("2026-11-22T10:13:40.000000Z")
        );
        assert_eq!(unix_time(1), None);
    }
}
