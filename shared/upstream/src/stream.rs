//! A provider's event stream, one whole event at a time.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::{
    UpstreamError,
    chunks::Chunks,
    sse::{EventSplitter, Tail, TooLong, data},
    wire::openai::is_done,
};

/// The events of an answer. Read it to its end (`None`) so that the connection can serve the next call; dropping it
/// earlier closes the connection.
pub struct EventStream {
    headers: HeaderMap,
    chunks: Chunks,
    splitter: EventSplitter,
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
            chunks: Chunks::new(response, idle, Some(deadline)),
            splitter: EventSplitter::new(max_event_bytes),
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
                    self.chunks.close();
                    return Some(Err(UpstreamError::bad(TooLong.to_string())));
                }
                None => {}
            }
            match self.chunks.next().await? {
                Ok(Some(chunk)) => self.splitter.push(chunk),
                Ok(None) => return self.last(),
                Err(error) => return Some(Err(error)),
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
            Tail::Partial(_) => Some(Err(UpstreamError::died("it ended in the middle of an event"))),
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.chunks.has_ended()).finish_non_exhaustive()
    }
}
