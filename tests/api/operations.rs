//! What operators watch, and whom administrators let in.

use std::time::Duration;

use http::StatusCode;
use llm_api_testkit::{HttpReply, TestApp, each_db};
use serde_json::{Value, json};

use crate::accounts::{is_good, personal_token, refusal, sentence};

const STATIC_KEY: &str = "the-operators-static-key";
const FIGURES: [&str; 3] = ["/metrics", "/v1/stats", "/v1/history"];

/// Asks the scripted provider; models of that name fail on purpose.
async fn chat(app: &TestApp, token: &str, model: &str) -> StatusCode {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }] });
    app.post("/v1/chat/completions", token, body).await.status
}

/// The reply's body, once everything that was asked is counted.
async fn told(app: &TestApp, path: &str, token: &str) -> Value {
    app.state.auth.store.recorder().flush().await;
    let reply = app.get(path, token).await;
    assert_eq!(reply.status, 200);
    reply.json().await
}

/// The samples of `/metrics`, without the lines that explain them.
async fn samples(reply: HttpReply) -> Vec<String> {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4");
    let text = reply.text().await;
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

async fn switch(app: &TestApp, id: &str, verb: &str, token: &str) -> HttpReply {
    app.post(&format!("/v1/admin/users/{id}/{verb}"), token, json!({})).await
}

each_db! {
    async fn figures_are_for_operators_and_the_log_is_for_administrators(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let root = app.admin("root").await;
        let ada = app.person("ada").await;
        let narrow = personal_token(&app, &root.token, json!({ "scopes": ["generate"] })).await;
        let of_service = personal_token(&app, STATIC_KEY, json!({ "scopes": ["admin"] })).await;
        for path in FIGURES.into_iter().chain(["/v1/logs"]) {
            assert_eq!(app.get(path, &root.token).await.status, 200, "{path}");
            assert_eq!(sentence(app.http().get(path).send().await, 401, "unauthenticated").await, "Missing authentication");
            for token in [&ada.token, &of_service] {
                let refused = sentence(app.get(path, token).await, 403, "forbidden").await;
                assert_eq!(refused, "Admin privileges required", "{path}");
            }
            let refused = sentence(app.get(path, &narrow).await, 403, "forbidden").await;
            assert_eq!(refused, "This token lacks the scope `admin`", "{path}");
        }
        for path in FIGURES {
            assert_eq!(app.http().get(path).header("x-api-key", STATIC_KEY).send().await.status, 200, "{path}");
        }
        let refused = sentence(app.get("/v1/logs", STATIC_KEY).await, 403, "forbidden").await;
        assert_eq!(refused, "Admin privileges required");
    }

    async fn what_was_asked_is_counted_by_provider_and_over_time(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        app.store_key(&root.token, "openai", "sk-of-root-0001").await;
        app.store_key(&root.token, "groq", "gsk-of-root-0001").await;
        let nothing = json!({
            "request_count": 0, "error_count": 0, "fallback_count": 0, "avg_latency_ms": 0.0, "provider_counts": {},
        });
        assert_eq!(told(&app, "/v1/stats", &root.token).await, nothing);

        assert_eq!(chat(&app, &root.token, "openai:echo").await, 200);
        assert_eq!(chat(&app, &root.token, "groq:echo").await, 200);
        assert_eq!(chat(&app, &root.token, "openai:fails").await, 502);
        let stats = told(&app, "/v1/stats", &root.token).await;
        assert_eq!((&stats["request_count"], &stats["error_count"]), (&json!(3), &json!(1)), "{stats}");
        assert_eq!(stats["provider_counts"], json!({ "groq": 1, "openai": 2 }));
        let samples = samples(app.get("/metrics", &root.token).await).await;
        for sample in [
            "llm_api_request_count 3",
            "llm_api_error_count 1",
            "llm_api_fallback_count 0",
            "llm_api_latency_ms_count 3",
            "llm_api_requests_by_provider{provider=\"groq\"} 1",
            "llm_api_requests_by_provider{provider=\"openai\"} 2",
        ] {
            assert!(samples.iter().any(|line| line == sample), "{sample}: {samples:?}");
        }

        let told_at = async |range: &str| {
            let history = told(&app, &format!("/v1/history?range={range}"), &root.token).await;
            let starts: Vec<String> =
                history["buckets"].as_array().into_iter().flatten().map(|step| step["ts"].to_string()).collect();
            (history["range"].to_string(), starts.join(" "), history["totals"]["requests"].to_string())
        };
        let expected = |range: &str, starts: &str, requests: u32| {
            let starts: Vec<String> = starts.split_whitespace().map(|at| format!("\"2026-11-{at}:00.000000Z\"")).collect();
            (format!("\"{range}\""), starts.join(" "), requests.to_string())
        };
        app.advance(Duration::from_secs(35 * 60));
        assert_eq!(chat(&app, &root.token, "openai:echo").await, 200);
        assert_eq!(told_at("1d").await, expected("1d", "22T12:00 22T12:30", 4));
        assert_eq!(told_at("").await, told_at("1d").await);
        assert_eq!(told_at("7d").await, expected("7d", "22T12:00", 4));

        app.advance(Duration::from_secs(25 * 3600));
        assert_eq!(chat(&app, &root.token, "openai:fails").await, 502);
        assert_eq!(told_at("1d").await, expected("1d", "23T13:30", 1));
        assert_eq!(told_at("7d").await, expected("7d", "22T12:00 23T13:00", 5));
        assert_eq!(told_at("30d").await, expected("30d", "22T12:00 23T12:00", 5));
        let month = told(&app, "/v1/history?range=30d", &root.token).await;
        assert_eq!((&month["buckets"][1]["requests"], &month["buckets"][1]["errors"]), (&json!(1), &json!(1)));
        assert_eq!((&month["totals"]["errors"], &month["totals"]["fallbacks"]), (&json!(2), &json!(0)));
        assert_eq!(told(&app, "/v1/history", &root.token).await["range"], "1d");
    }

    async fn metrics_can_be_switched_off(database: Database) {
        let app = TestApp::start_with(database, &[("METRICS_ENABLED", "false")]).await;
        let root = app.admin("root").await;
        let reply = app.get("/metrics", &root.token).await;
        assert_eq!(reply.status, 404);
        assert!(reply.header("content-type").starts_with("text/plain"));
        assert_eq!(reply.text().await, "metrics disabled");
        assert_eq!(app.get("/v1/stats", &root.token).await.status, 200);
    }

    async fn the_number_of_log_lines_is_a_number(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        for n in ["many", "", "1.5"] {
            let refused = refusal(app.get(&format!("/v1/logs?n={n}"), &root.token).await, 422, "validation_error").await;
            assert_eq!(refused["detail"][0]["loc"], json!(["query", "n"]));
        }
        for path in ["/v1/logs", "/v1/logs?n=-3", "/v1/logs?n=100000"] {
            assert!(app.get(path, &root.token).await.json().await["logs"].is_array(), "{path}");
        }
    }

    async fn a_disabled_user_is_out_at_once_and_comes_back_as_they_were(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let root = app.admin("root").await;
        let ada = app.person("ada").await;
        let laptop = personal_token(&app, &ada.token, json!({ "name": "laptop" })).await;
        assert!(is_good(&app, &laptop).await);

        assert_eq!(switch(&app, &ada.id, "disable", &root.token).await.json().await, json!({ "disabled": true }));
        assert!(!is_good(&app, &laptop).await && !is_good(&app, &ada.token).await);
        assert_eq!(app.login("ada", &ada.password).await.status, 401);
        assert_eq!(switch(&app, &ada.id, "disable", &root.token).await.status, 200, "twice is as good as once");

        assert_eq!(switch(&app, &ada.id, "enable", &root.token).await.json().await, json!({ "enabled": true }));
        assert!(is_good(&app, &laptop).await && is_good(&app, &ada.token).await);
        assert_eq!(app.login("ada", &ada.password).await.status, 200);
    }

    async fn administrators_alone_say_who_is_in_and_never_lock_themselves_out(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let root = app.admin("root").await;
        let ada = app.person("ada").await;
        let service = llm_api_domain::SERVICE_USER_ID.to_string();
        for verb in ["disable", "enable"] {
            for token in [ada.token.as_str(), STATIC_KEY] {
                let refused = sentence(switch(&app, &root.id, verb, token).await, 403, "forbidden").await;
                assert_eq!(refused, "Admin privileges required");
            }
            for id in ["nobody", "018f0000-0000-7000-8000-000000000000", &service] {
                let refused = sentence(switch(&app, id, verb, &root.token).await, 404, "not_found").await;
                assert_eq!(refused, "User not found", "{id}");
            }
        }
        let refused = sentence(switch(&app, &root.id, "disable", &root.token).await, 400, "bad_request").await;
        assert_eq!(refused, "You cannot disable your own account");
        assert!(is_good(&app, &root.token).await && is_good(&app, &ada.token).await);
    }
}
