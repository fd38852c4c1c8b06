//! What the clients in use read, and how they ask: a story for each of their habits. Replies are judged by the shapes
//! that each client parses, field by field.

mod dart;
mod flutter;
mod older_dart;
mod python;
mod shape;
mod stream;

use llm_api_testkit::{FakeProvider, HttpRequest, Person, TestApp};
use serde_json::Value;

/// A server with an open door, and Ada, who has a key for `openai`.
async fn start(database: llm_api_testkit::Database) -> (TestApp, Person) {
    start_with(database, &[]).await
}

async fn start_with(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let settings = [&[("INVITE_REQUIRED", "false")], settings].concat();
    let app = TestApp::start_with(database, &settings).await;
    let ada = app.person("ada@example.org").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

/// The same with an Ollama server as the operator's own.
async fn start_with_ollama(database: llm_api_testkit::Database) -> (TestApp, Person, FakeProvider) {
    let ollama = FakeProvider::start_ollama().await;
    let (app, ada) = start_with(database, &[("LOCAL_BASE_URL", &ollama.base_url())]).await;
    (app, ada, ollama)
}

/// The reply of a request that every client takes for a success: 2xx with JSON in it.
async fn json_of(request: HttpRequest) -> Value {
    let reply = request.send().await;
    let status = reply.status;
    let text = reply.text().await;
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
