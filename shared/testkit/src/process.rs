//! Our own binaries as black boxes: the server, a command that ends, and what they print.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::client::Http;
use crate::port::free_port;
use crate::temp::TempDir;

/// How long a start or an end may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the last of the output is waited for.
const LAST_WORDS: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A binary of this workspace: they lie in the folder above the test programs'.
pub fn target_binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program's own path");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let binary = profile.join(name);
    assert!(binary.is_file(), "{} is missing: run tests/run, or cargo build --workspace --bins", binary.display());
    binary
}

/// A command with none of the settings that the test process inherited, nor proxies that would catch its calls.
fn clean_command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_uppercase();
        if text.starts_with("LLM_API_") || text.starts_with("AWS_") || text.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command.env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
    command
}

/// A running child and what it has printed so far; killed by its own process id when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

#[derive(Debug)]
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut piece).await {
                shared.lock().expect("no panic while reading").extend_from_slice(&piece[..count]);
            }
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no panic while reading")).into_owned()
    }
}

impl Process {
    pub(crate) fn spawn(binary: &Path, set: impl FnOnce(&mut Command)) -> Self {
        let mut command = clean_command(binary);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        set(&mut command);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let stdout = Output::of(child.stdout.take().expect("a pipe"));
        let stderr = Output::of(child.stderr.take().expect("a pipe"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("a process that was not waited for")
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits for its end and for the last of its output.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let status = tokio::time::timeout(PATIENCE * 2, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end:\n{}", self.stderr())).expect("a child of ours");
        for output in [&mut self.stdout, &mut self.stderr] {
            // A grandchild may hold the pipe open: then what came so far is all there is.
            let _ = tokio::time::timeout(LAST_WORDS, &mut output.reader).await;
        }
        status
    }
}

impl Drop for Process {
    /// Waits for the killed process, so that its files and its port are free when this returns.
    fn drop(&mut self) {
        if self.child.start_kill().is_ok() {
            let killed = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && killed.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// -1 when a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Panics with what it printed unless it ended with this code.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the check alone is worth the call")]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a binary to its end in `dir`, which is also its data directory, with `input` on its standard input.
pub async fn run(binary: &Path, dir: &Path, args: &[&str], envs: &[(&str, &str)], input: &str) -> Finished {
    let mut process = Process::spawn(binary, |command| {
        command
            .args(args)
            .current_dir(dir)
            .env("LLM_API_DATA_DIR", dir)
            .stdin(Stdio::piped())
            .envs(envs.iter().copied());
    });
    let mut stdin = process.child.stdin.take().expect("a pipe");
    // A command that reads nothing may be gone already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let status = process.wait().await;
    Finished { code: status.code().unwrap_or(-1), stdout: process.stdout(), stderr: process.stderr() }
}

/// The real server on a free port with a data directory of its own.
#[derive(Debug)]
pub struct Server {
    process: Process,
    base_url: String,
    data_dir: PathBuf,
    /// Gone after the process, which is dropped first.
    own_dir: Option<TempDir>,
}

impl Server {
    /// Starts it and waits until it answers.
    pub async fn start(binary: &Path, envs: &[(&str, &str)]) -> Self {
        let dir = TempDir::new();
        let mut server = Self::start_in(binary, dir.path(), envs).await;
        server.own_dir = Some(dir);
        server
    }

    /// The same on data that outlives it, for what happens after a crash or a restart.
    pub async fn start_in(binary: &Path, data_dir: &Path, envs: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut process = Process::spawn(binary, |command| {
            command
                // Elsewhere it could find a `.env` file or a `config.yaml` of the developer.
                .current_dir(data_dir)
                .env("LLM_API_HOST", "127.0.0.1")
                .env("LLM_API_PORT", port.to_string())
                .env("LLM_API_DATA_DIR", data_dir)
                .envs(envs.iter().copied());
        });
        let base_url = format!("http://127.0.0.1:{port}");
        wait_for_health(&mut process, &base_url).await;
        Self { process, base_url, data_dir: data_dir.to_owned(), own_dir: None }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn http(&self) -> Http {
        Http::new(&self.base_url)
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.process.stdout()
    }

    /// What it has printed so far.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Ends it as a power cut would.
    pub async fn kill9(&mut self) {
        self.process.child.start_kill().expect("a running server");
        self.process.wait().await;
    }

    /// Sends SIGTERM and waits for the end; what it printed stays readable.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.process.wait().await
    }

    /// Sends a signal (`TERM`, `HUP`, `STOP` …) and does not wait for what follows.
    pub async fn signal(&self, name: &str) {
        // The standard library can only send SIGKILL.
        let pid = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &pid]).status().await;
        assert!(status.expect("sh").success(), "signal {name} to {pid}");
    }
}

async fn wait_for_health(process: &mut Process, base_url: &str) {
    let http = Http::new(base_url);
    let answers = async {
        loop {
            if let Some(status) = process.ended() {
                process.wait().await;
                panic!("the server ended with {status}:\n{}{}", process.stdout(), process.stderr());
            }
            match http.get("/health").try_send().await {
                Ok(reply) if reply.status == 200 => return,
                _ => tokio::time::sleep(POLL).await,
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, answers).await.is_ok();
    assert!(in_time, "the server does not answer:\n{}{}", process.stdout(), process.stderr());
}
