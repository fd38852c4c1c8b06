//! Random databases out of the list of tables: every column of every table gets odd values of its kind.

use llm_api_storage::{Column, Kind, TABLES, Table};
use serde_json::{Value as Json, json};

use super::Place;
use llm_api_testkit::TempDir;

/// The same numbers for the same seed (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).expect("small")).expect("small")
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bytes(Vec<u8>),
    Id(Vec<u8>),
    Text(String),
    Int(i64),
    Flag(bool),
    Time(i64),
    Real(f64),
}

impl Value {
    /// In SQL, as it is on either database.
    pub(crate) fn literal(&self, is_sqlite: bool) -> String {
        match (self, is_sqlite) {
            (Self::Null, _) => "NULL".to_owned(),
            (Self::Bytes(bytes) | Self::Id(bytes), true) => format!("X'{}'", hex(bytes)),
            (Self::Bytes(bytes), false) => format!("'\\x{}'::bytea", hex(bytes)),
            (Self::Id(bytes), false) => format!("'{}'::uuid", hex(bytes)),
            // Through hex, so that no tool's idea of quoting is in the way.
            (Self::Text(text), true) => format!("CAST(X'{}' AS TEXT)", hex(text.as_bytes())),
            (Self::Text(text), false) => format!("convert_from('\\x{}', 'UTF8')", hex(text.as_bytes())),
            (Self::Int(i64::MIN), _) => "(-9223372036854775807 - 1)".to_owned(),
            (Self::Int(number), _) | (Self::Time(number), true) => number.to_string(),
            (Self::Time(micros), false) => {
                let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
                format!("'epoch'::timestamptz + interval '{seconds} seconds' + interval '{micros} microseconds'")
            }
            (Self::Flag(flag), true) => u8::from(*flag).to_string(),
            (Self::Flag(flag), false) => flag.to_string(),
            (Self::Real(number), true) => format!("{number:e}"),
            (Self::Real(number), false) => format!("{number:e}::float8"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// Rows by table, in the order of `TABLES`.
pub(crate) type Rows = Vec<(&'static Table, Vec<Vec<Value>>)>;

/// Up to `most` rows for each table, and one more in those that others refer to.
pub(crate) fn rows(random: &mut Random, most: usize) -> Rows {
    let mut all: Rows = Vec::new();
    for table in TABLES {
        let count = random.below(most + 1) + usize::from(matches!(table.name, "users" | "sessions" | "user_tokens"));
        let made = (0..count).map(|number| row(random, &all, table, number)).collect();
        all.push((table, made));
    }
    all
}

fn row(random: &mut Random, all: &Rows, table: &Table, number: usize) -> Vec<Value> {
    table.columns.iter().map(|column| value(random, all, table, column, number)).collect()
}

fn value(random: &mut Random, all: &Rows, table: &Table, column: &Column, number: usize) -> Value {
    if column.nullable && random.below(3) == 0 {
        return Value::Null;
    }
    if let Some(parent) = column.references {
        let (_, parents) = all.iter().find(|(table, _)| table.name == parent).expect("parents come first");
        return random.pick(parents)[0].clone();
    }
    match (table.name, column.name) {
        ("invite_tokens", "uses") => return Value::Int(i64::try_from(random.below(3)).expect("small")),
        ("invite_tokens", "max_uses") => return Value::Int(8),
        ("exchanges", "sequence") => return Value::Int(i64::try_from(number).expect("small")),
        _ => {}
    }
    match column.kind {
        Kind::Id => Value::Id(random.bytes(16)),
        Kind::Bytes => Value::Bytes(random.bytes(32)),
        Kind::Sealed => {
            let length = 64 + random.below(200);
            Value::Bytes([vec![1], random.bytes(length)].concat())
        }
        // Numbered, for several columns are unique.
        Kind::Text => {
            let wide = text(random);
            // An index takes no wide rows.
            let text: String = if column.indexed { wide.chars().take(200).collect() } else { wide };
            Value::Text(format!("{text}{number}"))
        }
        Kind::Json => Value::Text(json(random).to_string()),
        Kind::Word(words) => Value::Text(random.pick(words).to_owned()),
        Kind::Int => Value::Int(match random.below(5) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            _ => i64::from_le_bytes(random.next().to_le_bytes()),
        }),
        Kind::Flag => Value::Flag(random.below(2) == 0),
        Kind::Time => Value::Time(match random.below(6) {
            0 => -62_135_596_800_000_000,
            1 => 253_402_207_200_000_000,
            2 => -1,
            _ => i64::try_from(random.next() % 4_000_000_000_000_000).expect("in range"),
        }),
        Kind::Real => Value::Real(random.pick(&[0.0, -0.0, 12.5, 99.999, 1e300, 5e-324])),
    }
}

fn text(random: &mut Random) -> String {
    const PIECES: [&str; 14] =
        ["", "a", "'", "\"", "\\", "\n", "\t", "\u{1}", "é", "e\u{301}", "漢字", "🦀", "\u{10ffff}", "{\"a\":1}; --"];
    let count = match random.below(20) {
        // A wide row now and then.
        0 => 5000,
        _ => random.below(12),
    };
    (0..count).map(|_| random.pick(&PIECES)).collect()
}

fn json(random: &mut Random) -> Json {
    match random.below(5) {
        0 => json!({}),
        1 => Json::Null,
        2 => json!([random.next(), -1.5e-7, "\u{0}", "🦀"]),
        _ => json!({ text(random): [text(random), { "deep": [[[]]] }] }),
    }
}

/// Makes a database with these rows.
pub(crate) async fn fill(place: &Place, dir: &TempDir, rows: &Rows) {
    place.migrate(dir).await;
    let mut statements = String::from("BEGIN;\n");
    for (table, rows) in rows {
        for row in rows {
            statements.push_str(&insert(table, row, place.file.is_some()));
        }
    }
    statements.push_str("COMMIT;\nSELECT 1;\n");
    place.sql(&statements).await;
}

fn insert(table: &Table, row: &[Value], is_sqlite: bool) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let values: Vec<String> = row.iter().map(|value| value.literal(is_sqlite)).collect();
    format!("INSERT INTO {} ({}) VALUES ({});\n", table.name, columns.join(", "), values.join(", "))
}
