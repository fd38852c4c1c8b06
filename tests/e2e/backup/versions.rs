//! Backups of other versions of us.

use std::path::Path;

use llm_api_testkit::{Database, Finished, TempDir, each_db, run};
use serde_json::json;

use super::{NAME, back_up, beside, lived_in, name, parsed, restore, sqlite_file};
use crate::support::{Site, sign_in, sqlite as on_file};

/// Before sessions, files, receipts and freezing.
const OLD: &str = "5";

/// Makes a database as it was at an earlier migration, with the people of a present one.
async fn make_old(dir: &Path, file: &Path, present: &Path) -> Finished {
    const SCRIPT: &str = "
import hashlib, pathlib, sqlite3, sys
file, present, folder, last = sys.argv[1:]
db = sqlite3.connect(file)
db.execute('''CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL)''')
for path in sorted(pathlib.Path(folder).glob('*.sql')):
    version, description = path.stem.split('_', 1)
    if int(version) > int(last): break
    db.executescript(path.read_text())
    db.execute('INSERT INTO _sqlx_migrations VALUES (?, ?, CURRENT_TIMESTAMP, TRUE, ?, 0)',
        (int(version), description.replace('_', ' '), hashlib.sha384(path.read_bytes()).digest()))
db.execute('ATTACH ? AS present', (present,))
columns = ', '.join(row[1] for row in db.execute('PRAGMA main.table_info(users)'))
db.execute('DELETE FROM main.users')
db.execute(f'INSERT INTO main.users ({columns}) SELECT {columns} FROM present.users')
db.commit()";
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
    let (file, present) = (file.display().to_string(), present.display().to_string());
    run(Path::new("python3"), dir, &["-c", SCRIPT, &file, &present, migrations, OLD], &[], "").await
}

each_db! {
    async fn a_backup_of_an_older_version_is_brought_to_this_one(database: Database) {
        let (site, mut server) = lived_in(Database::Sqlite).await;
        assert!(server.terminate().await.success());
        // An installation that was not started since the program was replaced: its backup is the way back.
        let older = Site::new(Database::Sqlite).await;
        make_old(older.dir.path(), &sqlite_file(&older), &sqlite_file(&site)).await.expect(0);
        let out = TempDir::new();
        let (archive, plain) = (out.path().join("old.archive"), out.path().join("old.db"));
        let made = parsed(&back_up(&older, &archive, &["--json"]).await.expect(0));
        assert_eq!(made["migration"].to_string(), OLD);
        back_up(&older, &plain, &[]).await.expect(0);
        assert_eq!(older.sql("SELECT MAX(version) FROM _sqlx_migrations").await, [OLD], "it is left as it is");

        for from in [&archive, &plain] {
            let other = beside(&site, database).await;
            let looked = parsed(&restore(&other, from, &["--dry-run", "--json"]).await.expect(0));
            let back = parsed(&restore(&other, from, &["--json"]).await.expect(0));
            for report in [&looked, &back] {
                assert_eq!((&report["migrated"], &report["rows"]), (&json!(true), &json!(2)));
            }
            let server = other.start().await;
            sign_in(&server.http(), NAME).await;
        }
        let kept = on_file(&plain, out.path(), "SELECT MAX(version) FROM _sqlx_migrations").await.expect(0).stdout;
        assert_eq!(kept.trim(), OLD, "the backup itself is never changed");
    }

    async fn a_backup_of_a_newer_version_is_refused(database: Database) {
        let (site, server) = lived_in(Database::Sqlite).await;
        drop(server);
        let out = TempDir::new();
        let plain = out.path().join("new.db");
        back_up(&site, &plain, &[]).await.expect(0);
        let newer = "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, 0
            FROM _sqlx_migrations WHERE version = 1";
        on_file(&plain, out.path(), newer).await.expect(0);
        let other = beside(&site, database).await;
        other.run(&["migrate"], "").await.expect(0);
        let target = name(&other);
        for more in [&["--dry-run"][..], &[], &["--truncate-target", "--confirm-target", &target]] {
            let refused = restore(&other, &plain, more).await.expect(78);
            let words = "was made by a newer llm-api (migration 9999): install that version first";
            assert!(refused.stderr.contains(words), "{refused:?}");
        }
        assert_eq!(other.sql("SELECT COUNT(*) FROM users").await, ["1"]);
    }
}
