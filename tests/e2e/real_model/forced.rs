//! How the AI SDK asks for an object by Anthropic's format where it does not know the model's name, and is not told
//! otherwise: it forces a tool upon the model. Scripted: the small model does not let itself be forced.

use llm_api_testkit::{Dialect, FakeProvider, Speech, each_db, run_sdk};
use serde_json::{Map, Value, json};

use crate::support::{Site, sign_in};

const FORCED: Speech = Speech { thought: "", text: "", calls: &[("json", r#"{"name":"Oslo","population":717710}"#)] };

/// A model, and where its provider's request says that a tool must be called, and how.
struct Target {
    dialect: Dialect,
    provider: &'static str,
    model: &'static str,
    /// `None` where the provider's API has nothing like it.
    choice: Option<(&'static str, &'static str)>,
}

const TARGETS: [Target; 6] = [
    target(Dialect::OpenaiChat, "openai", "forced-by-chat", Some(("/tool_choice", r#""required""#))),
    target(Dialect::OpenaiResponses, "openai", "codex-forced", Some(("/tool_choice", r#""required""#))),
    target(Dialect::AnthropicMessages, "anthropic", "forced", Some(("/tool_choice/type", r#""any""#))),
    target(
        Dialect::GoogleGemini,
        "google",
        "gemini-forced",
        Some(("/toolConfig/functionCallingConfig/mode", r#""ANY""#)),
    ),
    target(Dialect::BedrockConverse, "bedrock", "anthropic.forced", Some(("/toolConfig/toolChoice/any", "{}"))),
    target(Dialect::OllamaChat, "local", "forced-by-ollama", None),
];

const fn target(
    dialect: Dialect,
    provider: &'static str,
    model: &'static str,
    choice: Option<(&'static str, &'static str)>,
) -> Target {
    Target { dialect, provider, model, choice }
}

impl Target {
    fn id(&self) -> String {
        format!("{}:{}", self.provider, self.model)
    }

    /// What the SDK made of it, and that the provider was told to; a refusal that names the member where it cannot be.
    fn check(&self, seen: &Value, asked: &[(String, Value)]) {
        let is_its = |path: &str, body: &Value| {
            body["model"] == self.model || path.split(['/', ':']).any(|segment| segment == self.model)
        };
        let asked: Vec<_> = asked.iter().filter(|(path, body)| is_its(path, body)).collect();
        for way in ["forced", "forced.streamed"] {
            let seen = &seen[way];
            if self.choice.is_some() {
                assert_eq!(seen, &json!({ "name": "Oslo", "population": 717_710 }), "{}, {way}", self.id());
            } else {
                let refused = seen["failed"].as_str().unwrap_or_default();
                let named = refused.starts_with("APICallError: ") && refused.contains("`tool_choice` cannot be sent");
                assert!(named, "{}, {way}: {seen}", self.id());
            }
        }
        assert_eq!(asked.len(), if self.choice.is_some() { 2 } else { 0 }, "{}: {asked:?}", self.id());
        for ((_, body), (place, choice)) in asked.into_iter().zip(self.choice.into_iter().cycle()) {
            let choice: Value = serde_json::from_str(choice).expect("JSON");
            assert_eq!(body.pointer(place), Some(&choice), "{}: {body}", self.id());
        }
    }
}

fn keys(provider: &FakeProvider) -> Vec<Value> {
    let aws = json!({ "region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "a-quiet-secret" });
    let key = |name: &str| json!({ "provider": name, "api_key": "sk-good" });
    let bedrock = json!({ "provider": "bedrock", "api_key": aws.to_string(), "endpoint": provider.origin() });
    vec![key("openai"), key("anthropic"), key("google"), bedrock]
}

each_db! {
    async fn the_ai_sdk_may_force_a_tool(database: Database) {
        let ollama = FakeProvider::start_ollama().await;
        let mut site = Site::with(database, &[("LOCAL_BASE_URL", &ollama.base_url())]).await;
        let (anthropic, google) = (site.provider.anthropic_base_url(), site.provider.google_base_url());
        site.set("ANTHROPIC_BASE_URL", &anthropic);
        site.set("GOOGLE_BASE_URL", &google);
        for target in &TARGETS {
            let stage = if target.provider == "local" { &ollama } else { &site.provider };
            stage.play(target.model, target.dialect.record(&FORCED));
        }
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        for key in keys(&site.provider) {
            let stored = http.post("/v1/users/provider-keys").bearer(&ada).json(key.clone()).send().await;
            assert_eq!(stored.status, 201, "{key}");
        }

        let families: Map<_, _> =
            TARGETS.iter().map(|target| (target.model.to_owned(), json!({ "forced": target.id() }))).collect();
        let stories = json!({
            "origin": server.base_url(), "token": ada, "families": { "messages": families },
            // A member of Ollama's own makes it be asked by its own API.
            "extra": { "local:forced-by-ollama": { "keep_alive": "5m" } },
        });
        let ended = run_sdk("node_ai.mjs", &stories).await.expect(0);
        let seen: Value = serde_json::from_str(&ended.stdout).expect("a line of JSON");
        let asked = site.provider.requests().into_iter().chain(ollama.requests());
        let asked: Vec<_> = asked.map(|request| (request.path, request.body)).collect();
        for target in &TARGETS {
            target.check(&seen["families"]["messages"][target.model], &asked);
        }
    }
}
