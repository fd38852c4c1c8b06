//! Events of a stream as bytes.

use serde::Serialize;

#[derive(Serialize)]
struct Line<'a, T> {
    r#type: &'a str,
    sequence_number: u64,
    #[serde(flatten)]
    body: T,
}

/// Numbers the events of one stream.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    next: u64,
}

impl Numbered {
    pub(super) fn write(&mut self, kind: &str, body: impl Serialize, out: &mut Vec<u8>) {
        let line = Line { r#type: kind, sequence_number: self.next, body };
        // Plain data with text keys always becomes JSON.
        let Ok(data) = serde_json::to_string(&line) else { return };
        self.next += 1;
        for text in ["event: ", kind, "\ndata: ", &data, "\n\n"] {
            out.extend_from_slice(text.as_bytes());
        }
    }
}
