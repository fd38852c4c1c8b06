//! Faults of what an answer says, whole or streamed.

use super::{
    Fault,
    answer::{BAD, Case, Expected},
    play::Play,
    wire::{PIECES, TEXT, Wire},
};

pub(super) const FAULTS: &[Fault] = &[
    ("bad UTF-8 in the text", |case| read(case, "rich", b"ri\xff\xfech")),
    ("half a character in the text", |case| read(case, "ü", b"\xc3")),
    ("bad UTF-8 between the members", |case| {
        if case.streamed { inserted(case, b"{\xff}") } else { whole(case, b"{\xff}", Expected::early(BAD)) }
    }),
    ("a zero byte in the text", |case| read(case, "rich", b"ri\0ch")),
    ("an escaped zero in the text", |case| Play::some(case.with("rich", b"ri\\u0000ch").script(), Expected::Whole)),
    ("half a surrogate pair in the text", |case| {
        // What passes through whole is not looked at so closely.
        let expected = if case.passes() { Expected::Bytes } else { Expected::late(case, BAD) };
        Play::some(case.with("rich", b"ri\\ud800ch").script(), expected)
    }),
    ("a byte order mark", |case| match case.wire() {
        _ if !case.streamed => marked(case, Expected::early(BAD)),
        wire if wire.is_sse() => marked(case, Expected::Text),
        _ => marked(case, Expected::late(case, BAD)),
    }),
    ("null", |case| odd(case, "null")),
    ("a list", |case| odd(case, "[7]")),
    ("a number", |case| odd(case, "7")),
    ("a text", |case| odd(case, "\"odd\"")),
    ("true", |case| odd(case, "true")),
    ("an empty object", |case| match case.wire() {
        // Its kind stands in no member: a kind that is not known.
        Wire::Messages if case.streamed => {
            Play::some(case.inserting(case.wire().event(b"{}")).script(), Expected::Text)
        }
        _ => odd(case, "{}"),
    }),
    ("half an object", |case| odd(case, "{\"choices\":[{\"index\":")),
    ("an object and a half", |case| odd(case, "{}{\"a\":")),
    ("text that is no JSON", |case| odd(case, "Internal Server Error")),
    ("no text at all", |case| {
        let answer = case.with(TEXT, b"").body.concat();
        let answer = PIECES.iter().fold(answer, |body, piece| super::answer::replaced(&body, piece.as_bytes(), b""));
        if case.wire() == Wire::Converse && case.streamed {
            let events = [&case.wire().events()[..1], &case.wire().events()[3..]].concat();
            return Play::some(case.stream(&events).script(), Expected::Whole);
        }
        let answer = if case.streamed { case.pieces(vec![answer]) } else { case.plain(answer) };
        Play::some(answer.script(), Expected::Whole)
    }),
    ("a text that is a number", |case| {
        let answer = if case.streamed {
            case.map(|data| super::answer::replaced(data, format!("\"{}\"", PIECES[0]).as_bytes(), b"7"))
        } else {
            case.with(&format!("\"{TEXT}\""), b"7")
        };
        let expected = if case.passes() { Expected::Bytes } else { Expected::late(case, BAD).or_whole() };
        Play::some(answer.script(), expected)
    }),
    ("a member that nobody knows", |case| {
        let news = |data: &[u8]| first(data, b"\"news\":[{\"a\":null}],");
        if case.streamed {
            return Play::some(case.map(news).script(), Expected::Text);
        }
        whole(case, &news(case.wire().whole().to_string().as_bytes()), Expected::Text)
    }),
    ("a member twice", |case| {
        let twice = |data: &[u8]| {
            let name = data.split(|byte| *byte == b'"').nth(1).unwrap_or_default();
            first(data, &[b"\"", name, b"\":null,"].concat())
        };
        let expected = Expected::late(case, BAD).or_whole();
        if case.streamed {
            return Play::some(case.map(twice).script(), expected);
        }
        whole(case, &twice(case.wire().whole().to_string().as_bytes()), expected)
    }),
    ("lists in lists in lists", |case| {
        let member = [b"\"deep\":".to_vec(), vec![b'['; 20_000], vec![b']'; 20_000], b",".to_vec()].concat();
        let expected = if case.passes() { Expected::Bytes } else { Expected::late(case, BAD) };
        if case.streamed {
            let mut events = case.wire().events();
            let at = case.middle() - 1;
            events[at].data = first(&events[at].data, &member);
            return Play::some(case.stream(&events).script(), expected.or_whole());
        }
        whole(case, &first(case.wire().whole().to_string().as_bytes(), &member), expected.or_whole())
    }),
    ("counts that are texts", |case| counted(case, b"\"many\"")),
    ("counts below zero", |case| counted(case, b"-5")),
    ("counts with a fraction", |case| counted(case, b"11.5")),
    ("counts larger than any", |case| counted(case, b"99999999999999999999999")),
    ("counts larger than that", |case| counted(case, b"1e300")),
    ("counts that are null", |case| counted(case, b"null")),
    ("no counts", |case| {
        let member = if case.wire() == Wire::Ollama { "eval_count" } else { "\"usage" };
        let other = if case.wire() == Wire::Ollama { "other" } else { "\"other" };
        Play::some(case.with(member, other.as_bytes()).script(), Expected::Text)
    }),
    ("a reason to finish that nobody knows", |case| {
        let word = match case.wire() {
            Wire::Chat | Wire::Ollama => "\"stop\"",
            Wire::Messages | Wire::Converse => "\"end_turn\"",
            Wire::Gemini => "\"STOP\"",
            // Its status is no matter of taste.
            Wire::Responses => return None,
        };
        Play::some(case.with(word, b"\"tired\"").script(), Expected::Text)
    }),
    ("nothing chosen", |case| match case.wire() {
        wire if case.streamed => Play::some(case.inserting(wire.unknown()).script(), Expected::Text),
        Wire::Chat => whole(case, br#"{"id":"c","object":"chat.completion","choices":[]}"#, Expected::early(BAD)),
        Wire::Gemini => whole(case, br#"{"candidates":[],"modelVersion":"m"}"#, Expected::early(BAD)),
        Wire::Responses => {
            whole(case, br#"{"id":"resp_1","object":"response","status":"completed","output":[]}"#, Expected::Whole)
        }
        Wire::Messages => {
            whole(case, br#"{"id":"msg_1","type":"message","role":"assistant","content":[]}"#, Expected::Whole)
        }
        Wire::Converse => {
            let body = br#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn"}"#;
            whole(case, body, Expected::Whole)
        }
        Wire::Ollama => whole(case, br#"{"model":"m","message":{},"done":true}"#, Expected::Whole),
    }),
];

/// The whole answer is this, or the stream has it among its events.
fn odd(case: Case, data: &str) -> Option<Play> {
    if case.streamed { inserted(case, data.as_bytes()) } else { whole(case, data.as_bytes(), Expected::early(BAD)) }
}

fn whole(case: Case, body: &[u8], expected: Expected) -> Option<Play> {
    Play::some(case.plain(body).script(), expected)
}

fn inserted(case: Case, data: &[u8]) -> Option<Play> {
    Play::some(case.inserting(case.wire().event(data)).script(), Expected::where_read(case, BAD))
}

fn read(case: Case, from: &str, to: &[u8]) -> Option<Play> {
    Play::some(case.with(from, to).script(), Expected::where_read(case, BAD))
}

fn marked(case: Case, expected: Expected) -> Option<Play> {
    let mut answer = case.good();
    answer.body.insert(0, b"\xef\xbb\xbf".to_vec());
    Play::some(answer.script(), expected)
}

/// A strange count costs the count, not the reply.
fn counted(case: Case, count: &[u8]) -> Option<Play> {
    let counts = ["1111", "777", "1888"].map(str::as_bytes);
    let change =
        |data: &[u8]| counts.iter().fold(data.to_vec(), |data, from| super::answer::replaced(&data, from, count));
    if case.streamed {
        return Play::some(case.map(change).script(), Expected::Text);
    }
    whole(case, &change(case.wire().whole().to_string().as_bytes()), Expected::Text)
}

/// An object with these members before its own; what is no object stays as it is.
fn first(data: &[u8], members: &[u8]) -> Vec<u8> {
    match data.strip_prefix(b"{") {
        Some(rest) => [b"{", members, rest].concat(),
        None => data.to_vec(),
    }
}
