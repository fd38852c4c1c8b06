//! The Python client, whose models refuse what they do not know: every method of it, with the bodies that it sends.

mod shapes;

use std::time::Duration;

use http::Method;
use llm_api_testkit::{HttpReply, HttpRequest, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{
    json_of,
    shape::{Shape, defaulted, list, map, object, optional, required},
    start, start_with, start_with_ollama,
    stream::{Heard, hear, shown},
};
use shapes::{MODALITY, cancelled, catalogue, generation, job, model, profile, request_status, session, token};

struct Python<'a> {
    app: &'a TestApp,
    key: String,
}

impl<'a> Python<'a> {
    fn new(app: &'a TestApp, key: &str) -> Self {
        Self { app, key: key.to_owned() }
    }

    fn of(app: &'a TestApp, person: &Person) -> Self {
        Self::new(app, &person.token)
    }

    fn request(&self, method: Method, path: &str) -> HttpRequest {
        self.app.http().request(method, path).header("X-API-Key", &self.key)
    }

    async fn get(&self, path: &str, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::GET, path)).await)
    }

    async fn post(&self, path: &str, body: Value, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::POST, path).json(body)).await)
    }

    async fn post_nothing(&self, path: &str, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::POST, path)).await)
    }

    async fn change(&self, method: Method, path: &str, body: Value, shape: Shape) -> Value {
        shape.read(json_of(self.request(method, path).json(body)).await)
    }

    async fn delete(&self, path: &str, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::DELETE, path)).await)
    }

    async fn stream(&self, path: &str, body: Value) -> Result<Vec<Heard>, Value> {
        hear(self.request(Method::POST, path).json(body).send().await, &generation()).await
    }
}

/// A request with every field that the client knows; most of them are null.
fn every_field(prompt: &str, model: &str, stream: bool) -> Value {
    json!({
        "model": model, "provider": null, "session_id": null, "state_tokens": null, "modality": "text",
        "input": { "prompt": prompt, "images": null, "mesh": null },
        "parameters": { "temperature": 0.5, "max_tokens": null, "format": null },
        "stream": stream, "selection_mode": null,
    })
}

fn regeneration(stream: bool) -> Value {
    json!({ "model": null, "parameters": null, "stream": stream, "selection_mode": null })
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn path_of(session: &Value) -> String {
    format!("/v1/sessions/{}", text(&session["id"]))
}

/// Status, code and message, as the client's exception tells them: the whole text where `detail` is no object.
async fn error(reply: HttpReply) -> (u16, Option<String>, String) {
    let status = reply.status.as_u16();
    let raw = reply.text().await;
    let body: Value = serde_json::from_str(&raw).expect("JSON");
    let detail = body["detail"].as_object();
    let code = detail.and_then(|detail| detail["code"].as_str()).map(str::to_owned);
    let message = detail.and_then(|detail| detail["message"].as_str()).map(str::to_owned);
    (status, code, message.unwrap_or(raw))
}

each_db! {
    async fn the_python_client_sends_every_field_with_an_explicit_null(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let reply = python.post("/v1/generate", every_field("Hello", "openai:echo", false), generation()).await;
        assert_eq!(reply["output"]["text"], "You said: Hello");
        assert_eq!(app.provider.last_request().body, json!({
            "model": "echo", "messages": [{ "role": "user", "content": "Hello" }], "temperature": 0.5,
        }), "a null is no wish");
    }

    async fn the_python_client_generates_in_a_session_and_regenerates(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let made = python.post("/v1/sessions", json!({ "title": "Greetings" }), session()).await;
        let path = path_of(&made);
        let mut body = every_field("Hello", "openai:counts", false);
        body["session_id"] = made["id"].clone();
        let reply = python.post(&format!("{path}/generate"), body.clone(), generation()).await;
        assert_eq!((&reply["session_id"], &reply["output"]["text"]), (&made["id"], &json!("turns: 1 user")));
        let reply = python.post(&format!("{path}/generate"), body, generation()).await;
        assert_eq!(reply["output"]["text"], "turns: 3 user assistant user");

        let again = python.post(&format!("{path}/regenerate"), regeneration(false), generation()).await;
        assert_eq!(again["output"]["text"], "turns: 3 user assistant user");
        let streamed = python.stream(&format!("{path}/regenerate"), regeneration(true)).await.expect("a reply");
        assert_eq!(shown(streamed), "turns: 3 user assistant user");
        let opened = python.get(&path, session()).await;
        assert_eq!((&opened["message_count"], opened["messages"].as_array().map(Vec::len)), (&json!(2), Some(4)));
    }

    async fn the_python_client_reads_the_stream_as_the_dart_client_does(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let heard = python.stream("/v1/generate", every_field("Hello", "openai:echo", true)).await;
        assert_eq!(shown(heard.expect("a reply")), "You said: Hello");
        let refused = python.stream("/v1/generate", every_field("Hello", "openai:refuses", true)).await;
        assert!(refused.expect_err("a failure")["message"].is_string());
    }

    async fn the_python_client_checks_the_complete_reply_of_an_image_stream(database: Database) {
        let (app, ada) = start(database).await;
        let mut body = every_field("a pixel", "openai:dall-e-3", true);
        body["modality"] = "image".into();
        body["parameters"] = Value::Null;
        let heard = Python::of(&app, &ada).stream("/v1/generate", body).await.expect("a reply");
        assert!(matches!(heard.last(), Some(Heard::Complete(_))), "{heard:?}");
    }

    async fn the_python_client_knows_five_model_status_words(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let python = Python::of(&app, &ada);
        let models = python.get("/v1/models", catalogue()).await;
        let of = |provider: &str| {
            let mut models = models["models"].as_array().expect("a list").iter();
            assert!(models.any(|model| model["provider"] == provider), "{provider}");
        };
        ["openai", "anthropic", "groq", "local"].into_iter().for_each(of);
        python.get("/v1/models?modality=image", catalogue()).await;
        assert_eq!(python.get("/v1/models/echo", model()).await["provider"], "openai");
        // Known by its name alone: facts, prices and limits.
        python.get("/v1/models/claude-3-7-sonnet-20250219", model()).await;
        assert_eq!(python.post("/v1/models/echo/default", json!({}), model()).await["is_default"], true);
    }

    async fn the_python_client_never_hears_of_rate_limited_credits(database: Database) {
        let (app, ada) = start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
        let python = Python::of(&app, &ada);
        for (behaviour, status) in [("rate-limited", "unknown"), ("no-quota", "exhausted")] {
            let body = every_field("Hello", &format!("openai:{behaviour}"), false);
            let refused = python.request(Method::POST, "/v1/generate").json(body).send().await;
            assert_eq!(refused.status, 429, "{behaviour}");
            let shown = python.get("/v1/models/echo", model()).await;
            assert_eq!(shown["availability"]["credits_status"]["status"], status);
            python.get("/v1/models", catalogue()).await;
        }
    }

    async fn the_python_client_searches_and_asks_for_schemas_and_providers(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let result = object([
            required("id", Shape::Text),
            required("name", Shape::Text),
            defaulted("tags", list(Shape::Text)),
            defaulted("modality_hints", list(MODALITY)),
            optional("downloads", Shape::Whole),
            optional("last_modified", Shape::Time),
        ]);
        let found = object([required("results", list(result)), optional("next_cursor", Shape::Text)]);
        for query in ["", "&modality=image", "&modality=3d", "&limit=2"] {
            let path = format!("/v1/models/search?query=llama&source=huggingface{query}");
            assert!(python.get(&path, found.clone()).await["results"][0].is_object());
        }

        let parameter = object([
            required("type", Shape::Text),
            optional("title", Shape::Text),
            optional("description", Shape::Text),
            optional("minimum", Shape::Number),
            optional("maximum", Shape::Number),
            optional("enum", list(Shape::Anything)),
        ]);
        let schema = object([
            defaulted("model_id", Shape::Text),
            optional("version", Shape::Text),
            optional("properties", map(parameter)),
        ]);
        for model in ["echo", "dall-e-3", "nothing"] {
            python.get(&format!("/v1/schema?model={model}"), schema.clone()).await;
        }
        python.get("/v1/schema", Shape::Anything).await;

        let provider = object([
            required("name", Shape::Text),
            required("configured", Shape::Flag),
            required("supported_modalities", list(MODALITY)),
        ]);
        python.get("/v1/providers", object([required("providers", list(provider))])).await;
        python.get("/version", object([required("version", Shape::Text)])).await;
        python.get("/health", Shape::Anything).await;
    }

    async fn the_python_client_posts_without_a_body(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let python = Python::of(&app, &ada);
        let made = python.post_nothing("/v1/sessions", session()).await;
        assert_eq!(python.post_nothing(&format!("{}/reset", path_of(&made)), session()).await["id"], made["id"]);
        let reply = python.post("/v1/generate", every_field("Hello", "openai:echo", false), generation()).await;
        let path = format!("/v1/requests/{}/cancel", text(&reply["request_id"]));
        assert_eq!(python.post_nothing(&path, cancelled()).await["status"], "completed");
        let path = "/v1/models/local:echo:latest/unload?force=false";
        assert_eq!(python.post_nothing(path, Shape::Anything).await["status"], "unloaded");
    }

    async fn a_session_of_the_python_client_has_a_status_in_every_reply(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let made = python.post("/v1/sessions", json!({ "title": "Greetings" }), session()).await;
        let path = path_of(&made);
        let renamed = python.change(Method::PUT, &path, json!({ "title": "Farewells" }), session()).await;
        assert_eq!(renamed["title"], "Farewells");
        python.change(Method::PUT, &path, json!({}), session()).await;
        let entry = object([
            required("id", Shape::Text),
            optional("title", Shape::Text),
            required("created_at", Shape::Time),
            optional("last_used_at", Shape::Time),
            defaulted("message_count", Shape::Whole),
        ]);
        let sessions = python.get("/v1/sessions", object([required("sessions", list(entry))])).await;
        assert_eq!(sessions["sessions"][0]["title"], "Farewells");
        assert_eq!(python.delete(&path, session()).await["status"], "closed");
        assert_eq!(python.get(&path, session()).await["status"], "closed");
    }

    async fn the_python_client_registers_by_email_and_gets_a_profile(database: Database) {
        let (app, _) = start(database).await;
        let stranger = Python::new(&app, "none-yet");
        let account = json!({ "email": "grace@example.org", "password": "a-password-of-graces" });
        let registered = stranger.post("/v1/users/register", account.clone(), profile()).await;
        let login = object([required("token", Shape::Text), required("user", map(Shape::Anything))]);
        let login = stranger.post("/v1/users/login", account, login).await;
        assert_eq!(login["user"]["id"], registered["id"]);
        let grace = Python::new(&app, text(&login["token"]));
        assert_eq!(grace.get("/v1/users/me", profile()).await["email"], "grace@example.org");
        let wishes = json!({ "display_name": "Grace", "preferred_model": "echo", "preferences": { "theme": "dark" } });
        let changed = grace.change(Method::PATCH, "/v1/users/me", wishes, profile()).await;
        assert_eq!(changed["preferences"]["theme"], "dark");
        grace.change(Method::PATCH, "/v1/users/me", json!({}), profile()).await;
    }

    async fn the_python_client_finds_a_new_token_below_info(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let created = || object([required("token", Shape::Text), required("info", token())]);
        let named = python.post("/v1/users/tokens", json!({ "name": "laptop" }), created()).await;
        assert_eq!(named["info"]["name"], "laptop");
        Python::new(&app, text(&named["token"])).get("/v1/users/me", profile()).await;
        python.post("/v1/users/tokens", json!({}), created()).await;
        let tokens = python.get("/v1/users/tokens", list(token())).await;
        assert!(tokens.as_array().is_some_and(|tokens| tokens.len() >= 3), "{tokens}");
        let path = format!("/v1/users/tokens/{}", text(&named["info"]["id"]));
        assert_eq!(python.delete(&path, Shape::Anything).await, json!({ "revoked": true }));
    }

    async fn the_python_client_keeps_provider_keys(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let key = || object([
            required("id", Shape::Text),
            required("provider", Shape::Text),
            required("credential_type", Shape::Text),
            optional("masked_key", Shape::Text),
            required("created_at", Shape::Time),
        ]);
        let body = json!({ "provider": "anthropic", "credential_type": "oauth_token", "oauth_token": "oat-of-ada" });
        let stored = python.post("/v1/users/provider-keys", body, key()).await;
        assert_eq!((&stored["credential_type"], &stored["masked_key"]), (&json!("oauth_token"), &json!("oat...ada")));
        python.get("/v1/users/provider-keys", list(key())).await;
        let removed = python.delete("/v1/users/provider-keys/anthropic", Shape::Anything).await;
        assert_eq!(removed, json!({ "deleted": true }));
    }

    async fn the_python_client_needs_all_seven_fields_of_a_loaded_model(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let python = Python::of(&app, &ada);
        let body = json!({ "wait": true, "use_fallback": false });
        let reply = python.post("/v1/models/local:echo:latest/load", body, Shape::Anything).await;
        assert_eq!(reply["status"], "loaded");
        let loaded = object([
            required("model_id", Shape::Text),
            required("loaded_at", Shape::Time),
            required("last_used_at", Shape::Time),
            required("is_pinned", Shape::Flag),
            required("memory_bytes", Shape::Whole),
            required("is_busy", Shape::Flag),
            required("busy_count", Shape::Whole),
        ]);
        let all = python.get("/v1/models/loaded", object([required("models", list(loaded))])).await;
        assert_eq!(all["models"].as_array().map(Vec::len), Some(1));
        let status = object([
            required("model_id", Shape::Text),
            required("runtime_status", Shape::Word(&["unloaded", "loading", "loaded", "busy"])),
            defaulted("queue_depth", Shape::Whole),
        ]);
        for (id, expected) in [("local:echo:latest", "loaded"), ("local:unicode:latest", "unloaded"), ("echo", "loaded")] {
            let status = python.get(&format!("/v1/models/{id}/status"), status.clone()).await;
            assert_eq!(status["runtime_status"], expected, "{id}");
        }
    }

    async fn the_python_client_downloads_and_knows_five_job_words(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let python = Python::of(&app, &ada);
        let wish = |kind: &str, id: Option<&str>, uri: Option<&str>| json!({
            "model": { "id": "wanted", "name": "Wanted", "version": "latest", "modality": "text" },
            "source": { "type": kind, "id": id, "uri": uri }, "options": null,
        });
        let download = async |wish: Value| python.post("/v1/models/download", wish, job()).await;
        let there = download(wish("local", Some("echo"), None)).await;
        assert_eq!((&there["job_id"], &there["status"]), (&json!("existing"), &json!("completed")));
        assert_eq!(download(wish("url", None, Some("https://example.org/model.gguf"))).await["status"], "failed");
        download(wish("huggingface", Some("maker/model"), None)).await;
        app.advance(Duration::from_secs(1));
        let running = download(wish("local", Some("slow-pull"), None)).await;
        let path = format!("/v1/jobs/{}", text(&running["job_id"]));
        python.get(&path, job()).await;
        let jobs = python.get("/v1/jobs", object([required("jobs", list(job()))])).await;
        assert_eq!(jobs["jobs"][0]["job_id"], running["job_id"], "newest first");
        assert_eq!(python.delete(&path, Shape::Anything).await["status"], "cancelled");
    }

    async fn the_python_client_knows_six_words_for_a_request(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let body = every_field("Hello", "openai:slow-stream", true);
        let mut running = python.request(Method::POST, "/v1/generate").json(body).send().await;
        let path = format!("/v1/requests/{}", running.header("x-request-id"));
        running.next_event().await.expect("the model is named");
        running.next_event().await.expect("a word");
        assert_eq!(python.get(&format!("{path}/status"), request_status()).await["status"], "running");
        assert_eq!(python.post_nothing(&format!("{path}/cancel"), cancelled()).await["cancelled"], true);
        app.provider.wait_until_closed().await;
        assert!(running.data().await.iter().any(|event| event.contains("request_cancelled")));
        assert_eq!(python.get(&format!("{path}/status"), request_status()).await["status"], "cancelled");

        for (model, status, word) in [("echo", 200, "completed"), ("dies", 502, "failed"), ("fails", 502, "failed")] {
            let body = every_field("Hello", &format!("openai:{model}"), false);
            let reply = python.request(Method::POST, "/v1/generate").json(body).send().await;
            assert_eq!(reply.status, status, "{model}");
            let path = format!("/v1/requests/{}/status", reply.header("x-request-id"));
            assert_eq!(python.get(&path, request_status()).await["status"], word, "{model}");
        }
        // A stream that breaks off is `incomplete` with us: a word that the client does not know.
        let body = every_field("Hello", "openai:dies", true);
        let reply = python.request(Method::POST, "/v1/generate").json(body).send().await;
        let path = format!("/v1/requests/{}/status", reply.header("x-request-id"));
        hear(reply, &generation()).await.expect_err("it dies");
        assert_eq!(python.get(&path, request_status()).await["status"], "failed");
    }

    async fn the_python_client_finds_code_and_message_below_detail_or_shows_the_raw_text(database: Database) {
        let (app, ada) = start(database).await;
        let python = Python::of(&app, &ada);
        let body = every_field("Hello", "groq:echo", false);
        let reply = python.request(Method::POST, "/v1/generate").json(body).send().await;
        let (status, code, message) = error(reply).await;
        assert_eq!((status, code.as_deref()), (400, Some("provider_not_configured")));
        assert!(message.contains("groq"), "{message}");
        let reply = python.request(Method::GET, "/v1/sessions/nothing").send().await;
        let (status, code, message) = error(reply).await;
        assert_eq!((status, code), (404, None));
        assert!(message.contains("Session 'nothing' not found"), "{message}");
        let reply = python.request(Method::POST, "/v1/generate").json(json!({})).send().await;
        assert_eq!(error(reply).await.0, 422);
    }
}
