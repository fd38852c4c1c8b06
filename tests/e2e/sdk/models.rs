//! The models that the stories are told with: what they say, in their families' own bytes, and whose they are.

use llm_api_testkit::{Dialect, FakeProvider, Recording, Speech};
use serde_json::{Map, Value, json};

use super::expected::Sdk;

pub(super) const TEXT: &str = "Grüße aus 東京, said the 🦀 model.";
pub(super) const THOUGHT: &str = "Who asks that needs a tool.";
pub(super) const ANSWER: &str = "It rains there.";

const SAYS: Speech = Speech { thought: "", text: TEXT, calls: &[] };
const CALLS: Speech = Speech { thought: THOUGHT, text: "", calls: &[("weather", r#"{"city":"Oslo"}"#)] };
const PARALLEL: Speech = Speech {
    thought: "",
    text: "I shall look.",
    calls: &[("weather", r#"{"city":"Oslo"}"#), ("weather", r#"{"city":"São Paulo"}"#)],
};
const OBJECT: Speech = Speech { thought: "", text: r#"{"name":"Oslo","population":717710}"#, calls: &[] };
const AFTER: Speech = Speech { thought: "", text: ANSWER, calls: &[] };
const STORIES: [(&str, Speech); 4] = [("says", SAYS), ("calls", CALLS), ("parallel", PARALLEL), ("object", OBJECT)];

/// A family's name in the stories.
pub(super) const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiChat => "chat",
        Dialect::OpenaiResponses => "responses",
        Dialect::AnthropicMessages => "anthropic",
        Dialect::GoogleGemini => "gemini",
        Dialect::BedrockConverse => "bedrock",
        Dialect::OllamaChat => "ollama",
    }
}

/// The model's name at its provider. OpenAI's that begin with `codex-` answer by the Responses API alone.
pub(super) fn model(dialect: Dialect, story: &str) -> String {
    match dialect {
        Dialect::OpenaiChat => format!("{story}-by-chat"),
        Dialect::OpenaiResponses => format!("codex-{story}"),
        Dialect::AnthropicMessages => format!("claude-sonnet-4-5-{story}"),
        Dialect::GoogleGemini => format!("gemini-2.5-flash-{story}"),
        Dialect::BedrockConverse => format!("anthropic.claude-sonnet-4-5-{story}"),
        Dialect::OllamaChat => format!("{story}-by-ollama"),
    }
}

/// OpenAI itself is asked by its Responses API where the caller speaks it: for chat completions another stands there.
fn provider(dialect: Dialect, api: &str) -> &'static str {
    match dialect {
        Dialect::OpenaiChat if api == "responses" => "custom",
        Dialect::OpenaiChat | Dialect::OpenaiResponses => "openai",
        Dialect::AnthropicMessages => "anthropic",
        Dialect::GoogleGemini => "google",
        Dialect::BedrockConverse => "bedrock",
        Dialect::OllamaChat => "local",
    }
}

pub(super) fn play(provider: &FakeProvider, ollama: &FakeProvider) {
    for dialect in Dialect::ALL {
        let stage = if dialect == Dialect::OllamaChat { ollama } else { provider };
        for (story, speech) in STORIES {
            let recording = dialect.record(&speech).then(dialect.record(&AFTER));
            stage.play(&model(dialect, story), recording);
        }
    }
    let vectors = json!({ "embeddings": [{ "values": [1, 0] }, { "values": [3, 1] }] });
    provider.play("gemini-embedding-001", Recording::new(vectors, ""));
}

/// What Ada stores.
pub(super) fn keys(provider: &FakeProvider) -> Vec<Value> {
    let aws = json!({ "region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "a-quiet-secret" });
    let mut keys: Vec<Value> =
        ["openai", "anthropic", "google"].map(|name| json!({ "provider": name, "api_key": "sk-good" })).into();
    keys.push(json!({ "provider": "custom", "api_key": "sk-good", "endpoint": provider.base_url() }));
    keys.push(json!({ "provider": "bedrock", "api_key": aws.to_string(), "endpoint": provider.origin() }));
    keys
}

/// What a script is to do.
pub(super) fn stories(sdk: Sdk) -> Value {
    let (mut families, mut misbehaving, mut extra) = (Map::new(), Map::new(), Map::new());
    for api in sdk.apis() {
        let mut its = Map::new();
        for dialect in Dialect::ALL {
            let named = |story: &str| format!("{}:{}", provider(dialect, api), model(dialect, story));
            its.insert(name(dialect).into(), STORIES.iter().map(|(story, _)| (*story, named(story))).collect());
            if dialect == Dialect::OllamaChat {
                // A member of Ollama's own makes it be asked by its own API.
                extra.extend(STORIES.iter().map(|(story, _)| (named(story), json!({ "keep_alive": "5m" }))));
            }
        }
        families.insert((*api).into(), its.into());
        let provider = if *api == "messages" { "anthropic" } else { "openai" };
        let behaviours = [
            ("stranger", "echo"),
            ("unknown", "no-such-model"),
            ("refused", "refuses"),
            ("limited", "rate-limited"),
            ("broken", "dies"),
            ("cancelled", "slow-stream"),
            ("silent", "silent"),
        ];
        let models = behaviours.iter().map(|(story, model)| (*story, format!("{provider}:{model}")));
        misbehaving.insert((*api).into(), models.collect());
    }
    json!({
        "families": families, "misbehaving": misbehaving, "extra": extra,
        "embeddings": ["openai:echo", "google:gemini-embedding-001"], "counted": ["anthropic:claude-echo", "openai:echo"],
    })
}
