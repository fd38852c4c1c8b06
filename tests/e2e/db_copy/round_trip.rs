//! There and back again is where one was.

use llm_api_storage::Outcome;
use llm_api_testkit::{Database, Server, TempDir, run, target_binary};
use serde_json::json;

use super::{
    ENCRYPTION_KEY, Place, compare, copy, db,
    generator::{Random, fill, rows},
    replace, rounds,
};
use crate::support::{Site, chat, get, sign_in, store_key};

/// Every row of a file as Python reads it, which shares no code with us.
async fn content(place: &Place, dir: &TempDir) -> String {
    const DUMP: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
skip = ('_sqlx_migrations', 'transfer_receipts', 'maintenance', 'throttles')
for (table,) in db.execute('SELECT name FROM sqlite_master WHERE type = \"table\" ORDER BY name').fetchall():
    if table not in skip:
        for row in sorted(map(repr, db.execute(f'SELECT * FROM {table}'))): print(table, row)";
    let file = place.file.as_ref().expect("a file").display().to_string();
    run(std::path::Path::new("python3"), dir.path(), &["-c", DUMP, &file], &[], "").await.expect(0).stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_databases_come_back_as_they_went() {
    let dir = TempDir::new();
    let between = Place::new(Database::Postgres, &dir, "").await;
    let back = Place::file(&dir, "back.db");
    for round in 0..rounds(5) {
        let mut random = Random::new(u64::try_from(round).expect("small") + 1);
        let source = Place::file(&dir, &format!("source-{round}.db"));
        fill(&source, &dir, &rows(&mut random, 9)).await;
        // On later rounds both targets hold what the round before brought.
        assert_eq!(replace(&source, &between).await.expect("there").outcome, Outcome::Copied);
        assert_eq!(replace(&between, &back).await.expect("and back").outcome, Outcome::Copied);
        for (left, right) in [(&source, &between), (&between, &back), (&back, &source)] {
            let comparison = compare(left, right).await;
            assert!(comparison.is_equal(), "round {round}: {comparison:?}");
        }
        assert_eq!(content(&source, &dir).await, content(&back, &dir).await, "round {round}");
        // Like to like.
        let file = Place::file(&dir, "like.db");
        replace(&source, &file).await.expect("a copy of a file");
        assert_eq!(content(&source, &dir).await, content(&file, &dir).await, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_to_postgres_between_schemas_of_one_database() {
    let dir = TempDir::new();
    let source = Place::file(&dir, "source.db");
    fill(&source, &dir, &rows(&mut Random::new(7), 6)).await;
    let made = Place::new(Database::Postgres, &dir, "").await;
    let schema = |name: &str| format!("{}&schema={name}", made.address);
    let (old, new) = (schema("old"), schema("new"));
    for (from, to) in [(source.address.as_str(), old.as_str()), (&old, &new)] {
        db(&dir, &["copy", "--source", from, "--target", to], &[]).await.expect(0);
        let equal = db(&dir, &["verify", "--source", &source.address, "--target", to], &[]).await.expect(0);
        assert!(equal.stdout.starts_with("Equal: "), "{equal:?}");
    }
    let tables = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'users' ORDER BY 1";
    assert_eq!(made.sql(tables).await, ["new", "old"]);
    // One schema under two names is found out by the database itself.
    let again = db(&dir, &["copy", "--source", &new, "--target", &format!("{new}&application_name=x")], &[]).await;
    assert_eq!(again.expect(2).stderr, "llm-api: source and target are the same database\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_service_moves_to_postgres_and_back_with_all_its_people() {
    let site = Site::new(Database::Sqlite).await;
    site.add_user("ada").await;
    let server = site.start().await;
    let ada = sign_in(&server.http(), "ada").await;
    store_key(&server.http(), &ada, "sk-good").await;
    assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);

    // The server runs on: it is only read.
    let postgres = Place::new(Database::Postgres, &site.dir, "").await;
    let args = ["db", "copy", "--source", "configured", "--target", &postgres.address];
    let done = site.run(&args, "").await.expect(0);
    assert!(done.stdout.contains("Every provider key opens (1).") && done.stdout.contains("rows/s"), "{done:?}");
    assert!(done.stdout.contains("Receipt "), "{done:?}");
    assert!(!format!("{done:?}").contains(llm_api_testkit::Cluster::shared().await.password()), "{done:?}");

    let mut envs = site.envs();
    envs.push(("LLM_API_DATABASE_URL", &postgres.address));
    let moved = TempDir::new();
    let mut there = Server::start_in(&target_binary("llm-api"), moved.path(), &envs).await;
    assert_eq!(get(&there.http(), &ada, "/v1/users/me").await.json().await["username"], json!("ada"));
    let again = sign_in(&there.http(), "ada").await;
    assert_eq!(chat(&there.http(), &again, "echo", false).await.status, 200);
    assert!(there.terminate().await.success());

    // And back, with what was written meanwhile.
    let back = Place::file(&site.dir, "back.db");
    copy(&site.dir, &postgres, &back, &[]).await.expect(0);
    let settings = [("LLM_API_DATABASE_URL", back.address.as_str()), ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    let home = Server::start_in(&target_binary("llm-api"), moved.path(), &settings).await;
    assert_eq!(get(&home.http(), &again, "/v1/users/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_encryption_key_stop_the_copy() {
    let mut site = Site::new(Database::Sqlite).await;
    site.add_user("ada").await;
    let server = site.start().await;
    let ada = sign_in(&server.http(), "ada").await;
    store_key(&server.http(), &ada, "sk-good").await;
    site.set("ENCRYPTION_KEY", "Jh8s0RrGz5WqkTn3vYb1uXo7eLm9pAcD2fHiKjNQtE4=");
    let target = Place::file(&site.dir, "target.db");
    let args = ["db", "copy", "--source", "configured", "--target", &target.address];
    let sentence = "the encryption key is not the one that the source was used with";
    let refused = site.run(&args, "").await.expect(78);
    assert!(refused.stderr.starts_with(&format!("llm-api: {sentence}")), "{refused:?}");
    assert!(!target.file.as_ref().expect("a file").exists());
    let archive = site.dir.path().join("backup.archive");
    let refused = site.run(&["backup", "--output", &archive.display().to_string()], "").await.expect(78);
    assert!(refused.stderr.contains(sentence) && !archive.exists(), "{refused:?}");

    // One key among others that does not open is a finding.
    site.set("ENCRYPTION_KEY", llm_api_testkit::ENCRYPTION_KEY);
    site.sql("UPDATE provider_keys SET origin = 'https://elsewhere.example.com'").await;
    let refused = site.run(&args, "").await.expect(1);
    assert!(refused.stderr.starts_with("provider_keys "), "{refused:?}");
    assert!(refused.stderr.contains("does not open with the encryption keys that are set"), "{refused:?}");
    assert!(!target.file.as_ref().expect("a file").exists());
}
