//! However odd a request is, it gets an answer that says what is wrong with it: never a 500, never a broken connection.

mod samples;

use std::collections::BTreeSet;

use http::StatusCode;
use llm_api_testkit::{HttpRequest, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    accounts::{BEHIND_A_PROXY, personal_token},
    document::{Route, fields, routes},
};
use samples::{PATHS, QUERIES, bodies, long, values};

/// A server and its administrator, to whom no route is closed, with a key and a session.
struct World {
    app: TestApp,
    root: Person,
    session: String,
    /// What has been answered, to see that the walk came past the door.
    seen: BTreeSet<u16>,
    /// Requests so far: each comes from an address of its own, so that no throttle hides what is behind it.
    sent: u32,
}

impl World {
    async fn new(database: llm_api_testkit::Database) -> Self {
        let settings = [BEHIND_A_PROXY, ("INVITE_REQUIRED", "false"), ("ENABLE_LOCAL_MODELS", "false")];
        let app = TestApp::start_with(database, &settings).await;
        let root = app.admin("root").await;
        app.store_key(&root.token, "openai", "sk-of-root-0001").await;
        let session = app.post("/v1/sessions", &root.token, json!({})).await.json().await;
        let session = session["id"].as_str().expect("an id").to_owned();
        Self { app, root, session, seen: BTreeSet::new(), sent: 0 }
    }

    /// A token of its own for each route: one of them ends the token that it is called with.
    async fn token(&self) -> String {
        personal_token(&self.app, &self.root.token, json!({})).await
    }

    fn request(&mut self, route: &Route, path: &str, token: &str) -> HttpRequest {
        self.sent += 1;
        let [_, high, middle, low] = self.sent.to_be_bytes();
        let request = self.app.http().request(route.method.clone(), path).bearer(token);
        request.header("x-forwarded-for", &format!("10.{high}.{middle}.{low}"))
    }

    /// Sends and judges: no failure of ours, and an explanation for every refusal.
    async fn send(&mut self, request: HttpRequest, what: &str) {
        let reply = request.send().await;
        let status = reply.status;
        self.seen.insert(status.as_u16());
        assert!(!status.is_server_error(), "{what}: {status}: {}", reply.text().await);
        if status.is_client_error() {
            assert_eq!(reply.header("content-type"), "application/json", "{what}: {status}");
            let id = reply.header("x-request-id").to_owned();
            let body = reply.json().await;
            assert!(body["code"].as_str().is_some_and(|code| !code.is_empty()), "{what}: {body}");
            assert_eq!(body["request_id"], id.as_str(), "{what}: {body}");
            assert!(!body["detail"].is_null() || body["error"]["message"].is_string(), "{what}: {body}");
        } else {
            reply.bytes().await;
        }
    }

    /// The route's path with something that is there, or at least could be.
    fn path(&self, route: &Route) -> String {
        match route.path.as_str() {
            path if path.starts_with("/v1/sessions/") => route.filled(&self.session),
            path if path.starts_with("/v1/models/") => route.filled("echo"),
            _ => route.filled("0190a000-0000-7000-8000-000000000000"),
        }
    }
}

/// A body that the route would take, so that one odd field is all that is wrong with it.
fn good_body(route: &Route) -> Value {
    match route.path.as_str() {
        "/v1/chat/completions" => json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "Hi" }] }),
        path if path.ends_with("/generate") => {
            json!({ "model": "openai:echo", "modality": "text", "input": { "prompt": "Hi" } })
        }
        "/v1/users/register" => json!({ "username": "grace", "password": "a-password-of-graces" }),
        "/v1/users/login" => json!({ "username": "root", "password": "not-the-password-of-root" }),
        "/v1/users/provider-keys" => json!({ "provider": "openai", "api_key": "sk-of-root-0002" }),
        "/v1/models/download" => json!({
            "model": { "id": "echo", "name": "echo" }, "source": { "type": "local", "id": "echo" },
        }),
        _ => json!({}),
    }
}

/// The fields that are named nowhere, but known to some provider.
fn fields_of(route: &Route) -> Vec<Vec<String>> {
    let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    let more: &[&str] = match route.path.as_str() {
        "/v1/chat/completions" => &["model", "messages", "stream", "stream_options", "temperature", "tools", "user"],
        path if path.ends_with("/generate") || path.ends_with("/regenerate") => {
            &["parameters.temperature", "parameters.max_tokens", "parameters.seed", "parameters.stop", "unknown"]
        }
        _ => &["unknown"],
    };
    let named = route.body.iter().flat_map(fields);
    named.chain(more.iter().map(|field| path(field))).collect()
}

const PLACEHOLDER: &str = "here stands the odd value";

/// `body` as text, with `raw` in place of one field; `raw` may be what no JSON value can hold.
fn with(mut body: Value, field: &[String], raw: &str) -> String {
    let mut place = &mut body;
    for name in field {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = PLACEHOLDER.into();
    body.to_string().replace(&Value::from(PLACEHOLDER).to_string(), raw)
}

each_db! {
    async fn an_odd_body_is_refused_or_ignored(database: Database) {
        let mut world = World::new(database).await;
        for route in routes() {
            let (token, path) = (world.token().await, world.path(&route));
            for body in bodies() {
                let what = format!("{} {:?}", route.name(), String::from_utf8_lossy(&body[..body.len().min(40)]));
                let request = world.request(&route, &path, &token).header("content-type", "application/json");
                world.send(request.body(body), &what).await;
            }
            let what = format!("{} without a body", route.name());
            let request = world.request(&route, &path, &token);
            world.send(request, &what).await;
        }
        assert!(world.seen.is_superset(&[200, 201, 400, 404, 422].into()), "{:?}", world.seen);
    }

    async fn an_odd_field_is_refused_or_ignored(database: Database) {
        let mut world = World::new(database).await;
        for route in routes() {
            if route.body.is_none() {
                continue;
            }
            let (token, path) = (world.token().await, world.path(&route));
            for field in fields_of(&route) {
                for value in values() {
                    let body = with(good_body(&route), &field, &value);
                    let what = format!("{} {} {}", route.name(), field.join("."), value.get(..40).unwrap_or(&value));
                    let request = world.request(&route, &path, &token).header("content-type", "application/json");
                    world.send(request.body(body), &what).await;
                }
            }
        }
        assert!(world.seen.is_superset(&[200, 201, 400, 404, 422].into()), "{:?}", world.seen);
    }

    async fn an_odd_query_is_refused_or_ignored(database: Database) {
        let mut world = World::new(database).await;
        for route in routes() {
            let (token, path) = (world.token().await, world.path(&route));
            for name in route.query.iter().map(String::as_str).chain(["unknown"]) {
                for value in QUERIES {
                    let query = value.replace('@', name);
                    let request = world.request(&route, &format!("{path}?{query}"), &token).json(good_body(&route));
                    world.send(request, &format!("{} ?{query}", route.name())).await;
                }
                let query = format!("{name}={}", long(20_000));
                let request = world.request(&route, &format!("{path}?{query}"), &token).json(good_body(&route));
                world.send(request, &format!("{} with a long {name}", route.name())).await;
            }
        }
        assert!(world.seen.is_superset(&[200, 404, 422].into()), "{:?}", world.seen);
    }

    async fn an_odd_path_names_nothing(database: Database) {
        let mut world = World::new(database).await;
        for route in routes() {
            if route.parameters().is_empty() {
                continue;
            }
            let token = world.token().await;
            for name in PATHS.iter().map(|&name| name.to_owned()).chain([long(10_000)]) {
                let what = format!("{} {}", route.name(), &name[..name.len().min(40)]);
                let request = world.request(&route, &route.filled(&name), &token).json(good_body(&route));
                world.send(request, &what).await;
            }
        }
        assert!(world.seen.contains(&404), "{:?}", world.seen);
    }

    async fn an_odd_header_is_refused_or_ignored(database: Database) {
        let mut world = World::new(database).await;
        for route in routes() {
            let (token, path) = (world.token().await, world.path(&route));
            for (name, value) in samples::HEADERS {
                let what = format!("{} {name}: {value}", route.name());
                let request = world.request(&route, &path, &token).header(name, value);
                world.send(request.body(good_body(&route).to_string()), &what).await;
            }
        }
        assert!(world.seen.contains(&StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16()), "{:?}", world.seen);
    }

    async fn a_credential_may_be_any_bytes(database: Database) {
        let app = TestApp::start(database).await;
        let long = long(8_000);
        for credential in ["lap_", "Ünïcode", "a\tb", "lap_000000000000000000000000000000000000000", "{}", &long] {
            for (name, value) in [("x-api-key", credential.to_owned()), ("authorization", format!("Bearer {credential}"))] {
                let reply = app.http().get("/v1/users/me").header(name, &value).send().await;
                assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{name}: {value:?}");
                assert_eq!(reply.json().await["code"], "unauthenticated");
            }
        }
    }
}

#[test]
fn the_odd_value_stands_where_it_should() {
    let field = |path: &[&str]| path.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let odd = with(json!({ "a": { "b": 1 }, "c": 2 }), &field(&["a", "b"]), "1e400");
    assert_eq!(odd, r#"{"a":{"b":1e400},"c":2}"#);
    assert_eq!(with(json!({ "a": 1 }), &field(&["a", "b"]), "[]"), r#"{"a":{"b":[]}}"#);
}
