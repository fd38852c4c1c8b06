//! cargo-lambda in place of AWS: it builds each function, starts it at its first request, and routes to it.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::Http;
use crate::counterparts::script;
use crate::port::free_port;
use crate::process::{Process, target_binary};
use crate::temp::TempDir;

/// At the very first time it is installed by the start.
const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(10);

/// A running `cargo lambda watch` on a free port. It and its functions end when this is dropped.
#[derive(Debug)]
pub struct LambdaWatch {
    process: Process,
    base_url: String,
    /// Where no `.env` file and no `config.yaml` of the developer is found.
    _dir: TempDir,
}

impl LambdaWatch {
    /// Starts it and waits until it listens. It takes the binaries that the tests were built with.
    pub async fn start(envs: &[(&str, &str)]) -> Self {
        let (dir, port) = (TempDir::new(), free_port().to_string());
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let built = target_binary("health");
        let profile = built.parent().expect("target/<profile>/<binary>");
        let target = profile.parent().expect("target/<profile>");
        let mut process = Process::spawn(&script("cargo-lambda/run"), |command| {
            // What cargo tells a test of its own package would make it build anew what asks for that, such as ring.
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                if ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"].iter().any(|told| text.starts_with(told)) {
                    command.env_remove(name);
                }
            }
            command
                .args(["watch", "--ignore-changes", "--invoke-address", "127.0.0.1", "--invoke-port", &port])
                .arg("--manifest-path")
                .arg(manifest.canonicalize().expect("the workspace"))
                .current_dir(dir.path())
                .env("CARGO_TARGET_DIR", target)
                .envs(envs.iter().copied());
            if profile.ends_with("release") {
                command.arg("--release");
            }
        });
        let base_url = format!("http://127.0.0.1:{port}");
        let listens = async {
            // No function has this path: it answers by itself.
            while Http::new(&base_url).get("/").try_send().await.is_err() {
                if let Some(status) = process.ended() {
                    process.wait().await;
                    panic!("cargo lambda watch ended with {status}:\n{}{}", process.stdout(), process.stderr());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, listens).await.is_ok();
        assert!(in_time, "cargo lambda watch does not listen:\n{}{}", process.stdout(), process.stderr());
        Self { process, base_url, _dir: dir }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn http(&self) -> Http {
        Http::new(&self.base_url)
    }

    /// What it and the functions have printed so far.
    pub fn output(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }
}

impl Drop for LambdaWatch {
    /// Asks it to end, because it then ends its functions; what does not listen is killed after this.
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        let asked = std::process::Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status();
        let begun = Instant::now();
        while asked.is_ok() && self.process.ended().is_none() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(POLL);
        }
    }
}
