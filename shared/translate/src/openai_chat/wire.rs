//! What providers send. Only what a reply cannot do without must have the right form: a harmless member of another type
//! spoils nothing.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{Unreadable, whole::integer};

/// A whole reply, or one chunk of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    #[serde(default, deserialize_with = "text")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    pub(super) created: Option<i64>,
    #[serde(default)]
    pub(super) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(super) usage: Option<Value>,
    #[serde(default, deserialize_with = "text")]
    pub(super) service_tier: Option<String>,
    #[serde(default)]
    error: Option<Value>,
    /// `error` at some servers, whose error object is the body itself.
    #[serde(default, deserialize_with = "text")]
    object: Option<String>,
    /// Groq's older place for the counts of a stream.
    #[serde(default)]
    x_groq: Option<Value>,
}

impl Completion {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        const OTHER: Unreadable = Unreadable::OtherForm("it is no chat completion");
        // Google's compatible address wraps its errors in a list.
        if body.trim_ascii_start().starts_with(b"[") {
            let items: Vec<Value> = serde_json::from_slice(body).unwrap_or_default();
            let failed = items.iter().any(|item| item.get("error").is_some());
            return Err(if failed { Unreadable::Provider } else { OTHER });
        }
        let completion: Self = serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => OTHER,
            _ => Unreadable::OtherForm("it is not valid JSON"),
        })?;
        let choice_failed = completion.choices.iter().flatten().any(|choice| choice.error.is_some());
        if completion.error.is_some() || choice_failed || completion.object.as_deref() == Some("error") {
            return Err(Unreadable::Provider);
        }
        Ok(completion)
    }

    pub(super) fn take_usage(&mut self) -> Option<Value> {
        let groq = self.x_groq.as_mut().and_then(|own| own.get_mut("usage")).map(Value::take);
        self.usage.take().or(groq).filter(Value::is_object)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default, deserialize_with = "whole")]
    pub(super) index: Option<i64>,
    #[serde(default)]
    message: Option<Said>,
    #[serde(default)]
    delta: Option<Said>,
    #[serde(default, deserialize_with = "text")]
    pub(super) finish_reason: Option<String>,
    /// The text to stop at that came.
    #[serde(default, deserialize_with = "text")]
    pub(super) stop_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) logprobs: Option<LogProbs>,
    #[serde(default)]
    error: Option<Value>,
}

impl Choice {
    /// `message` of a whole reply, `delta` of a chunk; some send either in place of the other.
    pub(super) fn take_said(&mut self) -> Said {
        self.delta.take().or_else(|| self.message.take()).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LogProbs {
    #[serde(default)]
    content: Option<Vec<Value>>,
    #[serde(default)]
    refusal: Option<Vec<Value>>,
}

impl LogProbs {
    pub(super) fn into_list(self) -> Vec<Value> {
        let mut list = self.content.unwrap_or_default();
        list.append(&mut self.refusal.unwrap_or_default());
        list
    }
}

/// A message, or a delta of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    /// A text, or parts as Mistral's thinking models send them.
    #[serde(default)]
    pub(super) content: Option<Value>,
    #[serde(default, deserialize_with = "text")]
    pub(super) refusal: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) reasoning_content: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) reasoning: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reasoning_details: Option<Vec<Map<String, Value>>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) thinking_blocks: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Call>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) function_call: Option<Called>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) annotations: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) audio: Option<Map<String, Value>>,
    /// OpenRouter's: what an image model draws.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) images: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    #[serde(default, deserialize_with = "whole")]
    pub(super) index: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<Called>,
    #[serde(default)]
    pub(super) custom: Option<Custom>,
    #[serde(default)]
    extra_content: Option<Value>,
}

impl Call {
    /// From the form before `tool_calls`.
    pub(super) fn older(function: Called) -> Self {
        Self { index: None, id: None, function: Some(function), custom: None, extra_content: None }
    }

    /// Google's seal on the thoughts before the call.
    pub(super) fn seal(&mut self) -> Option<String> {
        match self.extra_content.as_mut()?.pointer_mut("/google/thought_signature")?.take() {
            Value::String(seal) => Some(seal),
            _ => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Called {
    #[serde(default, deserialize_with = "text")]
    pub(super) name: Option<String>,
    /// A JSON text; some send the JSON itself.
    #[serde(default, deserialize_with = "json_text")]
    pub(super) arguments: String,
}

/// A call of a tool whose input is any text.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Custom {
    #[serde(default, deserialize_with = "text")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) input: Option<String>,
}

/// What the content is made of.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Thinking(String),
    Refusal(String),
    Other(Value),
}

pub(super) fn pieces(content: Option<Value>) -> Vec<Piece> {
    match content {
        Some(Value::String(text)) if !text.is_empty() => vec![Piece::Text(text)],
        Some(Value::Array(items)) => items.into_iter().map(piece).collect(),
        _ => Vec::new(),
    }
}

fn piece(mut item: Value) -> Piece {
    let owned = |value: &mut Value| match value.take() {
        Value::String(text) => text,
        _ => String::new(),
    };
    match item["type"].as_str() {
        Some("text") => Piece::Text(owned(&mut item["text"])),
        Some("refusal") => Piece::Refusal(owned(&mut item["refusal"])),
        Some("thinking") => Piece::Thinking(match item["thinking"].take() {
            Value::String(text) => text,
            Value::Array(texts) => texts.iter().filter_map(|text| text["text"].as_str()).collect(),
            _ => String::new(),
        }),
        _ => Piece::Other(item),
    }
}

/// `T`, or nothing where something else stands there.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text)),
        _ => Ok(None),
    }
}

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(integer(&Value::deserialize(deserializer)?))
}

fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        json => Ok(json.to_string()),
    }
}
