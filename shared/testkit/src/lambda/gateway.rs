//! API Gateway and Lambda as template.yaml deploys them, at an HTTP address: for clients that know nothing of events.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_stream::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::deployed::{Route, choose, routes};
use super::response::Part;
use super::{FunctionProcess, LambdaRuntime};
use crate::client::Http;
use crate::process::target_binary;
use crate::serve::{Body, Loopback, Reset, full, listen, pieces, serve};

/// Not part of any API.
const DEPARTURE: &str = "/gateway/departure";
/// No test waits longer than this for a client to leave.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// A gateway on a free port with every function behind it. A function is started when a request finds none that is idle,
/// answers one request at a time, is not told when its client leaves, and is stopped (SIGSTOP) while it has nothing to
/// do, as Lambda freezes it. All of them end when this is dropped.
#[derive(Debug)]
pub struct LambdaGateway {
    server: Loopback,
    fleet: Arc<Fleet>,
}

#[derive(Debug)]
struct Fleet {
    routes: Vec<Route>,
    envs: Vec<(String, String)>,
    /// By function.
    idle: Mutex<HashMap<String, Vec<Arc<Sandbox>>>>,
    /// In order of start.
    all: Mutex<Vec<Arc<Sandbox>>>,
    invocations: Mutex<JoinSet<()>>,
    /// One permit for each client that left before its reply was complete.
    departures: Semaphore,
}

/// One instance of a function.
#[derive(Debug)]
struct Sandbox {
    function: String,
    runtime: LambdaRuntime,
    /// How many requests it got.
    requests: AtomicUsize,
    /// `None` once the gateway is gone.
    process: Mutex<Option<FunctionProcess>>,
}

/// A request as the gateway took it.
struct Taken {
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl LambdaGateway {
    /// Takes a port; functions are started by requests, with `envs` and what the template sets for all of them.
    pub async fn start(envs: &[(&str, &str)]) -> Self {
        let own = [("LLM_API_DATABASE_MAX_CONNECTIONS", "1"), ("LLM_API_LOG_FORMAT", "json")];
        let envs = envs.iter().chain(&own).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let fleet = Arc::new(Fleet {
            routes: routes(),
            envs: envs.collect(),
            idle: Mutex::default(),
            all: Mutex::default(),
            invocations: Mutex::default(),
            departures: Semaphore::new(0),
        });
        let shared = Arc::clone(&fleet);
        let server = serve(listen().await, move |request| answer(Arc::clone(&shared), request));
        Self { server, fleet }
    }

    /// `http://127.0.0.1:PORT`
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub fn http(&self) -> Http {
        Http::new(self.base_url())
    }

    /// A GET of this address is answered once a client has left the gateway; each answer stands for one client.
    pub fn departure_url(&self) -> String {
        self.base_url() + DEPARTURE
    }

    /// The functions that run, in order of start: their names and process ids.
    pub fn running(&self) -> Vec<(String, u32)> {
        let all = of(&self.fleet.all);
        all.iter().filter_map(|sandbox| Some((sandbox.function.clone(), sandbox.pid()?))).collect()
    }
}

impl Drop for LambdaGateway {
    /// Ends the functions here, whoever else still knows them.
    fn drop(&mut self) {
        of(&self.fleet.invocations).abort_all();
        for sandbox in of(&self.fleet.all).drain(..) {
            of(&sandbox.process).take();
        }
    }
}

/// Also after a panic: this is used while a failed test unwinds.
fn of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records that the client left, unless its reply was completed first.
struct Client {
    fleet: Arc<Fleet>,
    is_served: bool,
}

impl Client {
    fn serve(mut self) {
        self.is_served = true;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.is_served {
            self.fleet.departures.add_permits(1);
        }
    }
}

impl Fleet {
    /// One that waits for work, or a new one.
    async fn sandbox(&self, route: &Route) -> Arc<Sandbox> {
        let idle = of(&self.idle).get_mut(&route.function).and_then(Vec::pop);
        if let Some(idle) = idle {
            idle.signal("CONT").await;
            return idle;
        }
        let runtime = LambdaRuntime::start().await;
        let mode = if route.is_streamed { "stream" } else { "buffered" };
        let envs = self.envs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let envs: Vec<_> = envs.chain([("LLM_API_RESPONSE_MODE", mode)]).collect();
        let process = runtime.spawn(&target_binary(&route.function), &envs);
        let (requests, process) = (AtomicUsize::new(0), Mutex::new(Some(process)));
        let sandbox = Arc::new(Sandbox { function: route.function.clone(), runtime, requests, process });
        of(&self.all).push(Arc::clone(&sandbox));
        sandbox
    }

    /// Lets a function answer to its end, whether or not somebody is still there to read.
    async fn invoke(self: Arc<Self>, route: Route, request: Taken, client: mpsc::UnboundedSender<Part>) {
        let sandbox = self.sandbox(&route).await;
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let requests = sandbox.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let mut parts = sandbox.runtime.send(&request.method, &request.target, &headers, &request.body);
        let answer = async {
            while let Some(part) = parts.recv().await {
                // The client may have left.
                let _ = client.send(part);
            }
            sandbox.runtime.asked(requests + 1).await;
        };
        tokio::select! {
            biased;
            () = answer => {}
            () = sandbox.ended() => return drop(client.send(Part::Failure("the function ended".to_owned()))),
        }
        sandbox.signal("STOP").await;
        of(&self.idle).entry(sandbox.function.clone()).or_default().push(sandbox);
        // Only now the reply ends: who asks one after the other finds the function idle.
        drop(client);
    }
}

impl Sandbox {
    /// `None` when the process has ended.
    fn pid(&self) -> Option<u32> {
        let mut process = of(&self.process);
        let process = process.as_mut()?;
        process.ended().is_none().then(|| process.pid())
    }

    async fn ended(&self) {
        while self.pid().is_some() {
            tokio::time::sleep(POLL).await;
        }
    }

    async fn signal(&self, name: &str) {
        let Some(pid) = self.pid().map(|pid| pid.to_string()) else { return };
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &pid]).status().await;
        sent.expect("sh");
    }
}

async fn answer(fleet: Arc<Fleet>, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() == DEPARTURE {
        let left = tokio::time::timeout(PATIENCE, fleet.departures.acquire()).await;
        left.expect("a client leaves").expect("a semaphore that is never closed").forget();
        return own(StatusCode::OK, "a client left");
    }
    let route = choose(&fleet.routes, request.method().as_str(), request.uri().path()).cloned();
    // In API Gateway's words.
    let Some(route) = route else { return own(StatusCode::FORBIDDEN, "Missing Authentication Token") };
    let Some(taken) = take(request).await else { return own(StatusCode::BAD_REQUEST, "Bad Request") };
    let client = Client { fleet: Arc::clone(&fleet), is_served: false };
    let (sender, parts) = mpsc::unbounded_channel();
    of(&fleet.invocations).spawn(Arc::clone(&fleet).invoke(route, taken, sender));
    reply(client, parts).await
}

async fn take(request: Request<Incoming>) -> Option<Taken> {
    let (head, body) = request.into_parts();
    let of_connection = [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH];
    let own = head.headers.iter().filter(|(name, _)| !of_connection.contains(name));
    let headers = own.map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let (method, target, headers) = (head.method, head.uri.to_string(), headers.collect::<Option<_>>()?);
    let body = String::from_utf8(body.collect().await.ok()?.to_bytes().into()).ok()?;
    Some(Taken { method, target, headers, body })
}

/// Passes a function's parts on as they come.
async fn reply(client: Client, mut parts: mpsc::UnboundedReceiver<Part>) -> Response<Body> {
    let Some(Part::Head(status, headers)) = parts.recv().await else {
        client.serve();
        return own(StatusCode::BAD_GATEWAY, "Internal server error");
    };
    let mut response = Response::new(pieces(stream! {
        let mut has_failed = false;
        while !has_failed && let Some(part) = parts.recv().await {
            match part {
                Part::Chunk(chunk) => yield Ok(chunk),
                Part::Head(..) | Part::Failure(_) => has_failed = true,
            }
        }
        client.serve();
        if has_failed {
            yield Err(Reset);
        }
    }));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // The gateway sends the body in its own way.
    response.headers_mut().remove(CONTENT_LENGTH);
    response
}

/// What the gateway says by itself.
fn own(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(full(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response
}
