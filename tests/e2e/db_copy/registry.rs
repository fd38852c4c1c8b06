//! The list of tables that are moved is the list of tables that there are.

use llm_api_storage::{Kind, TABLES};
use llm_api_testkit::{Database, TempDir, each_db};

use super::Place;

/// Not moved as data: the driver's own, the proofs of earlier copies, the freeze (which a copy takes along by itself), and
/// what counts for minutes.
const LEFT: &str = "('_sqlx_migrations', 'transfer_receipts', 'maintenance', 'throttles')";

each_db! {
    async fn every_table_refuses_writes_while_it_is_frozen(database: Database) {
        let dir = TempDir::new();
        let place = Place::new(database, &dir, "all.db").await;
        place.migrate(&dir).await;
        let mut expected: Vec<String> = TABLES.iter().flat_map(|table| match database {
            Database::Sqlite => ["delete", "insert", "update"].map(|change| format!("{}_frozen_{change}", table.name)).to_vec(),
            Database::Postgres => {
                ["DELETE", "INSERT", "TRUNCATE", "UPDATE"].map(|change| format!("{}_frozen {change}", table.name)).to_vec()
            }
        }).collect();
        expected.sort();
        let mut found = place.sql(match database {
            Database::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'trigger'",
            Database::Postgres => {
                "SELECT t.tgname || ' ' || k.word FROM pg_trigger t
                 JOIN (VALUES (8, 'DELETE'), (4, 'INSERT'), (32, 'TRUNCATE'), (16, 'UPDATE')) k(bit, word)
                 ON t.tgtype & k.bit > 0 WHERE NOT t.tgisinternal"
            }
        }).await;
        found.sort();
        assert_eq!(found, expected);
    }

    async fn every_table_and_column_is_moved(database: Database) {
        let dir = TempDir::new();
        let place = Place::new(database, &dir, "all.db").await;
        place.migrate(&dir).await;
        let columns = match database {
            Database::Sqlite => format!(
                "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT IN {LEFT} ORDER BY m.name, c.cid"
            ),
            Database::Postgres => format!(
                "SELECT c.table_name, c.column_name, c.data_type, (c.is_nullable = 'NO')::int, COALESCE(
                    (SELECT k.ordinal_position FROM information_schema.key_column_usage k
                     JOIN information_schema.table_constraints t USING (constraint_name, table_schema)
                     WHERE t.constraint_type = 'PRIMARY KEY' AND k.table_schema = 'public'
                     AND k.table_name = c.table_name AND k.column_name = c.column_name), 0)
                 FROM information_schema.columns c
                 WHERE c.table_schema = 'public' AND c.table_name NOT IN {LEFT} ORDER BY 1, c.ordinal_position"
            ),
        };
        let mut listed: Vec<_> = TABLES.iter().collect();
        listed.sort_by_key(|table| table.name);
        let listed: Vec<String> = listed.into_iter().flat_map(|table| {
            table.columns.iter().enumerate().map(move |(place, column)| {
                let key = table.key.iter().position(|key| *key == place).map_or(0, |position| position + 1);
                let required = u8::from(!column.nullable);
                format!("{}|{}|{}|{required}|{key}", table.name, column.name, type_name(column.kind, database))
            })
        }).collect();
        assert_eq!(listed, place.sql(&columns).await);

        let references = match database {
            Database::Sqlite => format!(
                "SELECT m.name, f.\"from\", f.\"table\", f.\"to\" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
                 WHERE m.type = 'table' AND m.name NOT IN {LEFT} ORDER BY 1, 2"
            ),
            Database::Postgres => "SELECT f.conrelid::regclass, a.attname, f.confrelid::regclass, b.attname
                 FROM pg_constraint f
                 JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
                 JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
                 WHERE f.contype = 'f' ORDER BY f.conrelid::regclass::text COLLATE \"C\", a.attname".to_owned(),
        };
        let mut listed: Vec<String> = TABLES.iter().flat_map(|table| {
            table.columns.iter().filter_map(move |column| {
                Some(format!("{}|{}|{}|id", table.name, column.name, column.references?))
            })
        }).collect();
        listed.sort();
        assert_eq!(listed, place.sql(&references).await);
    }

    async fn every_word_that_is_allowed_is_known(database: Database) {
        let dir = TempDir::new();
        let place = Place::new(database, &dir, "all.db").await;
        place.migrate(&dir).await;
        let checks = match database {
            Database::Sqlite => "SELECT replace(sql, char(10), ' ') FROM sqlite_master WHERE type = 'table'",
            Database::Postgres => "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace",
        };
        let checks = place.sql(checks).await.join("\n");
        let mut words = 0;
        for column in TABLES.iter().flat_map(|table| table.columns) {
            if let Kind::Word(known) = column.kind {
                words += known.len();
                for word in known {
                    assert!(checks.contains(&format!("'{word}'")), "{} {word}", column.name);
                }
            }
        }
        // And no other: texts in quotes stand in nothing but these lists, and where one of them is the default.
        let checks = checks.replace("DEFAULT 'cancel'", "");
        let ours = |line: &&str| !line.contains("_sqlx_migrations") && !line.contains("maintenance");
        let quoted = checks.lines().filter(ours);
        assert_eq!(quoted.map(|line| line.matches('\'').count()).sum::<usize>(), words * 2, "{checks}");
    }
}

#[tokio::test]
async fn every_text_in_an_index_is_known() {
    let dir = TempDir::new();
    let place = Place::new(Database::Postgres, &dir, "").await;
    place.migrate(&dir).await;
    let indexed = "SELECT DISTINCT (i.indrelid::regclass || '.' || a.attname) COLLATE \"C\" FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'throttles' AND a.atttypid IN ('text'::regtype, 'bytea'::regtype) ORDER BY 1";
    let mut listed: Vec<String> = Vec::new();
    for table in TABLES {
        let columns = table.columns.iter().filter(|column| column.indexed);
        listed.extend(columns.map(|column| format!("{}.{}", table.name, column.name)));
    }
    listed.sort();
    assert_eq!(listed, place.sql(indexed).await);
}

#[test]
fn parents_come_before_their_children() {
    for (place, table) in TABLES.iter().enumerate() {
        for parent in table.columns.iter().filter_map(|column| column.references) {
            assert!(TABLES[..place].iter().any(|earlier| earlier.name == parent), "{} needs {parent}", table.name);
        }
    }
}

fn type_name(kind: Kind, database: Database) -> &'static str {
    let (sqlite, postgres) = match kind {
        Kind::Id => ("BLOB", "uuid"),
        Kind::Text | Kind::Json | Kind::Word(_) => ("TEXT", "text"),
        Kind::Bytes | Kind::Sealed => ("BLOB", "bytea"),
        Kind::Int => ("INTEGER", "bigint"),
        Kind::Flag => ("INTEGER", "boolean"),
        Kind::Time => ("INTEGER", "timestamp with time zone"),
        Kind::Real => ("REAL", "double precision"),
    };
    match database {
        Database::Sqlite => sqlite,
        Database::Postgres => postgres,
    }
}
