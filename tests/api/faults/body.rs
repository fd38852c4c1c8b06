//! Faults of how a body travels.

use super::{
    Fault,
    answer::{BAD, Case, Coding, Expected, FAILED, INTERRUPTED, chunk},
    play::Play,
    upstream::{End, Script, Step},
};

pub(super) const FAULTS: &[Fault] = &[
    ("byte by byte", |case| {
        let steps = vec![Step::ByteByByte(case.good().bytes())];
        Play::some(Script { steps, end: End::Hold }, Expected::Text)
    }),
    ("chunks with notes and trailers", |case| {
        let answer = case.good().with_coding(Coding::Chunked);
        let chunks = answer
            .body
            .iter()
            .flat_map(|piece| [format!("{:x};note=\"a;b\"\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        let body = [chunks.collect(), b"0\r\nx-trailer: 1\r\n\r\n".to_vec()].concat();
        Play::some(Script::new([answer.head(), body].concat(), End::Hold), Expected::Text)
    }),
    ("a length beside the chunks", |case| {
        let answer = case.good().with_coding(Coding::Chunked).with_header("content-length: 3");
        Play::some(answer.script(), Expected::Text)
    }),
    ("an end of the connection in place of a length", |case| {
        Play::some(case.good().with_coding(Coding::Open).script(), Expected::Text)
    }),
    ("a length that is too short", |case| {
        let length = case.good().body.concat().len() / 2;
        let answer = case.good().with_coding(Coding::Open).with_header(&format!("content-length: {length}"));
        let code = if case.streamed { INTERRUPTED } else { BAD };
        Play::some(Script::new(answer.bytes(), End::Hold), Expected::late(case, code))
    }),
    ("a length that is too long", |case| {
        let length = case.good().body.concat().len() + 10;
        let answer = case.good().with_coding(Coding::Open).with_header(&format!("content-length: {length}"));
        Play::some(answer.script(), Expected::unless_over(case, INTERRUPTED))
    }),
    ("a length that nobody can take", |case| {
        let answer = case.good().with_coding(Coding::Open).with_header("content-length: 68719476736");
        // Of a stream the length says nothing.
        let expected = if case.streamed { Expected::unless_over(case, INTERRUPTED) } else { Expected::early(BAD) };
        Play::some(answer.script(), expected)
    }),
    ("no last chunk", |case| {
        let answer = case.good().with_coding(Coding::Chunked);
        let body = answer.encoded();
        let bytes = [answer.head(), body[..body.len() - 5].to_vec()].concat();
        Play::some(Script::new(bytes, End::Close), Expected::unless_over(case, INTERRUPTED))
    }),
    ("a chunk whose length is no number", |case| broken_chunk(case, "xyz\r\nabc\r\n")),
    ("a chunk longer than it says", |case| broken_chunk(case, "1\r\nabcdef\r\n")),
    ("a chunk whose length has no end", |case| broken_chunk(case, "fffffffffffffffffffff\r\n")),
    ("resets before the body", |case| cut(case, 0, 1, End::Reset)),
    ("resets in the middle of the body", |case| cut(case, 1, 2, End::Reset)),
    ("resets late in the body", |case| cut(case, 2, 3, End::Reset)),
    ("closes before the body", |case| cut(case, 0, 1, End::Close)),
    ("closes early in the body", |case| cut(case, 1, 3, End::Close)),
    ("closes in the middle of the body", |case| cut(case, 1, 2, End::Close)),
    ("resets behind the first byte of the body", |case| {
        let answer = case.good();
        let script = Script::new([answer.head(), answer.encoded()[..1].to_vec()].concat(), End::Reset);
        Play::some(script, Expected::late(case, INTERRUPTED))
    }),
    ("resets before the last byte of the body", |case| {
        let answer = case.good();
        let body = answer.encoded();
        let script = Script::new([answer.head(), body[..body.len() - 1].to_vec()].concat(), End::Reset);
        Play::some(script, Expected::unless_over(case, INTERRUPTED))
    }),
    ("resets behind the body", |case| Play::some(Script::new(case.good().bytes(), End::Reset), Expected::Text)),
    ("ends in the middle of a body without a length", |case| {
        let code = if case.streamed { INTERRUPTED } else { BAD };
        Play::some(case.good().with_coding(Coding::Open).cut(1, 2, End::Close), Expected::late(case, code))
    }),
    ("an empty body", |case| empty(case, "")),
    ("a body of blank lines", |case| match case.family {
        // Not even a frame.
        super::answer::Family::Bedrock if case.streamed => None,
        _ => empty(case, "\n\n  \n"),
    }),
    ("an endless body", |case| {
        let answer = if case.streamed { case.pieces(Vec::new()) } else { case.plain("").with_coding(Coding::Chunked) };
        // One line, or one frame, that is longer than any.
        let start = match case.wire() {
            super::wire::Wire::Converse if case.streamed => {
                let mut frame = [0x7f_u8, 0, 0, 0, 0, 0, 0, 16].to_vec();
                frame.extend(crc32fast::hash(&frame).to_be_bytes());
                chunk(&frame)
            }
            _ => chunk(b"data: {\"choices\":\""),
        };
        let script = Script::new([answer.head(), start].concat(), End::Hold);
        Play::some(script.then(Step::Endless(chunk(&[b'a'; 64 << 10]))), Expected::late(case, BAD))
    }),
    ("a large text", |case| {
        let text = "a".repeat(2 << 20);
        // For a whole answer that is not much.
        let expected = if case.streamed { Expected::Broken(BAD) } else { Expected::Whole };
        Play::some(case.with("Zürich", text.as_bytes()).script(), expected)
    }),
    ("an error in place of an answer", |case| {
        if case.streamed {
            return Play::some(case.stream(&[case.wire().error_event()]).script(), Expected::Broken(FAILED));
        }
        Play::some(case.json(&case.wire().error()).script(), Expected::early(FAILED))
    }),
];

fn cut(case: Case, at: usize, of: usize, end: End) -> Option<Play> {
    Play::some(case.good().cut(at, of, end), Expected::late(case, INTERRUPTED))
}

fn broken_chunk(case: Case, chunk: &str) -> Option<Play> {
    let answer = case.good().with_coding(Coding::Chunked);
    let body = answer.encoded();
    let bytes = [answer.head(), super::answer::chunk(&answer.body.concat()[..20]), chunk.as_bytes().to_vec(), body];
    Play::some(Script::new(bytes.concat(), End::Hold), Expected::late(case, INTERRUPTED))
}

fn empty(case: Case, body: &str) -> Option<Play> {
    let answer = if case.streamed { case.pieces(vec![body.into()]) } else { case.plain(body) };
    let code = if case.streamed { INTERRUPTED } else { BAD };
    Play::some(answer.script(), Expected::late(case, code))
}
