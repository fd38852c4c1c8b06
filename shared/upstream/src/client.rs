//! The only HTTP client that leaves the house.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    Detail, Endpoint, GuardedResolver, TimeoutPhase, Trust, UpstreamConfig, UpstreamError,
    body::{self, Limits},
    request::Request,
};

/// Waits before the second and the third try.
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(90);
/// An error's body tells little behind this.
const MAX_ERROR_BYTES: usize = 64 << 10;
const ERROR_BODY_TIME: Duration = Duration::from_secs(10);
/// For questions that a server answers from what it knows.
const SHORT_TIME: Duration = Duration::from_secs(10);

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
    retries: AtomicU64,
}

/// The client cannot be built, for example because this machine has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the outbound HTTP client cannot be built")]
pub struct ClientError(#[source] reqwest::Error);

/// Until when things must have happened.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    /// The head of the answer.
    pub(crate) head: Instant,
    /// The whole call.
    pub(crate) end: Instant,
}

impl Due {
    /// A question that is answered at once.
    pub(crate) fn soon() -> Self {
        let end = Instant::now() + SHORT_TIME;
        Self { head: end, end }
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
            retries: AtomicU64::new(0),
        })))
    }

    pub(crate) fn config(&self) -> &UpstreamConfig {
        &self.0.config
    }

    /// How often something was asked once more.
    pub fn retries(&self) -> u64 {
        self.0.retries.load(Ordering::Relaxed)
    }

    /// The clocks of a call that generates.
    pub(crate) fn due(&self) -> Due {
        let now = Instant::now();
        let end = now + self.0.config.total_timeout;
        Due { head: end.min(now + self.0.config.first_byte_timeout), end }
    }

    /// The head of a successful answer. Tries up to three times, but never again once the head of an answer has come.
    pub(crate) async fn ask(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        due: Due,
    ) -> Result<reqwest::Response, UpstreamError> {
        let response = self.send(endpoint, request, due.head).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response, request, due.end).await);
        }
        check_encoding(response.headers())?;
        Ok(response)
    }

    /// A JSON answer, read whole.
    pub(crate) async fn ask_json(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        due: Due,
    ) -> Result<(HeaderMap, Bytes), UpstreamError> {
        let mut response = self.ask(endpoint, request, due).await?;
        check_json(response.headers())?;
        let body = self.read(&mut response, due.end).await?;
        Ok((std::mem::take(response.headers_mut()), body))
    }

    /// The body of an answer, within the limits.
    pub(crate) async fn read(
        &self,
        response: &mut reqwest::Response,
        deadline: Instant,
    ) -> Result<Bytes, UpstreamError> {
        let Inner { config, .. } = &*self.0;
        let limits = Limits { max_bytes: config.max_body_bytes, idle: config.idle_timeout, deadline };
        body::read(response, limits).await
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
            let error = match timeout_at(due, client.execute(request.build(self.0.config.clock.now())?)).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => UpstreamError::before_head(&error),
                Err(_) => UpstreamError::Timeout { phase: TimeoutPhase::FirstByte },
            };
            match backoff.next() {
                Some(wait) if error.is_worth_retrying() && Instant::now() + wait < due => {
                    tracing::debug!(origin = %endpoint.origin(), %error, "asking the provider again");
                    self.0.retries.fetch_add(1, Ordering::Relaxed);
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
        request: &Request<'_>,
        deadline: Instant,
    ) -> UpstreamError {
        let status = response.status();
        if status.is_redirection() {
            return UpstreamError::bad(format!("it redirects ({})", status.as_u16()));
        }
        let due = deadline.min(Instant::now() + ERROR_BODY_TIME);
        let idle = self.0.config.idle_timeout;
        let limits = Limits { max_bytes: MAX_ERROR_BYTES, idle, deadline: due };
        let body = body::read_some(&mut response, limits).await;
        let detail = Detail::parse(&body, request.secret());
        let error = UpstreamError::from_status(status, response.headers(), self.0.config.clock.now(), detail);
        match status {
            StatusCode::TOO_MANY_REQUESTS => error.or_retry_after(&body),
            _ => error,
        }
    }
}

impl ClientError {
    fn new(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

/// What all clients share. HTTP/1.1 only: one connection for each running answer, so none waits behind another and
/// dropping an answer ends it at the provider.
pub(crate) fn builder(config: &UpstreamConfig) -> reqwest::ClientBuilder {
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

fn check_encoding(headers: &HeaderMap) -> Result<(), UpstreamError> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(UpstreamError::bad("it is compressed although nothing of that was asked for"))
        }
        _ => Ok(()),
    }
}

/// A missing type passes: the parser has the last word.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), UpstreamError> {
    let Some(media_type) = media_type(headers) else { return Ok(()) };
    let media_type = media_type.to_ascii_lowercase();
    if media_type.ends_with(b"/json") || media_type.ends_with(b"+json") {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(&media_type).chars().take(64).collect();
    Err(UpstreamError::bad(format!("its type is {shown}, not JSON")))
}

/// The content type without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(CONTENT_TYPE)?.as_bytes().split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use llm_api_domain::WireFamily;

    use super::*;
    use crate::UnreachableReason;

    #[tokio::test]
    async fn a_user_named_host_that_leads_inside_is_never_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let endpoint = Endpoint::user_unchecked(&format!("http://localhost:{port}/v1")).expect("valid");
        let client = Client::new(&UpstreamConfig::default()).expect("a client");
        tokio::select! {
            error = client.models(&endpoint, WireFamily::OpenaiChat, None) => {
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
    }
}
