//! What nobody here wrote: a small real model behind llama.cpp's server, and the vendors' official SDKs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::process::{Finished, run};
use crate::temp::TempDir;

static MODEL: OnceCell<RealModel> = OnceCell::const_new();

/// A running model server. It ends with the test process, killed or not, because its standard input closes.
#[derive(Debug)]
pub struct RealModel {
    base_url: String,
    _child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl RealModel {
    /// The model's id at its server, and there the only one.
    pub const ID: &str = "smollm2";
    /// Answered at temperature 0 with [`Self::ANSWER`].
    pub const QUESTION: &str = "What is the capital of France?";
    pub const ANSWER: &str = "The capital of France is Paris.";

    /// The server of this process, started (and at the very first time installed) by the first call.
    pub async fn shared() -> &'static Self {
        MODEL.get_or_init(|| async { tokio::task::spawn_blocking(Self::start).await.expect("a real model") }).await
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    fn start() -> Self {
        let mut child = Command::new(script("real-model/run"))
            .arg("--with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/real-model/run");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe");
        let base_url = line.trim_end().strip_prefix("ready ").expect("a model server (reason above)").to_owned();
        Self { base_url, _child: child, _stdout: stdout }
    }
}

/// Runs one of the scripts in `tests/sdk`, each with an official SDK; what it saw comes out as a line of JSON. `stories`
/// says what it is to do: the server's `origin`, the `token`, and models for each story (`tests/sdk/stories.py`).
pub async fn run_sdk(name: &str, stories: &Value) -> Finished {
    let dir = TempDir::new();
    run(&script("sdk/run"), dir.path(), &[name], &[("STORIES", &stories.to_string())], "").await
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name)
}
