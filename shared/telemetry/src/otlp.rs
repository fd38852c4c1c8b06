//! Traces and metrics for a collector, by the semantic conventions of OpenTelemetry.

mod sender;
mod spans;

use std::{fmt, thread, time::Duration};

use http::{HeaderName, HeaderValue};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, MeterProvider as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tokio::sync::oneshot;

use sender::Sender;
pub use spans::TraceParent;
pub(crate) use spans::{AnsweredRequest, CallSpan, CalledProvider, RequestSpan};

/// How often metrics are sent. Spans are sent every five seconds.
const METRICS_EVERY: Duration = Duration::from_secs(30);
/// The longest a collector may take for one batch.
const LONGEST_SEND: Duration = Duration::from_secs(3);
/// The longest that anybody waits for what is left at the end.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
/// What our figures and spans are filed under.
const SCOPE: &str = "llm-api";

/// Where a collector is, and what it is told.
pub struct CollectorSettings {
    /// Base address for OTLP over HTTP; `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: String,
    /// Sent with every batch; may hold a credential.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The share of traces that are recorded, from 0 to 1.
    pub sample_ratio: f64,
    pub version: String,
}

impl fmt::Debug for CollectorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorSettings").field("sample_ratio", &self.sample_ratio).finish_non_exhaustive()
    }
}

/// The collector cannot be told anything; the text holds neither address nor headers.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CollectorError(String);

#[derive(Debug)]
pub(crate) struct Otlp {
    tracer: SdkTracer,
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
    request_duration: Histogram<f64>,
    call_duration: Histogram<f64>,
    call_tokens: Histogram<u64>,
}

impl Otlp {
    pub(crate) fn start(settings: &CollectorSettings) -> Result<Self, CollectorError> {
        let sender = |path| Sender::new(settings, path);
        let resource = Resource::builder_empty()
            .with_service_name("llm-api")
            .with_attributes([
                KeyValue::new("service.version", settings.version.clone()),
                KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()),
            ])
            .build();
        let failed = |error: opentelemetry_otlp::ExporterBuildError| CollectorError(error.to_string());
        let spans = SpanExporter::builder().with_http().with_http_client(sender("/v1/traces")?);
        let spans = spans.with_protocol(Protocol::HttpBinary).with_endpoint("http://collector/").build();
        let metrics = MetricExporter::builder().with_http().with_http_client(sender("/v1/metrics")?);
        let metrics = metrics.with_protocol(Protocol::HttpBinary).with_endpoint("http://collector/").build();
        let reader = PeriodicReader::builder(metrics.map_err(failed)?).with_interval(METRICS_EVERY).build();

        let ratio = || Sampler::TraceIdRatioBased(settings.sample_ratio);
        // Who calls may leave a request out of the traces, and cannot force it in.
        let sampler = Sampler::parent_based(ratio()).with_remote_parent_sampled(ratio());
        let tracers = SdkTracerProvider::builder()
            .with_batch_exporter(spans.map_err(failed)?)
            .with_sampler(sampler)
            .with_resource(resource.clone())
            .build();
        let meters = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
        let meter = meters.meter(SCOPE);
        let seconds = |name: &'static str, help: &'static str, bounds: &[f64]| {
            meter.f64_histogram(name).with_unit("s").with_description(help).with_boundaries(bounds.to_vec()).build()
        };
        Ok(Self {
            tracer: tracers.tracer(SCOPE),
            request_duration: seconds(
                "http.server.request.duration",
                "Duration of HTTP server requests",
                &HTTP_SECONDS,
            ),
            call_duration: seconds("gen_ai.client.operation.duration", "GenAI operation duration", &MODEL_SECONDS),
            call_tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Number of input and output tokens used")
                .with_boundaries(TOKENS.to_vec())
                .build(),
            tracers,
            meters,
        })
    }

    /// The exporters block a thread while they send, so that is one of their own; the process may end meanwhile.
    pub(crate) async fn flush(&self) {
        let (tracers, meters) = (self.tracers.clone(), self.meters.clone());
        let (done, flushed) = oneshot::channel();
        let spawned = thread::Builder::new().name("telemetry-flush".to_owned()).spawn(move || {
            // What went wrong was told by the sender.
            let _ = tracers.force_flush();
            let _ = meters.force_flush();
            let _ = done.send(());
        });
        if spawned.is_ok() && tokio::time::timeout(LONGEST_FLUSH, flushed).await.is_err() {
            tracing::warn!("the collector of LLM_API_OTLP_ENDPOINT did not take the last telemetry in time");
        }
    }
}

/// The bounds that the semantic conventions advise.
const HTTP_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const MODEL_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
