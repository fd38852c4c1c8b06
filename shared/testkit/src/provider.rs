//! A scripted provider that speaks every family: the requested model's name says how it behaves.

mod anthropic;
mod azure;
mod behaviour;
mod dialect;
mod gemini;
mod hub;
mod images;
mod ollama;
mod openai;
mod pace;
mod recording;
mod responses;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::serve::{Body, Loopback, full, listen, serve};

/// Not part of any provider, and not recorded.
const DEPARTURE: &str = "/script/departure";

/// No test waits longer than this for something to happen at the provider.
const PATIENCE: Duration = Duration::from_mins(1);

/// The models, each a behaviour, the same in every family. A vendor's prefix (`gpt-`, `claude-`, `gemini-`, `grok-`,
/// `deepseek-`, `llama-`) changes nothing: `claude-echo` is `echo`.
///
/// | model | behaviour |
/// |---|---|
/// | `echo` | says `You said: ` and the last user message, a word an event; usage 11 + 7 = 18 |
/// | `unicode` | as `echo` with [`UNICODE`], cut inside characters |
/// | `counts` | says `turns: 3 user assistant user`: how many messages came (system left out), and their roles |
/// | `sees-images` | says `images: 2 image/png url`: how many images came, and their media types |
/// | `context-200` | more than 200 characters in all messages are refused as too long, else as `echo`; any number |
/// | `slow-head` | as `echo` after [`FakeProvider::release`] |
/// | `slow-stream` | head and first event at once, the rest after [`FakeProvider::release`] |
/// | `slow-whole` | head at once, the whole body after [`FakeProvider::release`] (streamed: as `echo`) |
/// | `dies` | two events (or half a body), then a connection reset |
/// | `no-done` | two events, then a clean end without finish reason or end marker |
/// | `stalls` | head and one event (or half a body), then nothing |
/// | `silent` | takes the request and never answers |
/// | `html` | 200 with a web page |
/// | `bad-json` | 200 with half a JSON object (streamed: an event that is no JSON) |
/// | `redirect` | 302 to `/elsewhere` on the same server |
/// | `rate-limited` | 429 with `Retry-After: 7` |
/// | `no-quota` | the account is out of money: 429, Anthropic 400 |
/// | `rejects-key` | 401 (Google 400) whose message repeats the key |
/// | `refuses` | 400 about `temperature` |
/// | `fails`, `overloaded` | 500; 503, Anthropic 529 |
/// | `huge` | declares 64 MiB of body (streamed: one line of 64 MiB) and sends as much as is taken |
pub const MODELS: [&str; 22] = [
    "echo",
    "unicode",
    "counts",
    "sees-images",
    "context-200",
    "slow-head",
    "slow-stream",
    "slow-whole",
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

pub use dialect::{Dialect, Speech};
pub use recording::Recording;

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

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whether it gives back, in the words of any family, what a tool said.
    pub fn brings_tool_result(&self) -> bool {
        const RESULTS: [&str; 5] = [
            r#""role":"tool""#,
            r#""type":"function_call_output""#,
            r#""type":"tool_result""#,
            r#""functionResponse":"#,
            r#""toolResult":"#,
        ];
        let body = self.body.to_string();
        RESULTS.iter().any(|result| body.contains(result))
    }

    /// The path without the query.
    fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    fn bearer(&self) -> &str {
        self.header(AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_default()
    }

    /// The key as it came, in the vendor's own header or as a bearer token.
    fn shown_key(&self, own_header: &str) -> &str {
        let own = self.header(own_header);
        if own.is_empty() { self.bearer() } else { own }
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
    /// The models on an Ollama server's disk and in its memory.
    ollama: Option<Mutex<ollama::Library>>,
    /// Further names of `echo`.
    echoes: Mutex<Vec<String>>,
    /// What models say whose answers were written down.
    recordings: Mutex<Vec<(String, Recording)>>,
}

impl FakeProvider {
    /// The smallest picture: one pixel.
    pub const PNG: &'static [u8] = images::PNG;

    /// Answers 401 to a request without a key, and to any key with `bad` in it, each family in its own way.
    pub async fn start() -> Self {
        Self::start_with(false, None).await
    }

    /// Demands no key, as a model server on the operator's own machine does.
    pub async fn start_open() -> Self {
        Self::start_with(true, None).await
    }

    /// An Ollama server with all of [`MODELS`] on its disk, none loaded. It demands no key, lists names as Ollama does
    /// (`echo:latest`) and takes them without that tag as well; a model pulled later behaves as `echo`.
    pub async fn start_ollama() -> Self {
        Self::start_with(true, Some(Mutex::new(ollama::Library::new()))).await
    }

    async fn start_with(open: bool, ollama: Option<Mutex<ollama::Library>>) -> Self {
        let listener = listen().await;
        let script = Arc::new(Script {
            origin: format!("http://{}", listener.local_addr().expect("a bound listener")),
            open,
            requests: Mutex::default(),
            arrived: watch::Sender::new(0),
            gate: Semaphore::new(0),
            departures: Semaphore::new(0),
            ollama,
            echoes: Mutex::default(),
            recordings: Mutex::default(),
        });
        let shared = Arc::clone(&script);
        let server = serve(listener, move |request| answer(Arc::clone(&shared), request));
        Self { server, script }
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> &str {
        &self.script.origin
    }

    /// `http://127.0.0.1:PORT/v1`: `OpenAI` and all that speak as it does.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.script.origin)
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn anthropic_base_url(&self) -> String {
        format!("{}/v1", self.script.origin)
    }

    /// `http://127.0.0.1:PORT/v1beta`
    pub fn google_base_url(&self) -> String {
        format!("{}/v1beta", self.script.origin)
    }

    /// `http://127.0.0.1:PORT`: an Azure resource's address carries no path.
    pub fn azure_base_url(&self) -> String {
        self.script.origin.clone()
    }

    /// `http://127.0.0.1:PORT/v1`: the router's; its images and the hub are found at the origin.
    pub fn huggingface_base_url(&self) -> String {
        format!("{}/v1", self.script.origin)
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// From now on this model is an `echo` that no list names: what a fallback asks next, for example.
    pub fn serve_also(&self, model: &str) {
        self.script.echoes.lock().expect("no panic while adding").push(model.to_owned());
    }

    /// From now on this model answers what was written down, whatever it is asked, in whatever family.
    pub fn play(&self, model: &str, recording: Recording) {
        self.script.recordings.lock().expect("no panic while adding").push((model.to_owned(), recording));
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

    /// Lets one waiting answer (`slow-head`, `slow-stream`, `slow-whole`, `slow-image`, `slow-pull`) go on, now or when
    /// it comes to its waiting point.
    pub fn release(&self) {
        self.script.gate.add_permits(1);
    }

    /// Waits until a client has left an answer that waits (the slow ones, `stalls`, `silent`); each call stands for one
    /// client.
    pub async fn wait_until_closed(&self) {
        self.script.departure().await;
    }

    /// The same for another process: a GET of this address is answered once a client has left.
    pub fn departure_url(&self) -> String {
        format!("{}{DEPARTURE}", self.script.origin)
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

impl Script {
    async fn departure(&self) {
        let left = tokio::time::timeout(PATIENCE, self.departures.acquire()).await;
        left.expect("the client leaves").expect("a semaphore that is never closed").forget();
    }

    /// Waits for a permit of [`FakeProvider::release`], or records that the client left before.
    async fn released(self: &Arc<Self>) {
        let presence = Presence::of(self);
        self.gate.acquire().await.expect("a semaphore that is never closed").forget();
        presence.complete();
    }

    fn is_echo(&self, model: &str) -> bool {
        self.echoes.lock().expect("no panic while adding").iter().any(|echo| echo == model)
    }

    /// Judges the keys that came in the vendor's own header and as a bearer token.
    fn judge(&self, request: &ProviderRequest, own_header: Option<&str>) -> Key {
        let own = own_header.map_or("", |name| request.header(name));
        let bearer = request.bearer();
        if own.contains("bad") || bearer.contains("bad") {
            Key::Bad
        } else if own.is_empty() && bearer.is_empty() && !self.open {
            Key::Missing
        } else {
            Key::Good
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Good,
    Missing,
    Bad,
}

async fn answer(script: Arc<Script>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.uri.path() == DEPARTURE {
        script.departure().await;
        return json_reply(StatusCode::OK, &Value::Null);
    }
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

    if let Some(recording) = script.recording(&request) {
        return recording.play(&request);
    }
    if script.ollama.is_some() {
        return ollama::answer(&script, &request).await;
    }
    match request.route() {
        "/v1/messages" | "/v1/messages/count_tokens" => anthropic::answer(&script, &request).await,
        "/v1/models" if !request.header("anthropic-version").is_empty() => anthropic::answer(&script, &request).await,
        "/api/models" => hub::answer(&script, &request),
        "/v1/images/generations" => images::openai(&script, &request).await,
        path if path.starts_with("/v1beta/") => gemini::answer(&script, &request).await,
        path if path.starts_with("/openai/") => azure::answer(&script, &request).await,
        path if path.starts_with("/hf-inference/") => images::huggingface(&script, &request).await,
        path if path.starts_with("/api/") => openai::unknown_url(&request),
        _ => openai::answer(&script, &request).await,
    }
}

fn redirect(script: &Script) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::FOUND;
    let target = format!("{}/elsewhere", script.origin);
    response.headers_mut().insert(LOCATION, target.parse().expect("an address is a header value"));
    response
}

fn json_reply(status: StatusCode, body: &Value) -> Response<Body> {
    reply(status, "application/json", full(body.to_string()))
}

fn reply(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
