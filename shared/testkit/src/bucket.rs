//! S3-compatible storage in memory: one bucket, which takes what is signed and refuses everything else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::serve::{Body, Loopback, full, listen, serve};

/// A bucket on a loopback port of its own. It ends when dropped.
#[derive(Debug)]
pub struct FakeBucket {
    endpoint: String,
    shelf: Arc<Shelf>,
    _server: Loopback,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By their names in the bucket.
    objects: Mutex<BTreeMap<String, Bytes>>,
    is_down: AtomicBool,
}

impl FakeBucket {
    /// What it is called, and who may sign.
    const NAME: &'static str = "files";
    const KEY_ID: &'static str = "AKIATESTKEY";

    pub async fn start() -> Self {
        let listener = listen().await;
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener"));
        let shelf = Arc::new(Shelf::default());
        let shared = Arc::clone(&shelf);
        let server = serve(listener, move |request| answer(Arc::clone(&shared), request));
        Self { endpoint, shelf, _server: server }
    }

    /// What makes a server keep its files here; names without the prefix.
    pub fn settings(&self) -> [(&str, &str); 5] {
        [
            ("ARTIFACT_STORE", "s3"),
            ("ARTIFACT_BUCKET", Self::NAME),
            ("ARTIFACT_S3_ENDPOINT", &self.endpoint),
            ("ARTIFACT_S3_ACCESS_KEY_ID", Self::KEY_ID),
            ("ARTIFACT_S3_SECRET_ACCESS_KEY", "the-secret-of-the-bucket"),
        ]
    }

    /// What lies in it now, by name.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.shelf.objects.lock().expect("no panic while changing").clone()
    }

    /// Somebody deletes everything in it behind the server's back.
    pub fn clear(&self) {
        self.shelf.objects.lock().expect("no panic while changing").clear();
    }

    /// While it is down it answers 503 to everything.
    pub fn set_down(&self, is_down: bool) {
        self.shelf.is_down.store(is_down, Ordering::SeqCst);
    }
}

/// The query of an address that was signed for one request by someone who may.
fn is_signed(query: &str) -> bool {
    let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let says = |name: &str| pairs.get(name).map_or("", String::as_str);
    let signature = says("X-Amz-Signature");
    says("X-Amz-Algorithm") == "AWS4-HMAC-SHA256"
        && says("X-Amz-Credential").starts_with(&format!("{}/", FakeBucket::KEY_ID))
        && !says("X-Amz-Date").is_empty()
        && says("X-Amz-Expires").parse::<u32>().is_ok()
        && says("X-Amz-SignedHeaders") == "host"
        && signature.len() == 64
        && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn answer(shelf: Arc<Shelf>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
    let refused = |status, code: &str| reply(status, format!("<Error><Code>{code}</Code></Error>"));
    if shelf.is_down.load(Ordering::SeqCst) {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    }
    let path = head.uri.path().trim_start_matches('/');
    let Some(("", name)) = path.strip_prefix(FakeBucket::NAME).and_then(|rest| rest.split_once('/')) else {
        return refused(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    if !is_signed(head.uri.query().unwrap_or_default()) {
        return refused(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let mut objects = shelf.objects.lock().expect("no panic while changing");
    match (head.method, body) {
        (Method::PUT, Ok(body)) => {
            objects.insert(name.to_owned(), body);
            reply(StatusCode::OK, "")
        }
        (Method::GET, _) => match objects.get(name) {
            Some(object) => reply(StatusCode::OK, object.clone()),
            None => refused(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        (Method::DELETE, _) => {
            objects.remove(name);
            reply(StatusCode::NO_CONTENT, "")
        }
        _ => refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}

fn reply(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response
}
