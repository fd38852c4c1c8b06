//! One model by its id, and whether it is ready.

use http::{Method, StatusCode};
use llm_api_testkit::{FakeProvider, each_db};
use serde_json::{Value, json};

use super::{get, list, refused, start};
use crate::raw_provider::RawProvider;

each_db! {
    async fn a_model_is_told_by_its_id_with_or_without_the_provider(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let echo = list(&app, &ada, "").await["data"][0].take();
        for id in ["echo", "openai:echo", "OpenAI:echo", "openai%3Aecho"] {
            assert_eq!(get(&app, &ada, &format!("/v1/models/{id}")).await, echo, "{id}");
        }
        for id in ["no-such-model", "groq:echo", "meta/none", "echo/more", "openai:", "Echo"] {
            let reply = app.get(&format!("/v1/models/{id}"), &ada.token).await;
            assert_eq!(refused(reply, 404, "not_found").await, format!("Model '{id}' not found"));
        }
    }

    async fn slashes_in_an_id_may_be_raw_or_escaped(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"meta-llama/Llama-3/8B"},{"id":"org/status"},{"id":"org/default"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let listed = list(&app, &ada, "").await;
        for path in [
            "meta-llama/Llama-3/8B", "meta-llama%2FLlama-3%2F8B", "meta-llama%2fLlama-3/8B",
            "openai:meta-llama/Llama-3/8B", "openai%3Ameta-llama%2FLlama-3%2F8B",
        ] {
            assert_eq!(get(&app, &ada, &format!("/v1/models/{path}")).await, listed["data"][0], "{path}");
            let status = get(&app, &ada, &format!("/v1/models/{path}/status")).await;
            assert_eq!(status["model_id"], "meta-llama/Llama-3/8B", "{path}");
        }
        assert_eq!(get(&app, &ada, "/v1/models/org/default").await["id"], "org/default");
        assert_eq!(get(&app, &ada, "/v1/models/org/status/status").await["model_id"], "org/status");
        let reply = app.get("/v1/models/meta-llama%2FLlama-4", &ada.token).await;
        assert_eq!(refused(reply, 404, "not_found").await, "Model 'meta-llama/Llama-4' not found");
    }

    async fn a_model_that_a_key_would_open_is_told_as_well(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for id in ["claude-3-5-haiku-20241022", "stabilityai/sdxl-turbo", "anthropic:claude-3-5-haiku-20241022"] {
            let model = get(&app, &ada, &format!("/v1/models/{id}")).await;
            assert_eq!((&model["availability"]["access"], &model["status"]), (&json!("locked"), &json!("available")));
        }
    }

    async fn a_hosted_model_is_ready_and_an_unknown_one_is_not_there(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
        for (path, id) in [("openai:echo", "echo"), ("local:echo", "local:echo")] {
            let status = get(&app, &ada, &format!("/v1/models/{path}/status")).await;
            assert_eq!(status, json!({ "model_id": id, "runtime_status": "loaded", "queue_depth": 0 }));
        }
        for id in ["no-such-model", "groq:echo", "meta/none"] {
            let reply = app.get(&format!("/v1/models/{id}/status"), &ada.token).await;
            assert_eq!(refused(reply, 404, "not_found").await, format!("Model '{id}' not found"));
        }
        let locked = get(&app, &ada, "/v1/models/gemini-1.5-pro/status").await;
        assert_eq!(locked["runtime_status"], "unloaded", "until there is a key");
    }

    async fn other_methods_are_not_allowed(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for (method, path) in [
            (Method::DELETE, "/v1/models/echo"), (Method::PUT, "/v1/models/echo"), (Method::POST, "/v1/models/echo"),
            (Method::POST, "/v1/models/echo/status"), (Method::POST, "/v1/models"),
        ] {
            let reply = app.http().request(method.clone(), path).bearer(&ada.token).json(json!({})).send().await;
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(reply.header("allow").contains("GET"), "{method} {path}: {}", reply.header("allow"));
            assert_eq!(reply.json().await["detail"], "Method Not Allowed");
        }
    }

    async fn without_a_credential_nothing_is_told(database: Database) {
        let (app, _ada) = start(database, &[]).await;
        for path in ["/v1/models", "/v1/models/echo", "/v1/models/echo/status", "/v1/models/search?query=x"] {
            let reply = app.http().get(path).send().await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
            let body: Value = reply.json().await;
            assert_eq!(body["detail"], "Missing authentication", "{path}");
        }
    }
}
