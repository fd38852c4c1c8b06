//! Storing, replacing, listing and deleting keys.

use std::time::Duration;

use futures_util::future::join_all;
use llm_api_testkit::{FakeProvider, MODELS, TestApp, each_db};
use serde_json::{Value, json};

use super::{KEYS, list, store};
use crate::accounts::sentence;

fn providers(keys: &Value) -> Vec<&str> {
    keys.as_array().into_iter().flatten().map(|key| key["provider"].as_str().unwrap_or_default()).collect()
}

each_db! {
    async fn a_key_is_tried_when_it_is_stored(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let reply = store(&app, &ada.token, json!({ "provider": "openai", "api_key": "sk-of-ada-0001" })).await;
        assert_eq!(reply.status, 201);
        let stored = reply.json().await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(stored, { ".id" => "[id]" }, @r#"
            {
              "checked_at": "2026-11-22T12:00:00.000000Z",
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "api_key",
              "endpoint": null,
              "id": "[id]",
              "masked_key": "sk-...001",
              "provider": "openai",
              "status": "valid",
              "status_detail": "The provider lists 22 models"
            }
            "#);
        }
        assert_eq!(MODELS.len(), 22);
        assert_eq!(list(&app, &ada.token).await, json!([stored]), "the list shows the same");
        let tried = app.provider.last_request();
        assert_eq!((tried.method.as_str(), tried.path.as_str()), ("GET", "/v1/models"));
        assert_eq!(tried.header("authorization"), "Bearer sk-of-ada-0001");
        assert_eq!(app.provider.requests().len(), 1);
    }

    async fn a_key_that_the_provider_rejects_is_stored_and_says_so(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let stored = app.store_key(&ada.token, "openai", "sk-bad-of-ada-0001").await;
        assert_eq!(stored["status"], "rejected");
        assert_eq!(stored["checked_at"], "2026-11-22T12:00:00.000000Z");
        assert_eq!(list(&app, &ada.token).await, json!([stored]));
    }

    async fn a_key_is_stored_although_its_provider_is_away(database: Database) {
        let app = TestApp::start_with(database, &[("GROQ_BASE_URL", "http://127.0.0.1:9/v1")]).await;
        let ada = app.person("ada").await;
        let stored = app.store_key(&ada.token, "groq", "gsk_of_ada_0001").await;
        assert_eq!(stored["status"], "unreachable");
    }

    async fn a_second_key_replaces_the_first(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let first = app.store_key(&ada.token, "openai", "sk-bad-of-ada-0001").await;
        app.advance(Duration::from_mins(5));
        let second = app.store_key(&ada.token, " OpenAI ", "sk-of-ada-0002").await;
        assert_eq!(second["status"], "valid");
        assert_eq!(second["masked_key"], "sk-...002");
        assert_eq!(second["created_at"], first["created_at"], "the time of the first stays");
        assert_eq!(second["checked_at"], "2026-11-22T12:05:00.000000Z");
        assert_eq!(list(&app, &ada.token).await, json!([second]), "one row");

        let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "hello" }] });
        assert_eq!(app.post("/v1/chat/completions", &ada.token, chat).await.status, 200);
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-of-ada-0002");
    }

    async fn ten_keys_at_once_leave_one_that_works(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let keys = (0..10).map(|index| format!("sk-of-ada-000{index}"));
        let stored = join_all(keys.map(async |key| app.store_key(&ada.token, "openai", &key).await)).await;
        let kept = list(&app, &ada.token).await;
        assert_eq!(kept.as_array().map(Vec::len), Some(1));
        assert!(stored.contains(&kept[0]), "what is kept is what one of them was told");
        let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "hello" }] });
        assert_eq!(app.post("/v1/chat/completions", &ada.token, chat).await.status, 200, "it opens");
    }

    async fn the_list_is_a_bare_array_by_provider(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        assert_eq!(list(&app, &ada.token).await, json!([]));
        for provider in ["xai", "groq", "openai", "anthropic"] {
            app.store_key(&ada.token, provider, "key-of-ada-0001").await;
        }
        app.store_key(&eve.token, "mistral", "key-of-eve-0001").await;
        let keys = list(&app, &ada.token).await;
        assert_eq!(providers(&keys), ["anthropic", "groq", "openai", "xai"]);
        for key in keys.as_array().into_iter().flatten() {
            for field in ["id", "provider", "created_at", "masked_key", "credential_type"] {
                assert!(key[field].is_string(), "{field} of {key}");
            }
        }
    }

    async fn a_deleted_key_is_gone(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        app.store_key(&ada.token, "openai", "sk-of-ada-0001").await;
        let eves = app.store_key(&eve.token, "openai", "sk-of-eve-0001").await;
        let path = format!("{KEYS}/openai");
        let reply = app.delete(&path, &ada.token).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json().await, json!({ "deleted": true }));
        for path in [path.as_str(), "/v1/users/provider-keys/groq", "/v1/users/provider-keys/nonesuch"] {
            let again = app.delete(path, &ada.token).await;
            assert_eq!(sentence(again, 404, "not_found").await, "Provider key not found");
        }
        assert_eq!(list(&app, &ada.token).await, json!([]));
        assert_eq!(list(&app, &eve.token).await, json!([eves]), "another's key is untouched");

        let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "hello" }] });
        assert_eq!(app.post("/v1/chat/completions", &eve.token, chat.clone()).await.status, 200);
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-of-eve-0001");
        let seen = app.provider.requests().len();
        assert_eq!(app.post("/v1/chat/completions", &ada.token, chat).await.status, 400);
        assert_eq!(app.provider.requests().len(), seen, "nothing goes out with another's key");
    }

    async fn an_own_endpoint_works_where_the_operator_allows_it(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let endpoint = format!(" {}/ ", app.provider.base_url());
        let body = json!({ "provider": "custom", "api_key": "own-key-0001", "endpoint": endpoint });
        let reply = store(&app, &ada.token, body).await;
        assert_eq!(reply.status, 201);
        let stored = reply.json().await;
        assert_eq!(stored["status"], "valid");
        assert_eq!(stored["endpoint"], endpoint.trim());
        let chat = json!({ "model": "custom:echo", "messages": [{ "role": "user", "content": "hello" }] });
        assert_eq!(app.post("/v1/chat/completions", &ada.token, chat).await.status, 200);
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer own-key-0001");

        // The same host by another port is another origin.
        let other = FakeProvider::start().await;
        let body = json!({ "provider": "custom", "api_key": "own-key-0001", "endpoint": other.base_url() });
        assert!(sentence(store(&app, &ada.token, body).await, 400, "bad_request").await.starts_with("endpoint: "));
        assert!(other.requests().is_empty());
    }

    async fn the_dart_client_sends_empty_texts_for_what_it_does_not_use(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for kind in ["api_key", ""] {
            let reply = store(&app, &ada.token, json!({
                "provider": "openai", "credential_type": kind, "api_key": " sk-of-ada-0001\n", "endpoint": "",
                "oauth_token": "", "service_account_json": "",
            })).await;
            assert_eq!(reply.status, 201);
            let stored = reply.json().await;
            assert_eq!((&stored["status"], &stored["credential_type"]), (&json!("valid"), &json!("api_key")));
        }
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-of-ada-0001", "blanks are cut off");
    }

    async fn people_tell_their_keys_by_both_ends(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for (key, masked) in [
            ("sk-proj-0123456789", "sk-...789"),
            ("abcdefg", "abc...efg"),
            ("abcde", "***"),
            ("x", "***"),
            ("  abcde  ", "***"),
            ("äöü-schlüssel-ßéè", "äöü...ßéè"),
        ] {
            let stored = app.store_key(&ada.token, "other", key).await;
            assert_eq!(stored["masked_key"], masked, "{key}");
        }
    }
}
