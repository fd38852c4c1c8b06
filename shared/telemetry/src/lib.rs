//! What an operator can watch: figures for Prometheus, and traces and metrics by OTLP.
//!
//! Figures are always kept: a few atomic counters for each request. Traces and OTLP metrics exist only where a collector
//! is named. Neither ever holds a prompt, a reply, a key or a name of a user.

mod call;
mod histogram;
mod metrics;
mod otlp;
mod process;
mod providers;
mod request;
mod server;
mod text;

use std::sync::Arc;

use llm_api_domain::{Clock, ProviderId};

pub use call::{Operation, ProviderCall};
pub use metrics::{Metrics, Place};
pub use otlp::{CollectorError, CollectorSettings, TraceParent};
pub use providers::Outcome;
pub use request::{ServerRequest, ServerSpan};
pub use text::{Kind, Labels, Page};

use otlp::Otlp;

/// The figures of this process, and the way to a collector where there is one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    otlp: Option<Otlp>,
}

impl Telemetry {
    /// Needs a runtime when there is a collector: what is sent there is sent by it.
    ///
    /// # Errors
    /// When the collector's address cannot be asked.
    pub fn new(clock: &Clock, collector: Option<&CollectorSettings>) -> Result<Self, CollectorError> {
        let otlp = collector.map(Otlp::start).transpose()?;
        Ok(Self(Arc::new(Inner { metrics: Metrics::new(clock), otlp })))
    }

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whether a collector is told of requests.
    pub fn is_told(&self) -> bool {
        self.0.otlp.is_some()
    }

    fn otlp(&self) -> Option<&Otlp> {
        self.0.otlp.as_ref()
    }

    /// Notes that after a failed call of this provider another model or provider is asked.
    pub fn stands_in_for(&self, provider: ProviderId) {
        self.0.metrics.providers.of(provider).stand_in();
    }

    /// Sends what waits, within a few seconds; what does not arrive by then is lost.
    pub async fn flush(&self) {
        if let Some(otlp) = self.otlp() {
            otlp.flush().await;
        }
    }
}
