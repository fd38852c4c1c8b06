use std::{fmt, time::Duration};

use llm_api_domain::Clock;
use url::Url;

/// Clocks and caps of outbound calls. The defaults are the decided figures.
#[derive(Clone)]
pub struct UpstreamConfig {
    /// Name look-up, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the start of a call, retries included, to the head of the answer.
    pub first_byte_timeout: Duration,
    /// The longest silence after the head.
    pub idle_timeout: Duration,
    /// The whole call.
    pub total_timeout: Duration,
    /// Of an answer that is no stream.
    pub max_body_bytes: usize,
    /// Of one event of a stream, and so of each of its lines.
    pub max_line_bytes: usize,
    /// For endpoints of the operator. Endpoints that users name never go through it: it would look their names up itself,
    /// past the address check.
    pub proxy: Option<Url>,
    pub user_agent: String,
    /// Of Azure's deployments; its newer API under `/openai/v1` needs none.
    pub azure_api_version: String,
    /// For dates in `Retry-After`.
    pub clock: Clock,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(2),
            total_timeout: Duration::from_mins(15),
            max_body_bytes: 32 << 20,
            max_line_bytes: 1 << 20,
            proxy: None,
            user_agent: concat!("llm-api/", env!("CARGO_PKG_VERSION")).to_owned(),
            azure_api_version: "2024-10-21".to_owned(),
            clock: Clock::system(),
        }
    }
}

impl fmt::Debug for UpstreamConfig {
    /// Without the proxy's address: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamConfig")
            .field("connect_timeout", &self.connect_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("max_line_bytes", &self.max_line_bytes)
            .field("proxy", &self.proxy.is_some())
            .field("user_agent", &self.user_agent)
            .field("azure_api_version", &self.azure_api_version)
            .finish_non_exhaustive()
    }
}
