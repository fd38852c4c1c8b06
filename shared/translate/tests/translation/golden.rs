//! Files that stand for what is expected.

use std::{
    fs,
    path::{Path, PathBuf},
};

use llm_api_translate::{Format, Request, Stamp, read_request};
use serde_json::{Value, json};

/// Formats that callers speak.
pub(crate) const CALLERS: [Format; 3] = [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages];

pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(relative)
}

pub(crate) fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| format!("{relative}: {error}"))
}

pub(crate) fn read_json(relative: &str) -> Value {
    serde_json::from_str(&read(relative)).expect(relative)
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(path(folder)).expect(folder);
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect(folder).file_name().into_string().expect("a plain name")).collect();
    names.sort();
    names
}

#[expect(clippy::disallowed_methods, reason = "a switch of these tests alone")]
pub(crate) fn is_update() -> bool {
    std::env::var("UPDATE").is_ok()
}

/// Compares with files, or writes them. Tells all differences at once.
#[derive(Default)]
pub(crate) struct Differences(Vec<String>);

impl Differences {
    pub(crate) fn compare(&mut self, file: &Path, text: &str) {
        if is_update() {
            fs::write(file, text).expect("writable");
        }
        let expected = fs::read_to_string(file).unwrap_or_else(|error| error.to_string());
        if text != expected {
            let line = text.lines().zip(expected.lines()).position(|(is, was)| is != was);
            let line = line.unwrap_or_else(|| text.lines().count().min(expected.lines().count()));
            let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
            let (was, is) = (at(&expected), at(text));
            self.0.push(format!("{}:{}\n  expected: {was}\n        is: {is}", file.display(), line + 1));
        }
    }

    pub(crate) fn compare_json(&mut self, relative: &str, value: &Value) {
        let text = serde_json::to_string_pretty(value).expect("JSON");
        self.compare(&path(relative), &format!("{text}\n"));
    }

    pub(crate) fn none(&self) {
        assert!(self.0.is_empty(), "UPDATE=1 writes what is expected\n{}", self.0.join("\n"));
    }
}

pub(crate) fn stamp() -> Stamp {
    Stamp { id: "0123456789".to_owned(), created: 1_760_000_000, model: "team-model".to_owned() }
}

/// What a reply is written for: a plain question, with all that its reply can show.
pub(crate) fn question(caller: Format) -> Request {
    let body = match caller {
        Format::OpenaiChat => json!({
            "model": "team-model",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": true,
            "stream_options": {"include_usage": true},
        }),
        Format::AnthropicMessages => {
            json!({"model": "team-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]})
        }
        _ => json!({
            "model": "team-model",
            "input": "Hello",
            "top_logprobs": 2,
            "include": ["message.output_text.logprobs"],
        }),
    };
    read_request(caller, body.to_string().as_bytes()).expect("a plain question")
}
