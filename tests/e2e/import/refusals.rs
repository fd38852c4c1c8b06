//! What cannot be an import, and the way to it from a server that does not start.

use llm_api_testkit::{Database, Server, each_db, target_binary};

use super::{Old, log_in};
use crate::support::Site;

#[tokio::test]
async fn a_running_server_keeps_its_file_to_itself() {
    let old = Old::new(Database::Sqlite, "old").await;
    let server = old.site.start().await;
    for more in [&[][..], &["--dry-run"]] {
        let refused = old.import(more).await.expect(75);
        assert!(refused.stderr.contains("another llm-api server holds"), "{refused:?}");
    }
    assert_eq!(old.site.sql("SELECT username FROM users").await, ["service"]);
    drop(server);
    old.report(&[]).await;
}

each_db! {
    async fn the_wrong_encryption_key_is_refused_as_at_a_start(database: Database) {
        let mut old = Old::new(database, "old").await;
        old.site.start().await.terminate().await;
        old.site.set("ENCRYPTION_KEY", "Jh8s0RrGz5WqkTn3vYb1uXo7eLm9pAcD2fHiKjNQtE4=");
        for more in [&[][..], &["--dry-run"]] {
            let refused = old.import(more).await.expect(78);
            let sentence = "llm-api: the encryption key is not the one this database was used with: set";
            assert!(refused.stderr.starts_with(sentence), "{refused:?}");
        }
        assert_eq!(old.site.sql("SELECT username FROM users").await, ["service"]);
    }
}

#[tokio::test]
async fn what_cannot_be_an_import_is_refused_in_a_sentence() {
    let old = Old::new(Database::Sqlite, "old").await;
    let folder = old.site.dir.path();
    let path = |name: &str| folder.join(name).display().to_string();
    for (name, text) in
        [("empty", ""), ("text", "no database, but longer than a header of one is"), ("short.key", "AAEC")]
    {
        std::fs::write(path(name), text).expect("a file");
    }
    let passphrase = old.passphrase.display().to_string();
    let source = old.file.display().to_string();
    for (args, code, reason) in [
        (vec!["--source", &source], 2, "--legacy-passphrase-file <FILE>"),
        (
            vec!["--source", &source, "--legacy-passphrase-file", &passphrase, "--legacy-key-file", &passphrase],
            2,
            "cannot be used with",
        ),
        (vec!["--source", &source, "--legacy-passphrase-file", &path("gone")], 1, "cannot read"),
        (vec!["--source", &source, "--legacy-passphrase-file", &path("empty")], 2, "is empty"),
        (vec!["--source", &source, "--legacy-key-file", &path("short.key")], 2, "no Fernet key"),
        (vec!["--source", &source, "--legacy-passphrase-file", &passphrase, "--report", &source], 2, "the same file"),
        (vec!["--source", &path("gone"), "--legacy-passphrase-file", &passphrase], 1, "cannot read"),
        (vec!["--source", &path("text"), "--legacy-passphrase-file", &passphrase], 1, "cannot be read as a database"),
        (vec!["--source", &path("empty"), "--legacy-passphrase-file", &passphrase], 1, "it has no table users"),
    ] {
        let refused = old.site.run(&[vec!["import"], args].concat(), "").await.expect(code);
        assert!(refused.stderr.contains(reason) && refused.stdout.is_empty(), "{refused:?}");
    }
    assert!(!folder.join("llm-api.db").exists(), "nothing was begun");

    // A journal holds changes that are not in the file.
    let journal = format!("{source}-wal");
    std::fs::write(&journal, "changes").expect("a file");
    let refused = old.import(&[]).await.expect(1);
    assert!(refused.stderr.contains(&journal) && refused.stderr.contains("the old service still runs"), "{refused:?}");
    std::fs::remove_file(&journal).expect("a file");

    // Ours is not theirs.
    old.report(&[]).await;
    let ours = path("llm-api.db");
    let refused =
        old.site.run(&["import", "--source", &ours, "--legacy-passphrase-file", &passphrase], "").await.expect(1);
    assert!(refused.stderr.contains("it is one of llm-api"), "{refused:?}");
}

#[tokio::test]
async fn the_refusal_to_start_names_the_command_that_helps() {
    let site = Site::new(Database::Sqlite).await;
    let key_file = site.dir.path().join("old/.llm_api_enc.key");
    let mut old = Old::made(site, "old", &key_file.display().to_string()).await;
    let folder = old.file.parent().expect("a folder").display().to_string();
    old.site.set("DATA_DIR", &folder);
    let refused = old.site.run(&["serve"], "").await.expect(78);
    let (_, command) = refused.stderr.split_once("`llm-api ").expect("a command");
    let (command, _) = command.split_once('`').expect("its end");
    assert_eq!(command, format!("import --source {} --legacy-key-file {}", old.file.display(), key_file.display()));

    // Word by word, with the same settings.
    let before = std::fs::read(&old.file).expect("a file");
    old.site.run(&command.split(' ').collect::<Vec<_>>(), "").await.expect(0);
    assert_eq!(std::fs::read(&old.file).expect("a file"), before);
    let mut envs = old.site.envs();
    envs.retain(|(name, _)| *name != "LLM_API_DATA_DIR");
    let server = Server::start_in(&target_binary("llm-api"), folder.as_ref(), &envs).await;
    assert_eq!(log_in(&server.http(), "ada", "short").await.0, 200);
}

#[tokio::test]
async fn a_schema_of_its_own_is_made_by_the_import_and_not_by_its_dry_run() {
    let site = Site::with(Database::Postgres, &[("DATABASE_SCHEMA", "llm_api")]).await;
    let old = Old::made(site, "old", super::PASSPHRASE).await;
    // Another application's table of the same name.
    old.site.sql("CREATE TABLE users (id INTEGER); INSERT INTO users VALUES (7)").await;
    assert_eq!(old.report(&["--dry-run"]).await["tables"]["users"]["imported"], 2);
    assert_eq!(old.site.sql("SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'llm_api'").await, ["0"]);
    assert_eq!(old.report(&[]).await["tables"]["users"]["imported"], 2);
    let names = old.site.sql("SELECT username FROM llm_api.users ORDER BY username").await;
    assert_eq!(names, ["ada", "grace", "service"]);
    assert_eq!(old.site.sql("SELECT id FROM users").await, ["7"]);
}
