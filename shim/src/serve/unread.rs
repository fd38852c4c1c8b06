//! Bodies that nobody reads to their end.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Version, header::EXPECT};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// As much as a body may have at all, and some more.
const MOST: usize = 32 * 1024 * 1024;
/// A client that sends its request first and reads then needs this long for it on a slow line.
const LONGEST: Duration = Duration::from_secs(10);

/// A request's body. What is left of it when it is dropped is still taken from the client, within bounds: a connection that
/// is closed with unread bytes is reset, and takes a reply along that the client has not read yet, such as a refusal of
/// its token.
pub(super) struct Unread {
    /// `None` once it has been read.
    body: Option<Incoming>,
    is_drained: bool,
}

impl Unread {
    pub(super) fn of(request: Request<Incoming>) -> Request<Self> {
        // HTTP/2 ends a stream without ending its connection, and who waits for a "continue" has sent nothing.
        let is_drained = request.version() <= Version::HTTP_11 && !request.headers().contains_key(EXPECT);
        request.map(|body| Self { body: Some(body), is_drained })
    }
}

impl Body for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| self.is_drained && !body.is_end_stream()) else { return };
        #[expect(clippy::disallowed_methods, reason = "it ends in time, and with its connection")]
        tokio::spawn(timeout(LONGEST, drain(body)));
    }
}

async fn drain(mut body: Incoming) {
    let mut taken = 0;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > MOST {
            return;
        }
    }
}
