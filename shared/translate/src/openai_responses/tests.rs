mod read_reply;
mod read_request;
mod stream_reader;
mod stream_writer;
mod write_reply;
mod write_request;

use serde_json::{Value, json};

use super::*;
use crate::{Event, Losses, OnUnsupported, Request, Stamp, Unsupported};

fn read(body: &Value) -> Request {
    read_request(body.to_string().as_bytes()).unwrap()
}

fn strict() -> Losses {
    Losses::new(OWN, OnUnsupported::Refuse)
}

/// As written for a provider, and what was left out.
fn written(request: Request) -> Result<(Value, Vec<String>), Unsupported> {
    let mut losses = strict();
    let body = write_request(request, "gpt-5", &mut losses)?;
    Ok((body, losses.dropped().to_vec()))
}

fn stamp() -> Stamp {
    Stamp { id: "abc".to_owned(), created: 1_741_476_777, model: "fast".to_owned() }
}

fn asked() -> Request {
    read(&json!({ "model": "fast", "input": "Hi" }))
}

/// The events of a stream: their names and data.
fn events_of(bytes: &[u8]) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\n\n"));
    text.trim_end()
        .split("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap().to_owned();
            (name, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
        })
        .collect()
}

/// Everything that a writer makes of these events.
fn stream_of(request: &Request, events: Vec<Event>) -> Vec<(String, Value)> {
    let mut writer = StreamWriter::new(request, stamp());
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    events_of(&out)
}

/// Everything that a reader finds in the data of these events.
fn read_stream(data: &[Value]) -> Vec<Event> {
    let mut reader = StreamReader::default();
    data.iter().flat_map(|data| reader.read(data.to_string().as_bytes()).unwrap()).collect()
}
