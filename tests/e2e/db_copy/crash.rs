//! A copy that is killed, or whose connection is cut, at any byte: the target is as before or complete.

use std::process::Stdio;

use llm_api_testkit::{Database, TempDir, target_binary};
use tokio::process::Command;

use super::{
    Place, compare,
    generator::{Random, fill, rows},
    replace, rounds,
    tap::{Tap, Then},
};

/// Two databases with different content: what the target has before, and what it is to have.
struct Story {
    dir: TempDir,
    before: Place,
    source: Place,
    target: Place,
    /// What passes between the command and Postgres in a copy that nobody disturbs.
    bytes: u64,
}

impl Story {
    async fn new(target: Database) -> Self {
        let dir = TempDir::new();
        let (before, content) = (Place::file(&dir, "before.db"), Place::file(&dir, "content.db"));
        fill(&before, &dir, &rows(&mut Random::new(1), 6)).await;
        fill(&content, &dir, &rows(&mut Random::new(2), 20)).await;
        let (source, target) = match target {
            Database::Postgres => (content, Place::new(target, &dir, "").await),
            Database::Sqlite => {
                let source = Place::new(Database::Postgres, &dir, "").await;
                replace(&content, &source).await.expect("a source");
                (source, Place::file(&dir, "target.db"))
            }
        };
        let mut story = Self { dir, before, source, target, bytes: 0 };
        story.reset().await;
        let tap = Tap::start(u64::MAX, Then::Cut).await;
        let done = story.command(&tap).await.output().await.expect("the command");
        assert!(done.status.success(), "{done:?}");
        story.bytes = tap.passed();
        story.reset().await;
        story
    }

    /// The target as it was at first.
    async fn reset(&self) {
        replace(&self.before, &self.target).await.expect("the first content");
    }

    async fn command(&self, tap: &Tap) -> Command {
        let mut command = Command::new(target_binary("llm-api"));
        let (source, target) = (tap.address(&self.source.address).await, tap.address(&self.target.address).await);
        command
            .args(["db", "copy", "--source", &source, "--target", &target])
            .args(["--truncate-target", "--confirm-target", &self.target.name])
            .env_clear()
            .env("LLM_API_DATA_DIR", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Whether the target is complete; panics when it is neither that nor as before.
    async fn is_complete(&self, what: &str) -> bool {
        let complete = compare(&self.source, &self.target).await;
        if complete.is_equal() {
            return true;
        }
        let untouched = compare(&self.before, &self.target).await;
        assert!(untouched.is_equal(), "{what}: {complete:?} and {untouched:?}");
        false
    }

    async fn play(&self, then: Then, rounds: usize) {
        let mut complete = 0;
        for round in 1..=rounds {
            let share = u64::try_from(round).expect("small");
            let limit = self.bytes * share / (u64::try_from(rounds).expect("small") + 1);
            let what = format!("{then:?} after {limit} of {} bytes", self.bytes);
            let tap = Tap::start(limit, then).await;
            let mut child = self.command(&tap).await.spawn().expect("the command");
            if then == Then::Hold {
                tap.reached().await;
                child.kill().await.expect("a running command");
            }
            let ended = child.wait_with_output().await.expect("an end");
            drop(tap);
            let is_complete = self.is_complete(&what).await;
            if then == Then::Cut {
                let stderr = String::from_utf8_lossy(&ended.stderr);
                assert_eq!(ended.status.code(), Some(i32::from(!is_complete)), "{what}: {stderr}");
                assert!(is_complete || stderr.starts_with("llm-api: "), "{what}: {stderr}");
            }
            if is_complete {
                complete += 1;
                self.reset().await;
            }
        }
        // Most of what passes does so before the commit.
        assert!(complete * 2 <= rounds, "{complete} of {rounds}");
        replace(&self.source, &self.target).await.expect("a target that is as good as ever");
        assert!(compare(&self.source, &self.target).await.is_equal());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_to_postgres_leaves_the_target_untouched_or_complete() {
    Story::new(Database::Postgres).await.play(Then::Cut, rounds(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_copy_to_postgres_leaves_the_target_untouched_or_complete() {
    Story::new(Database::Postgres).await.play(Then::Hold, rounds(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_from_postgres_leaves_the_file_untouched_or_complete() {
    Story::new(Database::Sqlite).await.play(Then::Cut, rounds(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_copy_from_postgres_leaves_the_file_untouched_or_complete() {
    Story::new(Database::Sqlite).await.play(Then::Hold, rounds(4)).await;
}
