use std::time::Instant;

use llm_api_domain::{ProviderId, TokenUsage};

use crate::{
    Outcome, Telemetry, TraceParent,
    otlp::{CallSpan, CalledProvider},
};

/// What a provider is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Chat,
    Images,
    Embeddings,
}

/// One call to a provider, from asking to its end; counts as cancelled when it is dropped.
#[derive(Debug)]
pub struct ProviderCall {
    telemetry: Telemetry,
    provider: ProviderId,
    begun: Instant,
    /// Whether the next event is the first of a stream.
    waits_for_stream: bool,
    usage: TokenUsage,
    /// Only where a collector is told.
    span: Option<Box<CallSpan>>,
    has_ended: bool,
}

impl Telemetry {
    /// Begins to watch a call to a provider. `model` is the provider's own name of it.
    pub fn calls(
        &self,
        parent: Option<TraceParent>,
        provider: ProviderId,
        model: &str,
        operation: Operation,
        streamed: bool,
    ) -> ProviderCall {
        let called = || CalledProvider { provider, model, operation, streamed };
        ProviderCall {
            telemetry: self.clone(),
            provider,
            begun: Instant::now(),
            waits_for_stream: streamed,
            usage: TokenUsage::default(),
            span: self.otlp().map(|otlp| Box::new(otlp.begin_call(parent, called()))),
            has_ended: false,
        }
    }
}

impl ProviderCall {
    /// Notes when the provider's stream began; only the first event counts.
    pub fn event(&mut self) {
        if std::mem::take(&mut self.waits_for_stream) {
            self.telemetry.metrics().providers.of(self.provider).first_event(self.begun.elapsed());
        }
    }

    /// Notes which model answers, in the provider's words. It is looked for once, and only where a collector is told.
    pub fn answered_by(&mut self, find: impl FnOnce() -> Option<String>) {
        if let Some(span) = self.span.as_mut().filter(|span| span.wants_model()) {
            span.answered_by(find());
        }
    }

    /// Notes the provider's counts; the last ones it gives are the final ones.
    pub fn usage(&mut self, usage: TokenUsage) {
        self.usage = usage;
    }

    pub fn end(mut self, outcome: Outcome) {
        self.note_end(outcome);
    }

    fn note_end(&mut self, outcome: Outcome) {
        self.has_ended = true;
        let took = self.begun.elapsed();
        self.telemetry.metrics().providers.of(self.provider).ended(outcome, took, &self.usage);
        if let (Some(span), Some(otlp)) = (self.span.take(), self.telemetry.otlp()) {
            otlp.end_call(*span, outcome, took, &self.usage);
        }
    }
}

impl Drop for ProviderCall {
    fn drop(&mut self) {
        if !self.has_ended {
            self.note_end(Outcome::Cancelled);
        }
    }
}
