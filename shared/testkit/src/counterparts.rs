//! What nobody here wrote: a small real model behind llama.cpp's server, and the vendors' official SDKs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::client::Http;
use crate::process::{Finished, run};
use crate::serve::{Body, Loopback, full, listen, serve};
use crate::temp::TempDir;

/// A model that has not noticed within this time that its client left never will: its answer would take longer to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// The server looks after its clients once nothing has happened for a second, and a question is something.
const LOOK: Duration = Duration::from_millis(1600);

static CHAT: OnceCell<RealModel> = OnceCell::const_new();
static EMBEDDING: OnceCell<RealModel> = OnceCell::const_new();

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
    /// Answered at temperature 0 by a call of the first tool, for the `city` of Oslo.
    pub const TOOL_QUESTION: &str = "What is the weather in Oslo?";
    /// The length of its vectors.
    pub const DIMENSIONS: usize = 576;
    /// More tokens than it makes within the patience of any test.
    pub const LONG: u32 = 1900;

    /// The server of this process, started (and at the very first time installed) by the first call.
    pub async fn shared() -> &'static Self {
        CHAT.get_or_init(|| Self::start(&[])).await
    }

    /// One of the caller's own, whose answers end at their limit of tokens alone. It ends when dropped.
    pub async fn endless() -> Self {
        Self::start(&["--ignore-eos"]).await
    }

    /// Another, which turns texts into vectors and does nothing else.
    pub async fn embedding() -> &'static Self {
        EMBEDDING.get_or_init(|| Self::start(&["--embeddings"])).await
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> &str {
        self.base_url.strip_suffix("/v1").expect("an address with /v1")
    }

    /// Serves an address for another process: a GET is answered with 200 as soon as the model makes no answer any more, and
    /// with 504 when it goes on and on.
    pub async fn departures(&self) -> Departures {
        let listener = listen().await;
        let model = Http::new(self.origin());
        let server = serve(listener, move |_| {
            let model = model.clone();
            async move { departure(&model).await }
        });
        Departures { server }
    }

    async fn start(options: &'static [&'static str]) -> Self {
        tokio::task::spawn_blocking(|| Self::start_blocking(options)).await.expect("a real model")
    }

    fn start_blocking(options: &[&str]) -> Self {
        let mut child = Command::new(script("real-model/run"))
            .arg("--with-stdin")
            .args(options)
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

/// A server that tells whether a real model still works, until it is dropped.
#[derive(Debug)]
pub struct Departures {
    server: Loopback,
}

impl Departures {
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }
}

async fn departure(model: &Http) -> Response<Body> {
    let idle = async {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let slots = model.get("/slots").send().await.json().await;
            let slots = slots.as_array().expect("what the model is doing");
            if slots.iter().all(|slot| slot["is_processing"] == false) {
                return;
            }
        }
    };
    let in_time = timeout(PATIENCE, idle).await.is_ok();
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = if in_time { StatusCode::OK } else { StatusCode::GATEWAY_TIMEOUT };
    response
}

/// Runs one of the scripts in `tests/sdk`, each with an official SDK; what it saw comes out as a line of JSON. `stories`
/// says what it is to do: the server's `origin`, the `token`, and models for each story (`tests/sdk/stories.py`).
pub async fn run_sdk(name: &str, stories: &Value) -> Finished {
    let dir = TempDir::new();
    run(&script("sdk/run"), dir.path(), &[name], &[("STORIES", &stories.to_string())], "").await
}

/// What of a list of `{place, document, schema, value}` does not keep the vendors' official schemas
/// (`tests/schemas/check.py` has the documents), a line each; empty where all of it does.
pub async fn schema_faults(cases: &Value) -> String {
    let dir = TempDir::new();
    let ended = run(&script("schemas/run"), dir.path(), &[], &[], &cases.to_string()).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.stdout
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name)
}
