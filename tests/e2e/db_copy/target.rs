//! What a copy may replace in its target, and what it never touches.

use llm_api_storage::Outcome;
use llm_api_testkit::{Database, Server, TempDir, each_db, target_binary};
use serde_json::Value as Json;

use super::{
    ENCRYPTION_KEY, Place, compare, copy, db,
    generator::{Random, fill, rows},
    replace,
};

async fn source(dir: &TempDir, seed: u64) -> Place {
    let place = Place::file(dir, &format!("source-{seed}.db"));
    fill(&place, dir, &rows(&mut Random::new(seed), 6)).await;
    place
}

fn report(json: &str) -> Json {
    serde_json::from_str(json).expect("JSON")
}

each_db! {
    async fn data_is_only_replaced_when_it_is_named(database: Database) {
        let dir = TempDir::new();
        let (first, second) = (source(&dir, 1).await, source(&dir, 2).await);
        let target = Place::new(database, &dir, "target.db").await;
        copy(&dir, &first, &target, &[]).await.expect(0);

        for more in [&[][..], &["--confirm-target", &target.name], &["--dry-run"]] {
            let refused = copy(&dir, &second, &target, more).await.expect(1);
            assert!(refused.stderr.starts_with("llm-api: the target holds data (users: "), "{refused:?}");
            assert!(refused.stderr.contains(&format!("--confirm-target {} ", target.name)), "{refused:?}");
        }
        let unconfirmed = copy(&dir, &second, &target, &["--truncate-target"]).await.expect(2);
        assert!(unconfirmed.stderr.ends_with(&format!("--confirm-target {}\n", target.name)), "{unconfirmed:?}");
        let another = copy(&dir, &second, &target, &["--truncate-target", "--confirm-target", "prod"]).await.expect(2);
        assert!(another.stderr.contains(&format!("is not \"prod\" but \"{}\"", target.name)), "{another:?}");
        assert!(compare(&first, &target).await.is_equal());

        let confirmed = ["--truncate-target", "--confirm-target", &target.name, "--json"];
        let dry = [&confirmed[..], &["--dry-run"]].concat();
        let would = report(&copy(&dir, &second, &target, &dry).await.expect(0).stdout);
        assert_eq!((&would["outcome"], &would["receipt"]), (&"would_copy".into(), &Json::Null));
        assert!(compare(&first, &target).await.is_equal());
        let done = report(&copy(&dir, &second, &target, &confirmed).await.expect(0).stdout);
        assert_eq!((&done["outcome"], &done["replaced"]), (&"copied".into(), &would["replaced"]));
        assert!(compare(&second, &target).await.is_equal());
        // Each copy left its receipt.
        assert_eq!(target.sql("SELECT COUNT(*) FROM transfer_receipts").await, ["2"]);
    }

    async fn a_second_run_says_that_it_is_done(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (source(&dir, 3).await, Place::new(database, &dir, "target.db").await);
        let first = report(&copy(&dir, &source, &target, &["--json"]).await.expect(0).stdout);
        for more in [&["--json"][..], &["--json", "--dry-run"]] {
            let again = report(&copy(&dir, &source, &target, more).await.expect(0).stdout);
            assert_eq!((&again["outcome"], &again["receipt"]), (&"already_done".into(), &first["receipt"]));
        }
        let words = copy(&dir, &source, &target, &[]).await.expect(0).stdout;
        assert!(words.contains("Already done: ") && words.contains(first["receipt"].as_str().expect("an id")), "{words}");
        assert_eq!(target.sql("SELECT COUNT(*) FROM transfer_receipts").await, ["1"]);

        // A target that went on by itself is not done, whatever its receipt says.
        target.sql("SELECT 1;\nUPDATE users SET display_name = 'changed' WHERE username = 'service'").await;
        copy(&dir, &source, &target, &[]).await.expect(1);
        assert_eq!(replace(&source, &target).await.expect("a copy").outcome, Outcome::Copied);
    }

    async fn a_fresh_installation_counts_as_empty(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (source(&dir, 4).await, Place::new(database, &dir, "target.db").await);
        let home = TempDir::new();
        let settings = [("LLM_API_DATABASE_URL", target.address.as_str()), ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
        let mut server = Server::start_in(&target_binary("llm-api"), home.path(), &settings).await;
        assert!(server.stdout().contains("Welcome"), "it made the first invite");
        assert!(server.terminate().await.success());
        assert_eq!(target.sql("SELECT COUNT(*) FROM invite_tokens").await, ["1"]);
        copy(&dir, &source, &target, &[]).await.expect(0);
        assert!(compare(&source, &target).await.is_equal());
    }

    async fn a_dry_run_writes_nothing(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (source(&dir, 5).await, Place::new(database, &dir, "target.db").await);
        let done = copy(&dir, &source, &target, &["--dry-run"]).await.expect(0);
        assert!(done.stdout.contains("Would copy ") && done.stdout.ends_with("Nothing was written.\n"), "{done:?}");
        match &target.file {
            Some(file) => {
                let made = std::fs::read_dir(dir.path()).expect("a folder").flatten();
                let made = made.filter(|entry| entry.file_name().to_string_lossy().starts_with("target"));
                assert_eq!((made.count(), file.exists()), (0, false));
            }
            None => assert!(target.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").await.is_empty()),
        }
    }

    async fn tables_of_other_applications_are_never_touched(database: Database) {
        let dir = TempDir::new();
        let (first, second) = (source(&dir, 6).await, source(&dir, 7).await);
        let target = Place::new(database, &dir, "target.db").await;
        target.sql("SELECT 1;\nCREATE TABLE invoices (id INTEGER PRIMARY KEY, note TEXT)").await;
        target.sql("SELECT 1;\nINSERT INTO invoices VALUES (1, 'theirs')").await;
        copy(&dir, &first, &target, &[]).await.expect(0);
        replace(&second, &target).await.expect("a copy");
        assert_eq!(target.sql("SELECT * FROM invoices").await, ["1|theirs"]);

        // One that would lose what it refers to, even by its own wish.
        let kind = if target.file.is_some() { "BLOB" } else { "UUID" };
        let table = format!("CREATE TABLE badges (owner {kind} REFERENCES users (id) ON DELETE CASCADE)");
        target.sql(&format!("SELECT 1;\n{table}")).await;
        target.sql("SELECT 1;\nINSERT INTO badges SELECT id FROM users WHERE username = 'service'").await;
        let confirmed = ["--truncate-target", "--confirm-target", &target.name];
        let refused = copy(&dir, &first, &target, &confirmed).await.expect(1);
        assert!(refused.stderr.contains("a table of another application (badges) refers to ours"), "{refused:?}");
        assert_eq!(target.sql("SELECT COUNT(*) FROM badges").await, ["1"]);
        assert!(compare(&second, &target).await.is_equal());
    }

    async fn a_source_that_is_behind_is_refused_with_the_command_that_helps(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (Place::new(database, &dir, "source.db").await, Place::file(&dir, "target.db"));
        source.migrate(&dir).await;
        source.sql("SELECT 1;\nDELETE FROM _sqlx_migrations WHERE version > 11").await;
        let refused = copy(&dir, &source, &target, &[]).await.expect(78);
        assert!(refused.stderr.starts_with("llm-api: source: the database is behind this llm-api"), "{refused:?}");
        assert!(refused.stderr.contains(" llm-api migrate` first"), "{refused:?}");
        assert!(!target.file.as_ref().expect("a file").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_are_made_as_they_were() {
    let dir = TempDir::new();
    let (source, target) = (source(&dir, 10).await, Place::new(Database::Postgres, &dir, "").await);
    target.migrate(&dir).await;
    let constraints = "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2";
    let before = target.sql(constraints).await;
    copy(&dir, &source, &target, &[]).await.expect(0);
    assert_eq!(target.sql(constraints).await, before);
    assert!(before.iter().filter(|line| line.contains("FOREIGN KEY")).count() > 10, "{before:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_server_on_it_is_no_target() {
    let dir = TempDir::new();
    let (source, target) = (source(&dir, 8).await, Place::file(&dir, "target.db"));
    let settings = [("LLM_API_DATABASE_URL", target.address.as_str()), ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    let mut server = Server::start_in(&target_binary("llm-api"), dir.path(), &settings).await;
    for more in [&[][..], &["--dry-run"], &["--truncate-target", "--confirm-target", "target.db"]] {
        let refused = copy(&dir, &source, &target, more).await.expect(75);
        assert!(refused.stderr.starts_with("llm-api: target: another llm-api server holds "), "{refused:?}");
    }
    assert!(server.terminate().await.success());
    copy(&dir, &source, &target, &[]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_cannot_be_meant_are_refused() {
    let dir = TempDir::new();
    let source = source(&dir, 9).await;
    let refused = async |from: &str, to: &str, code: i32| {
        db(&dir, &["copy", "--source", from, "--target", to], &[]).await.expect(code).stderr
    };
    let here = &source.address;
    assert_eq!(refused(here, here, 2).await, "llm-api: source and target are the same database\n");
    assert_eq!(refused(here, "sqlite:source-9.db", 2).await, "llm-api: source and target are the same database\n");
    let scheme = refused(here, "mysql://me:hunter2@h/x", 2).await;
    assert!(scheme.starts_with("llm-api: --target: unknown scheme") && !scheme.contains("hunter2"), "{scheme}");
    let injected = refused(here, "postgres://me:hunter2@localhost/x?schema=Robert'); --", 2).await;
    assert!(injected.contains("the schema may hold a-z, 0-9 and _") && !injected.contains("hunter2"), "{injected}");
    let old = Place::file(&dir, "llm_api.db");
    old.sql("SELECT 1;\nCREATE TABLE users (id VARCHAR(36) PRIMARY KEY, email VARCHAR(255))").await;
    let bytes = || std::fs::read(old.file.as_ref().expect("a file")).expect("a file");
    let before = bytes();
    for (from, to, side) in [(&old.address, here, "source"), (here, &old.address, "target")] {
        let sentence = refused(from, to, 78).await;
        assert!(sentence.starts_with(&format!("llm-api: {side}: ")), "{sentence}");
        assert!(
            sentence.contains("is a database of the Python service") && sentence.contains("`llm-api import"),
            "{sentence}"
        );
    }
    assert_eq!(bytes(), before);
    let missing = refused("sqlite:nothing.db", here, 78).await;
    assert!(missing.starts_with("llm-api: source: cannot use ") && missing.contains("nothing.db"), "{missing}");
    assert!(!dir.path().join("nothing.db").exists());
}
