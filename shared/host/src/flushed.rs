use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use llm_api_telemetry::Telemetry;

type Flush = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of an answer that ends only once the collector has what there is: a function freezes with the last byte.
pub(crate) struct FlushedBody {
    body: Body,
    telemetry: Telemetry,
    flush: Option<Flush>,
    has_ended: bool,
}

impl FlushedBody {
    pub(crate) fn new(body: Body, telemetry: Telemetry) -> Self {
        Self { body, telemetry, flush: None, has_ended: false }
    }
}

impl fmt::Debug for FlushedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlushedBody").field("has_ended", &self.has_ended).finish_non_exhaustive()
    }
}

impl HttpBody for FlushedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.has_ended {
            if let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) {
                return Poll::Ready(Some(frame));
            }
            let telemetry = self.telemetry.clone();
            self.flush = Some(Box::pin(async move { telemetry.flush().await }));
            self.has_ended = true;
        }
        if let Some(flush) = &mut self.flush {
            ready!(flush.as_mut().poll(context));
            self.flush = None;
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
