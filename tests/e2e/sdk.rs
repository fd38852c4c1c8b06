//! The vendors' own SDKs against the real server and the functions: what each makes of every provider's answers, refusals
//! and silences.

mod expected;
mod models;

use llm_api_testkit::{Database, FakeProvider, Http, LambdaGateway, each_db, run_sdk};
use serde_json::Value;

use crate::support::{Site, sign_in};
use expected::Sdk;

/// An installation with every family behind it, and Ada, who may use them all.
struct Stage {
    site: Site,
    ollama: FakeProvider,
}

impl Stage {
    async fn new(database: Database) -> Self {
        let ollama = FakeProvider::start_ollama().await;
        let mut site = Site::with(database, &[("LOCAL_BASE_URL", &ollama.base_url())]).await;
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

    /// Runs every story with one SDK against the API at `origin`, and looks at what it saw. At `departure_url` it hears
    /// whether its leaving was noticed.
    async fn tell(&self, origin: &str, departure_url: &str, sdk: Sdk) {
        let http = Http::new(origin);
        let ada = sign_in(&http, "ada").await;
        for key in models::keys(&self.site.provider) {
            let stored = http.post("/v1/users/provider-keys").bearer(&ada).json(key.clone()).send().await;
            assert_eq!(stored.status, 201, "{key}");
        }
        let mut stories = models::stories(sdk);
        stories["origin"] = origin.into();
        stories["token"] = ada.into();
        stories["departure_url"] = departure_url.into();
        let ended = run_sdk(sdk.script(), &stories).await.expect(0);
        let seen: Value = serde_json::from_str(&ended.stdout).expect("a line of JSON");
        let asked: Vec<_> = self.site.provider.requests().into_iter().chain(self.ollama.requests()).collect();
        sdk.check(&seen, &asked);
    }

    async fn tell_by_server(&self, sdk: Sdk) {
        let server = self.site.start().await;
        self.tell(server.base_url(), &self.site.provider.departure_url(), sdk).await;
    }

    /// A function is not told that its client has left: there it is the gateway that notices.
    async fn tell_by_functions(&self, sdk: Sdk) {
        let gateway = LambdaGateway::start(&self.site.envs()).await;
        self.tell(&gateway.base_url(), &gateway.departure_url(), sdk).await;
    }
}

each_db! {
    async fn openai_for_python(database: Database) {
        Stage::new(database).await.tell_by_server(Sdk::PythonOpenai).await;
    }

    async fn openai_for_node(database: Database) {
        Stage::new(database).await.tell_by_server(Sdk::NodeOpenai).await;
    }

    async fn anthropic_for_python(database: Database) {
        Stage::new(database).await.tell_by_server(Sdk::PythonAnthropic).await;
    }

    async fn anthropic_for_node(database: Database) {
        Stage::new(database).await.tell_by_server(Sdk::NodeAnthropic).await;
    }

    async fn ai_for_node(database: Database) {
        Stage::new(database).await.tell_by_server(Sdk::NodeAi).await;
    }

    async fn openai_for_python_asks_functions(database: Database) {
        Stage::new(database).await.tell_by_functions(Sdk::PythonOpenai).await;
    }

    async fn openai_for_node_asks_functions(database: Database) {
        Stage::new(database).await.tell_by_functions(Sdk::NodeOpenai).await;
    }

    async fn anthropic_for_python_asks_functions(database: Database) {
        Stage::new(database).await.tell_by_functions(Sdk::PythonAnthropic).await;
    }

    async fn anthropic_for_node_asks_functions(database: Database) {
        Stage::new(database).await.tell_by_functions(Sdk::NodeAnthropic).await;
    }

    async fn ai_for_node_asks_functions(database: Database) {
        Stage::new(database).await.tell_by_functions(Sdk::NodeAi).await;
    }
}
