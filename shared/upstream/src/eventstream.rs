//! Amazon's framing of event streams (`application/vnd.amazon.eventstream`): lengths, headers, a payload, checksums.

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;

/// Two lengths and their checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of the event stream is too large")]
    TooLong,
    #[error("a frame of the event stream is damaged")]
    Damaged,
    #[error("a frame of the event stream has headers that cannot be read")]
    Headers,
}

/// What a frame brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Event,
    /// An error that the service's own model has; the payload tells it.
    Exception,
    /// One that it has not; [`Frame::message`] tells it.
    Error,
}

/// One message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: FrameKind,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub name: String,
    /// `:error-message`, of an error.
    pub message: Option<String>,
    pub payload: Bytes,
}

impl Frame {
    /// The status that an exception would have had as an answer, as Amazon Bedrock's API has it; `None` for an event.
    pub(crate) fn meant_status(&self) -> Option<StatusCode> {
        if self.kind == FrameKind::Event {
            return None;
        }
        Some(match self.name.as_str() {
            "validationException" => StatusCode::BAD_REQUEST,
            "throttlingException" => StatusCode::TOO_MANY_REQUESTS,
            "modelStreamErrorException" => StatusCode::FAILED_DEPENDENCY,
            "serviceUnavailableException" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }
}

/// Cuts chunks into frames. A frame that arrives in one chunk is a slice of it.
#[derive(Debug)]
pub(crate) struct FrameSplitter {
    pending: BytesMut,
    max_frame_bytes: usize,
    failed: bool,
}

impl FrameSplitter {
    /// `max_frame_bytes` caps one whole frame.
    pub(crate) fn new(max_frame_bytes: usize) -> Self {
        Self { pending: BytesMut::new(), max_frame_bytes, failed: false }
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.failed {
            return;
        }
        if self.pending.is_empty() {
            // Without a copy where nobody else holds the bytes.
            self.pending = chunk.into();
        } else {
            self.pending.extend_from_slice(&chunk);
        }
    }

    /// The next whole frame, or `None` until more bytes are pushed. After an error nothing more comes.
    pub(crate) fn next_frame(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.failed {
            return None;
        }
        let frame = self.cut().transpose()?;
        if frame.is_err() {
            self.failed = true;
            self.pending.clear();
        }
        Some(frame)
    }

    /// Whether the stream may end here: not in the middle of a frame.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.pending.is_empty()
    }

    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(mut prelude) = self.pending.get(..PRELUDE) else { return Ok(None) };
        let checksum = crc32fast::hash(prelude.get(..PRELUDE - CHECKSUM).unwrap_or_default());
        let (total, headers, told) = (prelude.get_u32(), prelude.get_u32(), prelude.get_u32());
        // Before the lengths are believed.
        if checksum != told {
            return Err(FrameError::Damaged);
        }
        let (total, headers) = (length(total)?, length(headers)?);
        if total > self.max_frame_bytes {
            return Err(FrameError::TooLong);
        }
        let rest = total.checked_sub(PRELUDE + CHECKSUM).ok_or(FrameError::Damaged)?;
        if headers > rest {
            return Err(FrameError::Damaged);
        }
        if self.pending.len() < total {
            self.pending.reserve(total - self.pending.len());
            return Ok(None);
        }
        let mut frame = self.pending.split_to(total).freeze();
        let mut told = frame.split_off(total - CHECKSUM);
        if crc32fast::hash(&frame) != told.get_u32() {
            return Err(FrameError::Damaged);
        }
        frame.advance(PRELUDE);
        let payload = frame.split_off(headers);
        read_frame(&frame, payload).map(Some)
    }
}

fn length(told: u32) -> Result<usize, FrameError> {
    usize::try_from(told).map_err(|_| FrameError::TooLong)
}

fn read_frame(mut headers: &[u8], payload: Bytes) -> Result<Frame, FrameError> {
    let mut kind = None;
    let (mut event, mut exception, mut code, mut message) = (None, None, None, None);
    while !headers.is_empty() {
        let (name, value) = header(&mut headers).ok_or(FrameError::Headers)?;
        let text = || value.and_then(|value| std::str::from_utf8(value).ok()).ok_or(FrameError::Headers);
        match name {
            b":message-type" => {
                kind = Some(match text()? {
                    "event" => FrameKind::Event,
                    "exception" => FrameKind::Exception,
                    "error" => FrameKind::Error,
                    _ => return Err(FrameError::Headers),
                });
            }
            b":event-type" => event = Some(text()?),
            b":exception-type" => exception = Some(text()?),
            b":error-code" => code = Some(text()?),
            b":error-message" => message = Some(text()?),
            _ => {}
        }
    }
    let kind = kind.ok_or(FrameError::Headers)?;
    let name = match kind {
        FrameKind::Event => event,
        FrameKind::Exception => exception,
        FrameKind::Error => code,
    };
    let name = name.ok_or(FrameError::Headers)?.to_owned();
    Ok(Frame { kind, name, message: message.map(str::to_owned), payload })
}

/// The next header's name, and its value where that is a text.
fn header<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let name_length = bytes.try_get_u8().ok()?;
    let name = bytes.split_off(..usize::from(name_length))?;
    let kind = bytes.try_get_u8().ok()?;
    let fixed = match kind {
        // True and false.
        0 | 1 => 0,
        // Integers of 8, 16, 32 and 64 bits.
        2 => 1,
        3 => 2,
        4 => 4,
        // A time is one of them.
        5 | 8 => 8,
        // Bytes and text.
        6 | 7 => usize::from(bytes.try_get_u16().ok()?),
        // A UUID.
        9 => 16,
        _ => return None,
    };
    let value = bytes.split_off(..fixed)?;
    Some((name, (kind == 7).then_some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written after AWS's public description of the framing.
    fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let total = u32::try_from(PRELUDE + headers.len() + payload.len() + CHECKSUM).expect("short");
        let mut bytes = total.to_be_bytes().to_vec();
        bytes.extend(u32::try_from(headers.len()).expect("short").to_be_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend(headers);
        bytes.extend(payload);
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    fn text(name: &str, value: &str) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(name.len()).expect("short")];
        bytes.extend(name.as_bytes());
        bytes.push(7);
        bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        bytes.extend(value.as_bytes());
        bytes
    }

    fn event(name: &str, payload: &str) -> Vec<u8> {
        let headers =
            [text(":event-type", name), text(":content-type", "application/json"), text(":message-type", "event")];
        frame(&headers.concat(), payload.as_bytes())
    }

    fn read(chunks: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Result<Frame, FrameError>>, bool) {
        let mut splitter = FrameSplitter::new(1_000);
        let mut frames = Vec::new();
        for chunk in chunks {
            splitter.push(chunk.into());
            frames.extend(std::iter::from_fn(|| splitter.next_frame()));
        }
        (frames, splitter.is_at_boundary())
    }

    fn failure(bytes: Vec<u8>) -> FrameError {
        let (frames, _) = read([bytes]);
        frames.into_iter().find_map(Result::err).expect("a failure")
    }

    /// The bytes were made with another implementation (Python `struct` and `zlib`), and read by `botocore` 1.44.
    #[test]
    fn the_framing_stays_what_it_is() {
        let bytes = KNOWN
            .iter()
            .flat_map(|line| line.as_bytes().chunks(2))
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("digits"));
        let (frames, at_boundary) = read([bytes.collect()]);
        let frame = Frame {
            kind: FrameKind::Event,
            name: "messageStart".into(),
            message: None,
            payload: Bytes::from_static(br#"{"p":"abc","role":"assistant"}"#),
        };
        assert_eq!((frames, at_boundary), (vec![Ok(frame)], true));
    }

    #[test]
    fn frames_may_be_cut_anywhere() {
        let bytes = [event("a", r#"{"x":1}"#), event("b", ""), event("c", "{}")].concat();
        let whole = read([bytes.clone()]);
        assert_eq!(whole.0.len(), 3);
        assert!(whole.1);
        for at in 0..=bytes.len() {
            assert_eq!(read([bytes[..at].to_vec(), bytes[at..].to_vec()]), whole, "cut at {at}");
        }
        assert_eq!(read(bytes.iter().map(|byte| vec![*byte])), whole);
        let (frames, at_boundary) = read([bytes[..bytes.len() - 1].to_vec()]);
        assert_eq!((frames.len(), at_boundary), (2, false));
    }

    #[test]
    fn errors_tell_their_kind() {
        let headers = [text(":exception-type", "throttlingException"), text(":message-type", "exception")];
        let (frames, _) = read([frame(&headers.concat(), br#"{"message":"no"}"#)]);
        let exception = frames[0].as_ref().expect("a frame");
        assert_eq!((exception.kind, exception.name.as_str()), (FrameKind::Exception, "throttlingException"));
        assert_eq!(exception.meant_status(), Some(StatusCode::TOO_MANY_REQUESTS));
        let headers =
            [text(":error-code", "InternalError"), text(":error-message", "no"), text(":message-type", "error")];
        let (frames, _) = read([frame(&headers.concat(), b"")]);
        let error = frames[0].as_ref().expect("a frame");
        assert_eq!(
            (error.kind, error.name.as_str(), error.message.as_deref()),
            (FrameKind::Error, "InternalError", Some("no"))
        );
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let mut headers = text(":message-type", "event");
        for (kind, value) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)]
            .map(|(kind, length)| (kind, vec![0; length]))
        {
            headers.extend([1, b'x', kind]);
            headers.extend(value);
        }
        headers.extend([1, b'y', 6, 0, 2, 0xFF, 0xFE]);
        headers.extend(text(":event-type", "e"));
        let (frames, _) = read([frame(&headers, b"")]);
        assert_eq!(frames[0].as_ref().expect("a frame").name, "e");
        for bad in [
            vec![],
            text(":event-type", "e"),
            text(":message-type", "event"),
            text(":message-type", "other"),
            vec![1, b'x', 10],
            vec![9, b'x'],
            vec![1, b'x', 7, 0, 9, b'y'],
            vec![1, b'x', 9, 0],
        ] {
            assert_eq!(failure(frame(&bad, b"")), FrameError::Headers, "{bad:?}");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_seen() {
        let bytes = event("a", r#"{"x":1}"#);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(failure(damaged), FrameError::Damaged, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_kept() {
        let prelude = |total: u32, headers: u32| {
            let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            bytes
        };
        assert_eq!(failure(prelude(1_001, 0)), FrameError::TooLong);
        assert_eq!(failure(prelude(u32::MAX, u32::MAX)), FrameError::TooLong);
        assert_eq!(failure(prelude(15, 0)), FrameError::Damaged);
        assert_eq!(failure(prelude(20, 5)), FrameError::Damaged);
        let mut splitter = FrameSplitter::new(10);
        splitter.push(event("a", "").into());
        assert_eq!(splitter.next_frame(), Some(Err(FrameError::TooLong)));
        splitter.push(event("a", "").into());
        assert_eq!(splitter.next_frame(), None);
    }

    const KNOWN: [&str; 3] = [
        "000000800000005251a15f230b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d74",
        "7970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b2270223a22",
        "616263222c22726f6c65223a22617373697374616e74227df29ed8da",
    ];
}
