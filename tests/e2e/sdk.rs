//! The vendors' own SDKs against the real server: what each makes of every provider's answers, refusals and silences.

mod expected;
mod models;

use llm_api_testkit::{Database, FakeProvider, Http, LambdaWatch, each_db, run_sdk};
use serde_json::{Map, Value};

use crate::support::{Site, sign_in};
use expected::Sdk;

/// A server with every family behind it, and Ada, who may use them all.
struct Stage {
    site: Site,
    ollama: FakeProvider,
}

impl Stage {
    async fn new(database: Database, settings: &[(&str, &str)]) -> Self {
        let ollama = FakeProvider::start_ollama().await;
        let local = ollama.base_url();
        let settings: Vec<_> = settings.iter().copied().chain([("LOCAL_BASE_URL", local.as_str())]).collect();
        let mut site = Site::with(database, &settings).await;
        let addresses = [
            ("ANTHROPIC_BASE_URL", site.provider.anthropic_base_url()),
            ("GOOGLE_BASE_URL", site.provider.google_base_url()),
        ];
        for (name, address) in &addresses {
            site.set(name, address);
        }
        models::play(&site.provider, &ollama);
        site.add_user("ada").await;
        Self { site, ollama }
    }

    /// Runs every story but those of `left_out` troubles with one SDK against the server at `origin`, and looks at what it
    /// saw.
    async fn tell(&self, http: &Http, origin: &str, sdk: Sdk, left_out: &[&str]) {
        let ada = sign_in(http, "ada").await;
        for key in models::keys(&self.site.provider) {
            let stored = http.post("/v1/users/provider-keys").bearer(&ada).json(key.clone()).send().await;
            assert_eq!(stored.status, 201, "{key}");
        }
        let mut stories = models::stories(sdk);
        for troubles in stories["misbehaving"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            troubles.as_object_mut().expect("stories").retain(|name, _| !left_out.contains(&name.as_str()));
        }
        stories["origin"] = origin.into();
        stories["token"] = ada.into();
        stories["departure_url"] = self.site.provider.departure_url().into();
        let ended = run_sdk(sdk.script(), &stories).await.expect(0);
        let seen: Value = serde_json::from_str(&ended.stdout).expect("a line of JSON");
        let asked: Vec<_> = self.site.provider.requests().into_iter().chain(self.ollama.requests()).collect();
        sdk.check(&seen, &asked, &stories);
    }

    async fn tell_by_server(&self, sdk: Sdk) {
        let server = self.site.start().await;
        self.tell(&server.http(), server.base_url(), sdk, &[]).await;
    }
}

each_db! {
    async fn openai_for_python(database: Database) {
        Stage::new(database, &[]).await.tell_by_server(Sdk::PythonOpenai).await;
    }

    async fn openai_for_node(database: Database) {
        Stage::new(database, &[]).await.tell_by_server(Sdk::NodeOpenai).await;
    }

    async fn anthropic_for_python(database: Database) {
        Stage::new(database, &[]).await.tell_by_server(Sdk::PythonAnthropic).await;
    }

    async fn anthropic_for_node(database: Database) {
        Stage::new(database, &[]).await.tell_by_server(Sdk::NodeAnthropic).await;
    }

    async fn ai_for_node(database: Database) {
        Stage::new(database, &[]).await.tell_by_server(Sdk::NodeAi).await;
    }
}

/// On one database: cargo-lambda starts each function anew.
#[tokio::test(flavor = "multi_thread")]
async fn openai_for_python_asks_functions() {
    let stage = Stage::new(Database::Postgres, &[("RESPONSE_MODE", "stream")]).await;
    let watch = LambdaWatch::start(&stage.site.envs()).await;
    // A function is not told that its client has left.
    let left_out = ["cancelled", "silent"];
    stage.tell(&watch.http(), watch.base_url(), Sdk::PythonOpenai, &left_out).await;
}
