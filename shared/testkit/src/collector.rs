//! A collector of OpenTelemetry: takes whatever is brought, and keeps it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::serve::{Body, Loopback, full, listen, serve};

/// A collector on a loopback port of its own. It ends when dropped.
#[derive(Debug)]
pub struct FakeCollector {
    endpoint: String,
    batches: Arc<Mutex<Vec<Batch>>>,
    _server: Loopback,
}

/// One request to it.
#[derive(Clone, Debug)]
pub struct Batch {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl FakeCollector {
    pub async fn start() -> Self {
        let listener = listen().await;
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener"));
        let batches = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&batches);
        let server = serve(listener, move |request| take(Arc::clone(&kept), request));
        Self { endpoint, batches, _server: server }
    }

    /// What a server is to be told.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What was brought so far, in order.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().expect("no panic while adding").clone()
    }
}

async fn take(batches: Arc<Mutex<Vec<Batch>>>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        let batch = Batch { path: parts.uri.path().to_owned(), headers: parts.headers, body: body.to_bytes() };
        batches.lock().expect("no panic while adding").push(batch);
    }
    Response::new(full(Bytes::new()))
}
