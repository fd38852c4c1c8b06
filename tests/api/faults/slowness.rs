//! Providers that keep their callers waiting.

use super::{
    Fault,
    answer::{Case, Coding, Expected, FAILED, INTERRUPTED, LATE, chunk},
    play::Play,
    upstream::{End, Script, Step},
};

pub(super) const FAULTS: &[Fault] = &[
    ("silent", |_| silent("")),
    ("silent in the status line", |_| silent("HTTP/1.1 2")),
    ("silent in a header", |_| silent("HTTP/1.1 200 OK\r\ncontent-type: appl")),
    ("says that it goes on, and is silent", |_| silent("HTTP/1.1 100 Continue\r\n\r\n")),
    ("a head that never ends", |_| {
        Play::some(
            Script::new("HTTP/1.1 200 OK\r\n", End::Hold).then(Step::Drip(b"x-a: 1\r\n".to_vec())),
            Expected::early(LATE),
        )
    }),
    ("silent behind the head", |case| stalls(case, 0, 1)),
    ("silent early in the body", |case| stalls(case, 1, 3)),
    ("silent in the middle of the body", |case| stalls(case, 1, 2)),
    ("silent before the last byte", |case| {
        let answer = case.good().with_coding(Coding::Length);
        let body = answer.encoded();
        // An event that lacks its blank line may go on.
        let script = Script::new([answer.head(), body[..body.len() - 1].to_vec()].concat(), End::Hold);
        Play::some(script, waits(case))
    }),
    ("silent before the end", |case| {
        if !case.streamed {
            return None;
        }
        let events = case.wire().events();
        let pieces = case.wire().framed(&events[..events.len() - case.wire().ending()], "\n");
        let answer = case.pieces(pieces);
        let body = answer.encoded();
        let script = Script::new([answer.head(), body[..body.len() - 5].to_vec()].concat(), End::Hold);
        Play::some(script, waits(case))
    }),
    ("silent in the body of an error", |_| {
        let head = "HTTP/1.1 500 Oh\r\ncontent-length: 64\r\n\r\n{\"error\":";
        Play::some(Script::new(head, End::Hold), Expected::early(FAILED))
    }),
    ("blanks without end", |case| {
        let answer = if case.streamed { case.pieces(Vec::new()) } else { case.plain("").with_coding(Coding::Chunked) };
        // No frame begins with blanks.
        if case.streamed && case.wire() == super::wire::Wire::Converse {
            return None;
        }
        Play::some(Script::new(answer.head(), End::Hold).then(Step::Drip(chunk(b"\n"))), waits(case))
    }),
    ("comments without end", |case| without_end(case, b": busy\n\n")),
    ("empty events without end", |case| without_end(case, b"event: odd\n\n")),
    ("a text without end", |case| {
        if !case.streamed {
            return None;
        }
        let pieces = case.wire().framed(&case.wire().events(), "\n");
        let middle = case.middle();
        let begun = case.pieces(pieces[..middle].to_vec());
        let body = begun.encoded();
        let script = Script::new([begun.head(), body[..body.len() - 5].to_vec()].concat(), End::Hold);
        Play::some(script.then(Step::Drip(chunk(&pieces[middle - 1]))), waits(case))
    }),
];

fn silent(head: &str) -> Option<Play> {
    Play::some(Script::new(head, End::Hold), Expected::early(LATE))
}

fn stalls(case: Case, at: usize, of: usize) -> Option<Play> {
    Play::some(case.good().cut(at, of, End::Hold), waits(case))
}

fn waits(case: Case) -> Expected {
    if case.streamed { Expected::Broken(INTERRUPTED) } else { Expected::early(LATE) }
}

fn without_end(case: Case, event: &[u8]) -> Option<Play> {
    if !case.streamed || !case.wire().is_sse() {
        return None;
    }
    let head = case.pieces(Vec::new()).head();
    Play::some(Script::new(head, End::Hold).then(Step::Drip(chunk(event))), waits(case))
}
