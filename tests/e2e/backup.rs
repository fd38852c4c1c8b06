//! `backup` and `restore`: made while a server writes, sealed, and brought back whole into either database, or not at all.

mod damage;
mod versions;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use llm_api_testkit::{Database, Finished, Server, TempDir, each_db};
use serde_json::{Value, json};

use crate::support::{Site, chat, get, sign_in, store_key};

/// In every backup, and nowhere to be read in an archive.
const NAME: &str = "ada-of-the-backup";
const KEY: &str = "sk-good";

/// An installation with a user, a key, a session's turn, a usage row and a generated file; and its server.
async fn lived_in(database: Database) -> (Site, Server) {
    let site = Site::with(database, &[("ARTIFACT_INLINE_THRESHOLD_KB", "0")]).await;
    site.add_user(NAME).await;
    let server = site.start().await;
    let http = server.http();
    let ada = sign_in(&http, NAME).await;
    store_key(&http, &ada, KEY).await;
    assert_eq!(chat(&http, &ada, "echo", false).await.status, 200);
    let body = json!({ "modality": "image", "model": "openai:gpt-image-1", "input": { "prompt": "A boat" } });
    let image = http.post("/v1/generate").bearer(&ada).json(body).send().await.json().await;
    assert!(image["output"]["artifacts"][0]["id"].is_string(), "{image}");
    (site, server)
}

/// An empty installation whose users' keys lead to the provider of another.
async fn beside(other: &Site, database: Database) -> Site {
    let mut site = Site::new(database).await;
    let (base_url, origin) = (other.provider.base_url(), other.provider.origin().to_owned());
    site.set("OPENAI_BASE_URL", &base_url);
    site.set("BASE_URL_ALLOW", &origin);
    site
}

/// What `--source` and `--target` of `db verify` take.
fn address(site: &Site) -> String {
    match &site.database {
        Some(database) => database.url.clone(),
        None => format!("sqlite://{}", sqlite_file(site).display()),
    }
}

fn sqlite_file(site: &Site) -> PathBuf {
    site.dir.path().join("llm-api.db")
}

fn name(site: &Site) -> String {
    site.database.as_ref().map_or_else(|| "llm-api.db".to_owned(), |database| database.name.clone())
}

async fn back_up(site: &Site, output: &Path, more: &[&str]) -> Finished {
    let output = output.display().to_string();
    let args: Vec<&str> = ["backup", "--output", &output].into_iter().chain(more.iter().copied()).collect();
    site.run(&args, "").await
}

async fn restore(site: &Site, from: &Path, more: &[&str]) -> Finished {
    let from = from.display().to_string();
    let args: Vec<&str> = ["restore", "--from", &from].into_iter().chain(more.iter().copied()).collect();
    site.run(&args, "").await
}

async fn assert_equal(one: &Site, other: &Site) {
    let args = ["db", "verify", "--source", &address(one), "--target", &address(other)];
    let verified = one.run(&args, "").await.expect(0);
    assert!(verified.stdout.starts_with("Equal: "), "{verified:?}");
}

fn parsed(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).expect("JSON")
}

fn rows_of(report: &Value, table: &str) -> u64 {
    let tables = report["tables"].as_array().expect("tables");
    tables.iter().find(|entry| entry["table"] == table).expect("the table")["rows"].as_u64().expect("a count")
}

/// Every file below a folder, but those that SQLite keeps while a database is open.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.push(path.clone());
            found.extend(files(&path));
        } else if !["db-wal", "db-shm", "lock"].iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn holds(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).expect("a file");
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What of a report must be the same in a backup and in what came back.
fn sums(report: &Value) -> Vec<(String, u64, String)> {
    let tables = report["tables"].as_array().expect("tables");
    let sum = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().expect("text").to_owned();
        (text("table"), entry["rows"].as_u64().expect("a count"), text("sha256"))
    };
    tables.iter().map(sum).collect()
}

/// An old password, an old key and an old file work on a server of what came back.
async fn assert_works(origin: &Site, site: &Site) {
    let server = site.start().await;
    let http = server.http();
    let ada = sign_in(&http, NAME).await;
    assert_eq!(chat(&http, &ada, "echo", false).await.status, 200);
    assert_eq!(origin.provider.last_request().header("authorization"), format!("Bearer {KEY}"));
    let id = if site.database.is_some() { "id::text" } else { "lower(hex(id))" };
    let id = site.sql(&format!("SELECT {id} FROM artifacts")).await.pop().expect("a file");
    let id: uuid::Uuid = id.parse().expect("a UUID");
    let file = get(&http, &ada, &format!("/v1/artifacts/{id}")).await;
    assert_eq!((file.status.as_u16(), file.header("content-type")), (200, "image/png"));
}

each_db! {
    async fn everything_comes_back_in_either_database(database: Database) {
        for source in [Database::Sqlite, Database::Postgres] {
            let (site, mut server) = lived_in(source).await;
            let http = server.http();
            let ada = sign_in(&http, NAME).await;
            let out = TempDir::new();
            let archive = out.path().join("llm-api.archive");
            let before = site.sql("SELECT COUNT(*) FROM requests").await[0].parse::<u64>().expect("a count");
            let writing = async {
                for _ in 0..20 {
                    assert_eq!(chat(&http, &ada, "echo", false).await.status, 200);
                }
            };
            let (made, ()) = tokio::join!(back_up(&site, &archive, &["--json"]), writing);
            let made = parsed(&made.expect(0));
            let held = rows_of(&made, "requests");
            assert!((before..=before + 20).contains(&held), "{before} and then {held}");
            assert_eq!((&made["format"], &made["artifacts"]["files"], &made["artifacts"]["missing"]),
                (&json!("archive"), &json!(1), &json!(0)));
            assert_eq!(files(out.path()), std::slice::from_ref(&archive));
            assert_eq!(fs::metadata(&archive).expect("a file").permissions().mode() & 0o777, 0o600);
            assert!(!holds(&archive, NAME) && !holds(&archive, "sqlite"));
            let own: Vec<PathBuf> = files(site.dir.path());
            assert!(!own.iter().any(|path| path.to_string_lossy().contains("work")), "{own:?}");

            // A look at it, beside the running server.
            let looked = restore(&site, &archive, &["--dry-run", "--json"]).await.expect(0);
            assert_eq!((sums(&parsed(&looked)), &parsed(&looked)["keys_opened"]), (sums(&made), &json!(1)));
            assert_eq!(files(site.dir.path()), own);

            let other = beside(&site, database).await;
            let back = parsed(&restore(&other, &archive, &["--json"]).await.expect(0));
            assert_eq!((sums(&back), &back["outcome"]), (sums(&made), &json!("restored")));
            assert_eq!(back["artifacts"], json!({ "restored": 1, "kept": 0, "replaced": 0, "missing": 0 }));
            let file = files(&other.dir.path().join("artifacts")).pop().expect("a file");
            assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
            let again = parsed(&restore(&other, &archive, &["--json"]).await.expect(0));
            assert_eq!((&again["outcome"], &again["artifacts"]["kept"]), (&json!("already_done"), &json!(1)));
            assert_works(&site, &other).await;

            // A quiet source, as a plain file, in place of what came back before.
            assert!(server.terminate().await.success());
            let plain = out.path().join("llm-api.db");
            back_up(&site, &plain, &[]).await.expect(0);
            assert!(holds(&plain, NAME) && !holds(&plain, KEY));
            assert_eq!(fs::metadata(&plain).expect("a file").permissions().mode() & 0o777, 0o600);
            let target = name(&other);
            let refused = restore(&other, &plain, &[]).await.expect(1);
            assert!(refused.stderr.contains("the target holds data"), "{refused:?}");
            restore(&other, &plain, &["--truncate-target", "--confirm-target", &target]).await.expect(0);
            assert_equal(&site, &other).await;
        }
    }

    async fn a_database_with_data_is_replaced_only_by_its_name(database: Database) {
        let (site, server) = lived_in(database).await;
        let out = TempDir::new();
        let archive = out.path().join("llm-api.archive");
        back_up(&site, &archive, &[]).await.expect(0);
        site.add_user("bob").await;
        if matches!(database, Database::Sqlite) {
            let held = restore(&site, &archive, &["--truncate-target", "--confirm-target", "llm-api.db"]).await.expect(75);
            assert!(held.stderr.contains("another llm-api server holds"), "{held:?}");
        }
        drop(server);
        for (more, code, words) in [
            (&[][..], 1, "the target holds data"),
            (&["--truncate-target"], 2, "confirm it with --confirm-target"),
            (&["--truncate-target", "--confirm-target", "prod"], 2, "the target is not \"prod\""),
        ] {
            let refused = restore(&site, &archive, more).await.expect(code);
            assert!(refused.stderr.contains(words), "{refused:?}");
        }
        let people = "SELECT username FROM users WHERE kind = 'person' ORDER BY id";
        assert_eq!(site.sql(people).await, [NAME, "bob"]);
        // A file that was damaged since is made good, too.
        let file = files(&site.dir.path().join("artifacts")).pop().expect("a file");
        fs::write(&file, "damaged").expect("a file");
        let confirmed = ["--truncate-target", "--confirm-target", &name(&site), "--json"];
        let back = parsed(&restore(&site, &archive, &confirmed).await.expect(0));
        assert_eq!(back["artifacts"], json!({ "restored": 0, "kept": 0, "replaced": 1, "missing": 0 }));
        assert_eq!(site.sql(people).await, [NAME]);
        assert_works(&site, &site).await;
    }

    async fn a_backup_is_complete_or_not_there(database: Database) {
        let (mut site, server) = lived_in(database).await;
        drop(server);
        let out = TempDir::new();
        let archive = out.path().join("llm-api.archive");
        fs::write(&archive, "something else").expect("a file");
        let own = files(site.dir.path());
        let in_the_way = sqlite_file(&site);
        fs::write(out.path().join("file"), "").expect("a file");
        for (output, words) in [
            (archive.clone(), "is there already: name another file, or give --overwrite"),
            (out.path().to_owned(), "it is a folder"),
            (out.path().join("missing/llm-api.archive"), "there is no such folder"),
            (out.path().join("file/llm-api.archive"), "there is no such folder"),
            // Nobody may write there, not even root.
            (PathBuf::from("/proc/llm-api.archive"), "/proc"),
        ] {
            let refused = back_up(&site, &output, &[]).await.expect(1);
            assert!(refused.stderr.contains(words) && refused.stderr.lines().count() == 1, "{refused:?}");
        }
        if matches!(database, Database::Sqlite) {
            let refused = back_up(&site, &in_the_way, &["--overwrite", "--format", "archive"]).await.expect(1);
            assert!(refused.stderr.contains("it is the database itself"), "{refused:?}");
        }
        let refused = back_up(&site, &archive, &["--overwrite"]).await.expect(1);
        assert!(refused.stderr.contains("what is there is no backup, and is not replaced"), "{refused:?}");
        assert_eq!(fs::read_to_string(&archive).expect("a file"), "something else");
        assert_eq!(files(out.path()), [out.path().join("file"), archive.clone()]);
        assert_eq!(files(site.dir.path()), own);

        fs::remove_file(&archive).expect("a file");
        let with = parsed(&back_up(&site, &archive, &["--json"]).await.expect(0));
        let without = back_up(&site, &archive, &["--overwrite", "--without-artifacts", "--json"]).await.expect(0);
        assert_eq!((&parsed(&without)["artifacts"]["files"], &parsed(&without)["artifacts"]["missing"]), (&json!(0), &json!(1)));
        let (with, bytes) = (with["bytes"].as_u64(), fs::metadata(&archive).expect("a file").len());
        assert!(with > Some(bytes), "{with:?} and then {bytes}");

        // What stops it half-way leaves nothing, either.
        let next = out.path().join("next.archive");
        if site.database.is_some() {
            site.set("DATABASE_URL", "postgres://app@127.0.0.1:9/none");
        } else {
            let mut bytes = fs::read(&in_the_way).expect("a file");
            bytes.truncate(bytes.len() / 2);
            fs::write(&in_the_way, bytes).expect("a file");
        }
        let failed = back_up(&site, &next, &[]).await.expect(1);
        assert_eq!(failed.stderr.lines().count(), 1, "{failed:?}");
        assert_eq!(files(out.path()), [out.path().join("file"), archive]);
        assert_eq!(files(site.dir.path()), own);
    }

    async fn a_frozen_database_has_backups_and_comes_back_frozen(database: Database) {
        let (site, server) = lived_in(database).await;
        drop(server);
        site.run(&["freeze", "--reason", "migration"], "").await.expect(0);
        let out = TempDir::new();
        let archive = out.path().join("llm-api.archive");
        back_up(&site, &archive, &[]).await.expect(0);
        let other = beside(&site, database).await;
        let back = restore(&other, &archive, &[]).await.expect(0);
        assert!(back.stdout.contains("frozen, and so this one is: `llm-api thaw`"), "{back:?}");
        assert_equal(&site, &other).await;
        other.run(&["thaw"], "").await.expect(0);
        assert_works(&site, &other).await;
    }
}
