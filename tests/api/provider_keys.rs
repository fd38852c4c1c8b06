//! The vault as its owners see it.

mod credentials;
mod refusals;
mod secrecy;
mod storing;

use llm_api_testkit::{HttpReply, TestApp};
use serde_json::Value;

const KEYS: &str = "/v1/users/provider-keys";

async fn store(app: &TestApp, token: &str, body: Value) -> HttpReply {
    app.post(KEYS, token, body).await
}

async fn list(app: &TestApp, token: &str) -> Value {
    let reply = app.get(KEYS, token).await;
    assert_eq!(reply.status, 200);
    reply.json().await
}
