//! What cannot work is refused at once: one sentence, an exit code for scripts, and no secret.

use std::time::{Duration, Instant};

use llm_api_testkit::{Cluster, Database, ENCRYPTION_KEY, each_db, run, target_binary};

use crate::support::{PASSWORD, Site, sign_in, sqlite, store_key};

/// Another key that is as good as the site's.
const OTHER_KEY: &str = "Jh8s0RrGz5WqkTn3vYb1uXo7eLm9pAcD2fHiKjNQtE4=";

/// Starts a server that must end by itself within two seconds; its one sentence.
async fn refused(site: &Site, code: i32) -> String {
    refused_on("0", site, code).await
}

async fn refused_on(port: &str, site: &Site, code: i32) -> String {
    // Not among the site's settings: a server that does start chooses its own.
    let envs: Vec<_> = [("LLM_API_PORT", port)].into_iter().chain(site.envs()).collect();
    let begun = Instant::now();
    let ended = run(&target_binary("llm-api"), site.dir.path(), &["serve"], &envs, "").await.expect(code);
    assert!(begun.elapsed() < Duration::from_secs(2), "after {:?}", begun.elapsed());
    assert_eq!(ended.stdout, "");
    let sentence = ended.stderr.strip_prefix("llm-api: ").expect("a sentence").trim_end().to_owned();
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    sentence
}

/// The same, with settings that are wrong on top of good ones.
async fn refused_with(database: Database, settings: &[(&str, &str)]) -> String {
    let mut site = Site::new(database).await;
    for (name, value) in settings {
        site.set(name, value);
    }
    refused(&site, 78).await
}

#[tokio::test]
async fn a_wrong_setting_is_named_with_its_value_unless_it_is_secret() {
    let sqlite = Database::Sqlite;
    assert_eq!(
        refused_with(sqlite, &[("PORT", "abc")]).await,
        "LLM_API_PORT (environment) must be a whole number from 0 to 65535, not `abc`"
    );
    assert_eq!(
        refused_with(sqlite, &[("DATABASE_URL", "mysql://app:hunter2@db.example.com/x")]).await,
        "LLM_API_DATABASE_URL (environment) must begin with postgres://, postgresql:// or postgresql+psycopg://, \
         or sqlite: for a file"
    );
    let sentence = refused_with(sqlite, &[("DATABASE_URL", "postgres://app:hun/ter2@db.example.com/x")]).await;
    assert!(sentence.contains("/ as %2F") && !sentence.contains("ter2"), "{sentence}");
}

#[tokio::test]
async fn a_weak_encryption_key_is_refused() {
    let a_to_z = "abcdefghijklmnopqrstuvwxyz012345";
    for (key, reason) in [
        ("hunter2", "the key is not 32 bytes in base64, base64url or hex"),
        (a_to_z, "the key is not 32 bytes in base64, base64url or hex"),
        ("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=", "the key is printable text, not random bytes"),
        (&"ab".repeat(32), "the key repeats itself, it is not random"),
    ] {
        let sentence = refused_with(Database::Sqlite, &[("ENCRYPTION_KEY", key)]).await;
        assert_eq!(sentence, format!("LLM_API_ENCRYPTION_KEY: {reason}"));
    }
    let sentence = refused_with(Database::Sqlite, &[("API_KEY", ENCRYPTION_KEY)]).await;
    assert_eq!(sentence, "LLM_API_ENCRYPTION_KEY must not be the same as LLM_API_API_KEY");
}

#[tokio::test]
async fn postgres_without_an_encryption_key_is_refused() {
    assert_eq!(
        refused_with(Database::Postgres, &[("ENCRYPTION_KEY", "")]).await,
        "LLM_API_ENCRYPTION_KEY must be set with Postgres; `llm-api keys generate` prints one"
    );
}

each_db! {
    async fn a_database_of_another_key_is_refused(database: Database) {
        let mut site = Site::new(database).await;
        site.add_user("ada").await;
        let mut server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &ada, "sk-good").await;
        server.terminate().await;

        site.set("ENCRYPTION_KEY", OTHER_KEY);
        let sentence = refused(&site, 78).await;
        assert!(sentence.starts_with("the encryption key is not the one this database was used with"), "{sentence}");
        assert!(!sentence.contains(OTHER_KEY) && !sentence.contains(ENCRYPTION_KEY), "{sentence}");
        // Commands that open the vault say the same, and change nothing.
        for command in [&["keys", "verify"][..], &["keys", "rotate"], &["keys", "rotate", "--dry-run"]] {
            assert_eq!(site.run(command, "").await.expect(78).stderr, format!("llm-api: {sentence}\n"), "{command:?}");
        }
        assert_eq!(site.sql("SELECT COUNT(*) FROM vault_canaries").await, ["1"]);

        // The remedy that it names.
        site.set("ENCRYPTION_KEYS_OLD", ENCRYPTION_KEY);
        site.start().await;
    }

    async fn a_newer_database_is_refused(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        site.sql("INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
            SELECT 9999, 'from the future', installed_on, success, checksum, execution_time \
            FROM _sqlx_migrations WHERE version = 1").await;
        assert_eq!(
            refused(&site, 78).await,
            "the database was written by a newer llm-api (migration 9999): install that version, or restore a backup"
        );
        let command = site.run(&["invite", "create"], "").await.expect(78);
        assert_eq!(command.stdout, "");
    }

    async fn a_port_in_use_is_named(database: Database) {
        let site = Site::new(database).await;
        let server = site.start().await;
        let port = server.base_url().rsplit(':').next().expect("a port").to_owned();
        let other = Site::new(database).await;
        assert_eq!(
            refused_on(&port, &other, 1).await,
            format!("port {port} on 127.0.0.1 is in use: set LLM_API_PORT to another one, or stop its owner")
        );
    }
}

#[tokio::test]
async fn a_second_server_on_one_sqlite_file_leaves_the_first_alone() {
    let site = Site::new(Database::Sqlite).await;
    site.add_user("ada").await;
    let server = site.start().await;
    let file = site.dir.path().join("llm-api.db").display().to_string();
    assert_eq!(
        refused(&site, 75).await,
        format!("another llm-api server holds {file}: stop it first, or give this one its own LLM_API_DATA_DIR")
    );
    sign_in(&server.http(), "ada").await;
}

#[tokio::test]
async fn a_replaced_key_file_is_noticed() {
    let mut site = Site::with(Database::Sqlite, &[("ENCRYPTION_KEY", "")]).await;
    site.run(&["user", "create", "--username", "ada", "--password-stdin"], PASSWORD).await.expect(0);
    site.start().await.terminate().await;
    let key_file = site.dir.path().join("encryption.key");
    let first = std::fs::read_to_string(&key_file).expect("a key");

    std::fs::write(&key_file, OTHER_KEY).expect("a file");
    let sentence = refused(&site, 78).await;
    assert!(sentence.contains("encryption.key") && !sentence.contains(OTHER_KEY), "{sentence}");
    std::fs::write(&key_file, "hunter2").expect("a file");
    let sentence = refused(&site, 78).await;
    assert!(sentence.contains("cannot be used") && !sentence.contains("hunter2"), "{sentence}");

    // A lost file is not replaced by a new key as long as there is data under the old one.
    std::fs::remove_file(&key_file).expect("a file");
    let remedy = "is missing, and this database needs it: restore it from your backup, or set LLM_API_ENCRYPTION_KEY";
    let sentence = refused(&site, 78).await;
    assert_eq!(sentence, format!("{} {remedy}", key_file.display()));
    for command in ["verify", "rotate"] {
        let refused = site.run(&["keys", command], "").await.expect(78);
        assert_eq!(refused.stderr, format!("llm-api: {sentence}\n"));
    }
    assert!(!key_file.exists());
    site.set("ENCRYPTION_KEY", first.trim_end());
    site.start().await;
}

#[tokio::test]
async fn the_python_services_file_is_never_opened_for_writing() {
    let mut site = Site::new(Database::Sqlite).await;
    let file = site.dir.path().join("llm_api.db");
    let users = "CREATE TABLE users (id VARCHAR(36) NOT NULL PRIMARY KEY, email VARCHAR(255) NOT NULL UNIQUE, \
        password_hash VARCHAR(255) NOT NULL, is_active BOOLEAN NOT NULL, is_admin BOOLEAN NOT NULL, \
        display_name VARCHAR(255), preferred_model VARCHAR(255), preferences JSON, created_at DATETIME NOT NULL, \
        last_login_at DATETIME)";
    sqlite(&file, site.dir.path(), users).await.expect(0);
    let before = std::fs::read(&file).expect("a file");
    let refusal = async |site: &Site| {
        let sentence = refused(site, 78).await;
        assert!(sentence.starts_with(&format!("{} is a database of the Python service", file.display())), "{sentence}");
        assert!(sentence.contains("never opened for writing") && sentence.contains("`llm-api import"), "{sentence}");
    };
    refusal(&site).await;
    assert!(!site.dir.path().join("llm-api.db").exists());

    // Nor when it is named as our own.
    site.set("DATABASE_URL", &format!("sqlite://{}", file.display()));
    refusal(&site).await;
    assert_eq!(std::fs::read(&file).expect("a file"), before);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_failure_and_no_mistake() {
    let cluster = Cluster::shared().await;
    let mut site = Site::new(Database::Postgres).await;
    let url = cluster.url("nothing_of_this_name", llm_api_testkit::Tls::Off);
    site.set("DATABASE_URL", &url);
    assert_eq!(refused(&site, 1).await, "cannot connect to the database: there is no such database");
    site.set("DATABASE_URL", &url.replace(cluster.password(), "hunter2"));
    assert_eq!(refused(&site, 1).await, "cannot connect to the database: the user name or the password is wrong");
}
