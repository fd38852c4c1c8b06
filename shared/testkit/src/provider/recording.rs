//! Answers that were written down: a provider's own bytes.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::{ProviderRequest, Script};
use crate::serve::{Body, full};

/// What a model answers, in one piece and as a stream.
#[derive(Clone, Debug)]
pub struct Recording {
    pub status: u16,
    pub whole: String,
    /// Of the type in `stream_type`.
    pub stream: Bytes,
    pub stream_type: &'static str,
    /// Further headers of both.
    pub headers: Vec<(&'static str, String)>,
    /// What is answered instead when the request brings the result of a tool.
    pub after_tools: Option<Box<Recording>>,
}

impl Recording {
    /// A good answer whose stream is one of server-sent events.
    #[expect(clippy::needless_pass_by_value, reason = "tests write the value where they need it")]
    pub fn new(whole: impl ToString, stream: impl Into<Bytes>) -> Self {
        let (stream, whole) = (stream.into(), whole.to_string());
        Self { status: 200, whole, stream, stream_type: "text/event-stream", headers: Vec::new(), after_tools: None }
    }

    /// The same with another answer for the request that brings the result of a tool.
    #[must_use]
    pub fn then(mut self, after_tools: Recording) -> Self {
        self.after_tools = Some(Box::new(after_tools));
        self
    }

    /// The same with a further header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn play(mut self, request: &ProviderRequest) -> Response<Body> {
        if let Some(after_tools) = self.after_tools.take().filter(|_| request.brings_tool_result()) {
            return after_tools.play(request);
        }
        let is_streamed = request.body["stream"] == true || request.path.contains("tream");
        let (kind, body) = if is_streamed && self.status == 200 {
            (self.stream_type, full(self.stream))
        } else {
            ("application/json", full(self.whole))
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in self.headers {
            let value = HeaderValue::try_from(value).expect("a header's value");
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        response
    }
}

impl Script {
    /// The answer for a request whose model, in the body or in the path, has one.
    pub(super) fn recording(&self, request: &ProviderRequest) -> Option<Recording> {
        let recordings = self.recordings.lock().expect("no panic while adding");
        let is_asked = |model: &str| {
            request.body["model"] == model || request.path.split(['/', ':', '?']).any(|segment| segment == model)
        };
        recordings.iter().rev().find(|(model, _)| is_asked(model)).map(|(_, recording)| recording.clone())
    }
}
