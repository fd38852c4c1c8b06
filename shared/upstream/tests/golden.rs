//! One conversation for each feature, and the body that each family gets for it; one stream for each family, and the
//! steps that it is read into.
#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use llm_api_domain::WireFamily;
use llm_api_upstream::{
    Api, Conversation, Step, StreamReader, Turn,
    sse::{EventSplitter, Tail},
    to_wire,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const FAMILIES: [(&str, WireFamily); 4] = [
    ("openai", WireFamily::OpenaiChat),
    ("azure", WireFamily::AzureOpenai),
    ("anthropic", WireFamily::AnthropicMessages),
    ("gemini", WireFamily::GoogleGemini),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: String,
    #[serde(default)]
    system: Option<String>,
    turns: Vec<Said>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Said {
    User {
        user: String,
        #[serde(default)]
        images: Vec<String>,
    },
    Assistant {
        assistant: String,
    },
}

impl Asked {
    fn conversation(&self) -> Conversation<'_> {
        Conversation {
            model: &self.model,
            system: self.system.as_deref().map(Into::into),
            turns: self.turns.iter().map(Said::turn).collect(),
            parameters: self.parameters.clone(),
            stream: self.stream,
            include_usage: self.include_usage,
        }
    }
}

impl Said {
    fn turn(&self) -> Turn<'_> {
        match self {
            Self::User { user, images } => {
                Turn::User { text: user.into(), images: images.iter().map(Into::into).collect() }
            }
            Self::Assistant { assistant } => Turn::Assistant { text: assistant.into() },
        }
    }
}

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(golden(path)).unwrap_or_else(|error| format!("{path}: {error}"))
}

/// Compares with a golden file, or writes it where that was asked for. Tells all differences at once.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
    fn compare(&mut self, path: &str, value: &Value) {
        let mut value = value.clone();
        value.sort_all_objects();
        let text = format!("{}\n", serde_json::to_string_pretty(&value).expect("JSON"));
        if std::env::var("UPDATE_GOLDEN").is_ok() {
            fs::write(golden(path), &text).expect("writable");
        }
        let expected = read(path);
        if text != expected {
            self.0.push(format!("{path}\nexpected: {expected}\nis: {text}"));
        }
    }

    fn none(&self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn each_family_gets_its_own_body() {
    let mut differences = Differences::default();
    let features = fs::read_dir(golden("")).expect("a folder").map(|entry| entry.expect("readable"));
    let features: Vec<_> = features
        .filter(|entry| entry.path().join("conversation.json").exists())
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    assert!(features.len() >= 9, "{features:?}");
    for feature in features {
        let asked: Asked = serde_json::from_str(&read(&format!("{feature}/conversation.json"))).expect(&feature);
        for (name, family) in FAMILIES {
            let body = match to_wire(family, asked.conversation()) {
                Ok(body) => serde_json::from_slice(&body).expect("JSON"),
                Err(error) => json!({ "error": { "parameter": error.parameter, "message": error.message } }),
            };
            differences.compare(&format!("{feature}/{name}.json"), &body);
        }
    }
    differences.none();
}

/// The steps of a stream that comes in the given pieces, and whether it may end then.
fn steps(family: WireFamily, pieces: &[&[u8]]) -> (Vec<Step>, bool) {
    let Some(Api::Reply(format)) = Api::of_family(family) else { return Default::default() };
    let (mut splitter, mut reader, mut steps) = (EventSplitter::new(1 << 20), StreamReader::new(format), Vec::new());
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next_event() {
            steps.push(reader.read(&event.expect("short"), None).expect("a step"));
        }
    }
    assert_eq!(splitter.finish(), Tail::Nothing);
    steps.extend(reader.end());
    let is_complete = steps.iter().any(|step| step.is_last);
    (steps, is_complete)
}

fn shown(steps: &[Step]) -> Value {
    steps
        .iter()
        .map(|step| {
            json!({
                "text": step.text, "finish_reason": step.finish_reason, "usage": step.usage, "is_last": step.is_last,
            })
        })
        .collect()
}

fn streams() -> impl Iterator<Item = (&'static str, WireFamily, String)> {
    FAMILIES.into_iter().map(|(name, family)| (name, family, read(&format!("streams/{name}.sse"))))
}

#[test]
fn each_familys_stream_is_read_into_steps() {
    let mut differences = Differences::default();
    for (name, family, stream) in streams() {
        let (steps, is_complete) = steps(family, &[stream.as_bytes()]);
        assert!(is_complete, "{name}");
        let text: String = steps.iter().filter_map(|step| step.text.as_deref()).collect();
        assert_eq!(text, "Grüezi,\n\"Welt\" 🌍", "{name}");
        differences.compare(&format!("streams/{name}.steps.json"), &shown(&steps));
    }
    differences.none();
}

#[test]
fn cutting_a_stream_anywhere_changes_nothing() {
    for (name, family, stream) in streams() {
        for stream in [stream.clone(), stream.replace('\n', "\r\n")] {
            let whole = steps(family, &[stream.as_bytes()]);
            for cut in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(cut);
                assert_eq!(steps(family, &[head, tail]), whole, "{name} cut at {cut}");
            }
            let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
            assert_eq!(steps(family, &bytes), whole, "{name} byte by byte");
        }
    }
}

#[test]
fn a_stream_without_its_end_is_never_complete() {
    for (name, family, stream) in streams() {
        let end = match family {
            WireFamily::AnthropicMessages => stream.find("event: message_stop"),
            WireFamily::GoogleGemini => stream.rfind("data: "),
            WireFamily::OpenaiChat | WireFamily::AzureOpenai | WireFamily::AmazonBedrock | WireFamily::Unsupported => {
                stream.find("data: [DONE]")
            }
        };
        let cut = stream.get(..end.expect(name)).expect("a beginning");
        let cut = format!("{}\n\n", cut.trim_end());
        assert!(!steps(family, &[cut.as_bytes()]).1, "{name}");
    }
}

proptest! {
    #[test]
    fn random_chunking_changes_nothing(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        for (_, family, stream) in streams() {
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let pieces: Vec<_> = at.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(steps(family, &pieces), steps(family, &[stream.as_bytes()]));
        }
    }
}
