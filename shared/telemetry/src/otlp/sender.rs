use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use llm_api_upstream::PlainClient;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use super::{CollectorError, CollectorSettings, LONGEST_SEND};

/// Brings batches to one path of the collector. The exporters call it from threads of their own, outside of the runtime
/// that the client needs.
#[derive(Debug)]
pub(super) struct Sender {
    runtime: Handle,
    target: Arc<Target>,
}

#[derive(Debug)]
struct Target {
    client: PlainClient,
    path: &'static str,
    headers: HeaderMap,
    /// Whether the last batch was not taken: said once, not for each.
    is_away: AtomicBool,
}

impl Sender {
    pub(super) fn new(settings: &CollectorSettings, path: &'static str) -> Result<Self, CollectorError> {
        let runtime = Handle::try_current().map_err(|error| CollectorError(error.to_string()))?;
        let client = PlainClient::new(&settings.endpoint, LONGEST_SEND);
        let client = client.map_err(|error| CollectorError(error.to_string()))?;
        let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
        for value in headers.values_mut() {
            value.set_sensitive(true);
        }
        let target = Target { client, path, headers, is_away: AtomicBool::new(false) };
        Ok(Self { runtime, target: Arc::new(target) })
    }
}

#[async_trait]
impl HttpClient for Sender {
    /// The address in the request is none: the client knows where the collector is.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let target = Arc::clone(&self.target);
        self.runtime.spawn(async move { target.send(request).await }).await?
    }
}

impl Target {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        headers.extend(self.headers.clone());
        let sent = self.client.post(self.path).headers(&headers).body(body).send().await;
        let (path, trouble) = (
            self.path,
            match &sent {
                Ok(reply) if reply.status.is_success() => None,
                Ok(reply) => Some(format!("it answers {}", reply.status.as_u16())),
                Err(error) => Some(error.to_string()),
            },
        );
        let was_away = self.is_away.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(reason) if !was_away => {
                tracing::warn!(
                    path,
                    reason,
                    "the collector of LLM_API_OTLP_ENDPOINT takes nothing; telemetry is dropped until it does"
                );
            }
            None if was_away => tracing::info!(path, "the collector of LLM_API_OTLP_ENDPOINT takes telemetry again"),
            _ => {}
        }
        let reply = sent?;
        let mut response = Response::new(reply.body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}
