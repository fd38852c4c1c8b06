//! `db copy` and `db verify`: everything arrives or nothing does, whatever is in the rows and whenever it is cut.

mod crash;
mod flipped;
mod generator;
mod poison;
mod registry;
mod round_trip;
mod tap;
mod target;

use std::path::{Path, PathBuf};

use llm_api_domain::Clock;
use llm_api_storage::{
    Comparison, CopyError, CopyJob, CopyReport, DatabaseAddress, DatabaseEnd, compare_databases, copy_database,
};
use llm_api_testkit::{Cluster, Database, Finished, TempDir, run, target_binary};

/// One database of ours, without a server.
#[derive(Debug)]
pub(crate) struct Place {
    /// What `--source` and `--target` take.
    pub(crate) address: String,
    /// What `--confirm-target` takes.
    pub(crate) name: String,
    /// On SQLite.
    pub(crate) file: Option<PathBuf>,
}

impl Place {
    /// A file that is yet to be made.
    pub(crate) fn file(dir: &TempDir, name: &str) -> Self {
        let file = dir.path().join(name);
        Self { address: format!("sqlite://{}", file.display()), name: name.to_owned(), file: Some(file) }
    }

    pub(crate) async fn new(database: Database, dir: &TempDir, name: &str) -> Self {
        match database {
            Database::Sqlite => Self::file(dir, name),
            Database::Postgres => {
                let made = Cluster::shared().await.create_database().await;
                Self { address: made.url, name: made.name, file: None }
            }
        }
    }

    pub(crate) fn end(&self) -> DatabaseEnd {
        self.end_at(&self.address)
    }

    /// The same database behind another address.
    pub(crate) fn end_at(&self, address: &str) -> DatabaseEnd {
        match &self.file {
            Some(file) => DatabaseEnd::new(DatabaseAddress::sqlite(file), None).expect("an address"),
            None => DatabaseEnd::parse(address, Path::new("/"), None, None).expect("an address"),
        }
    }

    /// Runs statements with the database's own tools, foreign keys not looked at on SQLite; the rows of the last one.
    pub(crate) async fn sql(&self, statements: &str) -> Vec<String> {
        let dir = TempDir::new();
        let done = if let Some(file) = &self.file {
            let args = ["-c", SQLITE, &file.display().to_string()];
            run(Path::new("python3"), dir.path(), &args, &[], statements).await
        } else {
            let args = ["-qAtX", "-v", "ON_ERROR_STOP=1", self.address.as_str()];
            run(Path::new("psql"), dir.path(), &args, &[], statements).await
        };
        done.expect(0).stdout.lines().map(str::to_owned).collect()
    }

    /// Brings an empty one to this version.
    pub(crate) async fn migrate(&self, dir: &TempDir) {
        let settings = [("LLM_API_DATABASE_URL", self.address.as_str()), ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
        run(&target_binary("llm-api"), dir.path(), &["migrate"], &settings, "").await.expect(0);
    }
}

pub(crate) use llm_api_testkit::ENCRYPTION_KEY;

/// Statements from standard input; the last may give rows.
const SQLITE: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute('PRAGMA ignore_check_constraints = ON')
*first, last = sys.stdin.read().rstrip('; \\n').rsplit(';\\n', 1)
db.executescript(';'.join(first))
for row in db.execute(last): print('|'.join(map(str, row)))
db.commit()";

/// The command, with the settings of nobody.
pub(crate) async fn db(dir: &TempDir, args: &[&str], settings: &[(&str, &str)]) -> Finished {
    let args: Vec<&str> = ["db"].into_iter().chain(args.iter().copied()).collect();
    run(&target_binary("llm-api"), dir.path(), &args, settings, "").await
}

/// `db copy` from one place to another, with further arguments.
pub(crate) async fn copy(dir: &TempDir, source: &Place, target: &Place, more: &[&str]) -> Finished {
    let ends = ["copy", "--source", &source.address, "--target", &target.address];
    let args: Vec<&str> = ends.into_iter().chain(more.iter().copied()).collect();
    db(dir, &args, &[]).await
}

/// A copy in this process that replaces whatever the target holds.
pub(crate) async fn replace(source: &Place, target: &Place) -> Result<CopyReport, CopyError> {
    let job = CopyJob {
        source: source.end(),
        target: target.end(),
        dry_run: false,
        truncate: true,
        confirmed: Some(target.name.clone()),
        vault: None,
        clock: Clock::system(),
        progress: &|_| {},
    };
    copy_database(&job).await
}

pub(crate) async fn compare(source: &Place, target: &Place) -> Comparison {
    compare_databases(&source.end(), &target.end(), &|_| {}).await.expect("both can be read")
}

/// How often a random story is told: `few` times, or as often as `LLM_API_COPY_ROUNDS` says.
#[expect(clippy::disallowed_methods, reason = "no setting of the product")]
pub(crate) fn rounds(few: usize) -> usize {
    std::env::var("LLM_API_COPY_ROUNDS").ok().map_or(few, |rounds| rounds.parse().expect("a number"))
}
