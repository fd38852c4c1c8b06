//! A database that a story can also reach past the server, for what no endpoint shows or does.

use std::path::Path;

use llm_api_testkit::{Cluster, Database, Finished, TempDir, TestApp, run};

/// Runs one statement on an SQLite file; Python brings a driver, and the tests need it anyway.
const SQLITE: &str = "
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=20) as connection:
    assert connection.execute(sys.argv[2]).rowcount == 1
";
/// Runs one statement and prints its rows.
const SQLITE_ROWS: &str = "
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=20) as connection:
    for row in connection.execute(sys.argv[2]):
        print(*row, sep='|')
";

#[derive(Debug)]
pub(crate) struct OpenDatabase {
    database: Database,
    dir: TempDir,
    url: String,
}

impl OpenDatabase {
    pub(crate) async fn new(database: Database) -> Self {
        let dir = TempDir::new();
        let url = match database {
            Database::Sqlite => format!("sqlite://{}", dir.path().join("llm-api.db").display()),
            Database::Postgres => Cluster::shared().await.create_database().await.url,
        };
        Self { database, dir, url }
    }

    /// The setting that makes a server use it.
    pub(crate) fn setting(&self) -> (&str, &str) {
        ("DATABASE_URL", &self.url)
    }

    /// Changes one row.
    pub(crate) async fn change(&self, sql: &str) {
        match self.database {
            Database::Sqlite => {
                let file = self.dir.path().join("llm-api.db");
                self.run("python3", &["-c", SQLITE, &file.display().to_string(), sql]).await;
            }
            Database::Postgres => {
                let done = self.run("psql", &["-X", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", sql]).await;
                assert_eq!(done.stdout.trim(), "UPDATE 1");
            }
        }
    }

    /// Runs one statement; answers its rows, one a line, with the columns parted by `|`.
    pub(crate) async fn query(&self, sql: &str) -> String {
        let done = match self.database {
            Database::Sqlite => {
                let file = self.dir.path().join("llm-api.db");
                self.run("python3", &["-c", SQLITE_ROWS, &file.display().to_string(), sql]).await
            }
            Database::Postgres => {
                self.run("psql", &["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", sql]).await
            }
        };
        done.stdout
    }

    /// Every byte that is stored: SQLite's files with what deleted rows left in them, or a dump. Ends the server's
    /// connections.
    pub(crate) async fn all_bytes(&self, app: &TestApp) -> Vec<u8> {
        app.state.auth.store.close().await;
        match self.database {
            Database::Sqlite => {
                let files = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
                files.flat_map(|file| std::fs::read(file.path()).unwrap_or_default()).collect()
            }
            Database::Postgres => self.run("pg_dump", &["-d", &self.url]).await.stdout.into_bytes(),
        }
    }

    async fn run(&self, program: &str, args: &[&str]) -> Finished {
        let done = run(Path::new(program), self.dir.path(), args, &[], "").await;
        assert_eq!(done.code, 0, "{program}: {}", done.stderr);
        done
    }
}
