//! Pages of other origins, with the vendors' SDKs in them.

use http::{Method, StatusCode};
use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

const PAGE: &str = "https://chat.example.com";
/// What OpenAI's SDK sends from a page.
const SDK: &str =
    "authorization,content-type,openai-beta,x-llm-api-unsupported,x-stainless-lang,x-stainless-retry-count";

/// What a browser asks before it sends the request itself.
async fn preflight(app: &TestApp, origin: &str, path: &str) -> llm_api_testkit::HttpReply {
    app.http()
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", SDK)
        .send()
        .await
}

each_db! {
    async fn a_listed_page_may_call_with_whatever_its_sdk_sends(database: Database) {
        let app = TestApp::start_with(database, &[("CORS_ORIGINS", PAGE)]).await;
        let ada = app.person("ada").await;
        for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/generate", "/v1/users/login"] {
            let asked = preflight(&app, PAGE, path).await;
            assert_eq!(asked.status, StatusCode::OK, "{path}");
            assert_eq!(asked.header("access-control-allow-origin"), PAGE, "{path}");
            assert_eq!(asked.header("access-control-allow-headers"), SDK, "{path}");
        }
        // Refusals are readable for the page, too, with every header.
        for token in [ada.token.as_str(), "las_nonsense"] {
            let body = json!({ "model": "openai:echo", "messages": [] });
            let request = app.http().post("/v1/chat/completions").bearer(token).header("origin", PAGE);
            let reply = request.json(body).send().await;
            assert_eq!(reply.header("access-control-allow-origin"), PAGE);
            assert_eq!(reply.header("access-control-expose-headers"), "*");
        }
        let other = preflight(&app, "https://elsewhere.example.com", "/v1/generate").await;
        assert_eq!(other.header("access-control-allow-origin"), "");
    }

    async fn no_page_may_call_unless_it_is_listed(database: Database) {
        let app = TestApp::start(database).await;
        let asked = preflight(&app, PAGE, "/v1/generate").await;
        assert_eq!(asked.header("access-control-allow-origin"), "");
    }
}
