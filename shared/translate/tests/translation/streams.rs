//! One stream for each feature of each provider, and what each caller reads of it.

use llm_api_translate::{Event, Format, StreamReader, StreamWriter, Unreadable};
use serde_json::{Value, json};

use crate::golden::{CALLERS, Differences, names, path, question, read, stamp};

/// One event out of its framing.
struct Framed {
    name: Option<String>,
    data: String,
}

/// What a provider's stream says, and whether it ended as it should.
pub(crate) struct Streamed {
    pub(crate) events: Vec<Event>,
    pub(crate) failure: Option<Unreadable>,
}

impl Streamed {
    pub(crate) fn is_whole(&self) -> bool {
        self.events.last() == Some(&Event::End)
    }
}

/// The names of a provider's streams.
pub(crate) fn of(provider: Format) -> Vec<String> {
    let files = names(&format!("streams/{}", provider.name()));
    let name = |file: String| {
        let name = file.strip_suffix(".sse").or(file.strip_suffix(".ndjson"))?;
        (!name.contains(".to_")).then(|| name.to_owned())
    };
    files.into_iter().filter_map(name).collect()
}

/// Out of server-sent events. The codec itself is tested where it is.
fn of_sse(text: &str) -> Vec<Framed> {
    let event = |block: &str| {
        let member = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Some(Framed { name: member("event: "), data: member("data: ")? })
    };
    text.split("\n\n").filter_map(event).collect()
}

/// Out of lines; Amazon's frames are told as a line `{"event": …, "data": …}` each.
fn of_lines(text: &str, is_amazon: bool) -> Vec<Framed> {
    let event = |line: &str| {
        if !is_amazon {
            return Framed { name: None, data: line.to_owned() };
        }
        let frame: Value = serde_json::from_str(line).expect("a frame");
        Framed { name: frame["event"].as_str().map(str::to_owned), data: frame["data"].to_string() }
    };
    text.lines().map(event).collect()
}

fn framed(provider: Format, name: &str) -> Vec<Framed> {
    let file = |ending: &str| format!("streams/{}/{name}.{ending}", provider.name());
    if path(&file("sse")).exists() {
        of_sse(&read(&file("sse")))
    } else {
        of_lines(&read(&file("ndjson")), provider == Format::BedrockConverse)
    }
}

fn read_all(format: Format, frames: Vec<Framed>) -> Streamed {
    let mut reader = StreamReader::new(format);
    let mut events = Vec::new();
    for Framed { name, data } in frames {
        match reader.read(name.as_deref(), data.as_bytes()) {
            Ok(more) => events.extend(more),
            Err(failure) => return Streamed { events, failure: Some(failure) },
        }
    }
    events.extend(reader.finish());
    Streamed { events, failure: None }
}

pub(crate) fn recorded(provider: Format, name: &str) -> Streamed {
    read_all(provider, framed(provider, name))
}

/// What is read of a stream that was written for a caller.
pub(crate) fn read_back(caller: Format, written: &str) -> Streamed {
    read_all(caller, of_sse(written))
}

/// A stream that broke off ends with an error in the caller's format.
pub(crate) fn written(streamed: &Streamed, caller: Format) -> String {
    let mut writer = StreamWriter::new(caller, &question(caller), stamp()).expect("a caller's format");
    let mut out = Vec::new();
    for event in &streamed.events {
        writer.write(event.clone(), &mut out);
    }
    if !streamed.is_whole() {
        writer.fail(&error(caller), &mut out);
    }
    String::from_utf8(out).expect("UTF-8")
}

fn error(caller: Format) -> Value {
    let message = "The provider broke off.";
    match caller {
        Format::AnthropicMessages => {
            json!({"type": "error", "error": {"type": "api_error", "message": message}, "request_id": null})
        }
        _ => json!({"message": message, "type": "server_error", "param": null, "code": "upstream_error"}),
    }
}

/// The data of each event of a written stream, but chat's last word.
pub(crate) fn chunks(written: &str) -> Vec<Value> {
    let data = of_sse(written).into_iter().map(|event| event.data).filter(|data| data != "[DONE]");
    data.map(|data| serde_json::from_str(&data).expect("JSON")).collect()
}

#[test]
fn each_caller_reads_streams_in_its_own_format() {
    let mut differences = Differences::default();
    for provider in Format::ALL {
        for name in of(provider) {
            let streamed = recorded(provider, &name);
            let (is_error, is_broken) = (name == "error", name == "broken_off");
            assert_eq!(streamed.failure.is_some(), is_error, "{provider} {name}: {:?}", streamed.failure);
            assert_eq!(streamed.is_whole(), !is_error && !is_broken, "{provider} {name}");
            for caller in CALLERS {
                let file = path(&format!("streams/{}/{name}.to_{}.sse", provider.name(), caller.name()));
                differences.compare(&file, &written(&streamed, caller));
            }
        }
    }
    differences.none();
}
