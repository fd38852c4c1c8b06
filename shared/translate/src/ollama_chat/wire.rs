//! What comes back, whole or a line at a time.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use crate::{Finish, Unreadable, Usage, whole::count};

const OTHER_FORM: Unreadable = Unreadable::OtherForm("the reply is not in the form of Ollama's chat API");

#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) model: Option<String>,
    /// Down to nanoseconds: no two replies have the same.
    #[serde(default)]
    pub(super) created_at: String,
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) done: bool,
    pub(super) done_reason: Option<String>,
    #[serde(default, deserialize_with = "count")]
    prompt_eval_count: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    eval_count: Option<i64>,
    logprobs: Option<Vec<Logprob>>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    pub(super) content: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) images: Option<Vec<String>>,
    pub(super) tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function {
    #[serde(default)]
    pub(super) name: String,
    pub(super) arguments: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Logprob {
    #[serde(flatten)]
    chosen: Token,
    top_logprobs: Option<Vec<Token>>,
}

#[derive(Debug, Deserialize)]
struct Token {
    #[serde(rename = "token")]
    text: String,
    logprob: f64,
    bytes: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn parse(data: &[u8]) -> Result<Self, Unreadable> {
        let answer: Self = serde_json::from_slice(data).map_err(|_| OTHER_FORM)?;
        if answer.error.is_some() {
            Err(Unreadable::Provider)
        } else if answer.message.is_none() {
            Err(OTHER_FORM)
        } else {
            Ok(answer)
        }
    }

    /// Ollama leaves counts of zero out.
    pub(super) fn usage(&self) -> Usage {
        Usage { input: self.prompt_eval_count, output: self.eval_count, ..Usage::default() }
    }

    pub(super) fn finish(&self, has_calls: bool) -> Finish {
        match self.done_reason.as_deref() {
            None | Some("" | "stop" | "load" | "unload") if has_calls => Finish::ToolCalls,
            None | Some("" | "stop" | "load" | "unload") => Finish::Stop,
            Some("length") => Finish::Length,
            Some(other) => Finish::of_unknown(other),
        }
    }

    pub(super) fn take_logprobs(&mut self) -> Option<Vec<Value>> {
        let logprobs = self.logprobs.take().filter(|logprobs| !logprobs.is_empty())?;
        let entries = logprobs.into_iter().map(|Logprob { chosen, top_logprobs }| {
            let mut entry = chosen.entry();
            entry["top_logprobs"] = top_logprobs.unwrap_or_default().into_iter().map(Token::entry).collect();
            entry
        });
        Some(entries.collect())
    }
}

impl Token {
    fn entry(self) -> Value {
        let Self { text, logprob, bytes } = self;
        let bytes = bytes.unwrap_or_else(|| text.as_bytes().to_vec());
        json!({ "token": text, "logprob": logprob, "bytes": bytes })
    }
}
