//! Replies that stream server-sent events.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderName, HeaderValue, header};

use crate::Completion;

/// The comment that keeps a silent stream alive.
pub const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// A 200 whose body is `events`, each written as it comes. The body never fails: an error is an event of its own, and
/// `has_failed` knows it.
pub fn event_stream<E: Send + 'static>(
    events: impl Stream<Item = E> + Send + 'static,
    has_failed: fn(&E) -> bool,
    write: impl Fn(E) -> Bytes + Send + 'static,
) -> Response {
    let completion = Completion::default();
    let told = completion.clone();
    let events = events.map(move |event| {
        if has_failed(&event) {
            told.fail();
        }
        Ok::<_, Infallible>(write(event))
    });
    let mut response = Response::new(Body::from_stream(events));
    response.extensions_mut().insert(completion);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would otherwise collect events before it passes them on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
