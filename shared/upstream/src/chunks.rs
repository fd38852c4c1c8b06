//! The bytes of a body as they come, with a clock for silence and one for the whole.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::UpstreamError;

/// Reads one body piece by piece. Dropped before its end, it closes the connection.
pub(crate) struct Chunks {
    /// `None` once the body has ended.
    response: Option<reqwest::Response>,
    /// One timer for the whole body: it is set anew when it fires, not with every chunk.
    timer: Pin<Box<Sleep>>,
    /// Since when we wait for bytes; kept across cancelled waits.
    waiting_since: Option<Instant>,
    idle: Duration,
    /// `None` for a body that may take as long as it likes.
    deadline: Option<Instant>,
}

impl Chunks {
    pub(crate) fn new(response: reqwest::Response, idle: Duration, deadline: Option<Instant>) -> Self {
        let silent = Instant::now() + idle;
        Self {
            response: Some(response),
            timer: Box::pin(sleep_until(deadline.map_or(silent, |deadline| deadline.min(silent)))),
            waiting_since: None,
            idle,
            deadline,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.response.is_none()
    }

    pub(crate) fn close(&mut self) {
        self.response = None;
    }

    /// Bytes, or `Ok(None)` at the end of the body; `None` after the end and after an error. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Option<Bytes>, UpstreamError>> {
        let response = self.response.as_mut()?;
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let silent = since + self.idle;
        let due = self.deadline.map_or(silent, |deadline| deadline.min(silent));
        let in_time = self.deadline.is_none_or(|deadline| since < deadline);
        let chunk = {
            let mut chunk = pin!(response.chunk());
            poll_fn(|cx| {
                if in_time && let Poll::Ready(chunk) = chunk.as_mut().poll(cx) {
                    return Poll::Ready(Some(chunk));
                }
                while self.timer.as_mut().poll(cx).is_ready() {
                    if Instant::now() >= due {
                        return Poll::Ready(None);
                    }
                    self.timer.as_mut().reset(due);
                }
                Poll::Pending
            })
            .await
        };
        self.waiting_since = None;
        let chunk = match chunk {
            Some(Ok(chunk)) => Ok(chunk),
            Some(Err(error)) => Err(UpstreamError::in_body(&error)),
            None if Some(due) == self.deadline => Err(UpstreamError::died("it took longer than one call may")),
            None => Err(UpstreamError::died("no bytes came for too long")),
        };
        if !matches!(chunk, Ok(Some(_))) {
            self.response = None;
        }
        Some(chunk)
    }
}
