//! Rules that hold for every route: walks the document that describes the API.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    document::{Route, routes},
    usage_rows::row_behind,
};

/// The routes that need no credential.
const PUBLIC: [&str; 6] = [
    "GET /health",
    "GET /ready",
    "GET /v1/artifacts/{id}",
    "GET /version",
    "POST /v1/users/login",
    "POST /v1/users/register",
];

/// The groups whose routes ask no provider for content.
const GROUPS_THAT_DO_NOT_GENERATE: [&str; 7] =
    ["admin", "artifacts", "health", "models", "provider-keys", "requests", "users"];

/// A good request for each route of a group that generates; `None` for those that do not. A new one needs a line here.
fn good_body(route: &Route) -> Option<Value> {
    let hello = json!({ "model": "openai:echo", "modality": "text", "input": { "prompt": "Hi" } });
    match route.name().as_str() {
        "POST /v1/chat/completions" => {
            Some(json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "Hi" }] }))
        }
        "POST /v1/responses" | "POST /v1/embeddings" => Some(json!({ "model": "openai:echo", "input": "Hi" })),
        "POST /v1/messages" => {
            Some(json!({ "model": "openai:echo", "max_tokens": 8, "messages": [{ "role": "user", "content": "Hi" }] }))
        }
        "POST /v1/generate" | "POST /v1/sessions/{id}/generate" => Some(hello),
        "POST /v1/sessions/{id}/regenerate" => Some(json!({})),
        // Counting generates nothing.
        "POST /v1/messages/count_tokens"
        | "GET /v1/sessions"
        | "POST /v1/sessions"
        | "GET /v1/sessions/{id}"
        | "PUT /v1/sessions/{id}"
        | "DELETE /v1/sessions/{id}"
        | "POST /v1/sessions/{id}/reset" => None,
        _ => panic!("{} is new: say whether it generates, to show that it leaves a usage row", route.name()),
    }
}

/// A session in which something was said.
async fn session(app: &TestApp, person: &Person) -> String {
    let session = app.post("/v1/sessions", &person.token, json!({})).await.json().await;
    let hello = json!({
        "model": "openai:echo", "modality": "text", "input": { "prompt": "Hi" }, "session_id": session["id"],
    });
    assert_eq!(app.post("/v1/generate", &person.token, hello).await.status, StatusCode::OK);
    session["id"].as_str().expect("an id").to_owned()
}

/// A refusal in the form that the clients of this path read: OpenAI's, the native one, or both in one.
async fn assert_refusal(path: &str, reply: HttpReply, sentence: &str, code: &str) {
    let id = reply.header("x-request-id").to_owned();
    let body = reply.json().await;
    assert_eq!((&body["code"], &body["request_id"]), (&json!(code), &json!(id)), "{path}: {body}");
    let (openai, native) = match path {
        _ if path.starts_with("/v1/models") => (true, true),
        _ if ["/v1/chat/", "/v1/responses", "/v1/embeddings", "/v1/messages"]
            .iter()
            .any(|own| path.starts_with(own)) =>
        {
            (true, false)
        }
        _ => (false, true),
    };
    let expected = |reads: bool| if reads { json!(sentence) } else { Value::Null };
    assert_eq!((&body["detail"], &body["error"]["message"]), (&expected(native), &expected(openai)), "{path}: {body}");
}

each_db! {
    async fn a_path_that_is_not_there_is_not_found(database: Database) {
        let app = TestApp::start(database).await;
        for path in ["/", "/nowhere", "/v1", "/v1/chat/nothing", "/v1/chat/completions/x", "/health/", "/v1/users/x"] {
            for method in [Method::GET, Method::POST] {
                let reply = app.http().request(method.clone(), path).send().await;
                assert_eq!(reply.status, StatusCode::NOT_FOUND, "{method} {path}");
                assert_refusal(path, reply, "Not Found", "not_found").await;
            }
        }
    }

    async fn a_method_that_a_path_does_not_have_is_not_allowed(database: Database) {
        let app = TestApp::start(database).await;
        for (method, path, allowed) in [
            (Method::GET, "/v1/generate", "POST"),
            (Method::GET, "/v1/chat/completions", "POST"),
            (Method::DELETE, "/v1/models", "GET,HEAD"),
            (Method::POST, "/health", "GET,HEAD"),
            (Method::DELETE, "/v1/users/me", "GET,HEAD,PATCH,PUT"),
        ] {
            let reply = app.http().request(method.clone(), path).send().await;
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            let mut methods: Vec<&str> = reply.header("allow").split(',').collect();
            methods.sort_unstable();
            assert_eq!(methods.join(","), allowed, "{method} {path}");
            assert_refusal(path, reply, "Method Not Allowed", "method_not_allowed").await;
        }
    }

    async fn every_route_but_the_public_ones_refuses_strangers(database: Database) {
        let app = TestApp::start(database).await;
        let routes = routes();
        let public: BTreeSet<String> = routes.iter().filter(|route| route.public).map(Route::name).collect();
        assert_eq!(public, PUBLIC.map(str::to_owned).into(), "what the document calls public");
        for route in &routes {
            let requests = [
                (app.http().request(route.method.clone(), &route.filled("something")), "Missing authentication"),
                (app.http().request(route.method.clone(), &route.filled("something")).bearer("junk"), "Invalid or expired token"),
            ];
            for (request, refusal) in requests {
                let reply = request.send().await;
                if route.public {
                    assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{}", route.name());
                    continue;
                }
                assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", route.name());
                assert_refusal(&route.path, reply, refusal, "unauthenticated").await;
            }
        }
    }

    async fn the_server_works_on_so_many_requests_at_once_and_no_more(database: Database) {
        let app = TestApp::start_with(database, &[("MAX_IN_FLIGHT", "1")]).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let asked_before = app.provider.requests().len();
        let slow = json!({ "model": "openai:slow-head", "modality": "text", "input": { "prompt": "Hi" } });
        let one_more = async {
            app.provider.wait_for_requests(asked_before + 1).await;
            for path in ["/version", "/v1/chat/completions", "/v1/models"] {
                let reply = app.http().get(path).send().await;
                assert_eq!((reply.status, reply.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
                assert_refusal(path, reply, "The server has as many requests as it can take", "overloaded").await;
            }
            app.provider.release();
        };
        let (slow, ()) = tokio::join!(app.post("/v1/generate", &ada.token, slow), one_more);
        assert_eq!(slow.status, StatusCode::OK);
        assert_eq!(app.http().get("/version").send().await.status, StatusCode::OK);
    }

    async fn every_generating_route_leaves_a_usage_row(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let session = session(&app, &ada).await;
        let mut generating = 0;
        for route in routes() {
            if GROUPS_THAT_DO_NOT_GENERATE.contains(&route.group.as_str()) {
                continue;
            }
            let Some(body) = good_body(&route) else { continue };
            generating += 1;
            let path = route.filled(&session);
            let reply = app.http().request(route.method.clone(), &path).bearer(&ada.token).json(body).send().await;
            assert_eq!(reply.status, StatusCode::OK, "{}", route.name());
            let row = row_behind(&app, &ada, &reply).await;
            // Vectors are no tokens: the prompt's alone count.
            let total = if route.path == "/v1/embeddings" { 11 } else { 18 };
            assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, Some(total)), "{}", route.name());
        }
        assert!(generating >= 7, "the document tells of {generating} generating routes");
    }
}
