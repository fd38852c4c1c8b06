//! A small HTTP client for the operator's own commands, which ask a deployment as its users do: `smoke`, `watch`,
//! `doctor`; telemetry goes by it to its collector. As strict as the provider client (no redirects, no proxy, certificates always checked), and it never asks
//! twice: these commands tell what they saw.

use std::{borrow::Cow, fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    EventStream, TimeoutPhase, UnreachableReason, UpstreamConfig, UpstreamError,
    body::{self, Limits},
    client::builder,
    error::causes,
    framing::Framing,
    sse,
};

/// Why a deployment gave no answer. Texts are safe to show: they hold neither the address nor a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// What was given cannot be asked.
    #[error("{0}")]
    Unusable(&'static str),
    #[error("it cannot be reached: {0}")]
    Unreachable(UnreachableReason),
    /// The certificate, most of the time; the text says what is wrong with it.
    #[error("no TLS connection could be made: {0}")]
    Tls(String),
    #[error("no answer in time ({0})")]
    Timeout(TimeoutPhase),
    #[error("{0}")]
    BadAnswer(String),
    /// The answer began, then broke or stalled.
    #[error("the answer broke off: {0}")]
    Died(String),
}

impl From<UpstreamError> for PlainError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable { reason } => Self::Unreachable(reason),
            UpstreamError::Timeout { phase } => Self::Timeout(phase),
            UpstreamError::BadResponse { reason } => Self::BadAnswer(reason),
            UpstreamError::Died { reason } => Self::Died(reason),
            // Statuses are no errors here, and nothing else tells of them.
            other => Self::BadAnswer(other.to_string()),
        }
    }
}

/// Asks one deployment. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct PlainClient {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
}

impl PlainClient {
    /// `base` is an `http://` or `https://` address; a path in it stands before every path asked for. `timeout` bounds
    /// each call, streams included.
    pub fn new(base: &str, timeout: Duration) -> Result<Self, PlainError> {
        let base = base_url(base)?;
        // reqwest takes the process's provider. Where another one is installed already, that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let defaults = UpstreamConfig::default();
        let config = UpstreamConfig { connect_timeout: timeout.min(defaults.connect_timeout), ..defaults };
        let http = builder(&config).build();
        let http = http.map_err(|_| PlainError::Unusable("this machine has no root certificates"))?;
        Ok(Self { http, base, timeout })
    }

    /// Without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether what is sent can be read on the way: no TLS, and another machine.
    pub fn is_readable_on_the_way(&self) -> bool {
        let is_here = match self.base.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.base.scheme() == "http" && !is_here
    }

    pub fn get(&self, path: &str) -> PlainRequest<'_> {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> PlainRequest<'_> {
        self.request(Method::POST, path)
    }

    pub fn patch(&self, path: &str) -> PlainRequest<'_> {
        self.request(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> PlainRequest<'_> {
        self.request(Method::DELETE, path)
    }

    /// `path` begins with a slash, and may have a query.
    pub fn request(&self, method: Method, path: &str) -> PlainRequest<'_> {
        let url = Url::parse(&format!("{}{path}", self.base_url()));
        let url = url.map_err(|_| PlainError::Unusable("the path makes no address"));
        let request = url.map(|url| {
            let mut request = reqwest::Request::new(method, url);
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
            request
        });
        PlainRequest { client: self, request }
    }
}

/// One address, without what could leak: arguments stand in the process list.
fn base_url(text: &str) -> Result<Url, PlainError> {
    let url = Url::parse(text).map_err(|_| PlainError::Unusable("it is no address such as https://llm.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(PlainError::Unusable("it must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(PlainError::Unusable("it must hold no user name and no password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(PlainError::Unusable("it must have no query and no fragment"));
    }
    Ok(url)
}

/// A request being put together. What is wrong with a part of it is told when it is sent.
#[must_use = "a request does nothing until it is sent"]
pub struct PlainRequest<'c> {
    client: &'c PlainClient,
    request: Result<reqwest::Request, PlainError>,
}

impl fmt::Debug for PlainRequest<'_> {
    /// Without headers and body: both may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request.as_ref().ok();
        let what = request.map(|request| (request.method(), request.url().path()));
        f.debug_struct("PlainRequest").field("request", &what).finish_non_exhaustive()
    }
}

impl PlainRequest<'_> {
    pub fn bearer(self, token: &SecretString) -> Self {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
        let value = value.map_err(|_| PlainError::Unusable("the token holds characters that no header may hold"));
        self.change(|request| {
            let mut value = value?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            Ok(())
        })
    }

    pub fn header(self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).map_err(|_| PlainError::Unusable("a header's value cannot be sent"));
        self.change(|request| {
            request.headers_mut().insert(HeaderName::from_static(name), value?);
            Ok(())
        })
    }

    pub fn json(self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).map_err(|_| PlainError::Unusable("the body has no JSON form"));
        self.change(|request| {
            *request.body_mut() = Some(body?.into());
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(())
        })
    }

    /// Beside those that are there already; one of the same name is replaced.
    pub fn headers(self, headers: &HeaderMap) -> Self {
        self.change(|request| {
            for (name, value) in headers {
                request.headers_mut().insert(name, value.clone());
            }
            Ok(())
        })
    }

    /// Of whatever kind; its type is one of the headers.
    pub fn body(self, body: Bytes) -> Self {
        self.change(|request| {
            *request.body_mut() = Some(body.into());
            Ok(())
        })
    }

    fn change(self, change: impl FnOnce(&mut reqwest::Request) -> Result<(), PlainError>) -> Self {
        let request = self.request.and_then(|mut request| change(&mut request).map(|()| request));
        Self { request, ..self }
    }

    /// The whole reply, of whatever status.
    pub async fn send(self) -> Result<PlainReply, PlainError> {
        let deadline = Instant::now() + self.client.timeout;
        let response = self.head(deadline).await?;
        read(response, deadline).await
    }

    /// The events of the reply, or all of it when it is no stream of events.
    pub async fn stream(self) -> Result<PlainAnswer, PlainError> {
        let timeout = self.client.timeout;
        let deadline = Instant::now() + timeout;
        let response = self.head(deadline).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let framing = Framing::of(&headers, UpstreamConfig::default().max_line_bytes).filter(|_| status.is_success());
        let Some(framing) = framing else {
            return read(response, deadline).await.map(PlainAnswer::Whole);
        };
        let events = EventStream::new(response, framing, timeout, deadline);
        Ok(PlainAnswer::Events(PlainStream { status, headers, events: Box::new(events) }))
    }

    async fn head(self, deadline: Instant) -> Result<reqwest::Response, PlainError> {
        match timeout_at(deadline, self.client.http.execute(self.request?)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(before_head(&error)),
            Err(_) => Err(PlainError::Timeout(TimeoutPhase::FirstByte)),
        }
    }
}

fn before_head(error: &reqwest::Error) -> PlainError {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls) => PlainError::Tls(tls.to_string()),
        None => UpstreamError::before_head(error).into(),
    }
}

async fn read(mut response: reqwest::Response, deadline: Instant) -> Result<PlainReply, PlainError> {
    let config = UpstreamConfig::default();
    let limits = Limits { max_bytes: config.max_body_bytes, idle: config.idle_timeout, deadline };
    let body = body::read(&mut response, limits).await?;
    Ok(PlainReply { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

/// A reply, whole.
#[derive(Clone)]
pub struct PlainReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl fmt::Debug for PlainReply {
    /// Without its body: tokens are given out in some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainReply")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl PlainReply {
    /// A header's text; `None` when it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// What came of a request for a stream.
#[derive(Debug)]
pub enum PlainAnswer {
    Events(PlainStream),
    /// A refusal, or an answer of another type.
    Whole(PlainReply),
}

/// A stream of events, read as it comes. Dropping it closes the connection.
#[derive(Debug)]
pub struct PlainStream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    events: Box<EventStream>,
}

impl PlainStream {
    /// The next `data:`; heartbeats are passed over. `None` at the end of the stream, and after an error. Cancel safe.
    pub async fn next_data(&mut self) -> Option<Result<Bytes, PlainError>> {
        loop {
            match self.events.next().await? {
                Ok(event) => {
                    if let Some(data) = sse::data(&event) {
                        return Some(Ok(Bytes::copy_from_slice(&data)));
                    }
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn only_a_bare_address_is_taken() {
        for good in ["https://llm.example.com", "http://127.0.0.1:8080/", "https://example.com/api/"] {
            let client = PlainClient::new(good, SOON).expect(good);
            assert_eq!(client.base_url(), good.trim_end_matches('/'));
        }
        for bad in
            ["llm.example.com", "ftp://a", "https://ada:pw@a", "https://a/?x=1", "https://a#b", "file:///etc", ""]
        {
            assert!(matches!(PlainClient::new(bad, SOON), Err(PlainError::Unusable(_))), "{bad}");
        }
    }

    #[test]
    fn a_prefix_stands_before_every_path() {
        let client = PlainClient::new("https://example.com/api/", SOON).expect("good");
        let request = client.get("/v1/models?limit=1").request.expect("good");
        assert_eq!(request.url().as_str(), "https://example.com/api/v1/models?limit=1");
    }

    #[test]
    fn what_travels_in_the_clear_is_known() {
        for (base, readable) in [
            ("http://llm.example.com", true),
            ("http://10.0.0.1:8080", true),
            ("https://llm.example.com", false),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("http://localhost", false),
        ] {
            assert_eq!(PlainClient::new(base, SOON).expect(base).is_readable_on_the_way(), readable, "{base}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let client = PlainClient::new("http://127.0.0.1:9", SOON).expect("good");
        let token = SecretString::from("lap_hidden");
        let request = client.post("/v1/x").bearer(&token).json(&serde_json::json!({ "password": "hidden" }));
        assert!(!format!("{request:?}").contains("hidden"), "{request:?}");
        let body = Bytes::from_static(b"hidden");
        let reply = PlainReply { status: StatusCode::OK, headers: HeaderMap::new(), body };
        assert!(!format!("{reply:?}").contains("hidden"));
    }
}
