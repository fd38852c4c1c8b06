//! A provider's event stream, one whole event at a time.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    UpstreamError,
    sse::{EventSplitter, Tail, TooLong, data},
    wire::openai::is_done,
};

/// The events of an answer. Read it to its end (`None`) so that the connection can serve the next call; dropping it
/// earlier closes the connection.
pub struct EventStream {
    headers: HeaderMap,
    /// `None` once the stream has ended.
    response: Option<reqwest::Response>,
    splitter: EventSplitter,
    /// One timer for the whole stream: it is set anew when it fires, not with every chunk.
    timer: Pin<Box<Sleep>>,
    /// Since when we wait for bytes; kept across cancelled waits.
    waiting_since: Option<Instant>,
    idle: Duration,
    deadline: Instant,
}

impl EventStream {
    pub(crate) fn new(
        mut response: reqwest::Response,
        max_event_bytes: usize,
        idle: Duration,
        deadline: Instant,
    ) -> Self {
        Self {
            headers: std::mem::take(response.headers_mut()),
            response: Some(response),
            splitter: EventSplitter::new(max_event_bytes),
            timer: Box::pin(sleep_until(deadline.min(Instant::now() + idle))),
            waiting_since: None,
            idle,
            deadline,
        }
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next raw event with its terminating blank line; `None` at the clean end of the body, and after an error.
    /// Whether the last event was the right one to end with is the caller's to judge. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        loop {
            match self.splitter.next_event() {
                Some(Ok(event)) => return Some(Ok(event)),
                Some(Err(TooLong)) => {
                    self.response = None;
                    return Some(Err(UpstreamError::bad(TooLong.to_string())));
                }
                None => {}
            }
            match self.next_chunk().await? {
                Ok(Some(chunk)) => self.splitter.push(chunk),
                Ok(None) => {
                    self.response = None;
                    return self.last();
                }
                Err(error) => {
                    self.response = None;
                    return Some(Err(error));
                }
            }
        }
    }

    /// What the end of the body left over. A cut JSON text is never whole, so only a final `[DONE]` may lack its line
    /// ending.
    fn last(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        match self.splitter.finish() {
            Tail::Nothing => None,
            Tail::Event(event) => Some(Ok(event)),
            Tail::Partial(rest) if data(&rest).is_some_and(|data| is_done(&data)) => {
                Some(Ok([&rest, &b"\n\n"[..]].concat().into()))
            }
            Tail::Partial(_) => Some(Err(died("it ended in the middle of an event"))),
        }
    }

    /// Bytes, or `Ok(None)` at the end of the body; `None` once the stream has ended.
    async fn next_chunk(&mut self) -> Option<Result<Option<Bytes>, UpstreamError>> {
        let response = self.response.as_mut()?;
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let due = self.deadline.min(since + self.idle);
        let chunk = {
            let mut chunk = pin!(response.chunk());
            poll_fn(|cx| {
                if since < self.deadline
                    && let Poll::Ready(chunk) = chunk.as_mut().poll(cx)
                {
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
        Some(match chunk {
            Some(Ok(chunk)) => Ok(chunk),
            Some(Err(error)) => Err(UpstreamError::in_body(&error)),
            None if due == self.deadline => Err(died("it took longer than one call may")),
            None => Err(died("no bytes came for too long")),
        })
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.response.is_none()).finish_non_exhaustive()
    }
}

fn died(reason: &str) -> UpstreamError {
    UpstreamError::Died { reason: reason.to_owned() }
}
