//! Lists that stand in several places name the same things.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use llm_api_testkit::Database;

use crate::support::Site;

type Names = BTreeSet<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn entries(folder: &str) -> Names {
    let entries = std::fs::read_dir(root().join(folder)).expect(folder);
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect(file)
}

#[test]
fn every_endpoint_group_is_a_folder_a_function_and_a_part_of_the_server() {
    let folders = entries("functions");
    let served: Names = llm_api::api::groups().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(served, folders);
    let template = read("template.yaml");
    let deployed: Names =
        template.lines().filter_map(|line| line.trim().strip_prefix("Binary: ")).map(str::to_owned).collect();
    assert_eq!(deployed, folders);
    for name in &folders {
        assert!(llm_api_testkit::target_binary(name).is_file());
    }
}

/// The paths of each function in the template, with `{proxy+}` for the rest of a path.
fn deployed_paths(template: &str) -> Vec<String> {
    let words = template.lines().filter_map(|line| line.split_once("Path: "));
    let paths = words.map(|(_, rest)| rest.split([',', '}']).next().unwrap_or_default());
    let mut paths: Vec<String> = paths.map(|path| path.trim().trim_matches('"').to_owned()).collect();
    paths.retain(|path| path.starts_with('/') && path != "/*");
    paths
}

#[test]
fn the_gateway_routes_every_path_of_the_api() {
    let document: serde_json::Value = serde_json::from_str(&read("docs/openapi.json")).expect("JSON");
    let template = read("template.yaml").replace("{proxy+}", "*");
    let deployed = deployed_paths(&template);
    for path in document["paths"].as_object().expect("paths").keys() {
        let reaches = |route: &String| match route.strip_suffix('*') {
            Some(prefix) => path.len() > prefix.len() && path.starts_with(prefix),
            None => route == path,
        };
        assert!(deployed.iter().any(reaches), "{path} is not in template.yaml: {deployed:?}");
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let (sqlite, postgres) = (entries("migrations/sqlite"), entries("migrations/postgres"));
    assert_eq!(sqlite, postgres);
    for (number, name) in sqlite.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", number + 1)), "{name} leaves a gap");
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (Site::new(Database::Sqlite).await, Site::new(Database::Postgres).await);
    for site in [&sqlite, &postgres] {
        site.run(&["migrate"], "").await.expect(0);
    }
    // Table, column, whether it may be null, and its place in the primary key; the driver's own table is not ours.
    let ours = sqlite
        .sql(
            "SELECT m.name, c.name, CASE c.\"notnull\" WHEN 1 THEN 'NO' ELSE 'YES' END, c.type
            FROM sqlite_master m JOIN pragma_table_info(m.name) c
            WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'
            ORDER BY m.name, c.cid",
        )
        .await;
    let theirs = postgres
        .sql(
            "SELECT table_name, column_name, is_nullable, data_type FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' ORDER BY table_name, ordinal_position",
        )
        .await;
    let translated: Vec<String> = theirs.iter().map(|column| in_sqlite(column)).collect();
    assert_eq!(ours, translated);
    assert!(ours.len() > 40, "{ours:?}");

    let keys = |site: &Site| {
        let indexes = match &site.database {
            None => "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
            Some(_) => {
                "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'
                 AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key' ORDER BY indexname"
            }
        };
        indexes.to_owned()
    };
    let indexes = sqlite.sql(&keys(&sqlite)).await;
    assert_eq!(indexes, postgres.sql(&keys(&postgres)).await);
    assert!(!indexes.is_empty());
}

/// A column of Postgres's catalogue in the words of SQLite's, with the types that stand for each other.
fn in_sqlite(column: &str) -> String {
    let (rest, kind) = column.rsplit_once('|').expect("four columns");
    let kind = match kind {
        "uuid" | "bytea" => "BLOB",
        "text" => "TEXT",
        "bigint" | "boolean" | "timestamp with time zone" => "INTEGER",
        "double precision" => "REAL",
        other => other,
    };
    format!("{rest}|{kind}")
}
