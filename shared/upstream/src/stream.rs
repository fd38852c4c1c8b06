//! A provider's event stream, one whole event at a time.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::{UpstreamError, chunks::Chunks, framing::Framing};

/// The events of an answer. Read it to its end (`None`) so that the connection can serve the next call; dropping it
/// earlier closes the connection.
pub struct EventStream {
    headers: HeaderMap,
    chunks: Chunks,
    framing: Framing,
}

impl EventStream {
    pub(crate) fn new(mut response: reqwest::Response, framing: Framing, idle: Duration, deadline: Instant) -> Self {
        Self {
            headers: std::mem::take(response.headers_mut()),
            chunks: Chunks::new(response, idle, Some(deadline)),
            framing,
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
            match self.framing.next_event() {
                Some(Ok(event)) => return Some(Ok(event)),
                Some(Err(error)) => {
                    self.chunks.close();
                    return Some(Err(error));
                }
                None => {}
            }
            match self.chunks.next().await? {
                Ok(Some(chunk)) => self.framing.push(chunk),
                Ok(None) => return self.framing.finish(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.chunks.has_ended()).finish_non_exhaustive()
    }
}
