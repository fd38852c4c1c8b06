//! Frames of `application/vnd.amazon.eventstream`: two lengths and their checksum, headers, a payload, a checksum of all.

use serde_json::Value;

/// Around the headers and the payload: prelude and checksum.
const AROUND: usize = 16;
/// A header's value is a text.
const TEXT: u8 = 7;

pub(super) fn event(name: &str, payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend(name.as_bytes());
        headers.push(TEXT);
        headers.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = payload.to_string();
    let mut frame = Vec::new();
    for length in [AROUND + headers.len() + payload.len(), headers.len()] {
        frame.extend(u32::try_from(length).expect("a short frame").to_be_bytes());
    }
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
