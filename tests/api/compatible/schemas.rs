//! What callers read keeps the vendors' official schemas: replies, each event of a stream, errors, lists and vectors.

use llm_api_testkit::{Dialect, HttpReply, Person, Recording, Speech, TestApp, each_db, schema_faults};
use serde_json::{Value, json};

use super::{Caller, parsed};
use crate::families::{ANTHROPIC, Account, GOOGLE, HUGGINGFACE, PROVIDERS, start};

/// A document of `tests/schemas`, and a schema in it.
type Schema = (&'static str, &'static str);

/// Everything in this one reply: a thought, a text and two calls.
const RICH: Speech = Speech {
    thought: "Who asks that needs a tool.",
    text: "I shall look.",
    calls: &[("weather", r#"{"city":"Oslo"}"#), ("weather", r#"{"city":"Bergen"}"#)],
};
const RECORDED: [(Account, Dialect); 3] =
    [(HUGGINGFACE, Dialect::OpenaiChat), (ANTHROPIC, Dialect::AnthropicMessages), (GOOGLE, Dialect::GoogleGemini)];
/// How the scripted providers misbehave; streams of some of them begin well.
const BEHAVIOURS: [&str; 8] =
    ["echo", "dies", "no-done", "rejects-key", "rate-limited", "no-quota", "refuses", "no-such-model"];

impl Caller {
    const fn error_schema(self) -> Schema {
        match self {
            Self::Chat | Self::Responses => ("openai", "ErrorResponse"),
            Self::Messages => ("anthropic", "ErrorResponse"),
        }
    }

    const fn reply_schema(self) -> Schema {
        match self {
            Self::Chat => ("openai", "CreateChatCompletionResponse"),
            Self::Responses => ("openai", "Response"),
            Self::Messages => ("anthropic", "Message"),
        }
    }

    fn event_schema(self, event: &Value) -> Schema {
        match self {
            Self::Chat if event.get("error").is_some() => self.error_schema(),
            Self::Messages if event["type"] == "error" => self.error_schema(),
            Self::Chat => ("openai", "CreateChatCompletionStreamResponse"),
            Self::Responses => ("openai", "ResponseStreamEvent"),
            Self::Messages => ("anthropic", "MessageStreamEvent"),
        }
    }

    /// Whether the provider's own bytes are what this caller gets: they are not ours to judge.
    fn passes(self, provider: &str) -> bool {
        match self {
            Self::Chat => !matches!(provider, "anthropic" | "google"),
            Self::Responses => provider == "openai",
            Self::Messages => provider == "anthropic",
        }
    }
}

/// What is to be looked at, for the checker.
#[derive(Default)]
struct Cases(Vec<Value>);

impl Cases {
    fn add(&mut self, place: &str, (document, schema): Schema, value: &Value) {
        self.0.push(json!({ "place": place, "document": document, "schema": schema, "value": value }));
    }

    /// One reply, whatever it is: an error, a stream or a whole one.
    async fn add_reply(&mut self, place: &str, caller: Caller, is_ours: bool, reply: HttpReply) {
        if reply.status != 200 {
            assert!(!place.contains("echo"), "{place}: {}", reply.status);
            return self.add(place, caller.error_schema(), &reply.json().await);
        }
        if reply.header("content-type").starts_with("text/event-stream") {
            for event in parsed(&reply.data().await) {
                let schema = caller.event_schema(&event);
                // The last word of a stream that breaks off is ours, whoever said the rest.
                if is_ours || schema == caller.error_schema() {
                    self.add(place, schema, &event);
                }
            }
        } else if is_ours {
            self.add(place, caller.reply_schema(), &reply.json().await);
        }
    }

    /// Asks whole and streamed.
    async fn ask(&mut self, app: &TestApp, ada: &Person, caller: Caller, provider: &str, model: &str) {
        let (place, is_ours) = (format!("{caller:?}, {model} of {provider}"), !caller.passes(provider));
        let body = caller.hello(&format!("{provider}:{model}"));
        let whole = caller.ask(app, ada, body.clone()).await;
        self.add_reply(&place, caller, is_ours, whole).await;
        let streamed = caller.ask_streamed(app, ada, body).await;
        self.add_reply(&format!("{place}, streamed"), caller, is_ours, streamed).await;
    }
}

each_db! {
    async fn whatever_is_answered_keeps_the_official_schemas(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        let mut cases = Cases::default();
        for caller in Caller::ALL {
            for account in PROVIDERS {
                for model in BEHAVIOURS {
                    cases.ask(&app, &ada, caller, account.provider, model).await;
                }
            }
            for (account, dialect) in RECORDED {
                app.provider.play(account.provider, dialect.record(&RICH));
                cases.ask(&app, &ada, caller, account.provider, account.provider).await;
            }
            let stranger = app.http().post(caller.path()).json(caller.hello("openai:echo")).send().await;
            cases.add_reply("a stranger", caller, true, stranger).await;
            let nowhere = app.post(&format!("{}/nowhere", caller.path()), &ada.token, json!({})).await;
            cases.add_reply("no such route", caller, true, nowhere).await;
        }

        let vectors = json!({ "embeddings": [{ "values": [1, 0] }, { "values": [3, 1] }] });
        app.provider.play("gemini-embedding-001", Recording::new(vectors, ""));
        let body = json!({ "model": "google:gemini-embedding-001", "input": ["a", "b"] });
        let reply = app.post("/v1/embeddings", &ada.token, body).await;
        assert_eq!(reply.status, 200);
        cases.add("vectors", ("openai", "CreateEmbeddingResponse"), &reply.json().await);
        let counted = app.post("/v1/messages/count_tokens", &ada.token, Caller::Messages.hello("openai:echo")).await;
        cases.add("a count", ("anthropic", "CountMessageTokensResponse"), &counted.json().await);
        let models = app.get("/v1/models", &ada.token).await.json().await;
        cases.add("models", ("openai", "ListModelsResponse"), &models);

        assert!(cases.0.len() > 300, "{}", cases.0.len());
        let faults = schema_faults(&cases.0.into()).await;
        assert!(faults.is_empty(), "{faults}");
    }
}
