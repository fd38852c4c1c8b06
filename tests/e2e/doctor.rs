//! `llm-api doctor`: what it finds, that it says what to do, and that it changes nothing and gives nothing away.

mod network;
mod tenant;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use llm_api_testkit::{Cluster, ENCRYPTION_KEY, each_db};
use serde_json::Value;

use crate::support::Site;

/// Nothing of these may ever be shown.
const SECRETS: [&str; 5] = [ENCRYPTION_KEY, OTHER_KEY, GOOD_KEY, BAD_KEY, API_KEY];
const OTHER_KEY: &str = "Jh8s0RrGz5WqkTn3vYb1uXo7eLm9pAcD2fHiKjNQtE4=";
const GOOD_KEY: &str = "sk-good-and-secret";
const BAD_KEY: &str = "sk-bad-and-secret";
const API_KEY: &str = "a-static-key-of-more-than-32-letters";

/// What was found, as programs see it.
#[derive(Debug)]
struct Diagnosis(Vec<Value>);

impl Diagnosis {
    /// Runs the doctor, which must end with this code.
    async fn of(site: &Site, code: i32) -> Self {
        Self::with(site, &["doctor", "--json"], code).await
    }

    async fn with(site: &Site, args: &[&str], code: i32) -> Self {
        let done = site.run(args, "").await.expect(code);
        let password = Cluster::shared().await.password();
        for output in [&done.stdout, &done.stderr] {
            for secret in SECRETS.into_iter().chain([password]) {
                assert!(!output.contains(secret), "{secret} in {output}");
            }
        }
        Self(serde_json::from_str(&done.stdout).expect("a list"))
    }

    fn statuses(&self) -> BTreeMap<&str, &str> {
        let text = |finding: &'_ Value, name: &str| finding[name].as_str().map(str::to_owned);
        assert!(
            self.0.iter().all(|finding| text(finding, "detail").is_some_and(|detail| !detail.is_empty())),
            "{self:?}"
        );
        self.0.iter().filter_map(|finding| Some((finding["check"].as_str()?, finding["status"].as_str()?))).collect()
    }

    /// The checks of one status, in their order.
    fn all(&self, status: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|finding| finding["status"] == status)
            .filter_map(|finding| finding["check"].as_str())
            .collect()
    }

    /// Detail and remedy of a check that must have this status.
    #[track_caller]
    fn told(&self, check: &str, status: &str) -> String {
        let found = self.0.iter().find(|finding| finding["check"] == check && finding["status"] == status);
        let found = found.unwrap_or_else(|| panic!("no {status} of {check}: {self:#?}"));
        format!("{} | {}", found["detail"].as_str().unwrap_or_default(), found["remedy"].as_str().unwrap_or_default())
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a file of ours");
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry"));
    let read = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).unwrap_or_default())
    };
    entries.map(read).collect()
}

each_db! {
    async fn a_good_installation_has_no_failure_and_stays_as_it_is(database: Database) {
        let mut site = Site::new(database).await;
        site.set("OPENAI_API_KEY", GOOD_KEY);
        site.set("API_KEY", API_KEY);
        set_mode(site.dir.path(), 0o700);
        let server = site.start().await;

        let beside = Diagnosis::of(&site, 0).await;
        assert_eq!(beside.all("fail").len() + beside.all("skip").len(), 0, "{beside:#?}");
        assert_eq!(beside.all("warn"), ["local-models"], "{beside:#?}");
        assert!(beside.told("local-models", "warn").starts_with("not running: nothing listens at http://127.0.0.1:9 |"));
        assert!(beside.told("provider-openai", "ok").contains("lists 22 models"), "{beside:#?}");
        assert!(beside.told("vault", "ok").contains("the encryption key opens it"));
        let statuses = beside.statuses();
        let own: &[&str] = match site.database {
            Some(_) => &["host", "tcp", "tls", "login", "pooler", "schema", "clock"],
            None => &["file", "lock"],
        };
        let common = ["settings", "encryption-key", "api-key", "data-directory", "invites", "listening-address",
            "database-address", "migrations", "freeze", "database", "disk"];
        for check in own.iter().chain(&common) {
            assert_eq!(statuses.get(check), Some(&"ok"), "{check}: {beside:#?}");
        }
        if site.database.is_none() {
            assert!(beside.told("lock", "ok").contains("a server or another command holds the file"));
            assert!(beside.told("database", "ok").contains("quick_check finds it sound"));
        }
        drop(server);

        // For people: a line each, and the exit code.
        let text = site.run(&["doctor"], "").await.expect(0);
        assert_eq!(text.stderr, "");
        assert_eq!(text.stdout.lines().count(), beside.0.len(), "{}", text.stdout);
        assert!(text.stdout.starts_with("ok   settings: "), "{}", text.stdout);
        assert!(text.stdout.contains("\nwarn local-models: not running"), "{}", text.stdout);
    }

    async fn what_is_not_there_yet_is_not_made(database: Database) {
        let site = Site::new(database).await;
        let before = files(site.dir.path());
        let found = Diagnosis::of(&site, 0).await;
        assert_eq!(found.all("fail").len(), 0, "{found:#?}");
        if site.database.is_none() {
            assert!(found.told("file", "ok").contains("is not there yet: the first start makes it"));
            assert!(found.told("migrations", "skip").contains("there is no database yet"));
        } else {
            assert!(found.told("migrations", "ok").starts_with("no table yet"));
            let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
            assert_eq!(site.sql(made).await, ["0"]);
        }
        assert_eq!(files(site.dir.path()), before);

        // Nor is what is there touched, or anything left beside it.
        site.run(&["migrate"], "").await.expect(0);
        let before = files(site.dir.path());
        Diagnosis::of(&site, 0).await;
        assert_eq!(files(site.dir.path()), before);
    }

    async fn each_state_of_the_migrations_is_told_apart(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        let newest = site.sql("SELECT max(version) FROM _sqlx_migrations").await.remove(0);
        site.sql(&format!("DELETE FROM _sqlx_migrations WHERE version = {newest}")).await;
        let behind = Diagnosis::of(&site, 0).await;
        let told = behind.told("migrations", "warn");
        assert!(told.starts_with(&format!("behind by {newest:0>4} ")) && told.contains("`llm-api migrate`"), "{told}");
        // It never migrates.
        assert_ne!(site.sql("SELECT max(version) FROM _sqlx_migrations").await, [newest]);

        site.sql("INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
            SELECT 9999, 'from the future', installed_on, success, checksum, execution_time \
            FROM _sqlx_migrations WHERE version = 1").await;
        let newer = Diagnosis::of(&site, 1).await;
        assert!(newer.told("migrations", "fail").contains("a newer llm-api"), "{newer:#?}");
        assert_eq!(newer.all("skip"), ["vault", "freeze"]);
    }

    async fn a_wrong_encryption_key_is_told_before_a_start_is_refused(database: Database) {
        let mut site = Site::new(database).await;
        site.add_user("ada").await;
        drop(site.start().await);
        site.set("ENCRYPTION_KEY", OTHER_KEY);
        let wrong = Diagnosis::of(&site, 1).await;
        assert_eq!(wrong.all("fail"), ["vault"]);
        assert!(wrong.told("vault", "fail").contains("is not the one this database was used with"), "{wrong:#?}");
        site.set("ENCRYPTION_KEYS_OLD", ENCRYPTION_KEY);
        let right = Diagnosis::of(&site, 0).await;
        assert!(right.told("vault", "ok").contains("a former key opens it"), "{right:#?}");
        assert!(right.told("encryption-key", "ok").ends_with("and 1 former that only open | "), "{right:#?}");
    }

    async fn a_freeze_is_a_warning(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        site.sql("UPDATE maintenance SET state = 'frozen', reason = 'the move'").await;
        let found = Diagnosis::of(&site, 0).await;
        let told = found.told("freeze", "warn");
        assert!(told.starts_with("the database is frozen (the move)") && told.contains("`llm-api thaw`"), "{told}");
    }

    async fn providers_that_refuse_the_key_or_are_not_there_are_told_apart(database: Database) {
        let mut site = Site::new(database).await;
        let (anthropic, google) = (site.provider.anthropic_base_url(), site.provider.google_base_url());
        site.set("OPENAI_API_KEY", BAD_KEY);
        site.set("ANTHROPIC_API_KEY", GOOD_KEY);
        site.set("ANTHROPIC_BASE_URL", &anthropic);
        site.set("GOOGLE_API_KEY", BAD_KEY);
        site.set("GOOGLE_BASE_URL", &google);
        site.set("GROQ_API_KEY", GOOD_KEY);
        site.set("GROQ_BASE_URL", "http://127.0.0.1:9/v1");
        site.set("AZURE_OPENAI_API_KEY", GOOD_KEY);
        site.set("LOCAL_BASE_URL", &site.provider.base_url());
        let found = Diagnosis::of(&site, 1).await;
        assert_eq!(found.all("fail"), ["provider-openai", "provider-google", "provider-groq"], "{found:#?}");
        let told = found.told("provider-openai", "fail");
        assert!(told.contains("rejected the key (401)") && told.contains("LLM_API_OPENAI_API_KEY is wrong"), "{told}");
        assert!(found.told("provider-google", "fail").contains("LLM_API_GOOGLE_API_KEY"), "{found:#?}");
        assert!(found.told("provider-groq", "fail").contains("connection refused"), "{found:#?}");
        assert!(found.told("provider-anthropic", "ok").contains("models"), "{found:#?}");
        assert!(found.told("provider-azure", "warn").contains("LLM_API_AZURE_OPENAI_ENDPOINT"), "{found:#?}");
        // This server wants a key, and it is not the doctor's business to have one for it.
        assert!(found.told("local-models", "warn").contains("LLM_API_LOCAL_BASE_URL"), "{found:#?}");
    }
}

#[tokio::test]
async fn wrong_settings_are_told_one_by_one() {
    let mut site = Site::new(llm_api_testkit::Database::Sqlite).await;
    site.set("PORT", "many");
    site.set("LOG_LEVEL", "loud");
    site.set("DATABASE_URL", "mysql://app:hunter2@db.example.com/x");
    let done = site.run(&["doctor"], "").await.expect(78);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("fail settings: LLM_API_")).count(), 3, "{lines:#?}");
    assert!(lines.contains(&"skip database: because the settings cannot be read"), "{lines:#?}");
    assert!(!done.stdout.contains("hunter2") && done.stderr == "llm-api: 3 checks failed\n", "{done:?}");
}

#[tokio::test]
async fn weak_and_careless_settings_are_told() {
    let mut site = Site::new(llm_api_testkit::Database::Sqlite).await;
    site.set("API_KEY", "hunter2");
    site.set("ENCRYPTION_KEY", &"ab".repeat(32));
    site.set("INVITE_REQUIRED", "false");
    site.set("HOST", "0.0.0.0");
    site.set("NO_SUCH_SETTING", "1");
    set_mode(site.dir.path(), 0o755);
    let found = Diagnosis::of(&site, 78).await;
    assert_eq!(found.all("fail"), ["encryption-key", "api-key"], "{found:#?}");
    assert!(found.told("encryption-key", "fail").contains("the key repeats itself"), "{found:#?}");
    assert!(found.told("settings", "warn").contains("LLM_API_NO_SUCH_SETTING (environment) is not a setting"));
    assert!(found.told("invites", "warn").contains("LLM_API_INVITE_REQUIRED=true"));
    assert!(found.told("listening-address", "warn").contains("LLM_API_TRUSTED_PROXIES"));
    assert!(found.told("data-directory", "warn").contains("chmod 700"));
    assert!(!format!("{found:?}").contains("hunter2"));

    // Before a start moves its address aside, a password that is no part of one is told apart from a bad host.
    let mut site = Site::new(llm_api_testkit::Database::Sqlite).await;
    site.set("DATABASE_URL", "postgres://app:hun/ter2@db.example.com/x");
    let found = Diagnosis::of(&site, 78).await;
    assert!(found.told("database-address", "fail").contains("/ as %2F"), "{found:#?}");
    assert!(!format!("{found:?}").contains("ter2"), "{found:#?}");
    assert_eq!(found.all("skip"), ["database"]);
}

#[tokio::test]
async fn the_generated_key_file_is_looked_after() {
    let site = Site::with(llm_api_testkit::Database::Sqlite, &[("ENCRYPTION_KEY", "")]).await;
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("encryption-key", "ok").starts_with("there is none yet"), "{found:#?}");
    site.add_user("ada").await;
    drop(site.start().await);
    let key_file = site.dir.path().join("encryption.key");
    let key = std::fs::read_to_string(&key_file).expect("a key");
    set_mode(&key_file, 0o644);
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("encryption-key", "warn").contains("chmod 600"), "{found:#?}");
    assert!(!format!("{found:?}").contains(key.trim_end()), "{found:#?}");

    std::fs::remove_file(&key_file).expect("a file");
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("vault", "fail").contains("restore encryption.key"), "{found:#?}");
    assert!(!key_file.exists(), "a lost key is not replaced");
}

#[tokio::test]
async fn a_file_that_is_damaged_or_not_ours_is_refused() {
    let site = Site::new(llm_api_testkit::Database::Sqlite).await;
    site.add_user("ada").await;
    let file = site.dir.path().join("llm-api.db");
    let mut bytes = std::fs::read(&file).expect("a file");
    // The pages behind the first are tables of ours.
    bytes[8192..12_288].fill(0x5a);
    std::fs::write(&file, &bytes).expect("a file");
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("database", "fail").contains("restore a backup"), "{found:#?}");

    std::fs::write(&file, "this is no database, whatever its name may say").expect("a file");
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("file", "fail").contains("file is not a database"), "{found:#?}");
    assert_eq!(found.all("skip"), ["migrations", "vault", "freeze", "database"]);

    let legacy = site.dir.path().join("llm_api.db");
    std::fs::remove_file(&file).expect("a file");
    crate::support::sqlite(&legacy, site.dir.path(), "CREATE TABLE users (id TEXT, email TEXT)").await.expect(0);
    let found = Diagnosis::of(&site, 78).await;
    assert!(found.told("file", "fail").contains("`llm-api import"), "{found:#?}");
}
