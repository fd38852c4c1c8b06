//! The older Dart client: one key in `X-API-Key`, a JSON body with every POST, a JSON object in every reply.

use http::Method;
use llm_api_testkit::{HttpRequest, TestApp, each_db};
use serde_json::{Value, json};

use super::{
    json_of,
    shape::{Shape, list, map, object, optional, required},
    start, start_with_ollama,
};

struct OlderDart<'a> {
    app: &'a TestApp,
    key: String,
}

impl<'a> OlderDart<'a> {
    fn new(app: &'a TestApp, key: &str) -> Self {
        Self { app, key: key.to_owned() }
    }

    fn request(&self, method: Method, path: &str) -> HttpRequest {
        let request = self.app.http().request(method, path).header("X-API-Key", &self.key);
        request.header("content-type", "application/json")
    }

    async fn get(&self, path: &str, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::GET, path)).await)
    }

    async fn post(&self, path: &str, body: Value, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::POST, path).body(body.to_string())).await)
    }

    async fn delete(&self, path: &str, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::DELETE, path)).await)
    }

    /// Status, code and sentence, as its exception tells them.
    async fn failure(&self, method: Method, path: &str, body: Value) -> (u16, Option<String>, String) {
        let reply = self.request(method, path).body(body.to_string()).send().await;
        let status = reply.status.as_u16();
        let text = reply.text().await;
        let body: Value = serde_json::from_str(&text).expect("errors are decoded, too");
        let word = |value: &Value| value.as_str().map(str::to_owned);
        match &body["detail"] {
            Value::Object(detail) => (status, word(&detail["code"]), word(&detail["message"]).unwrap_or(text)),
            _ => (status, None, word(&body["message"]).unwrap_or(text)),
        }
    }
}

fn generation() -> Shape {
    object([
        required("request_id", Shape::Text),
        required("model", Shape::Text),
        required("modality", Shape::Text),
        optional("output", map(Shape::Anything)),
        optional("usage", map(Shape::Anything)),
        optional("session_id", Shape::Text),
        optional("state_tokens", map(Shape::Anything)),
    ])
}

fn session() -> Shape {
    object([
        required("id", Shape::Text),
        required("status", Shape::Text),
        optional("created_at", Shape::Text),
        optional("last_used_at", Shape::Text),
    ])
}

fn model() -> Shape {
    object([
        required("id", Shape::Text),
        required("name", Shape::Text),
        required("version", Shape::Text),
        required("modality", Shape::Text),
        optional("provider", Shape::Text),
        optional("is_default", Shape::Flag),
    ])
}

fn hello() -> Value {
    json!({ "model": "openai:echo", "modality": "text", "input": { "prompt": "Hello" }, "stream": false })
}

fn path_of(session: &Value) -> String {
    format!("/v1/sessions/{}", session["id"].as_str().expect("an id"))
}

each_db! {
    async fn the_older_dart_client_needs_a_status_in_the_session_list(database: Database) {
        let (app, ada) = start(database).await;
        let client = OlderDart::new(&app, &ada.token);
        let made = client.post("/v1/sessions", json!({}), session()).await;
        let list = client.get("/v1/sessions", object([optional("sessions", list(session()))])).await;
        assert_eq!((&list["sessions"][0]["id"], &list["sessions"][0]["status"]), (&made["id"], &json!("active")));
    }

    async fn the_older_dart_client_reads_a_json_object_from_every_delete(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let client = OlderDart::new(&app, &ada.token);
        let made = client.post("/v1/sessions", json!({}), session()).await;
        assert_eq!(client.delete(&path_of(&made), session()).await["status"], "closed");

        let body = json!({ "model": { "id": "slow-pull" }, "source": { "type": "local", "id": "slow-pull" } });
        let job = client.post("/v1/models/download", body, object([required("job_id", Shape::Text)])).await;
        let path = format!("/v1/jobs/{}", job["job_id"].as_str().expect("an id"));
        client.get(&path, map(Shape::Anything)).await;
        assert_eq!(client.delete(&path, map(Shape::Anything)).await["status"], "cancelled");
    }

    async fn the_older_dart_client_generates_with_and_without_a_session(database: Database) {
        let (app, ada) = start(database).await;
        let client = OlderDart::new(&app, &ada.token);
        assert_eq!(client.post("/v1/generate", hello(), generation()).await["output"]["text"], "You said: Hello");
        let made = client.post("/v1/sessions", json!({}), session()).await;
        let path = path_of(&made);
        let mut body = hello();
        body["state_tokens"] = json!({ "turn": 1 });
        let reply = client.post(&format!("{path}/generate"), body, generation()).await;
        assert_eq!((&reply["session_id"], &reply["state_tokens"]), (&made["id"], &json!({ "turn": 1 })));
        assert_eq!(client.get(&path, session()).await["id"], made["id"]);
        assert_eq!(client.post(&format!("{path}/reset"), json!({}), session()).await["status"], "active");
    }

    async fn the_older_dart_client_needs_name_version_and_modality_of_a_model(database: Database) {
        let (app, ada) = start(database).await;
        let client = OlderDart::new(&app, &ada.token);
        let all = client.get("/v1/models", object([optional("models", list(model()))])).await;
        assert!(all["models"].as_array().is_some_and(|models| models.len() > 20));
        client.get("/v1/models?modality=text", object([required("models", list(model()))])).await;
        assert_eq!(client.get("/v1/models/echo", model()).await["provider"], "openai");
        let provider = object([
            required("name", Shape::Text),
            optional("configured", Shape::Flag),
            optional("supported_modalities", list(Shape::Anything)),
        ]);
        client.get("/v1/providers", object([optional("providers", list(provider))])).await;
        client.get("/v1/schema", map(Shape::Anything)).await;
        client.get("/version", map(Shape::Anything)).await;
    }

    async fn the_older_dart_client_reads_code_and_message_below_detail(database: Database) {
        let (app, ada) = start(database).await;
        let client = OlderDart::new(&app, &ada.token);
        let mut body = hello();
        body["model"] = "groq:echo".into();
        let (status, code, message) = client.failure(Method::POST, "/v1/generate", body).await;
        assert_eq!((status, code.as_deref()), (400, Some("provider_not_configured")));
        assert!(message.contains("groq"), "{message}");
        // A sentence alone is shown with the whole body around it.
        let (status, code, message) = client.failure(Method::GET, "/v1/sessions/nothing", json!({})).await;
        assert_eq!((status, code), (404, None));
        assert!(message.contains("Session 'nothing' not found"), "{message}");
    }

    async fn the_older_dart_client_is_refused_in_json(database: Database) {
        let (app, _) = start(database).await;
        let client = OlderDart::new(&app, "junk");
        let (status, _, message) = client.failure(Method::GET, "/v1/models", json!({})).await;
        assert_eq!(status, 401);
        assert!(message.contains("Invalid API key"), "{message}");
    }
}
