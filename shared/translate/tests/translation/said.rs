//! What a reply says, told by aspect, so that what a provider sent and what a caller reads can be laid side by side.

use std::collections::BTreeMap;

use llm_api_translate::{Event, Finish, Format, Media, Part, Reply, Signature, Source, Usage};
use serde_json::Value;

/// By aspect, what is said of it. An aspect that the reply does not have is missing.
#[derive(Debug, Default)]
pub(crate) struct Said {
    aspects: BTreeMap<&'static str, String>,
    calls: Vec<(String, String, String)>,
}

/// In the order of the table.
pub(crate) const ASPECTS: [&str; 25] = [
    TEXT,
    REFUSAL,
    THOUGHTS,
    SEALS,
    CALLS,
    SEALS_OF_CALLS,
    SOURCES,
    PICTURES,
    LOGPROBS,
    FINISH,
    STOP_SEQUENCE,
    "tokens: input",
    "tokens: output",
    "tokens: total",
    "tokens: read from a cache",
    "tokens: written to a cache",
    "tokens: written to a cache for 5 minutes",
    "tokens: written to a cache for an hour",
    "tokens: thoughts",
    "tokens: audio in the prompt",
    "tokens: audio in the reply",
    "tokens: accepted predictions",
    "tokens: rejected predictions",
    TIER,
    NATIVE,
];

const TEXT: &str = "text";
const REFUSAL: &str = "refusal";
const THOUGHTS: &str = "thoughts";
const SEALS: &str = "seals on thoughts";
const CALLS: &str = "calls of tools";
const SEALS_OF_CALLS: &str = "seals on calls";
const SOURCES: &str = "sources";
const PICTURES: &str = "pictures that the model drew";
const LOGPROBS: &str = "log probabilities";
const FINISH: &str = "reason to finish";
const STOP_SEQUENCE: &str = "text that it stopped at";
const TIER: &str = "service tier";
const NATIVE: &str = "what the provider's own tools did";

impl Said {
    pub(crate) fn of_reply(reply: Reply) -> Self {
        let Reply { id: _, model: _, created: _, parts, finish, usage, logprobs, service_tier } = reply;
        let mut said = Self::default();
        for part in parts {
            said.part(part);
        }
        said.finish(&finish);
        said.usage(&usage);
        said.logprobs(logprobs.as_deref().unwrap_or_default());
        said.tier(service_tier);
        said.told()
    }

    pub(crate) fn of_events(events: &[Event]) -> Self {
        let mut said = Self::default();
        let mut usage = Usage::default();
        for event in events.iter().cloned() {
            match event {
                Event::Start { .. } | Event::PartEnd | Event::End => {}
                Event::Text(text) => said.add(TEXT, &text),
                Event::Annotation(annotation) => said.source(&annotation),
                Event::Refusal(text) => said.add(REFUSAL, &text),
                Event::Thinking(text) => said.add(THOUGHTS, &text),
                Event::ThinkingSignature(seal) | Event::RedactedThinking(seal) => said.seal(SEALS, &seal),
                Event::ToolCall { index: _, id, name, signature } => {
                    said.call(id, name, String::new(), signature.as_ref());
                }
                Event::Arguments { index, delta } => said.calls[index].2.push_str(&delta),
                Event::Media(part) => said.part(part),
                Event::Native { value, .. } => said.native(&value),
                Event::Logprobs(list) => said.logprobs(&list),
                Event::Usage(newer) => usage = usage.updated(&newer),
                Event::ServiceTier(tier) => said.tier(Some(tier)),
                Event::Finish(finish) => said.finish(&finish),
            }
        }
        said.usage(&usage);
        said.told()
    }

    /// Whether all that `sent` says of an aspect is said here too; of texts, words that stand for something else may be
    /// added, and thoughts may be told twice, in two members.
    pub(crate) fn keeps(&self, sent: &Self, aspect: &str) -> bool {
        match (sent.get(aspect), self.get(aspect)) {
            (Some(sent), Some(read)) if aspect == TEXT || aspect == THOUGHTS => read.contains(sent),
            (sent, read) => sent == read,
        }
    }

    pub(crate) fn get(&self, aspect: &str) -> Option<&str> {
        self.aspects.get(aspect).map(String::as_str)
    }

    fn add(&mut self, aspect: &'static str, text: &str) {
        if !text.is_empty() {
            self.aspects.entry(aspect).or_default().push_str(text);
        }
    }

    fn part(&mut self, part: Part) {
        match part {
            Part::Text(text) => {
                self.add(TEXT, &text.text);
                text.annotations.iter().for_each(|annotation| self.source(annotation));
            }
            Part::Refusal(text) => self.add(REFUSAL, &text),
            Part::Thinking(thinking) => {
                self.add(THOUGHTS, &thinking.text);
                thinking.signature.iter().for_each(|seal| self.seal(SEALS, seal));
            }
            Part::RedactedThinking(seal) => self.seal(SEALS, &seal),
            Part::ToolCall(call) => self.call(call.id, call.name, call.arguments, call.signature.as_ref()),
            Part::Image(Media { source: Source::Inline { data, .. }, .. }) => self.add(PICTURES, &data),
            Part::Native { value, .. } => self.native(&value),
            other => panic!("no reply has {other:?}"),
        }
    }

    fn call(&mut self, id: String, name: String, arguments: String, seal: Option<&Signature>) {
        self.calls.push((id, name, arguments));
        if let Some(seal) = seal {
            self.seal(SEALS_OF_CALLS, seal);
        }
    }

    /// A foreign seal names its format, and in a place of its own that it is a call's. The place that thoughts have in a
    /// chat completion is no provider's seal.
    fn seal(&mut self, aspect: &'static str, seal: &Signature) {
        let (aspect, value) = match seal.value.strip_prefix("call:") {
            Some(value) => (SEALS_OF_CALLS, value),
            None => (aspect, seal.value.as_str()),
        };
        // Chat completions carry foreign ones in blocks of Anthropic's form, which our reader takes for a provider's own.
        let seal = Signature::read_from(seal.format, value);
        let block: Option<Value> = serde_json::from_str(&seal.value).ok().filter(|_| seal.format == Format::OpenaiChat);
        let inner = block.as_ref().and_then(|block| block.get("signature").or(block.get("data"))?.as_str());
        let seal = inner.map_or(seal, |inner| Signature::read_from(Format::AnthropicMessages, inner));
        let is_place = seal.value.is_empty() || matches!(seal.value.as_str(), "reasoning_content" | "reasoning");
        if !is_place {
            self.add(aspect, &format!("{}#{} ", seal.format.name(), seal.value));
        }
    }

    /// Places are counted anew where texts are joined.
    fn source(&mut self, annotation: &Value) {
        let url = annotation.pointer("/url_citation/url").and_then(Value::as_str).unwrap_or_default();
        self.add(SOURCES, &format!("{url} "));
    }

    fn native(&mut self, value: &Value) {
        self.add(NATIVE, value["type"].as_str().unwrap_or("unnamed"));
    }

    fn logprobs(&mut self, list: &[Value]) {
        for entry in list {
            self.add(LOGPROBS, &format!("{}{} ", entry["token"], entry["logprob"]));
        }
    }

    fn tier(&mut self, tier: Option<String>) {
        // Anthropic's word and OpenAI's for the same.
        let tier = tier.map(|tier| if tier == "standard" { "default".to_owned() } else { tier });
        self.aspects.extend(tier.map(|tier| (TIER, tier)));
    }

    fn finish(&mut self, finish: &Finish) {
        let word = match finish {
            Finish::Stop => "stop",
            Finish::StopSequence(text) => {
                self.add(STOP_SEQUENCE, text.as_deref().unwrap_or_default());
                "stop sequence"
            }
            Finish::Length => "length",
            Finish::ContextLength => "context length",
            Finish::ToolCalls => "tool calls",
            Finish::ContentFilter => "content filter",
            Finish::Refusal => "refusal",
            Finish::Pause => "pause",
            Finish::Malformed(_) => "malformed",
        };
        self.add(FINISH, word);
    }

    fn usage(&mut self, usage: &Usage) {
        let total = usage.sum();
        let Usage {
            input,
            output,
            total: _,
            cache_read,
            cache_written,
            cache_written_5m,
            cache_written_1h,
            reasoning,
            input_audio,
            output_audio,
            accepted_prediction,
            rejected_prediction,
        } = *usage;
        let counts = [
            input,
            output,
            total,
            cache_read,
            cache_written,
            cache_written_5m,
            cache_written_1h,
            reasoning,
            input_audio,
            output_audio,
            accepted_prediction,
            rejected_prediction,
        ];
        let names = ASPECTS.into_iter().filter(|aspect| aspect.starts_with("tokens: "));
        for (name, count) in names.zip(counts) {
            // Formats that always send a count write zero for one that the provider did not make.
            if let Some(count) = count.filter(|count| *count != 0) {
                self.add(name, &count.to_string());
            }
        }
    }

    fn told(mut self) -> Self {
        for (id, name, arguments) in std::mem::take(&mut self.calls) {
            let arguments: Value = serde_json::from_str(&arguments).expect("arguments");
            self.add(CALLS, &format!("{id} {name} {arguments}\n"));
        }
        self
    }
}
