//! Files that are no backup, or one no more: each is told for what it is, and nothing comes of it.

use std::{fs, path::Path};

use llm_api_testkit::{Database, TempDir};
use serde_json::json;

use super::{back_up, files, lived_in, parsed, restore};
use crate::support::{Site, sqlite};

const OTHER_KEY: &str = "9bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1312d6e503ae7c4b7";

/// Neither a look nor a restore takes it, and an empty installation stays empty.
async fn assert_refused(site: &Site, from: &Path, code: i32, words: &str) {
    for more in [&["--dry-run"][..], &[]] {
        let refused = restore(site, from, more).await.expect(code);
        assert!(refused.stderr.contains(words) && refused.stderr.lines().count() == 1, "{words}: {refused:?}");
        assert_eq!(files(site.dir.path()), Vec::<std::path::PathBuf>::new(), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_was_changed_anywhere_brings_nothing_back() {
    let (site, server) = lived_in(Database::Sqlite).await;
    drop(server);
    let out = TempDir::new();
    let archive = out.path().join("llm-api.archive");
    back_up(&site, &archive, &[]).await.expect(0);
    let good = fs::read(&archive).expect("a file");
    let empty = Site::new(Database::Sqlite).await;
    let damaged = out.path().join("damaged.archive");
    let write = |bytes: &[u8]| fs::write(&damaged, bytes).expect("a file");
    for cut in [good.len() - 1, good.len() / 2, 100, 50] {
        write(&good[..cut]);
        assert_refused(&empty, &damaged, 1, "is damaged or cut short: use another backup").await;
    }
    for place in [20, 60, 200, good.len() / 3, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[place] ^= 4;
        write(&bytes);
        assert_refused(&empty, &damaged, 1, "is damaged or cut short").await;
    }
    write(&[&good[..], b"more"].concat());
    assert_refused(&empty, &damaged, 1, "is damaged or cut short").await;
    let mut newer = good.clone();
    newer[8] = 2;
    write(&newer);
    assert_refused(&empty, &damaged, 78, "sealed by a newer llm-api (format 2): install that version first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_needs_its_key() {
    let (site, server) = lived_in(Database::Sqlite).await;
    drop(server);
    let out = TempDir::new();
    let archive = out.path().join("llm-api.archive");
    let made = parsed(&back_up(&site, &archive, &["--json"]).await.expect(0));
    let id = made["key_id"].as_str().expect("an id");

    let mut other = Site::new(Database::Sqlite).await;
    other.set("ENCRYPTION_KEY", OTHER_KEY);
    assert_refused(
        &other,
        &archive,
        78,
        &format!("sealed with the encryption key of id {id}, which is not configured"),
    )
    .await;
    // As the old key of a ring it opens, provider keys included.
    other.set("ENCRYPTION_KEYS_OLD", llm_api_testkit::ENCRYPTION_KEY);
    let looked = parsed(&restore(&other, &archive, &["--dry-run", "--json"]).await.expect(0));
    assert_eq!(looked["keys_opened"], json!(1));

    let mut none = Site::new(Database::Sqlite).await;
    none.set("ENCRYPTION_KEY", "");
    assert_refused(&none, &archive, 78, &format!("of id {id}, and none is configured")).await;
    let refused = back_up(&none, &out.path().join("next.archive"), &[]).await.expect(78);
    assert!(refused.stderr.contains("or write a plain file with --format sqlite"), "{refused:?}");
    assert_eq!(files(out.path()), [archive]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_files_are_told_apart() {
    let (site, server) = lived_in(Database::Sqlite).await;
    drop(server);
    let out = TempDir::new();
    let plain = out.path().join("plain.db");
    back_up(&site, &plain, &[]).await.expect(0);
    let empty = Site::new(Database::Sqlite).await;
    let file = |name: &str| out.path().join(name);

    assert_refused(&empty, &file("missing"), 1, "No such file").await;
    fs::write(file("text"), "no backup").expect("a file");
    assert_refused(&empty, &file("text"), 1, "is no backup of llm-api").await;
    sqlite(&file("other.db"), out.path(), "CREATE TABLE invoices (id INTEGER)").await.expect(0);
    assert_refused(&empty, &file("other.db"), 1, "is no backup of llm-api").await;
    sqlite(&file("legacy.db"), out.path(), "CREATE TABLE users (id TEXT, email TEXT)").await.expect(0);
    assert_refused(&empty, &file("legacy.db"), 1, "bring its data over with `llm-api import --source").await;

    let mut bytes = fs::read(&plain).expect("a file");
    bytes.truncate(bytes.len() / 2);
    fs::write(file("half.db"), &bytes).expect("a file");
    assert_refused(&empty, &file("half.db"), 1, "half.db is damaged: ").await;
    fs::copy(&plain, file("used.db")).expect("a file");
    fs::write(file("used.db-wal"), "changes").expect("a file");
    assert_refused(&empty, &file("used.db"), 1, "has changes beside it").await;

    // A row that somebody bent is in the backup, told there and refused here.
    let bent = "UPDATE users SET preferences = 'no JSON' WHERE kind = 'person'";
    site.sql(bent).await;
    let told = back_up(&site, &file("bent.archive"), &[]).await.expect(0);
    assert!(told.stderr.contains("warning: users ") && told.stderr.contains("preferences is no JSON"), "{told:?}");
    for more in [&["--dry-run"][..], &[]] {
        let refused = restore(&empty, &file("bent.archive"), more).await.expect(1);
        assert!(refused.stderr.contains("preferences is no JSON"), "{refused:?}");
    }
}
