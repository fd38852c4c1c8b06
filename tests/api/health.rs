//! What monitors and people ask first; none of it needs a credential.

use http::StatusCode;
use llm_api_testkit::{HttpReply, TestApp, each_db};
use serde_json::json;

fn assert_security_headers(reply: &HttpReply) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    assert!(["no-store", "no-cache"].contains(&reply.header("cache-control")), "{:?}", reply.headers);
    assert_eq!(reply.header("x-request-id").len(), 36);
}

each_db! {
    async fn the_server_says_that_it_lives_and_is_ready(database: Database) {
        let app = TestApp::start(database).await;
        for (path, status) in [("/health", "ok"), ("/ready", "ready")] {
            let reply = app.http().get(path).send().await;
            assert_eq!((reply.status, reply.json().await), (StatusCode::OK, json!({ "status": status })), "{path}");
        }
    }

    async fn a_stopping_server_lives_but_is_not_ready(database: Database) {
        let app = TestApp::start(database).await;
        app.stop_streams();
        let ready = app.http().get("/ready").send().await;
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.json().await, json!({ "status": "not_ready" }));
        assert_eq!(app.http().get("/health").send().await.status, StatusCode::OK);
    }

    async fn without_its_database_the_server_lives_but_is_not_ready(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.state.auth.store.close().await;
        assert_eq!(app.http().get("/ready").send().await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(app.http().get("/health").send().await.status, StatusCode::OK);
        let reply = app.get("/v1/users/me", &ada.token).await;
        assert_eq!((reply.status, reply.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert_eq!(reply.json().await["code"], "db_unavailable");
    }

    async fn the_operator_names_the_version(database: Database) {
        let app = TestApp::start_with(database, &[("APP_VERSION", "2026.11-abc")]).await;
        assert_eq!(app.http().get("/version").send().await.json().await, json!({ "version": "2026.11-abc" }));
    }

    async fn the_api_describes_itself(database: Database) {
        let app = TestApp::start(database).await;
        let reply = app.http().get("/openapi.json").send().await;
        assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"));
        let document = reply.json().await;
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
        assert!(document["paths"]["/v1/chat/completions"]["post"].is_object());
    }

    async fn every_reply_carries_the_security_headers(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        for (path, status) in [
            ("/health", 200), ("/ready", 200), ("/version", 200), ("/openapi.json", 200),
            ("/v1/users/me", 401), ("/v1/generate", 405), ("/nowhere", 404),
        ] {
            let reply = app.http().get(path).send().await;
            assert_eq!(reply.status.as_u16(), status, "{path}");
            assert_security_headers(&reply);
        }
        for (stream, status) in [(json!(false), 200), (json!(true), 200), (json!("yes"), 400)] {
            let messages = json!([{ "role": "user", "content": "Hi" }]);
            let body = json!({ "model": "openai:echo", "stream": stream, "messages": messages });
            let reply = app.post("/v1/chat/completions", &ada.token, body).await;
            assert_eq!(reply.status.as_u16(), status);
            assert_security_headers(&reply);
        }
    }
}
