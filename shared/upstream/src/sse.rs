//! The one codec for Server-Sent Events: cuts a byte stream into raw events, and reads an event's data.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An event is larger than the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is too large")]
pub struct TooLong;

/// What a stream that has ended leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    Nothing,
    /// A last event whose lines are all ended; the blank line, where it was missing, has been added.
    Event(Bytes),
    /// An event cut in the middle of a line.
    Partial(Bytes),
}

/// Where the scan stands inside the pending event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before its first byte: stray blank lines are skipped here.
    Start,
    Line,
    /// Behind a `\r` that ended a line; a `\n` may belong to it.
    Cr,
    /// Behind a whole line ending that is not a lone `\r`.
    Lf,
    /// Behind the `\r` of a blank line; a `\n` may belong to it.
    BlankCr,
}

/// Cuts chunks into events at blank lines, for `\n`, `\r\n` and `\r` in any mix. An event that arrives in one chunk is
/// a slice of it; one spread over chunks is copied together once.
#[derive(Debug)]
pub struct EventSplitter {
    chunk: Bytes,
    /// How much of `chunk` has been scanned; all of it belongs to the pending event.
    scanned: usize,
    /// The pending event's bytes from earlier chunks.
    partial: BytesMut,
    at: At,
    first: bool,
    max_event_bytes: usize,
    failed: bool,
}

impl EventSplitter {
    /// `max_event_bytes` caps one raw event, and so each of its lines.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            scanned: 0,
            partial: BytesMut::new(),
            at: At::Start,
            first: true,
            max_event_bytes,
            failed: false,
        }
    }

    /// Takes the next bytes of the stream. Call when [`Self::next_event`] has nothing more.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else if self.scanned == self.chunk.len() {
            self.partial.extend_from_slice(&self.chunk);
            self.chunk = chunk;
            self.scanned = 0;
        } else {
            // Pushed before the last chunk was used up.
            let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
            joined.extend_from_slice(&self.chunk);
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// The next whole event with its terminating blank line, or `None` until more bytes are pushed. After `TooLong`
    /// nothing more comes.
    pub fn next_event(&mut self) -> Option<Result<Bytes, TooLong>> {
        while !self.failed {
            let Some(end) = self.scan() else {
                return self.is_too_long(self.chunk.len()).then(|| self.fail());
            };
            if self.is_too_long(end) {
                return Some(self.fail());
            }
            let event = self.take(end);
            if !event.is_empty() {
                return Some(Ok(event));
            }
        }
        None
    }

    /// Ends the stream: what is left of it. Call when [`Self::next_event`] has nothing more.
    pub fn finish(&mut self) -> Tail {
        let at = self.at;
        let rest = self.take(self.chunk.len());
        if self.failed || rest.is_empty() {
            return Tail::Nothing;
        }
        match at {
            At::Start => Tail::Nothing,
            At::Line => Tail::Partial(rest),
            At::BlankCr => Tail::Event(rest),
            At::Cr | At::Lf => Tail::Event([&rest, &b"\n"[..]].concat().into()),
        }
    }

    /// Moves on to the pending event's end and tells where it lies in `chunk`.
    fn scan(&mut self) -> Option<usize> {
        while let Some(&byte) = self.chunk.get(self.scanned) {
            match (self.at, byte) {
                (At::Start, b'\n' | b'\r') => {
                    // Start implies that nothing of the event has been seen: what was scanned can go.
                    self.chunk.advance(self.scanned + 1);
                    self.scanned = 0;
                    continue;
                }
                (At::Lf | At::BlankCr, b'\n') | (At::Cr, b'\r') => return Some(self.scanned + 1),
                (At::BlankCr, _) => return Some(self.scanned),
                (At::Lf, b'\r') => self.at = At::BlankCr,
                (At::Cr | At::Line, b'\n') => self.at = At::Lf,
                (At::Line, b'\r') => self.at = At::Cr,
                (At::Start | At::Line | At::Cr | At::Lf, _) => {
                    self.at = At::Line;
                    let rest = self.chunk.get(self.scanned..).unwrap_or_default();
                    self.scanned += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    continue;
                }
            }
            self.scanned += 1;
        }
        None
    }

    /// The pending event up to `end` in `chunk`; the next one starts there.
    fn take(&mut self, end: usize) -> Bytes {
        let tail = self.chunk.split_to(end);
        self.scanned = 0;
        self.at = At::Start;
        let mut event = if self.partial.is_empty() {
            tail
        } else {
            self.partial.extend_from_slice(&tail);
            std::mem::take(&mut self.partial).freeze()
        };
        if std::mem::take(&mut self.first) && event.starts_with(BOM) {
            event.advance(BOM.len());
            let blank = event.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            event.advance(blank);
        }
        event
    }

    fn is_too_long(&self, end: usize) -> bool {
        self.partial.len() + end > self.max_event_bytes
    }

    fn fail(&mut self) -> Result<Bytes, TooLong> {
        self.failed = true;
        self.chunk = Bytes::new();
        self.partial = BytesMut::new();
        Err(TooLong)
    }
}

/// The joined `data:` lines of a raw event; `None` for one that has none, such as a comment.
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    for line in lines(event) {
        let Some(value) = field(line, b"data") else { continue };
        joined = Some(match joined {
            None => Cow::Borrowed(value),
            Some(earlier) => {
                let mut text = earlier.into_owned();
                text.push(b'\n');
                text.extend_from_slice(value);
                Cow::Owned(text)
            }
        });
    }
    joined
}

/// The event's name: its last `event:` line; `None` where it has none, or one that is no text.
pub fn name(event: &[u8]) -> Option<&str> {
    let name = lines(event).filter_map(|line| field(line, b"event")).last()?;
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// The lines of an event without their endings. Blank lines, also those between `\r` and `\n`, carry nothing.
fn lines(mut event: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if event.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', event).unwrap_or(event.len());
        let (line, rest) = event.split_at(end);
        event = rest.get(1..).unwrap_or_default();
        Some(line)
    })
}

/// The value of a field line: behind the colon and at most one space; empty where there is no colon.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STORY: [&str; 6] = [
        "data: {\"a\":1}\n\n",
        ": heartbeat\n\n",
        "event: delta\ndata: first\ndata:second\n\n",
        "\n\n\ndata\n\n",
        "id: 7\n\n",
        "data: [DONE]\n\n",
    ];

    /// Splits a stream handed over in the given pieces.
    fn split(pieces: &[&[u8]]) -> (Vec<Bytes>, Tail) {
        let mut splitter = EventSplitter::new(1000);
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(event) = splitter.next_event() {
                events.push(event.expect("within the cap"));
            }
        }
        let tail = splitter.finish();
        (events, tail)
    }

    fn payloads(events: &[Bytes]) -> Vec<Option<Vec<u8>>> {
        events.iter().map(|event| data(event).map(Cow::into_owned)).collect()
    }

    fn streams() -> Vec<Vec<u8>> {
        let story = STORY.concat();
        let crlf = story.replace('\n', "\r\n");
        let cr = story.replace('\n', "\r");
        let mixed = "data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\r\n\rdata: e\n\rdata: f\r\rdata: g\n\n";
        let bom = format!("\u{feff}{story}");
        let cut = format!("{story}data: {{\"half");
        [story.clone(), crlf, cr, mixed.to_owned(), bom, cut].into_iter().map(String::into_bytes).collect()
    }

    #[test]
    fn each_line_ending_gives_the_same_payloads() {
        let expected = [Some(&b"{\"a\":1}"[..]), None, Some(b"first\nsecond"), Some(b""), None, Some(b"[DONE]")]
            .map(|text| text.map(<[u8]>::to_vec));
        for ending in ["\n", "\r\n", "\r"] {
            let stream = STORY.concat().replace('\n', ending);
            let (events, tail) = split(&[stream.as_bytes()]);
            assert_eq!(payloads(&events), expected, "{ending:?}");
            assert_eq!(tail, Tail::Nothing);
        }
    }

    #[test]
    fn mixed_endings_are_cut_at_blank_lines() {
        let (events, _) = split(&[&streams()[3]]);
        let texts: Vec<_> = events.iter().map(|event| std::str::from_utf8(event).expect("text")).collect();
        let expected = [
            "data: a\r\n\n",
            "data: b\n\r\n",
            "data: c\r\r",
            "data: d\r\n\r",
            "data: e\n\r",
            "data: f\r\r",
            "data: g\n\n",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn cutting_anywhere_changes_nothing() {
        for stream in streams() {
            let whole = split(&[&stream]);
            for cut in 0..=stream.len() {
                let (head, tail) = stream.split_at(cut);
                assert_eq!(split(&[head, tail]), whole, "cut at {cut}");
            }
            let bytes: Vec<_> = stream.chunks(1).collect();
            assert_eq!(split(&bytes), whole, "byte by byte");
        }
    }

    #[test]
    fn pushing_ahead_loses_nothing() {
        let story = STORY.concat();
        let mut splitter = EventSplitter::new(1000);
        for piece in story.as_bytes().chunks(5) {
            splitter.push(Bytes::copy_from_slice(piece));
        }
        let events: Vec<_> = std::iter::from_fn(|| splitter.next_event()).map(|event| event.expect("short")).collect();
        assert_eq!(events, split(&[story.as_bytes()]).0);
    }

    #[test]
    fn an_event_inside_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut splitter = EventSplitter::new(1000);
        splitter.push(chunk.clone());
        for offset in [0, 9] {
            let event = splitter.next_event().expect("an event").expect("short");
            assert_eq!(event.as_ptr(), chunk[offset..].as_ptr());
        }
    }

    #[test]
    fn the_end_tells_a_missing_blank_line_from_a_cut() {
        assert_eq!(split(&[b"data: a\n"]).1, Tail::Event(Bytes::from_static(b"data: a\n\n")));
        assert_eq!(split(&[b"data: a\r\n\r"]).1, Tail::Event(Bytes::from_static(b"data: a\r\n\r")));
        assert_eq!(split(&[b"data: a\n\ndata: b"]).1, Tail::Partial(Bytes::from_static(b"data: b")));
        assert_eq!(split(&[b"data: a\n\n\n\n"]).1, Tail::Nothing);
        assert_eq!(split(&[b"\xEF\xBB\xBF\n\n"]), (vec![], Tail::Nothing));
    }

    #[test]
    fn an_event_over_the_cap_ends_the_stream() {
        for pieces in
            [&[&b"data: 0123456789\n\ndata: a\n\n"[..]][..], &[b"data: 01", b"23456789"], &[b"data: 0123456789"]]
        {
            let mut splitter = EventSplitter::new(14);
            let events: Vec<_> = pieces
                .iter()
                .flat_map(|piece| {
                    splitter.push(Bytes::copy_from_slice(piece));
                    std::iter::from_fn(|| splitter.next_event()).collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(events, [Err(TooLong)]);
            assert_eq!(splitter.finish(), Tail::Nothing);
        }
        let mut splitter = EventSplitter::new(14);
        splitter.push(Bytes::from_static(b"data: 012345\n\n"));
        assert!(matches!(splitter.next_event(), Some(Ok(_))));
    }

    #[test]
    fn data_reads_only_data_fields() {
        assert_eq!(data(b"data:  two spaces\n\n").as_deref(), Some(&b" two spaces"[..]));
        assert_eq!(data(b"database: no\n\n"), None);
        assert!(matches!(data(b"event: x\ndata: y\n\n"), Some(Cow::Borrowed(b"y"))));
    }

    proptest! {
        #[test]
        fn random_chunking_changes_nothing(
            parts in prop::collection::vec(prop_oneof!["data: [a-z]{0,9}", ": c", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n"], 0..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream = parts.concat().into_bytes();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let pieces: Vec<_> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&pieces), split(&[&stream]));
        }
    }
}
