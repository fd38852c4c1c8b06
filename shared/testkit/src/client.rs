//! A small HTTP client for tests: one connection a request, replies readable piece by piece.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// No test waits longer than this for a head or for the next piece of a body.
const PATIENCE: Duration = Duration::from_mins(2);

pub type HttpError = Box<dyn std::error::Error + Send + Sync>;

/// A client for one `http://host:port` origin.
#[derive(Debug, Clone)]
pub struct Http {
    authority: String,
    prefix: String,
}

impl Http {
    /// `base` may carry a path, which then stands before every request's path.
    pub fn new(base: impl AsRef<str>) -> Self {
        let base = base.as_ref().trim_end_matches('/');
        let rest = base.strip_prefix("http://").expect("an http:// address");
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self { authority: authority.to_owned(), prefix: prefix.to_owned() }
    }

    pub fn get(&self, path: &str) -> HttpRequest {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> HttpRequest {
        self.request(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> HttpRequest {
        self.request(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> HttpRequest {
        self.request(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> HttpRequest {
        self.request(Method::DELETE, path)
    }

    pub fn request(&self, method: Method, path: &str) -> HttpRequest {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().expect("a path");
        let host = HeaderValue::from_str(&self.authority).expect("a host");
        request.headers_mut().insert(HOST, host);
        HttpRequest { authority: self.authority.clone(), request }
    }
}

/// A request being put together.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct HttpRequest {
    authority: String,
    request: Request<Full<Bytes>>,
}

impl HttpRequest {
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: impl TryInto<HeaderName, Error: std::fmt::Debug>, value: &str) -> Self {
        let name = name.try_into().expect("a header name");
        // Bytes, not a text: a header may hold more than ASCII.
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        self.request.headers_mut().append(name, value);
        self
    }

    /// The name by which the client calls the server, in place of its address.
    pub fn host(mut self, name: &str) -> Self {
        self.request.headers_mut().insert(HOST, HeaderValue::from_str(name).expect("a host"));
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write json!(…) in place")]
    pub fn json(mut self, body: Value) -> Self {
        self.request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = Full::new(body.into());
        self
    }

    /// Sends and waits for the reply's head; panics when none comes.
    pub async fn send(self) -> HttpReply {
        let what = format!("{} {}", self.request.method(), self.request.uri());
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// Sends and waits for the reply's head.
    pub async fn try_send(self) -> Result<HttpReply, HttpError> {
        tokio::time::timeout(PATIENCE, self.exchange()).await?
    }

    async fn exchange(self) -> Result<HttpReply, HttpError> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = Connection(tokio::spawn(async move {
            // A failure reaches the reader of the reply; here is nobody to tell.
            let _ = connection.await;
        }));
        let (head, body) = sender.send_request(self.request).await?.into_parts();
        Ok(HttpReply { status: head.status, headers: head.headers, body, unread: Vec::new(), _connection: connection })
    }
}

#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A reply whose body is read as it comes. Dropping it closes the connection: the client leaves.
#[derive(Debug)]
pub struct HttpReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
    _connection: Connection,
}

impl HttpReply {
    /// A header's text, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    /// The next piece as the network brought it; `None` at a proper end, an error when the connection broke.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match tokio::time::timeout(PATIENCE, self.body.frame()).await? {
                None => return Ok(None),
                Some(frame) => match frame?.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// The next server-sent event's lines, without the empty line that ends it; comments count as events.
    pub async fn next_event(&mut self) -> Result<Option<String>, HttpError> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let event = String::from_utf8(self.unread[..end].to_vec())?;
                self.unread.drain(..end + 2);
                return Ok(Some(event));
            }
            match self.next_chunk().await? {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None if self.unread.is_empty() => return Ok(None),
                None => return Err("the stream ended inside an event".into()),
            }
        }
    }

    /// The `data:` of every event until the stream's proper end; panics when it breaks.
    pub async fn data(mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(event) = self.next_event().await.expect("a whole stream") {
            all.extend(event.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned));
        }
        all
    }

    pub async fn bytes(mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.unread);
        while let Some(chunk) = self.next_chunk().await.expect("a whole body") {
            all.extend_from_slice(&chunk);
        }
        all
    }

    pub async fn text(self) -> String {
        String::from_utf8(self.bytes().await).expect("a body in UTF-8")
    }

    pub async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
    }
}
