//! The only HTTP client that leaves the house.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE},
};
use llm_api_domain::TokenUsage;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::{
    Detail, Endpoint, EventStream, GuardedResolver, ListedModel, TimeoutPhase, Trust, UpstreamConfig, UpstreamError,
    body::{self, Limits},
    wire::{
        models,
        openai::{Completion, CompletionError, Outline},
    },
};

/// Waits before the second and the third try.
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(90);
/// An error's body tells little behind this.
const MAX_ERROR_BYTES: usize = 64 << 10;
const ERROR_BODY_TIME: Duration = Duration::from_secs(10);
const MODELS_TIME: Duration = Duration::from_secs(10);

/// Calls providers over kept-alive connections. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: UpstreamConfig,
    /// For endpoints of the operator.
    plain: reqwest::Client,
    /// For endpoints that users name: reaches public addresses only.
    guarded: reqwest::Client,
}

/// The client cannot be built, for example because this machine has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the outbound HTTP client cannot be built")]
pub struct ClientError(#[source] reqwest::Error);

/// One chat completion to ask for.
pub struct Call<'a> {
    pub endpoint: &'a Endpoint,
    /// Sent as a bearer token.
    pub secret: Option<&'a SecretString>,
    pub body: Bytes,
    /// Whether the body asks for a stream.
    pub accept_stream: bool,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("origin", self.endpoint.origin())
            .field("body_bytes", &self.body.len())
            .field("accept_stream", &self.accept_stream)
            .finish_non_exhaustive()
    }
}

/// A successful answer.
#[derive(Debug)]
pub enum Reply {
    Stream(EventStream),
    Complete(Complete),
}

/// An answer that came whole.
pub struct Complete {
    /// The provider's own bytes.
    pub body: Bytes,
    /// The token counts in `body`.
    pub usage: Option<TokenUsage>,
    pub headers: HeaderMap,
}

impl Complete {
    /// What the body says.
    ///
    /// # Errors
    /// [`UpstreamError::BadResponse`] when its first choice has no usable form.
    pub fn completion(&self) -> Result<Completion, UpstreamError> {
        Completion::parse(&self.body).map_err(|error| UpstreamError::bad(error.to_string()))
    }
}

impl fmt::Debug for Complete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Complete").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Client {
    pub fn new(config: &UpstreamConfig) -> Result<Self, ClientError> {
        // reqwest takes the process's provider. Where another one is installed already, that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = match &config.proxy {
            Some(proxy) => builder(config).proxy(reqwest::Proxy::all(proxy.clone()).map_err(ClientError::new)?),
            None => builder(config),
        };
        let guarded = builder(config).dns_resolver(GuardedResolver);
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            plain: plain.build().map_err(ClientError::new)?,
            guarded: guarded.build().map_err(ClientError::new)?,
        })))
    }

    /// Asks for a chat completion. Tries up to three times, but never again once the head of an answer has come.
    pub async fn chat(&self, call: Call<'_>) -> Result<Reply, UpstreamError> {
        let config = &self.0.config;
        let start = Instant::now();
        let deadline = start + config.total_timeout;
        let request = Request {
            method: Method::POST,
            url: call.endpoint.chat_url(),
            authorization: authorization(call.secret)?,
            body: Some(call.body),
            accept: if call.accept_stream { "text/event-stream" } else { "application/json" },
        };
        let head_due = deadline.min(start + config.first_byte_timeout);
        let mut response = self.send(call.endpoint, &request, head_due).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response, call.secret, deadline).await);
        }
        check_encoding(response.headers())?;
        if is_event_stream(response.headers()) {
            if !call.accept_stream {
                return Err(UpstreamError::bad("it is a stream although none was asked for"));
            }
            let stream = EventStream::new(response, config.max_line_bytes, config.idle_timeout, deadline);
            return Ok(Reply::Stream(stream));
        }
        check_json(response.headers())?;
        let limits = Limits { max_bytes: config.max_body_bytes, idle: config.idle_timeout, deadline };
        let body = body::read(&mut response, limits).await?;
        let usage = match Outline::parse(&body) {
            Ok(outline) => outline.usage,
            Err(CompletionError::Provider) => return Err(UpstreamError::from_error_body(&body, call.secret)),
            Err(error) => return Err(UpstreamError::bad(error.to_string())),
        };
        Ok(Reply::Complete(Complete { body, usage, headers: std::mem::take(response.headers_mut()) }))
    }

    /// The models a provider lists; at most 10 seconds.
    pub async fn models(
        &self,
        endpoint: &Endpoint,
        secret: Option<&SecretString>,
    ) -> Result<Vec<ListedModel>, UpstreamError> {
        let deadline = Instant::now() + MODELS_TIME;
        let request = Request {
            method: Method::GET,
            url: endpoint.models_url(),
            authorization: authorization(secret)?,
            body: None,
            accept: "application/json",
        };
        let mut response = self.send(endpoint, &request, deadline).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response, secret, deadline).await);
        }
        check_encoding(response.headers())?;
        check_json(response.headers())?;
        let limits = Limits { max_bytes: self.0.config.max_body_bytes, idle: MODELS_TIME, deadline };
        let body = body::read(&mut response, limits).await?;
        models::parse(&body).ok_or_else(|| UpstreamError::bad("it is no list of models"))
    }

    /// Waits for the head of an answer.
    async fn send(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        due: Instant,
    ) -> Result<reqwest::Response, UpstreamError> {
        let client = match endpoint.trust() {
            Trust::Operator => &self.0.plain,
            Trust::User => &self.0.guarded,
        };
        let mut backoff = BACKOFF.into_iter();
        loop {
            let error = match timeout_at(due, client.execute(request.build())).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => UpstreamError::before_head(&error),
                Err(_) => UpstreamError::Timeout { phase: TimeoutPhase::FirstByte },
            };
            match backoff.next() {
                Some(wait) if error.is_worth_retrying() && Instant::now() + wait < due => {
                    tracing::debug!(origin = %endpoint.origin(), %error, "asking the provider again");
                    sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// What an answer outside of 2xx means.
    async fn refusal(
        &self,
        mut response: reqwest::Response,
        secret: Option<&SecretString>,
        deadline: Instant,
    ) -> UpstreamError {
        let status = response.status();
        if status.is_redirection() {
            return UpstreamError::bad(format!("it redirects ({})", status.as_u16()));
        }
        let due = deadline.min(Instant::now() + ERROR_BODY_TIME);
        let limits = Limits { max_bytes: MAX_ERROR_BYTES, idle: ERROR_BODY_TIME, deadline: due };
        let body = body::read_some(&mut response, limits).await;
        let detail = Detail::parse(&body, secret);
        UpstreamError::from_status(status, response.headers(), self.0.config.clock.now(), detail)
    }
}

impl ClientError {
    fn new(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

/// What both clients share. HTTP/1.1 only: one connection for each running answer, so none waits behind another and
/// dropping an answer ends it at the provider.
fn builder(config: &UpstreamConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .user_agent(config.user_agent.as_str())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_only()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(usize::MAX)
        .pool_idle_timeout(IDLE_CONNECTION_LIFE)
}

/// A request that can be built again for another try.
struct Request<'a> {
    method: Method,
    url: &'a Url,
    authorization: Option<HeaderValue>,
    body: Option<Bytes>,
    accept: &'static str,
}

impl Request<'_> {
    fn build(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.reserve(4);
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        request
    }
}

fn authorization(secret: Option<&SecretString>) -> Result<Option<HeaderValue>, UpstreamError> {
    let Some(secret) = secret else { return Ok(None) };
    // A key that fits into no header would be rejected by every provider.
    let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose_secret())).map_err(|_| {
        let message = "The key has characters that cannot be sent.".to_owned();
        UpstreamError::KeyRejected { status: 401, detail: Detail { message, ..Detail::default() } }
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), UpstreamError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(UpstreamError::bad("it is compressed although nothing of that was asked for"))
        }
        _ => Ok(()),
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media_type| media_type.eq_ignore_ascii_case(b"text/event-stream"))
}

/// A missing type passes: the parser has the last word.
fn check_json(headers: &HeaderMap) -> Result<(), UpstreamError> {
    let Some(media_type) = media_type(headers) else { return Ok(()) };
    let media_type = media_type.to_ascii_lowercase();
    if media_type.ends_with(b"/json") || media_type.ends_with(b"+json") {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(&media_type).chars().take(64).collect();
    Err(UpstreamError::bad(format!("its type is {shown}, not JSON")))
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(CONTENT_TYPE)?.as_bytes().split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnreachableReason;

    #[tokio::test]
    async fn a_user_named_host_that_leads_inside_is_never_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let endpoint = Endpoint::user_unchecked(&format!("http://localhost:{port}/v1")).expect("valid");
        let client = Client::new(&UpstreamConfig::default()).expect("a client");
        tokio::select! {
            error = client.models(&endpoint, None) => {
                let blocked = UpstreamError::Unreachable { reason: UnreachableReason::BlockedAddress };
                assert_eq!(error, Err(blocked));
            }
            _ = listener.accept() => panic!("it connected"),
        }
    }

    #[test]
    fn nothing_that_may_be_secret_is_printed() {
        let config = UpstreamConfig { proxy: "http://user:hidden@proxy".parse().ok(), ..UpstreamConfig::default() };
        let client = Client::new(&config).expect("a client");
        assert!(!format!("{client:?}").contains("hidden"), "{client:?}");
        let authorization = authorization(Some(&"hidden".into())).expect("sendable");
        assert!(!format!("{authorization:?}").contains("hidden"));
    }
}
