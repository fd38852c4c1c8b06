use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use llm_api_telemetry::ServerSpan;

/// The body of an answer whose end is told to a collector. One that is given up, or whose end nobody asks for, is told of
/// when it is dropped.
pub(crate) struct ToldBody {
    body: Body,
    told_at_end: Option<ServerSpan>,
}

impl ToldBody {
    pub(crate) fn new(body: Body, told_at_end: ServerSpan) -> Self {
        Self { body, told_at_end: Some(told_at_end) }
    }
}

impl fmt::Debug for ToldBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToldBody").finish_non_exhaustive()
    }
}

impl HttpBody for ToldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.told_at_end = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
