//! A scripted OpenAI-compatible provider: the requested model's name says how it behaves.

mod chat;
mod sse;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use crate::serve::{Body, Loopback, full, listen, serve};

/// No test waits longer than this for something to happen at the provider.
const PATIENCE: Duration = Duration::from_secs(30);

/// The models, each a behaviour. Streamed ones are told by `"stream": true` in the request.
///
/// | model | behaviour |
/// |---|---|
/// | `echo` | says `You said: ` and the last user message, a word an event; usage 11 + 7 = 18 |
/// | `unicode` | as `echo` with [`UNICODE`], cut inside characters |
/// | `slow-head` | as `echo` after [`FakeProvider::release`] |
/// | `slow-stream` | head and first event at once, the rest after [`FakeProvider::release`] |
/// | `dies` | two events (or half a body), then a connection reset |
/// | `no-done` | two events, then a clean end without finish reason or `[DONE]` |
/// | `stalls` | head and one event (or half a body), then nothing |
/// | `silent` | takes the request and never answers |
/// | `html` | 200 with a web page |
/// | `bad-json` | 200 with half a JSON object (streamed: an event that is no JSON) |
/// | `redirect` | 302 to `/elsewhere` on the same server |
/// | `rate-limited` | 429 with `Retry-After: 7` |
/// | `no-quota` | 429 with code `insufficient_quota` |
/// | `rejects-key` | 401 whose message repeats the Authorization header |
/// | `refuses` | 400 with param `temperature` |
/// | `fails`, `overloaded` | 500, 503 |
/// | `huge` | declares 64 MiB of body (streamed: one line of 64 MiB) and sends as much as is taken |
pub const MODELS: [&str; 18] = [
    "echo",
    "unicode",
    "slow-head",
    "slow-stream",
    "dies",
    "no-done",
    "stalls",
    "silent",
    "html",
    "bad-json",
    "redirect",
    "rate-limited",
    "no-quota",
    "rejects-key",
    "refuses",
    "fails",
    "overloaded",
    "huge",
];

/// What the model `unicode` says: characters of two, three and four bytes.
pub const UNICODE: &str = "Grüße aus 東京 🦀";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct ProviderRequest {
    pub method: Method,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    /// Null when there was none, or when it was no JSON.
    pub body: Value,
}

impl ProviderRequest {
    /// A header's text, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }
}

/// A provider on a loopback port of its own. It ends when dropped.
#[derive(Debug)]
pub struct FakeProvider {
    server: Loopback,
    script: Arc<Script>,
}

#[derive(Debug)]
struct Script {
    origin: String,
    open: bool,
    requests: Mutex<Vec<ProviderRequest>>,
    arrived: watch::Sender<usize>,
    /// One permit lets one waiting answer go on.
    gate: Semaphore,
    /// One permit for each client that left before its answer was complete.
    departures: Semaphore,
}

impl FakeProvider {
    /// Answers 401 to a request without a key, and to any key with `bad` in it.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// Demands no key, as a model server on the operator's own machine does.
    pub async fn start_open() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(open: bool) -> Self {
        let listener = listen().await;
        let script = Arc::new(Script {
            origin: format!("http://{}", listener.local_addr().expect("a bound listener")),
            open,
            requests: Mutex::default(),
            arrived: watch::Sender::new(0),
            gate: Semaphore::new(0),
            departures: Semaphore::new(0),
        });
        let shared = Arc::clone(&script);
        let server = serve(listener, move |request| answer(Arc::clone(&shared), request));
        Self { server, script }
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> &str {
        &self.script.origin
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.script.origin)
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<ProviderRequest> {
        self.script.requests.lock().expect("no panic while recording").clone()
    }

    /// The latest request; panics when there was none.
    pub fn last_request(&self) -> ProviderRequest {
        self.requests().pop().expect("a request at the provider")
    }

    /// Waits until at least `count` requests have arrived.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut arrived = self.script.arrived.subscribe();
        let wait = arrived.wait_for(|so_far| *so_far >= count);
        let in_time = tokio::time::timeout(PATIENCE, wait).await;
        assert!(in_time.is_ok(), "{} of {count} requests came", self.requests().len());
    }

    /// Lets one answer of `slow-head` or `slow-stream` go on, now or when it comes to its waiting point.
    pub fn release(&self) {
        self.script.gate.add_permits(1);
    }

    /// Waits until a client has left a waiting answer (`slow-head`, `slow-stream`, `stalls`, `silent`); each call
    /// stands for one client.
    pub async fn wait_until_closed(&self) {
        let left = tokio::time::timeout(PATIENCE, self.script.departures.acquire()).await;
        left.expect("the client leaves").expect("a semaphore that is never closed").forget();
    }
}

/// Records that the client left, unless the answer was completed first.
struct Presence {
    script: Arc<Script>,
    completed: bool,
}

impl Presence {
    fn of(script: &Arc<Script>) -> Self {
        Self { script: Arc::clone(script), completed: false }
    }

    fn complete(mut self) {
        self.completed = true;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if !self.completed {
            self.script.departures.add_permits(1);
        }
    }
}

async fn answer(script: Arc<Script>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    // A client that leaves while it still sends is recorded with what came.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let request = ProviderRequest {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    script.requests.lock().expect("no panic while recording").push(request.clone());
    script.arrived.send_modify(|count| *count += 1);

    let key = request.header(AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_default();
    if key.contains("bad") || (key.is_empty() && !script.open) {
        return rejected_key(&request);
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v1/models") => models(),
        ("POST", "/v1/chat/completions") => chat::answer(&script, &request).await,
        (_, path) => {
            error(StatusCode::NOT_FOUND, &format!("Unknown request URL: {path}"), "invalid_request_error", None)
        }
    }
}

fn models() -> Response<Body> {
    let data: Vec<Value> = MODELS
        .iter()
        .map(|id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "fake"}))
        .collect();
    json_reply(StatusCode::OK, &json!({"object": "list", "data": data}))
}

fn rejected_key(request: &ProviderRequest) -> Response<Body> {
    let shown = request.header(AUTHORIZATION.as_str());
    let message = format!("Incorrect API key provided: {shown}. You can find your API key in your account settings.");
    error(StatusCode::UNAUTHORIZED, &message, "invalid_request_error", Some("invalid_api_key"))
}

fn redirect(script: &Script) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::FOUND;
    let target = format!("{}/elsewhere", script.origin);
    response.headers_mut().insert(LOCATION, target.parse().expect("an address is a header value"));
    response
}

/// An error in the shape of OpenAI's.
fn error(status: StatusCode, message: &str, kind: &str, code: Option<&str>) -> Response<Body> {
    json_reply(status, &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

fn json_reply(status: StatusCode, body: &Value) -> Response<Body> {
    reply(status, "application/json", full(body.to_string()))
}

fn reply(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
