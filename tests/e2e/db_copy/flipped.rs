//! One changed bit in one field is always found, and named.

use llm_api_storage::{Column, Kind, Table};
use llm_api_testkit::{TempDir, each_db};
use serde_json::Value as Json;

use super::{
    Place, compare, db,
    generator::{Random, Rows, Value, fill, rows},
    replace, rounds,
};

/// A field that can be changed by itself: where it is, what it holds, and what it is to hold.
struct Flip {
    table: &'static Table,
    column: &'static Column,
    key: Vec<Value>,
    old: Value,
    new: Value,
}

impl Flip {
    fn choose(random: &mut Random, rows: &Rows, is_sqlite: bool) -> Self {
        loop {
            let (table, rows) = &rows[random.below(rows.len())];
            if rows.is_empty() {
                continue;
            }
            let row = &rows[random.below(rows.len())];
            let place = random.below(table.columns.len());
            let column = &table.columns[place];
            // PostgreSQL would not have it; SQLite's own tools look at no foreign key.
            if table.key.contains(&place) || (column.references.is_some() && !is_sqlite) {
                continue;
            }
            let Some(new) = flipped(random, column, &row[place]) else { continue };
            // Some numbers are one row's alone.
            if column.kind == Kind::Int && rows.iter().any(|other| other[place] == new) {
                continue;
            }
            let key = table.key.iter().map(|&place| row[place].clone()).collect();
            return Self { table, column, key, old: row[place].clone(), new };
        }
    }

    async fn set(&self, place: &Place, value: &Value) {
        let is_sqlite = place.file.is_some();
        let key = self.table.key.iter().zip(&self.key);
        let key: Vec<String> = key
            .map(|(&place, value)| format!("{} = {}", self.table.columns[place].name, value.literal(is_sqlite)))
            .collect();
        let (table, column, value) = (self.table.name, self.column.name, value.literal(is_sqlite));
        place.sql(&format!("SELECT 1;\nUPDATE {table} SET {column} = {value} WHERE {}", key.join(" AND "))).await;
    }
}

fn flipped(random: &mut Random, column: &Column, old: &Value) -> Option<Value> {
    let flip = |random: &mut Random, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
        bytes
    };
    Some(match (old, column.kind) {
        (Value::Null, Kind::Text) => Value::Text(String::new()),
        (Value::Null, Kind::Int) => Value::Int(0),
        (Value::Null, Kind::Time) => Value::Time(0),
        (Value::Null, Kind::Id) if column.references.is_none() => Value::Id(vec![0; 16]),
        (Value::Null, _) => return None,
        (Value::Bytes(bytes), _) => Value::Bytes(flip(random, bytes)),
        (Value::Id(bytes), _) => Value::Id(flip(random, bytes)),
        (Value::Text(text), Kind::Word(words)) => {
            let others: Vec<_> = words.iter().filter(|word| *word != text).collect();
            Value::Text((*random.pick(&others)).to_owned())
        }
        // The lowest bit of an ASCII character makes another one; there is one in each text.
        (Value::Text(text), _) => {
            let places: Vec<usize> = text
                .bytes()
                .enumerate()
                .filter(|(_, byte)| byte.is_ascii_alphanumeric())
                .map(|(place, _)| place)
                .collect();
            if places.is_empty() {
                return None;
            }
            let place = random.pick(&places);
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            Value::Text(String::from_utf8(bytes).expect("ASCII for ASCII"))
        }
        (Value::Int(number), _) => Value::Int(number ^ 1),
        (Value::Time(micros), _) => Value::Time(micros ^ 1),
        (Value::Flag(flag), _) => Value::Flag(!flag),
        (Value::Real(number), _) => Value::Real(if *number > 13.0 { 12.5 } else { 13.5 }),
    })
}

each_db! {
    async fn one_flipped_bit_in_any_field_is_found(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (Place::file(&dir, "source.db"), Place::new(database, &dir, "target.db").await);
        let mut random = Random::new(3);
        let rows = rows(&mut random, 8);
        fill(&source, &dir, &rows).await;
        replace(&source, &target).await.expect("a copy");
        for round in 0..rounds(12) {
            let flip = Flip::choose(&mut random, &rows, target.file.is_some());
            let what = format!("{round}: {}.{} {:?} to {:?}", flip.table.name, flip.column.name, flip.old, flip.new);
            flip.set(&target, &flip.new).await;
            let comparison = compare(&source, &target).await;
            let found: Vec<_> = comparison.tables.iter().filter(|table| !table.is_equal()).collect();
            assert_eq!(found.len(), 1, "{what}: {comparison:?}");
            assert_eq!((found[0].source.table, found[0].differing), (flip.table.name, 1), "{what}");
            assert_eq!(found[0].differences[0].columns, [flip.column.name], "{what}");
            flip.set(&target, &flip.old).await;
        }
        assert!(compare(&source, &target).await.is_equal());
    }

    async fn what_differs_is_listed_by_table_and_id(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (Place::file(&dir, "source.db"), Place::new(database, &dir, "target.db").await);
        fill(&source, &dir, &rows(&mut Random::new(4), 3)).await;
        replace(&source, &target).await.expect("a copy");
        let ends = ["verify", "--source", &source.address, "--target", &target.address, "--json"];
        let equal = db(&dir, &ends, &[]).await.expect(0);
        let equal: Json = serde_json::from_str(&equal.stdout).expect("JSON");
        assert_eq!(equal["equal"], true);

        // Twelve rows more in the target, one fewer, and one that is not the same.
        let times = if target.file.is_some() { ("5", "6") } else { ("'epoch'", "'tomorrow'") };
        for number in 0..12 {
            let insert = "INSERT INTO usage_buckets (bucket_start, provider, requests, errors, fallbacks, latency_ms_total)";
            target.sql(&format!("SELECT 1;\n{insert} VALUES ({}, 'extra{number:02}', 0, 0, 0, 0)", times.0)).await;
        }
        target.sql("SELECT 1;\nDELETE FROM vault_canaries").await;
        target.sql(&format!("SELECT 1;\nUPDATE users SET last_login_at = {} WHERE username = 'service'", times.1)).await;
        let differ = db(&dir, &ends, &[]).await.expect(1);
        assert_eq!(differ.stderr, "llm-api: source and target differ\n");
        let differ: Json = serde_json::from_str(&differ.stdout).expect("JSON");
        let table = |name: &str| {
            let tables = differ["tables"].as_array().expect("tables");
            tables.iter().find(|table| table["table"] == name).expect(name).clone()
        };
        assert_eq!(differ["equal"], false);
        let buckets = table("usage_buckets");
        assert_eq!((&buckets["differing"], buckets["differences"].as_array().map(Vec::len)), (&12.into(), Some(10)));
        assert!(buckets["differences"].as_array().expect("a list").iter().all(|row| row["only_in"] == "target"));
        assert_eq!(table("vault_canaries")["target"]["rows"], 0);
        let service = &table("users")["differences"][0];
        assert_eq!(service["id"], "00000000-0000-7000-8000-000000000001");
        assert_eq!(service["columns"], serde_json::json!(["last_login_at"]));

        let words = db(&dir, &ends[..5], &[]).await.expect(1).stdout;
        assert!(words.contains("users: 1 differ (") && words.contains("differs in last_login_at"), "{words}");
        assert!(words.contains("1970-01-01T00:00:00") && words.contains("/extra00 only in the target"), "{words}");
    }
}
