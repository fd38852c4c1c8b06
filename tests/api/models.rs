//! The models that a caller can use.

use std::time::Duration;

use http::StatusCode;
use llm_api_testkit::{FakeProvider, MODELS, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::raw_provider::RawProvider;

async fn start(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

async fn list(app: &TestApp, person: &Person, query: &str) -> Value {
    let reply = app.get(&format!("/v1/models{query}"), &person.token).await;
    assert_eq!(reply.status, StatusCode::OK, "{query}");
    reply.json().await
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().expect("a list").iter().map(|model| model["id"].as_str().expect("an id")).collect()
}

/// How often the provider was asked for its list.
fn times_asked(provider: &FakeProvider) -> usize {
    provider.requests().iter().filter(|request| request.path == "/v1/models").count()
}

fn echo_of_openai() -> Value {
    json!({
        "id": "echo", "object": "model", "created": 1_700_000_000, "owned_by": "fake",
        "name": "echo", "version": "latest", "modality": "text", "provider": "openai",
        "capabilities": null, "source": null, "size_bytes": null, "local_path": null, "last_used_at": null,
        "is_default": false, "status": "available",
        "availability": { "provider": "openai", "access": "available", "credits_status": null },
    })
}

each_db! {
    async fn one_list_serves_openais_sdks_and_native_clients(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let list = list(&app, &ada, "").await;
        assert_eq!((&list["object"], &list["next_cursor"]), (&json!("list"), &Value::Null));
        assert_eq!(list["data"], list["models"]);
        assert_eq!(ids(&list), MODELS);
        assert_eq!(list["data"][0], echo_of_openai());
    }

    async fn what_a_provider_tells_of_a_model_is_shown(database: Database) {
        const LIST: &str =
            r#"{"data":[{"id":"meta-llama/Llama-3-8B","name":"Llama 3","context_length":8192.0},{"no":"id"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let list = list(&app, &ada, "").await;
        assert_eq!(ids(&list), ["meta-llama/Llama-3-8B"]);
        let model = &list["models"][0];
        assert_eq!((&model["name"], &model["owned_by"]), (&json!("Llama 3"), &json!("openai")));
        assert_eq!(model["created"], 0, "unknown");
        assert_eq!(model["capabilities"], json!({
            "max_context_tokens": 8192, "output_formats": null, "hardware_requirements": null,
            "image_input_max_edge": null, "image_input_max_pixels": null, "image_input_formats": null,
        }));
        for path in ["meta-llama/Llama-3-8B", "meta-llama%2FLlama-3-8B", "openai:meta-llama/Llama-3-8B"] {
            let reply = app.get(&format!("/v1/models/{path}"), &ada.token).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}");
            assert_eq!(&reply.json().await, model);
        }
    }

    async fn models_of_own_servers_carry_their_prefix(database: Database) {
        let local = FakeProvider::start_open().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let ada = app.person("ada").await;
        let only_local = list(&app, &ada, "").await;
        assert_eq!(ids(&only_local), MODELS.map(|model| format!("local:{model}")));
        let first = &only_local["data"][0];
        assert_eq!((&first["name"], &first["provider"]), (&json!("echo"), &json!("local")));

        let key = json!({ "provider": "custom", "api_key": "sk-custom", "endpoint": app.provider.base_url() });
        assert_eq!(app.post("/v1/users/provider-keys", &ada.token, key).await.status, StatusCode::CREATED);
        let both = list(&app, &ada, "").await;
        assert_eq!(ids(&both).len(), 2 * MODELS.len());
        assert!(ids(&both).contains(&"custom:echo") && ids(&both).contains(&"local:echo"));
        for id in ["custom:echo", "local:echo"] {
            let reply = app.get(&format!("/v1/models/{id}"), &ada.token).await;
            assert_eq!(reply.json().await["id"], id);
        }
    }

    async fn pages_go_by_limit_and_cursor(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut seen = Vec::new();
        let mut query = "?limit=7".to_owned();
        for expected in [json!("7"), json!("14"), Value::Null] {
            let page = list(&app, &ada, &query).await;
            assert_eq!(page["next_cursor"], expected);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            query = format!("?limit=7&cursor={}", expected.as_str().unwrap_or_default());
        }
        assert_eq!(seen, MODELS);
        assert_eq!(list(&app, &ada, "?cursor=1000").await["data"], json!([]), "behind the end");
        for query in ["?cursor=next", "?cursor=-1", "?limit=many", "?limit=0", "?modality=smell"] {
            let reply = app.get(&format!("/v1/models{query}"), &ada.token).await;
            assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
            let body = reply.json().await;
            assert_eq!((&body["code"], &body["detail"][0]["loc"]), (&json!("validation_error"), &json!(["query"])));
        }
    }

    async fn a_modality_narrows_the_list(database: Database) {
        let (app, ada) = start(database, &[]).await;
        assert_eq!(ids(&list(&app, &ada, "?modality=text").await), MODELS);
        assert_eq!(list(&app, &ada, "?modality=image").await["models"], json!([]));
    }

    async fn the_default_is_marked(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "unicode")]).await;
        let list = list(&app, &ada, "").await;
        let defaults = list["models"].as_array().expect("a list").iter().filter(|model| model["is_default"] == true);
        assert_eq!(defaults.map(|model| &model["id"]).collect::<Vec<_>>(), ["unicode"]);
    }

    async fn one_model_is_told_by_its_id_with_or_without_the_provider(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for id in ["echo", "openai:echo"] {
            let reply = app.get(&format!("/v1/models/{id}"), &ada.token).await;
            assert_eq!((reply.status, reply.json().await), (StatusCode::OK, echo_of_openai()), "{id}");
        }
        for id in ["no-such-model", "groq:echo", "meta/none"] {
            let reply = app.get(&format!("/v1/models/{id}"), &ada.token).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{id}");
            let body = reply.json().await;
            let sentence = json!(format!("Model '{id}' not found"));
            assert_eq!([&body["detail"], &body["error"]["message"]], [&sentence; 2], "for both kinds of clients");
            assert!(body["code"].is_string() && body["request_id"].is_string(), "{body}");
        }
    }

    async fn anthropics_sdks_get_their_own_form(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let ask = |path: &str| {
            app.http().get(path).header("x-api-key", &ada.token).header("anthropic-version", "2023-06-01")
        };
        let page = ask("/v1/models?limit=2").send().await.json().await;
        let entry = |id: &str| {
            json!({ "type": "model", "id": id, "display_name": id, "created_at": "2023-11-14T22:13:20.000000Z" })
        };
        assert_eq!(page, json!({
            "data": [entry("echo"), entry("unicode")], "has_more": true, "first_id": "echo", "last_id": "unicode",
        }));
        let whole = ask("/v1/models").send().await.json().await;
        assert_eq!((whole["has_more"].as_bool(), ids(&whole).len()), (Some(false), MODELS.len()));
    }

    async fn a_provider_that_is_down_is_left_out(database: Database) {
        let (app, ada) = start(database, &[("GROQ_BASE_URL", "http://127.0.0.1:9/v1")]).await;
        assert_eq!(app.store_key(&ada.token, "groq", "gsk-adas-key").await["status"], "unreachable");
        assert_eq!(ids(&list(&app, &ada, "").await), MODELS);
    }

    async fn a_rejected_key_lists_nothing(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let stored = app.store_key(&ada.token, "openai", "sk-bad-key").await;
        assert_eq!(stored["status"], "rejected");
        assert_eq!(list(&app, &ada, "").await["data"], json!([]));
    }

    async fn lists_are_kept_for_five_minutes(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let before = times_asked(&app.provider);
        list(&app, &ada, "").await;
        list(&app, &ada, "").await;
        assert_eq!(app.get("/v1/models/echo", &ada.token).await.status, StatusCode::OK);
        assert_eq!(times_asked(&app.provider), before + 1);
        app.advance(Duration::from_mins(4));
        list(&app, &ada, "").await;
        assert_eq!(times_asked(&app.provider), before + 1);
        app.advance(Duration::from_mins(2));
        list(&app, &ada, "").await;
        assert_eq!(times_asked(&app.provider), before + 2);
    }

    async fn a_replaced_key_shows_its_own_list_at_once(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "openai", "sk-bad-key").await;
        assert_eq!(list(&app, &ada, "").await["data"], json!([]));
        app.store_key(&ada.token, "openai", "sk-good-again").await;
        assert_eq!(ids(&list(&app, &ada, "").await), MODELS);
        app.delete("/v1/users/provider-keys/openai", &ada.token).await;
        assert_eq!(list(&app, &ada, "").await["data"], json!([]));
    }

    async fn nobody_sees_another_users_providers(database: Database) {
        let (app, _ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        assert_eq!(list(&app, &bob, "").await["data"], json!([]));
        assert_eq!(app.get("/v1/models/echo", &bob.token).await.status, StatusCode::NOT_FOUND);
        app.store_key(&bob.token, "mistral", "bobs-key").await;
        assert_eq!(list(&app, &bob, "?limit=1").await["data"][0]["provider"], "mistral");
    }

    async fn the_operators_key_lists_for_everyone(database: Database) {
        let app = TestApp::start_with(database, &[("OPENAI_API_KEY", "sk-for-everyone")]).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        assert_eq!(ids(&list(&app, &ada, "").await), MODELS);
        assert_eq!(ids(&list(&app, &bob, "").await), MODELS);
        assert_eq!(times_asked(&app.provider), 1, "one list for all");
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-for-everyone");
    }
}
