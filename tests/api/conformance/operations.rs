//! What operators watch.

use std::time::Duration;

use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

use super::talk::Talk;

/// The lines of `/metrics` about the names that its clients know.
fn of_the_python_service(page: &str) -> String {
    const NAMES: [&str; 5] = [
        "llm_api_request_count",
        "llm_api_error_count",
        "llm_api_fallback_count",
        "llm_api_latency_ms",
        "llm_api_requests_by_provider",
    ];
    let lines = page.lines().filter(|line| NAMES.iter().any(|name| line.contains(name)));
    lines.collect::<Vec<_>>().join("\n")
}

each_db! {
    async fn a_new_server_has_zeros(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let page = app.get("/metrics", &root.token).await.text().await;
        insta::allow_duplicates! { insta::assert_snapshot!(of_the_python_service(&page), @r##"
            # HELP llm_api_request_count Requests to models that have ended; the same in every process of one database, kept over restarts.
            # TYPE llm_api_request_count counter
            llm_api_request_count 0
            # HELP llm_api_error_count Those that failed or broke off; the same in every process of one database, kept over restarts.
            # TYPE llm_api_error_count counter
            llm_api_error_count 0
            # HELP llm_api_fallback_count Those that another model answered than was asked for; the same in every process of one database, kept over restarts.
            # TYPE llm_api_fallback_count counter
            llm_api_fallback_count 0
            # HELP llm_api_latency_ms Milliseconds that they took; the same in every process of one database, kept over restarts.
            # TYPE llm_api_latency_ms summary
            llm_api_latency_ms_count 0
            llm_api_latency_ms_sum 0
            # HELP llm_api_requests_by_provider Requests by the provider that was asked; the same in every process of one database, kept over restarts.
            # TYPE llm_api_requests_by_provider counter
            "##); }
        let mut talk = Talk::new(&app, &root);
        talk.get("/v1/stats").await;
        talk.get("/v1/history").await;
        talk.get("/v1/history?range=30d").await;
        talk.get("/v1/history?range=ever").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/stats
            200
            {"avg_latency_ms":0.0,"error_count":0,"fallback_count":0,"provider_counts":{},"request_count":0}

            > GET /v1/history
            200
            {"buckets":[],"range":"1d","totals":{"avg_latency_ms":0.0,"errors":0,"fallbacks":0,"requests":0}}

            > GET /v1/history?range=30d
            200
            {"buckets":[],"range":"30d","totals":{"avg_latency_ms":0.0,"errors":0,"fallbacks":0,"requests":0}}

            > GET /v1/history?range=ever
            200
            {"buckets":[],"range":"1d","totals":{"avg_latency_ms":0.0,"errors":0,"fallbacks":0,"requests":0}}
            "##); }
    }

    async fn strangers_and_people_do_not_see_them(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", "the-operators-static-key")]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::of_a_stranger(&app);
        talk.get("/metrics").await;
        talk.go_on_as(&ada.token);
        talk.get("/v1/history").await;
        talk.go_on_as("the-operators-static-key");
        talk.get("/v1/stats").await;
        talk.get("/v1/logs").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /metrics
            401
            {"code":"unauthenticated","detail":"Missing authentication","request_id":"[id 1]"}

            > GET /v1/history
            403
            {"code":"forbidden","detail":"Admin privileges required","request_id":"[id 2]"}

            > GET /v1/stats
            200
            {"avg_latency_ms":0.0,"error_count":0,"fallback_count":0,"provider_counts":{},"request_count":0}

            > GET /v1/logs
            403
            {"code":"forbidden","detail":"Admin privileges required","request_id":"[id 3]"}
            "##); }
    }

    async fn administrators_see_who_has_an_account_and_let_them_in_or_not(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        app.advance(Duration::from_secs(1));
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &root);
        talk.post_nothing(&format!("/v1/admin/users/{}/disable", ada.id)).await;
        talk.get("/v1/admin/users").await;
        talk.post_nothing(&format!("/v1/admin/users/{}/enable", ada.id)).await;
        talk.post_nothing(&format!("/v1/admin/users/{}/disable", root.id)).await;
        talk.post_nothing("/v1/admin/users/nobody/disable").await;
        talk.post_nothing("/v1/admin/users/0190a000-0000-7000-8000-000000000000/enable").await;
        talk.go_on_as(&ada.token);
        talk.get("/v1/admin/users").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/admin/users/[id 1]/disable
            200
            {"disabled":true}

            > GET /v1/admin/users
            200
            [
              {
                "created_at": "2026-11-22T12:00:01.000000Z",
                "display_name": "ada",
                "id": "[id 1]",
                "is_active": false,
                "is_admin": false,
                "last_login_at": "2026-11-22T12:00:01.000000Z",
                "username": "ada"
              },
              {
                "created_at": "2026-11-22T12:00:00.000000Z",
                "display_name": "root",
                "id": "[id 2]",
                "is_active": true,
                "is_admin": true,
                "last_login_at": "2026-11-22T12:00:00.000000Z",
                "username": "root"
              }
            ]

            > POST /v1/admin/users/[id 1]/enable
            200
            {"enabled":true}

            > POST /v1/admin/users/[id 2]/disable
            400
            {"code":"bad_request","detail":"You cannot disable your own account","request_id":"[id 3]"}

            > POST /v1/admin/users/nobody/disable
            404
            {"code":"not_found","detail":"User not found","request_id":"[id 4]"}

            > POST /v1/admin/users/[id 5]/enable
            404
            {"code":"not_found","detail":"User not found","request_id":"[id 6]"}

            > GET /v1/admin/users
            403
            {"code":"forbidden","detail":"Admin privileges required","request_id":"[id 7]"}
            "##); }
    }

    async fn what_was_asked_is_counted(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        app.store_key(&root.token, "openai", "sk-of-root-0001").await;
        for model in ["echo", "dies"] {
            let body = json!({ "model": format!("openai:{model}"), "modality": "text", "input": { "prompt": "Hi" } });
            app.post("/v1/generate", &root.token, body).await;
        }
        app.state.auth.store.recorder().flush().await;
        let mut history = app.get("/v1/history", &root.token).await.json().await;
        // How long it took is the machine's.
        let average = history["totals"]["avg_latency_ms"].take();
        assert!(average.as_f64().is_some_and(|average| average >= 0.0), "{average}");
        assert_eq!(history["buckets"][0]["avg_latency_ms"].take(), average);
        assert_eq!(history, json!({
            "range": "1d",
            "buckets": [{
                "ts": "2026-11-22T12:00:00.000000Z", "requests": 2, "errors": 1, "fallbacks": 0, "avg_latency_ms": null,
            }],
            "totals": { "requests": 2, "errors": 1, "fallbacks": 0, "avg_latency_ms": null },
        }));
    }
}
