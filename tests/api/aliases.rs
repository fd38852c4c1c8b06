//! Names that people give to models.

use http::{Method, StatusCode};
use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{accounts::sentence, asking::refused, database::OpenDatabase};

async fn send(app: &TestApp, person: &Person, method: Method, path: &str, body: Value) -> HttpReply {
    app.http().request(method, path).bearer(&person.token).json(body).send().await
}

async fn put(app: &TestApp, person: &Person, place: &str, name: &str, body: Value) -> HttpReply {
    send(app, person, Method::PUT, &format!("/v1/{place}/aliases/{name}"), body).await
}

async fn delete(app: &TestApp, person: &Person, place: &str, name: &str) -> HttpReply {
    app.delete(&format!("/v1/{place}/aliases/{name}"), &person.token).await
}

/// Name, scope and targets of each.
async fn listed(app: &TestApp, person: &Person, place: &str) -> Vec<String> {
    let list = app.get(&format!("/v1/{place}/aliases"), &person.token).await.json().await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |alias: &Value| {
        let targets = alias["targets"].as_array().expect("targets").iter().map(text).collect::<Vec<_>>().join(" ");
        format!("{} {} {targets} {}", text(&alias["name"]), text(&alias["scope"]), text(&alias["context_target"]))
    };
    list.as_array().expect("a list").iter().map(line).collect()
}

each_db! {
    async fn people_name_models_for_themselves(database: Database) {
        let app = TestApp::start(database).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        let body = json!({ "targets": ["OpenAI:gpt-4o", "anthropic:claude-x"], "context_target": "google:gemini-pro" });
        let made = put(&app, &ada, "users", "fast", body).await;
        assert_eq!(made.status, StatusCode::OK);
        let now = "2026-11-22T12:00:00.000000Z";
        assert_eq!(made.json().await, json!({
            "name": "fast", "scope": "user", "targets": ["openai:gpt-4o", "anthropic:claude-x"],
            "context_target": "google:gemini-pro", "created_at": now, "updated_at": now,
        }));
        app.advance(std::time::Duration::from_secs(1));
        let changed = put(&app, &ada, "users", "fast", json!({ "targets": ["local:llama3:8b"] })).await.json().await;
        assert_eq!((&changed["created_at"], &changed["updated_at"]), (&json!(now), &json!("2026-11-22T12:00:01.000000Z")));
        assert_eq!(put(&app, &ada, "users", "team%2Fbig%20one", json!({ "targets": ["groq:llama"] })).await.status, 200);
        assert_eq!(put(&app, &ada, "users", "Fast", json!({ "targets": ["groq:other"] })).await.status, 200);
        let expected = ["Fast user groq:other -", "fast user local:llama3:8b -", "team/big one user groq:llama -"];
        assert_eq!(listed(&app, &ada, "users").await, expected);

        // Nobody else has them, or can take them away.
        assert!(listed(&app, &bob, "users").await.is_empty());
        assert_eq!(sentence(delete(&app, &bob, "users", "fast").await, 404, "not_found").await, "Alias not found");
        assert_eq!(put(&app, &bob, "users", "fast", json!({ "targets": ["xai:grok"] })).await.status, 200);
        assert_eq!(listed(&app, &ada, "users").await, expected);
        assert_eq!(delete(&app, &ada, "users", "fast").await.json().await, json!({ "deleted": true }));
        assert_eq!(delete(&app, &ada, "users", "fast").await.status, 404);
        assert_eq!(listed(&app, &bob, "users").await, ["fast user xai:grok -"]);
    }

    async fn administrators_name_models_for_everybody(database: Database) {
        let data = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[data.setting()]).await;
        let (root, ada) = (app.admin("root").await, app.person("ada").await);
        for name in ["fast", "good"] {
            assert_eq!(put(&app, &root, "admin", name, json!({ "targets": ["openai:gpt-4o"] })).await.status, 200);
        }
        let global = ["fast global openai:gpt-4o -", "good global openai:gpt-4o -"];
        assert_eq!(listed(&app, &root, "admin").await, global);
        assert_eq!(listed(&app, &ada, "users").await, global);

        // Somebody's own goes before it, for them alone, and leaves it behind.
        put(&app, &ada, "users", "fast", json!({ "targets": ["groq:llama"] })).await;
        assert_eq!(listed(&app, &ada, "users").await, ["fast user groq:llama -", global[1]]);
        assert_eq!(listed(&app, &root, "users").await, global);
        assert_eq!(listed(&app, &root, "admin").await, global);
        assert_eq!(delete(&app, &ada, "users", "good").await.status, 404, "not hers");
        delete(&app, &ada, "users", "fast").await;
        assert_eq!(listed(&app, &ada, "users").await, global);

        for reply in [
            put(&app, &ada, "admin", "mine", json!({ "targets": ["groq:llama"] })).await,
            delete(&app, &ada, "admin", "fast").await,
            app.get("/v1/admin/aliases", &ada.token).await,
        ] {
            assert_eq!(sentence(reply, 403, "forbidden").await, "Admin privileges required");
        }
        assert_eq!(delete(&app, &root, "admin", "fast").await.json().await, json!({ "deleted": true }));
        assert_eq!(delete(&app, &root, "admin", "fast").await.status, 404);
        assert_eq!(listed(&app, &ada, "users").await, [global[1]]);
        let trail = "SELECT action, COUNT(*) FROM audit_events WHERE action LIKE 'model_alias.%' GROUP BY action ORDER BY action";
        assert_eq!(data.query(trail).await, "model_alias.deleted|1\nmodel_alias.set|2\n");
    }

    async fn what_no_request_could_use_is_refused(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for (name, body, field) in [
            ("fast", json!({}), "targets"),
            ("fast", json!({ "targets": [] }), "targets"),
            ("fast", json!({ "targets": ["gpt-4o"] }), "targets"),
            ("fast", json!({ "targets": vec!["openai:gpt-4o"; 9] }), "targets"),
            ("fast", json!({ "targets": ["openai:gpt-4o"], "context_target": "gemini" }), "context_target"),
            ("openai:fast", json!({ "targets": ["openai:gpt-4o"] }), "name"),
            ("%20", json!({ "targets": ["openai:gpt-4o"] }), "name"),
        ] {
            let reply = put(&app, &ada, "users", name, body).await;
            assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {field}");
            let problems = reply.json().await;
            assert_eq!(problems["detail"][0]["loc"], json!(["body", field]), "{problems}");
        }
        let limited = app.post("/v1/users/tokens", &ada.token, json!({ "scopes": ["generate"] })).await.json().await;
        let limited = Person { token: limited["token"].as_str().expect("a token").to_owned(), ..ada.clone() };
        let refusal = put(&app, &limited, "users", "fast", json!({ "targets": ["openai:gpt-4o"] })).await;
        assert_eq!(refused(refusal).await.0, 403);
        assert!(listed(&app, &ada, "users").await.is_empty());
    }
}
