//! Rows that hands and bugs left behind: each is told with table, id and column, and nothing is written.

use std::collections::BTreeSet;

use llm_api_testkit::{Cluster, Database, TempDir, run};
use serde_json::Value as Json;

use super::{ENCRYPTION_KEY, Place, db};

/// What keeps such rows out of a new file: strict types, required columns. Old files and hands know ways around it.
const BEND: &str = "PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(replace(replace(sql, 'STRICT, ', ''), ') STRICT', ')'), 'NOT NULL', '')
    WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND sql NOT LIKE '%WITHOUT ROWID%';
SELECT 1;
";

/// The id that a number stands for.
fn id(number: u32) -> String {
    format!("00000000-0000-7000-8000-{number:012x}")
}

fn hex(number: u32) -> String {
    id(number).replace('-', "")
}

/// A user with one column as given.
fn user(number: u32, column: &str, value: &str, is_sqlite: bool) -> String {
    let (id, yes, time) = match is_sqlite {
        true => (format!("X'{}'", hex(number)), "1", "0"),
        false => (format!("'{}'", id(number)), "TRUE", "'epoch'"),
    };
    let mut columns = vec![
        ("id", id),
        ("username", format!("'user {number}'")),
        ("kind", "'person'".to_owned()),
        ("preferences", "'{}'".to_owned()),
        ("is_admin", yes.to_owned()),
        ("is_active", yes.to_owned()),
        ("created_at", time.to_owned()),
    ];
    columns.retain(|(name, _)| *name != column);
    columns.push((column, value.to_owned()));
    let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    format!("INSERT INTO users ({}) VALUES ({});\n", names.join(", "), values.join(", "))
}

type Expected = BTreeSet<(String, String, String, String)>;

fn expect(expected: &mut Expected, table: &str, id: &str, column: &str, reason: &str) {
    expected.insert((table.to_owned(), id.to_owned(), column.to_owned(), reason.to_owned()));
}

fn found(list: &Json) -> Expected {
    let field = |finding: &Json, name: &str| finding[name].as_str().expect(name).to_owned();
    let list = list.as_array().expect("a list").iter();
    list.map(|finding| {
        let reason = field(finding, "reason").split(':').next().unwrap_or_default().to_owned();
        (field(finding, "table"), field(finding, "id"), field(finding, "column"), reason)
    })
    .collect()
}

/// Rows of other tables, each with something wrong: statement, table, number, column, reason.
const OTHERS: [(&str, &str, u32, &str, &str); 11] = [
    ("user_tokens (id, user_id, kind, token_hash, scopes, created_at) VALUES (ID, SERVICE, 'login', 5, '[]', 0)",
        "user_tokens", 101, "token_hash", "is an integer"),
    ("user_tokens (id, user_id, kind, token_hash, scopes, created_at) VALUES (ID, SERVICE, 'login', 'x', '[]', 0)",
        "user_tokens", 102, "token_hash", "is text"),
    ("user_tokens (id, user_id, kind, token_hash, scopes, created_at) VALUES (ID, SERVICE, 'login', X'01', '[]', 'now')",
        "user_tokens", 103, "created_at", "is text"),
    ("user_tokens (id, user_id, kind, token_hash, scopes, created_at) VALUES (ID, SERVICE, 'login', X'02', '[]', 1.5)",
        "user_tokens", 104, "created_at", "is a floating-point number"),
    ("user_tokens (id, user_id, kind, token_hash, scopes, created_at) VALUES (ID, ID, 'login', X'03', '[]', 0)",
        "user_tokens", 105, "user_id", "names a row of users that is not there"),
    ("user_tokens (id, user_id, kind, token_hash, scopes, created_at) VALUES (ID, SERVICE, 'login', X'04', '[', 0)",
        "user_tokens", 106, "scopes", "is no JSON"),
    ("invite_tokens (id, token_hash, grants_admin, max_uses, uses, created_at, expires_at) VALUES (ID, X'05', 0, 1, 2, 0, 0)",
        "invite_tokens", 107, "uses", "is greater than max_uses"),
    ("provider_keys (id, user_id, provider, credential_type, origin, sealed, masked_key, status, created_at, updated_at)
      VALUES (ID, SERVICE, 'openai', 'api_key', 'https://a', X'01', '…', 'valid', 0, 0)",
        "provider_keys", 108, "sealed", "is no envelope of the vault"),
    ("provider_keys (id, user_id, provider, credential_type, origin, sealed, masked_key, status, created_at, updated_at)
      VALUES (ID, SERVICE, 'groq', 'api_key', 'https://a', CAST(X'01' || zeroblob(99) AS BLOB), '…', 'valid', 0, 0)",
        "provider_keys", 109, "sealed", "does not open with the encryption keys that are set"),
    ("exchanges (id, session_id, user_id, sequence, request_id, modality, provider, model, status, created_at)
      VALUES (ID, ID, SERVICE, 1, ID, 'text', 'openai', 'm', 'completed', 0)",
        "exchanges", 110, "session_id", "names a row of sessions that is not there"),
    ("download_jobs (id, user_id, model, status, progress_pct, created_at) VALUES (ID, SERVICE, 'm', 'failed', 'half', 0)",
        "download_jobs", 111, "progress_pct", "is text"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_poisoned_row_in_a_file_is_told_and_nothing_is_written() {
    let dir = TempDir::new();
    let source = Place::file(&dir, "source.db");
    source.migrate(&dir).await;
    source.sql(BEND).await;

    let (mut statements, mut expected) = (String::new(), Expected::new());
    for (number, (column, value, reason)) in [
        ("display_name", "'a' || char(0) || 'b'", "holds U+0000"),
        ("display_name", "CAST(X'61ff62' AS TEXT)", "is not UTF-8"),
        ("password_hash", "X'0102'", "is a blob"),
        ("preferences", "'{\"a\":'", "is no JSON"),
        ("is_admin", "2", "is neither 0 nor 1"),
        ("created_at", "9000000000000000000", "is a time outside the years 1 to 9999"),
        ("created_at", "-9223372036854775807", "is no time"),
        ("username", "NULL", "is missing"),
        ("kind", "'robot'", "is none of person, service"),
        ("username", "printf('%03000d', 1)", "has 3000 bytes, 2600 fit into an index"),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u32::try_from(number).expect("small") + 11;
        statements.push_str(&user(number, column, value, true));
        expect(&mut expected, "users", &id(number), column, reason);
    }
    statements.push_str(&user(30, "id", "X'0a0b0c'", true));
    expect(&mut expected, "users", "0a0b0c", "id", "has 3 bytes, an id has 16");
    for (insert, table, number, column, reason) in OTHERS {
        let row = insert.replace("ID,", &format!("X'{}',", hex(number))).replace("SERVICE", &format!("X'{}'", hex(1)));
        statements.extend(["INSERT INTO ", &row, ";\n"]);
        expect(&mut expected, table, &id(number), column, reason);
    }
    statements.push_str("SELECT 1;\n");
    source.sql(&statements).await;
    assert_eq!(expected.len(), 22);

    let before = std::fs::read(source.file.as_ref().expect("a file")).expect("a file");
    for target in [Place::file(&dir, "target.db"), Place::new(Database::Postgres, &dir, "").await] {
        let args = ["copy", "--source", &source.address, "--target", &target.address, "--json"];
        let key = [("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
        let refused = db(&dir, &args, &key).await.expect(1);
        let report: Json = serde_json::from_str(&refused.stdout).expect("JSON");
        assert_eq!(found(&report["findings"]), expected);
        assert_eq!(
            refused.stderr,
            "llm-api: the source holds what cannot be copied as it is (findings: 22); nothing was written\n"
        );
        // For people: one line each.
        let words = db(&dir, &args[..5], &key).await.expect(1).stderr;
        assert!(words.contains(&format!("users {}: display_name holds U+0000\n", id(11))), "{words}");
        assert_eq!(words.lines().count(), 23);
        match &target.file {
            Some(file) => assert!(!file.exists()),
            None => assert!(target.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await.is_empty()),
        }
    }
    assert_eq!(std::fs::read(source.file.as_ref().expect("a file")).expect("a file"), before, "only read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_takes_and_should_not_is_told_as_well() {
    let dir = TempDir::new();
    let source = Place::new(Database::Postgres, &dir, "").await;
    source.migrate(&dir).await;
    let (mut statements, mut expected) = (String::from("SET session_replication_role = replica;\n"), Expected::new());
    for (number, (column, value, reason)) in [
        ("created_at", "'infinity'", "is a time outside the years 1 to 9999"),
        ("last_login_at", "'-infinity'", "is a time outside the years 1 to 9999"),
        ("created_at", "'4000-01-01 BC'", "is a time outside the years 1 to 9999"),
        ("preferences", "'{'", "is no JSON"),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u32::try_from(number).expect("small") + 11;
        statements.push_str(&user(number, column, value, false));
        expect(&mut expected, "users", &id(number), column, reason);
    }
    let job = format!(
        "INSERT INTO download_jobs (id, user_id, model, status, progress_pct, created_at)
         VALUES ('{}', '{}', 'm', 'failed', 'NaN', 'epoch');\n",
        id(20),
        id(21)
    );
    statements.push_str(&job);
    expect(&mut expected, "download_jobs", &id(20), "progress_pct", "is not a finite number");
    expect(&mut expected, "download_jobs", &id(20), "user_id", "names a row of users that is not there");
    // Only a superuser can pass by the foreign keys.
    let url = Cluster::shared().await.admin_url(&source.name);
    run(std::path::Path::new("psql"), dir.path(), &["-qX", "-v", "ON_ERROR_STOP=1", &url], &[], &statements)
        .await
        .expect(0);

    let target = Place::file(&dir, "target.db");
    let args = ["copy", "--source", &source.address, "--target", &target.address, "--json"];
    let refused = db(&dir, &args, &[]).await.expect(1);
    let report: Json = serde_json::from_str(&refused.stdout).expect("JSON");
    assert_eq!(found(&report["findings"]), expected);
    assert!(!target.file.as_ref().expect("a file").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_differ_by_case_alone_are_a_warning() {
    let dir = TempDir::new();
    let (source, target) = (Place::file(&dir, "source.db"), Place::file(&dir, "target.db"));
    source.migrate(&dir).await;
    let names =
        ["'Ärger'", "'ärger'"].map(|name| user(if name.contains('Ä') { 11 } else { 12 }, "username", name, true));
    source.sql(&format!("{}SELECT 1;\n", names.concat())).await;
    let done = super::copy(&dir, &source, &target, &["--json"]).await.expect(0);
    let report: Json = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(report["outcome"], "copied");
    let mut expected = Expected::new();
    expect(&mut expected, "users", &id(12), "username", &format!("differs from the name of {} by case alone", id(11)));
    assert_eq!(found(&report["warnings"]), expected);
}
