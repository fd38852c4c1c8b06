//! Who talks to the real model: the vendors' own SDKs, and what others have built upon them.

use llm_api_testkit::Database;
use serde_json::{Map, Value, json};

use super::Counts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    OpenAi,
    Anthropic,
    AiSdk,
    LangChain,
    Llm,
    LiteLlm,
}

/// A script in `tests/sdk`, and the formats that its library speaks.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) script: &'static str,
    pub(super) library: Library,
    pub(super) apis: &'static [&'static str],
}

pub(super) const CLIENTS: [Client; 8] = [
    Client { script: "python_openai.py", library: Library::OpenAi, apis: &["chat", "responses"] },
    Client { script: "node_openai.mjs", library: Library::OpenAi, apis: &["chat", "responses"] },
    Client { script: "python_anthropic.py", library: Library::Anthropic, apis: &["messages"] },
    Client { script: "node_anthropic.mjs", library: Library::Anthropic, apis: &["messages"] },
    Client { script: "node_ai.mjs", library: Library::AiSdk, apis: &["chat", "messages"] },
    Client { script: "python_langchain.py", library: Library::LangChain, apis: &["chat", "responses"] },
    Client { script: "python_llm.py", library: Library::Llm, apis: &["chat"] },
    Client { script: "python_litellm.py", library: Library::LiteLlm, apis: &["chat", "messages"] },
];

impl Client {
    /// Half of them on each database: the model is slow, and what it answers does not depend on where rows are kept.
    pub(super) fn on(database: Database) -> impl Iterator<Item = &'static Self> {
        const ALL: &[Client] = &CLIENTS;
        let first = match database {
            Database::Sqlite => 0,
            Database::Postgres => 1,
        };
        ALL.iter().skip(first).step_by(2)
    }

    /// The ones of the vendors and of the AI SDK, whose errors are looked at, too.
    pub(super) fn official_on(database: Database) -> impl Iterator<Item = &'static Self> {
        const OFFICIAL: [Library; 3] = [Library::OpenAi, Library::Anthropic, Library::AiSdk];
        Self::on(database).filter(|client| OFFICIAL.contains(&client.library))
    }

    /// The same models, by their stories, for each of its formats.
    pub(super) fn families(&self, models: &Value) -> Map<String, Value> {
        self.apis.iter().map(|api| ((*api).to_owned(), json!({ "real": models }))).collect()
    }

    /// Tokens of the prompt and of the answer.
    pub(super) fn counts(&self, answer: &Value) -> Counts {
        let count = |index: usize| {
            let count = answer["usage"][index].as_i64().filter(|count| *count > 0);
            count.unwrap_or_else(|| panic!("{}: {answer}", self.script))
        };
        (count(0), count(1))
    }

    /// Its words for the end of an answer, and for one that calls tools.
    pub(super) fn reasons(&self, api: &str) -> (Value, Value) {
        let (ends, calls) = match (self.library, api) {
            // It does not say.
            (Library::Llm, _) => return (Value::Null, Value::Null),
            (Library::AiSdk, _) => ("stop", "tool-calls"),
            (Library::LiteLlm, _) | (_, "chat") => ("stop", "tool_calls"),
            (_, "responses") => ("completed", "completed"),
            _ => ("end_turn", "tool_use"),
        };
        (ends.into(), calls.into())
    }

    /// Its ways to an object whose schema is a part of the request.
    pub(super) fn object_ways(&self) -> &'static [&'static str] {
        match self.library {
            Library::OpenAi | Library::Anthropic | Library::AiSdk => &["object", "object.streamed"],
            Library::LangChain => &["object"],
            Library::Llm | Library::LiteLlm => &[],
        }
    }

    /// Its exception for a refusal, where every status has the same name or each its own.
    pub(super) fn exception(&self, own: &'static str) -> &'static str {
        if self.library == Library::AiSdk { "APICallError" } else { own }
    }

    /// Its exception when the client's own patience ends.
    pub(super) fn timeout(&self) -> &'static str {
        match self.library {
            Library::AiSdk => "DOMException",
            _ if self.script.starts_with("node") => "APIConnectionTimeoutError",
            _ => "APITimeoutError",
        }
    }
}
