//! How a provider's stream is cut: whatever the framing, what comes out are server-sent events.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::memchr;
use serde_json::{Value, json};

use crate::{
    UpstreamError,
    client::media_type,
    eventstream::{Frame, FrameKind, FrameSplitter},
    sse::{EventSplitter, Tail, TooLong, data},
    wire::openai::is_done,
};

pub(crate) enum Framing {
    Events(EventSplitter),
    /// Amazon's.
    Frames(FrameSplitter),
    /// A JSON text in each line, as Ollama sends.
    Lines(Lines),
}

impl Framing {
    /// That of an answer; `None` where it is no stream.
    pub(crate) fn of(headers: &HeaderMap, max_event_bytes: usize) -> Option<Self> {
        let kind = media_type(headers)?.to_ascii_lowercase();
        match kind.as_slice() {
            b"text/event-stream" => Some(Self::Events(EventSplitter::new(max_event_bytes))),
            b"application/vnd.amazon.eventstream" => Some(Self::Frames(FrameSplitter::new(max_event_bytes))),
            b"application/x-ndjson" => Some(Self::Lines(Lines::new(max_event_bytes))),
            _ => None,
        }
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Events(splitter) => splitter.push(chunk),
            Self::Frames(splitter) => splitter.push(chunk),
            Self::Lines(lines) => lines.rest.extend_from_slice(&chunk),
        }
    }

    /// The next whole event, or `None` until more bytes are pushed.
    pub(crate) fn next_event(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        match self {
            Self::Events(splitter) => {
                splitter.next_event().map(|event| event.map_err(|TooLong| UpstreamError::bad(TooLong.to_string())))
            }
            Self::Frames(splitter) => splitter.next_frame().map(|frame| {
                frame.map(|frame| event_of(&frame)).map_err(|error| UpstreamError::bad(error.to_string()))
            }),
            Self::Lines(lines) => lines.next(),
        }
    }

    /// What the end of the body left over. A cut JSON text is never whole, so only a final `[DONE]` may lack its line
    /// ending.
    pub(crate) fn finish(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        let cut = || Some(Err(UpstreamError::died("it ended in the middle of an event")));
        match self {
            Self::Events(splitter) => match splitter.finish() {
                Tail::Nothing => None,
                Tail::Event(event) => Some(Ok(event)),
                Tail::Partial(rest) if data(&rest).is_some_and(|data| is_done(&data)) => {
                    Some(Ok([&rest, &b"\n\n"[..]].concat().into()))
                }
                Tail::Partial(_) => cut(),
            },
            Self::Frames(splitter) if splitter.is_at_boundary() => None,
            Self::Lines(lines) if lines.rest.trim_ascii().is_empty() => None,
            Self::Frames(_) | Self::Lines(_) => cut(),
        }
    }
}

/// A frame as an event of the same name. An exception gets the form of an error object, with the status that it means.
fn event_of(frame: &Frame) -> Bytes {
    if frame.kind == FrameKind::Event {
        return [b"event: ", frame.name.as_bytes(), b"\ndata: ", &frame.payload, b"\n\n"].concat().into();
    }
    let told = serde_json::from_slice::<Value>(&frame.payload).unwrap_or_default();
    let message = told["message"].as_str().or(told["Message"].as_str()).or(frame.message.as_deref());
    let status = frame.meant_status().map(|status| status.as_u16());
    let error = json!({ "error": { "type": frame.name, "message": message.unwrap_or_default(), "code": status } });
    format!("event: {}\ndata: {error}\n\n", frame.name).into()
}

pub(crate) struct Lines {
    rest: BytesMut,
    max_bytes: usize,
}

impl Lines {
    fn new(max_bytes: usize) -> Self {
        Self { rest: BytesMut::new(), max_bytes }
    }

    fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        while let Some(end) = memchr(b'\n', &self.rest) {
            let line = self.rest.split_to(end + 1);
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some(Ok([b"data: ", line, b"\n\n"].concat().into()));
            }
        }
        (self.rest.len() > self.max_bytes).then(|| Err(UpstreamError::bad(TooLong.to_string())))
    }
}

#[cfg(test)]
mod cuts;

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONTENT_TYPE};

    use super::*;

    fn framing(kind: &'static str, max: usize) -> Framing {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Framing::of(&headers, max).expect("a stream")
    }

    #[test]
    fn lines_become_events_wherever_they_are_cut() {
        let text = b"{\"a\":1}\r\n\n{\"b\":2}\n";
        for cut in 0..text.len() {
            let mut framing = framing("application/x-ndjson; charset=utf-8", 64);
            let mut events = Vec::new();
            for piece in [&text[..cut], &text[cut..]] {
                framing.push(Bytes::copy_from_slice(piece));
                events.extend(std::iter::from_fn(|| framing.next_event()).map(|event| event.expect("an event")));
            }
            assert_eq!(events, [&b"data: {\"a\":1}\n\n"[..], b"data: {\"b\":2}\n\n"], "cut at {cut}");
            assert_eq!(framing.finish(), None);
        }
    }

    #[test]
    fn what_is_cut_or_too_long_is_told() {
        let mut cut = framing("application/x-ndjson", 64);
        cut.push(Bytes::from_static(b"{\"a\":"));
        assert!(cut.next_event().is_none());
        assert!(matches!(cut.finish(), Some(Err(UpstreamError::Died { .. }))));
        let mut long = framing("application/x-ndjson", 4);
        long.push(Bytes::from_static(b"{\"a\":1"));
        assert!(matches!(long.next_event(), Some(Err(UpstreamError::BadResponse { .. }))));
        assert!(Framing::of(&HeaderMap::new(), 1).is_none());
    }

    #[test]
    fn an_exception_becomes_an_error_object() {
        let frame = Frame {
            kind: FrameKind::Exception,
            name: "throttlingException".to_owned(),
            message: None,
            payload: Bytes::from_static(b"{\"message\":\"slow down\"}"),
        };
        let event = event_of(&frame);
        let error = UpstreamError::from_error_body(&data(&event).expect("data"), None);
        assert!(matches!(error, UpstreamError::RateLimited { .. }), "{error:?}");
        assert_eq!(crate::sse::name(&event), Some("throttlingException"));
    }
}
