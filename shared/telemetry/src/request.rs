use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, Version};

use crate::{
    Telemetry, TraceParent,
    otlp::{AnsweredRequest, RequestSpan},
};

/// One request of a client, from its head to the head of the answer.
#[derive(Debug)]
pub struct ServerRequest {
    method: Method,
    begun: Instant,
    /// Only where a collector is told.
    span: Option<Box<RequestSpan>>,
}

/// What a collector is told of a request once the body of the answer has ended, or was given up.
#[derive(Debug)]
pub struct ServerSpan {
    telemetry: Telemetry,
    span: Option<(Box<RequestSpan>, AnsweredRequest)>,
}

impl Telemetry {
    /// Begins to watch a request. Who calls may have begun a trace; it is gone on with.
    pub fn request(&self, method: &Method, version: Version, headers: &HeaderMap) -> ServerRequest {
        let span = self.otlp().map(|otlp| Box::new(otlp.begin_request(method, version, headers)));
        ServerRequest { method: method.clone(), begun: Instant::now(), span }
    }

    /// Counts a request whose answer's head is ready, and hands on what is told at the end of its body.
    pub fn answered(&self, request: ServerRequest, route: Option<&str>, status: StatusCode) -> Option<ServerSpan> {
        let ServerRequest { method, begun, span } = request;
        self.metrics().routes.note(route, &method, status, begun.elapsed());
        let span = span?;
        let answered = AnsweredRequest { method, route: route.map(str::to_owned), status, begun };
        Some(ServerSpan { telemetry: self.clone(), span: Some((span, answered)) })
    }
}

impl ServerRequest {
    pub fn method(&self) -> &Method {
        &self.method
    }

    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What calls to providers belong under.
    pub fn trace(&self) -> Option<TraceParent> {
        self.span.as_ref().map(|span| span.as_parent())
    }
}

impl ServerSpan {
    /// The body has ended.
    pub fn end(mut self) {
        self.tell();
    }

    fn tell(&mut self) {
        if let (Some((span, answered)), Some(otlp)) = (self.span.take(), self.telemetry.otlp()) {
            otlp.end_request(*span, answered);
        }
    }
}

impl Drop for ServerSpan {
    fn drop(&mut self) {
        self.tell();
    }
}
