//! Faults before and in the head of an answer.

use super::{
    Fault,
    answer::{BAD, Case, Coding, Expected, FAILED, REFUSED, UNREACHABLE, chunk},
    play::Play,
    upstream::{End, Script, Step},
};

pub(super) const FAULTS: &[Fault] = &[
    ("closes before the head", |_| cut_off("", End::Close)),
    ("resets before the head", |_| cut_off("", End::Reset)),
    ("resets behind the first byte of the head", |_| cut_off("H", End::Reset)),
    ("closes in the status line", |_| cut_off("HTTP/1.1 20", End::Close)),
    ("resets in a header", |_| cut_off("HTTP/1.1 200 OK\r\ncontent-ty", End::Reset)),
    ("closes before the end of the head", |case| {
        let head = case.good().head();
        Play::some(Script::new(&head[..head.len() - 1], End::Close), Expected::early(UNREACHABLE))
    }),
    ("says that it goes on, and closes", |_| cut_off("HTTP/1.1 100 Continue\r\n\r\n", End::Close)),
    ("another protocol", |_| nonsense("SSH-2.0-OpenSSH_9.9\r\n\r\n")),
    ("a TLS alert", |_| nonsense(b"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n")),
    ("a body without a head", |case| nonsense(case.good().encoded())),
    ("a head that is too large", |_| {
        let head = [&b"HTTP/1.1 200 OK\r\nx-large: "[..], &[b'a'; 1 << 20], b"\r\n\r\n"].concat();
        nonsense(head)
    }),
    ("a header with a zero byte", |_| nonsense("HTTP/1.1 200 OK\r\nx-zero: a\0b\r\n\r\n")),
    ("two lengths", |case| {
        let answer = case.good().with_coding(Coding::Open).with_header("content-length: 5");
        nonsense(answer.with_header("content-length: 7").bytes())
    }),
    ("a length that is no number", |case| {
        nonsense(case.good().with_coding(Coding::Open).with_header("content-length: many").bytes())
    }),
    ("switches protocols", |_| {
        nonsense("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    }),
    ("a status of nobody's", |case| answered(case, "799 Odd", "odd", Expected::early(BAD))),
    ("nothing to say", |_| {
        Play::some(Script::new("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", End::Hold), Expected::early(BAD))
    }),
    ("a part of the content", |case| {
        Play::some(case.good().with_status("206 Partial Content").script(), Expected::Text)
    }),
    ("moved", |case| moved(case, "301 Moved Permanently", "location: /v1/elsewhere")),
    ("moved for now", |case| moved(case, "307 Temporary Redirect", "location: http://127.0.0.1:9/v1/elsewhere")),
    ("moved nowhere", |case| moved(case, "308 Permanent Redirect", "x-location: none")),
    ("not modified", |_| nonsense("HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n")),
    ("400 as a page", |case| page(case, "400 Bad Request", Expected::early(REFUSED))),
    ("400 without a body", |case| answered(case, "400 Bad Request", "", Expected::early(REFUSED))),
    ("400 with half a body", |case| answered(case, "400 Bad Request", "{\"error\":{\"mes", Expected::early(REFUSED))),
    ("401 as a page", |case| page(case, "401 Unauthorized", Expected::early("provider_key_rejected"))),
    ("402 without a body", |case| answered(case, "402 Payment Required", "", Expected::early("insufficient_quota"))),
    ("404 as a page", |case| page(case, "404 Not Found", Expected::Refused(404, REFUSED))),
    ("418 in bad UTF-8", |case| {
        answered(case, "418 I'm a teapot", b"{\"error\":\"\xff\xfe\"}", Expected::early(REFUSED))
    }),
    ("429 that says to come back at some time", |case| {
        let answer = case.plain("slow down").with_status("429 Too Many Requests").with_header("retry-after: soon");
        Play::some(answer.script(), Expected::early("upstream_rate_limited"))
    }),
    ("500 as a page", |case| page(case, "500 Internal Server Error", Expected::early(FAILED))),
    ("500 without a body", |case| answered(case, "500 Internal Server Error", "", Expected::early(FAILED))),
    ("500 with half a body", |case| {
        answered(case, "500 Internal Server Error", "{\"error\":{\"mes", Expected::early(FAILED))
    }),
    ("500 with an endless body", |_| {
        let head = Script::new("HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n", End::Hold);
        Play::some(head.then(Step::Endless(chunk(&[b'a'; 4096]))), Expected::early(FAILED))
    }),
    ("500 and a reset", |_| {
        let head = "HTTP/1.1 500 Oh\r\ncontent-length: 64\r\n\r\n{\"error\":";
        Play::some(Script::new(head, End::Reset), Expected::early(FAILED))
    }),
    ("503, each time", |case| answered(case, "503 Service Unavailable", "busy", Expected::early(FAILED))),
    ("an answer as a page", |case| {
        let answer = case.good().with_headers(&["content-type: text/html; charset=utf-8"]);
        Play::some(answer.script(), Expected::early(BAD))
    }),
    ("an answer as plain text", |case| {
        Play::some(case.good().with_headers(&["content-type: text/plain"]).script(), Expected::early(BAD))
    }),
    ("an answer of no type", |case| {
        // A stream is told by its type.
        let expected = if case.streamed { Expected::early(BAD) } else { Expected::Text };
        Play::some(case.good().with_headers(&[]).script(), expected)
    }),
    ("a type in capitals", |case| {
        let kind = if case.streamed { case.wire().stream_type() } else { case.wire().plain_type() };
        let header = format!("CONTENT-TYPE:  {}", kind.to_ascii_uppercase());
        Play::some(case.good().with_headers(&[&header]).script(), Expected::Text)
    }),
    ("a compressed answer", |case| {
        Play::some(case.good().with_header("content-encoding: gzip").script(), Expected::early(BAD))
    }),
    ("a stream for a whole answer, and the reverse", |case| {
        let wire = case.wire();
        let answer =
            if case.streamed { case.json(&wire.whole()) } else { case.pieces(wire.framed(&wire.events(), "\n")) };
        Play::some(answer.script(), Expected::early(BAD))
    }),
    ("a plain error for a stream", |case| {
        let expected = Expected::early(FAILED);
        if case.streamed { Play::some(case.json(&case.wire().error()).script(), expected) } else { None }
    }),
];

fn cut_off(head: &str, end: End) -> Option<Play> {
    Play::some(Script::new(head, end), Expected::early(UNREACHABLE))
}

fn nonsense(head: impl Into<Vec<u8>>) -> Option<Play> {
    Play::some(Script::new(head, End::Hold), Expected::early(BAD))
}

fn answered(case: Case, status: &'static str, body: impl Into<Vec<u8>>, expected: Expected) -> Option<Play> {
    Play::some(case.plain(body).with_status(status).script(), expected)
}

fn page(case: Case, status: &'static str, expected: Expected) -> Option<Play> {
    let answer = case.plain("<!doctype html><p>Oh no</p>").with_headers(&["content-type: text/html"]);
    Play::some(answer.with_status(status).script(), expected)
}

fn moved(case: Case, status: &'static str, header: &str) -> Option<Play> {
    Play::some(case.good().with_status(status).with_header(header).script(), Expected::early(BAD))
}
