//! How many tokens a prompt has, in Anthropic's format.

use llm_api_testkit::each_db;
use serde_json::json;

use super::routing::alias;
use crate::families::{ANTHROPIC, OPENAI, start};

const PATH: &str = "/v1/messages/count_tokens";

each_db! {
    async fn anthropic_counts_and_for_others_we_estimate(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC, OPENAI], &[]).await;
        let body = |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": "Hello, how are you?" }] });
        let reply = app.post(PATH, &ada.token, body("anthropic:echo")).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-llm-api-estimated")), (200, ""));
        assert_eq!(reply.json().await, json!({ "input_tokens": 11 }));
        assert_eq!(app.provider.last_request().path, "/v1/messages/count_tokens");

        let before = app.provider.requests().len();
        let reply = app.post(PATH, &ada.token, body("openai:echo")).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-llm-api-estimated")), (200, "true"));
        let tokens = reply.json().await["input_tokens"].as_i64().expect("a count");
        assert!((5..=30).contains(&tokens), "{tokens}");
        assert_eq!(app.provider.requests().len(), before, "nobody was asked");

        // Of a chain the first that can be asked decides.
        alias(&app, &ada, "exact", json!({ "targets": ["groq:echo", "anthropic:echo", "openai:echo"] })).await;
        alias(&app, &ada, "about", json!({ "targets": ["openai:echo", "anthropic:echo"] })).await;
        let exact = app.post(PATH, &ada.token, body("exact")).await;
        assert_eq!((exact.header("x-llm-api-estimated"), exact.header("x-llm-api-fallback")), ("", "not_configured"));
        assert_eq!(exact.json().await, json!({ "input_tokens": 11 }));
        assert_eq!(app.post(PATH, &ada.token, body("about")).await.header("x-llm-api-estimated"), "true");

        let refused = app.post(PATH, &ada.token, json!({ "model": "openai:echo", "messages": "x" })).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json().await["type"], "error");
    }
}
