use std::{
    fmt,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, StatusCode, Version};
use llm_api_domain::{ProviderId, TokenUsage};
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    propagation::TextMapPropagator as _,
    trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::Span};

use super::Otlp;
use crate::{
    Operation, Outcome,
    server::{OTHER, known_method},
};

/// A provider's name of a model is short; what is longer was made up by a client.
const LONGEST_MODEL: usize = 128;

/// The span that others belong under.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

impl TraceParent {
    fn of(span: &SpanContext) -> Self {
        Self { trace: span.trace_id(), span: span.span_id(), flags: span.trace_flags() }
    }

    fn context(self) -> Context {
        let span = SpanContext::new(self.trace, self.span, self.flags, false, TraceState::default());
        Context::new().with_remote_span_context(span)
    }
}

/// The id of the trace, as logs tell it.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace.fmt(f)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({self})")
    }
}

/// A request whose answer has not ended.
#[derive(Debug)]
pub(crate) struct RequestSpan(Span);

impl RequestSpan {
    pub(crate) fn as_parent(&self) -> TraceParent {
        TraceParent::of(self.0.span_context())
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct AnsweredRequest {
    pub(crate) method: Method,
    /// The pattern, never the path: people paste secrets into paths, too.
    pub(crate) route: Option<String>,
    pub(crate) status: StatusCode,
    pub(crate) begun: Instant,
}

/// Whom a call goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CalledProvider<'c> {
    pub(crate) provider: ProviderId,
    pub(crate) model: &'c str,
    pub(crate) operation: Operation,
    pub(crate) streamed: bool,
}

/// A call that has not ended.
#[derive(Debug)]
pub(crate) struct CallSpan {
    span: Span,
    provider: ProviderId,
    operation: Operation,
    /// Whether the model that answers was looked for.
    knows_model: bool,
}

impl CallSpan {
    pub(crate) fn wants_model(&self) -> bool {
        !self.knows_model && self.span.is_recording()
    }

    pub(crate) fn answered_by(&mut self, model: Option<String>) {
        self.knows_model = true;
        if let Some(model) = model {
            self.span.set_attribute(KeyValue::new("gen_ai.response.model", short(&model)));
        }
    }
}

impl Otlp {
    pub(crate) fn begin_request(&self, method: &Method, version: Version, headers: &HeaderMap) -> RequestSpan {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let (_, method) = known_method(method);
        let mut attributes = vec![KeyValue::new("http.request.method", method)];
        attributes.extend(protocol(version).map(|version| KeyValue::new("network.protocol.version", version)));
        let builder = self.tracer.span_builder(method).with_kind(SpanKind::Server).with_attributes(attributes);
        RequestSpan(self.tracer.build_with_context(builder, &parent))
    }

    pub(crate) fn end_request(&self, span: RequestSpan, answered: AnsweredRequest) {
        let RequestSpan(mut span) = span;
        let AnsweredRequest { method, route, status, begun } = answered;
        let (_, method) = known_method(&method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ];
        if let Some(route) = route {
            let verb = if method == OTHER { "HTTP" } else { method };
            span.update_name(format!("{verb} {route}"));
            attributes.push(KeyValue::new("http.route", route));
        }
        if status.is_server_error() {
            attributes.push(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        self.request_duration.record(begun.elapsed().as_secs_f64(), &attributes);
        span.set_attributes(attributes);
        span.end();
    }

    pub(crate) fn begin_call(&self, parent: Option<TraceParent>, called: CalledProvider<'_>) -> CallSpan {
        let CalledProvider { provider, model, operation, streamed } = called;
        let model = short(model);
        let mut attributes = common(provider, operation).to_vec();
        attributes.push(KeyValue::new("gen_ai.request.model", model.clone()));
        attributes.push(KeyValue::new(
            "gen_ai.output.type",
            match operation {
                Operation::Chat | Operation::Embeddings => "text",
                Operation::Images => "image",
            },
        ));
        if streamed {
            attributes.push(KeyValue::new("gen_ai.request.stream", true));
        }
        let name = format!("{} {model}", operation_name(operation));
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Client).with_attributes(attributes);
        let parent = parent.map_or_else(Context::new, TraceParent::context);
        CallSpan { span: self.tracer.build_with_context(builder, &parent), provider, operation, knows_model: false }
    }

    pub(crate) fn end_call(&self, call: CallSpan, outcome: Outcome, took: Duration, usage: &TokenUsage) {
        let CallSpan { mut span, provider, operation, .. } = call;
        let mut attributes = common(provider, operation).to_vec();
        for (kind, name, count) in [
            ("input", "gen_ai.usage.input_tokens", usage.prompt_tokens),
            ("output", "gen_ai.usage.output_tokens", usage.completion_tokens),
        ] {
            let Some(count) = count else { continue };
            span.set_attribute(KeyValue::new(name, count));
            attributes.push(KeyValue::new("gen_ai.token.type", kind));
            self.call_tokens.record(u64::try_from(count).unwrap_or_default(), &attributes);
            attributes.pop();
        }
        let error = match outcome {
            Outcome::Answered => None,
            Outcome::Failed(code) => Some(code),
            Outcome::Cancelled => Some("cancelled"),
        };
        if let Some(error) = error {
            attributes.push(KeyValue::new("error.type", error));
            span.set_attribute(KeyValue::new("error.type", error));
        }
        if let Outcome::Failed(_) = outcome {
            span.set_status(Status::error(""));
        }
        // Without the model: clients make up names, and every name would be a series.
        self.call_duration.record(took.as_secs_f64(), &attributes);
        span.end();
    }
}

fn common(provider: ProviderId, operation: Operation) -> [KeyValue; 2] {
    [
        KeyValue::new("gen_ai.operation.name", operation_name(operation)),
        KeyValue::new("gen_ai.provider.name", provider_name(provider)),
    ]
}

const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "chat",
        Operation::Images => "generate_content",
        Operation::Embeddings => "embeddings",
    }
}

/// The names of the semantic conventions, and ours for providers that have none there.
const fn provider_name(provider: ProviderId) -> &'static str {
    match provider {
        ProviderId::Google => "gcp.gemini",
        ProviderId::Azure => "azure.ai.openai",
        ProviderId::Xai => "x_ai",
        ProviderId::Mistral => "mistral_ai",
        provider => provider.as_str(),
    }
}

fn protocol(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

fn short(model: &str) -> String {
    model.chars().take(LONGEST_MODEL).collect()
}
