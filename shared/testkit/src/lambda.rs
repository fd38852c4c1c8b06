//! An emulated Lambda Runtime API with API Gateway's REST proxy in front, buffered and streaming.

mod deployed;
mod event;
mod gateway;
mod response;
mod watch;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch::Sender as Watched;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::process::Process;
use crate::serve::{Body, Loopback, full, listen, serve};
use crate::temp::random_hex;
use response::Part;

pub use gateway::LambdaGateway;
pub use watch::LambdaWatch;

/// No test waits longer than this for a function.
const PATIENCE: Duration = Duration::from_mins(1);
const API: &str = "/2018-06-01/runtime";

/// The Runtime API for one function, as one sandbox of Lambda has it. It ends when dropped.
#[derive(Debug)]
pub struct LambdaRuntime {
    server: Loopback,
    shared: Arc<Shared>,
    invocations: mpsc::UnboundedSender<Invocation>,
}

#[derive(Debug)]
struct Shared {
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, mpsc::UnboundedSender<Part>>>,
    /// How often the function has asked for work.
    asked: Watched<usize>,
    init_errors: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: String,
}

/// A function's process, killed by its own process id when dropped. When the test has failed, its output is shown.
#[derive(Debug)]
pub struct FunctionProcess {
    name: String,
    process: Process,
}

impl FunctionProcess {
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

    /// Waits for its end, for functions that refuse to start; the exit code, -1 for a signal.
    pub async fn wait(&mut self) -> i32 {
        self.process.wait().await.code().unwrap_or(-1)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }
}

impl Drop for FunctionProcess {
    #[expect(clippy::print_stderr, reason = "it becomes a part of the failed test's message")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the function {} printed:\n{}{}", self.name, self.stdout(), self.stderr());
        }
    }
}

impl LambdaRuntime {
    pub async fn start() -> Self {
        let (invocations, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            waiting: AsyncMutex::new(waiting),
            running: Mutex::default(),
            asked: Watched::new(0),
            init_errors: Mutex::default(),
        });
        let state = Arc::clone(&shared);
        let server = serve(listen().await, move |request| answer(Arc::clone(&state), request));
        Self { server, shared, invocations }
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Starts a function's binary with what Lambda sets, `envs` and nothing of the developer's own settings.
    pub fn spawn(&self, binary: &Path, envs: &[(&str, &str)]) -> FunctionProcess {
        let name = binary.file_name().expect("a binary's path").to_string_lossy().into_owned();
        let process = Process::spawn(binary, |command| {
            command
                .current_dir("/")
                .env("AWS_LAMBDA_RUNTIME_API", self.server.address.to_string())
                .env("AWS_LAMBDA_FUNCTION_NAME", &name)
                .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
                .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/test")
                .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
                .env("AWS_REGION", "eu-central-1")
                // As in template.yaml.
                .env("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true")
                .envs(envs.iter().copied());
        });
        FunctionProcess { name, process }
    }

    /// What functions reported as the reason for not starting.
    pub fn init_errors(&self) -> Vec<String> {
        self.shared.init_errors.lock().expect("no panic while recording").clone()
    }

    /// Sends a request through the emulated gateway and waits for the whole reply.
    pub async fn invoke(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> LambdaReply {
        let mut stream = self.begin(&method, path, headers, body).await;
        let mut chunks = Vec::new();
        while let Some(chunk) = stream.next_chunk().await {
            chunks.push(chunk);
        }
        let LambdaStream { status, headers, failure, .. } = stream;
        LambdaReply { status, headers, chunks, failure }
    }

    /// Sends a request through the emulated gateway and waits for the reply's head; `path` may have a query.
    pub async fn begin(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &str) -> LambdaStream {
        LambdaStream::open(self.send(method, path, headers, body)).await
    }

    /// Waits until the function has asked for work so often: with more than it got, it is idle.
    async fn asked(&self, times: usize) {
        let mut asked = self.shared.asked.subscribe();
        asked.wait_for(|count| *count >= times).await.expect("the sender is here");
    }

    /// Hands a request to the function; what it posts comes part by part, with an end after the last one.
    fn send(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &str) -> mpsc::UnboundedReceiver<Part> {
        let id = random_hex();
        let (sender, parts) = mpsc::unbounded_channel();
        self.shared.running.lock().expect("no panic while recording").insert(id.clone(), sender);
        let event = event::rest(method, path, headers, body, &id).to_string();
        self.invocations.send(Invocation { id, event }).expect("a running runtime");
        parts
    }
}

/// What the gateway's client sees of one invocation. Dropping it does not stop the function, as on Lambda.
#[derive(Debug)]
pub struct LambdaStream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Why the function broke off, once it did.
    pub failure: Option<String>,
    parts: mpsc::UnboundedReceiver<Part>,
}

impl LambdaStream {
    async fn open(parts: mpsc::UnboundedReceiver<Part>) -> Self {
        let mut stream = Self { status: StatusCode::BAD_GATEWAY, headers: HeaderMap::new(), failure: None, parts };
        match stream.next_part().await {
            Some(Part::Head(status, headers)) => (stream.status, stream.headers) = (status, headers),
            Some(Part::Failure(failure)) => stream.failure = Some(failure),
            Some(Part::Chunk(_)) | None => stream.failure = Some("the function sent no head".to_owned()),
        }
        stream
    }

    /// The next piece of the body; `None` at its end or when the function broke off.
    pub async fn next_chunk(&mut self) -> Option<Bytes> {
        match self.next_part().await? {
            Part::Chunk(chunk) => Some(chunk),
            Part::Failure(failure) => {
                self.failure = Some(failure);
                None
            }
            Part::Head(..) => panic!("a second head"),
        }
    }

    async fn next_part(&mut self) -> Option<Part> {
        let part = tokio::time::timeout(PATIENCE, self.parts.recv()).await;
        part.expect("the function answers (its stderr() tells more)")
    }
}

/// A whole reply, as the gateway's client gets it; 502 without a body when the function failed before its head.
#[derive(Debug)]
pub struct LambdaReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// In order of arrival; a buffered reply has one or none.
    pub chunks: Vec<Bytes>,
    /// Why the function broke off.
    pub failure: Option<String>,
}

impl LambdaReply {
    /// A header's text, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).expect("a body in UTF-8")
    }

    pub fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {text} {:?}", self.failure))
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().strip_prefix(API).unwrap_or_default().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method().as_str(), segments.as_slice()) {
        ("GET", ["invocation", "next"]) => next(&shared).await,
        ("POST", ["invocation", id, "response"]) => {
            let parts = shared.running.lock().expect("no panic while recording").remove(*id);
            match parts {
                Some(parts) => {
                    response::forward(request, &parts).await;
                    status(StatusCode::ACCEPTED)
                }
                None => status(StatusCode::BAD_REQUEST),
            }
        }
        ("POST", ["invocation", id, "error"]) => {
            let parts = shared.running.lock().expect("no panic while recording").remove(*id);
            let reason = text(request).await;
            if let Some(parts) = parts {
                // The test may have lost interest.
                let _ = parts.send(Part::Failure(reason));
            }
            status(StatusCode::ACCEPTED)
        }
        ("POST", ["init", "error"]) => {
            let reason = text(request).await;
            shared.init_errors.lock().expect("no panic while recording").push(reason);
            status(StatusCode::ACCEPTED)
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

/// Hands out the next invocation as soon as there is one.
async fn next(shared: &Shared) -> Response<Body> {
    shared.asked.send_modify(|count| *count += 1);
    let invocation = shared.waiting.lock().await.recv().await;
    let Some(Invocation { id, event }) = invocation else { return status(StatusCode::GONE) };
    let deadline = SystemTime::now() + Duration::from_mins(15);
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970").as_millis();
    let mut response = Response::new(full(event));
    let mut set = |name: &'static str, value: String| {
        response.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a header value"));
    };
    set("content-type", "application/json".to_owned());
    set("lambda-runtime-aws-request-id", id);
    set("lambda-runtime-deadline-ms", deadline.to_string());
    set("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:test".to_owned());
    set("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned());
    response
}

async fn text(request: Request<Incoming>) -> String {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    String::from_utf8_lossy(&body).into_owned()
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    response
}
