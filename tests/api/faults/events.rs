//! Faults of a stream's events and of their order.

use super::{
    Fault,
    answer::{BAD, Case, Expected, FAILED, INTERRUPTED},
    play::Play,
    wire::{Event, Wire},
};

pub(super) const FAULTS: &[Fault] = &[
    ("lines that end in both characters", |case| lines(case, "\r\n")),
    ("lines that end in the other character", |case| if case.wire().is_sse() { lines(case, "\r") } else { None }),
    ("comments, and nothing else", |case| {
        sse(case, |_| b": busy\n\n: still busy\n\n".to_vec(), Expected::Broken(INTERRUPTED))
    }),
    ("comments, names and ids between the events", |case| {
        let among = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.replace("\n\n", "\nid: 7\nretry: 3\nodd\n\n: busy\n\n\n\n").into_bytes()
        };
        sse(case, among, Expected::Text)
    }),
    ("fields without a blank behind the colon", |case| {
        sse(case, |bytes| String::from_utf8_lossy(bytes).replace(": ", ":").into_bytes(), Expected::Text)
    }),
    ("data in several lines", |case| {
        let split = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(",\"", ",\ndata: \"").into_bytes();
        sse(case, split, Expected::Text)
    }),
    ("an event without data", |case| sse(case, |bytes| [b"event: odd\nid: 1\n\n", bytes].concat(), Expected::Text)),
    ("an event with empty data", |case| {
        let bytes = |bytes: &[u8]| [b"event: odd\ndata\n\n", bytes].concat();
        sse(case, bytes, Expected::where_read(case, BAD).or_whole())
    }),
    ("events of a kind that nobody knows", |case| {
        of(case, |events| {
            *events = events.iter().flat_map(|event| [event.clone(), case.wire().unknown()]).collect();
            // Behind the last one comes nothing.
            events.pop();
            Expected::Text
        })
    }),
    ("an error among the events", |case| {
        streamed(case)?;
        Play::some(case.inserting(case.wire().error_event()).script(), Expected::Broken(FAILED))
    }),
    ("an error behind all of the text", |case| {
        of(case, |events| {
            let at = events.len() - case.wire().ending();
            events.insert(at, case.wire().error_event());
            Expected::Broken(FAILED)
        })
    }),
    ("no end", |case| {
        of(case, |events| {
            events.truncate(events.len() - case.wire().ending());
            Expected::Broken(INTERRUPTED)
        })
    }),
    ("no end, and no blank line", |case| {
        if !case.wire().is_sse() {
            return None;
        }
        streamed(case)?;
        let events = case.wire().events();
        let mut bytes = case.wire().framed(&events[..events.len() - case.wire().ending()], "\n").concat();
        bytes.pop();
        Play::some(case.pieces(vec![bytes]).script(), Expected::Broken(INTERRUPTED))
    }),
    ("the end without a blank line", |case| {
        if !case.wire().is_sse() {
            return None;
        }
        streamed(case)?;
        let mut bytes = case.wire().framed(&case.wire().events(), "\n").concat();
        bytes.pop();
        Play::some(case.pieces(vec![bytes]).script(), Expected::Text)
    }),
    ("the end twice", |case| {
        of(case, |events| {
            events.extend_from_within(events.len() - case.wire().ending()..);
            Expected::Text
        })
    }),
    ("text behind the end", |case| {
        of(case, |events| {
            if !case.wire().has_last_event() {
                return Expected::Whole;
            }
            let again = events[case.middle() - 1].clone();
            events.push(again);
            Expected::Text
        })
    }),
    ("nonsense behind the end", |case| {
        of(case, |events| {
            if case.wire().has_last_event() {
                events.push(case.wire().event(b"nonsense"));
            }
            Expected::Text
        })
    }),
    ("the end, and nothing before it", |case| {
        of(case, |events| {
            events.drain(..events.len() - case.wire().ending());
            match case.wire() {
                Wire::Chat | Wire::Messages => Expected::Broken(BAD),
                // These say what they end.
                Wire::Responses | Wire::Gemini | Wire::Converse | Wire::Ollama => Expected::Whole,
            }
        })
    }),
    ("the end before all others", |case| {
        of(case, |events| {
            events.rotate_right(case.wire().ending());
            match case.wire() {
                Wire::Chat | Wire::Messages => Expected::Broken(BAD),
                Wire::Gemini => Expected::Text,
                Wire::Responses | Wire::Converse | Wire::Ollama => Expected::Whole,
            }
        })
    }),
    ("the beginning twice", |case| {
        of(case, |events| {
            events.insert(0, events[0].clone());
            match case.wire() {
                Wire::Gemini | Wire::Ollama => Expected::Whole,
                _ => Expected::Text,
            }
        })
    }),
    ("no beginning", |case| {
        of(case, |events| {
            events.remove(0);
            Expected::late(case, BAD).or_whole()
        })
    }),
    ("an event that is damaged", |case| {
        if case.wire() != Wire::Converse {
            return None;
        }
        streamed(case)?;
        let mut pieces = case.wire().framed(&case.wire().events(), "\n");
        let last = pieces[1].len() - 1;
        pieces[1][last] ^= 1;
        Play::some(case.pieces(pieces).script(), Expected::Broken(BAD))
    }),
];

fn streamed(case: Case) -> Option<()> {
    case.streamed.then_some(())
}

fn lines(case: Case, line: &str) -> Option<Play> {
    if !case.streamed {
        return Play::some(case.plain(format!("{line}{}{line}", case.wire().whole())).script(), Expected::Text);
    }
    Play::some(case.pieces(case.wire().framed(&case.wire().events(), line)).script(), Expected::Text)
}

fn of(case: Case, change: impl Fn(&mut Vec<Event>) -> Expected) -> Option<Play> {
    streamed(case)?;
    let mut events = case.wire().events();
    let expected = change(&mut events);
    Play::some(case.stream(&events).script(), expected)
}

fn sse(case: Case, change: impl Fn(&[u8]) -> Vec<u8>, expected: Expected) -> Option<Play> {
    if !case.wire().is_sse() {
        return None;
    }
    streamed(case)?;
    let bytes = case.wire().framed(&case.wire().events(), "\n").concat();
    Play::some(case.pieces(vec![change(&bytes)]).script(), expected)
}
