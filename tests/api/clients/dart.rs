//! The Dart SDK below the Flutter app: every method of its client, and what its models parse.

mod shapes;

use http::Method;
use llm_api_testkit::{HttpRequest, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{
    json_of,
    shape::{Shape, list, object, optional, required},
    start, start_with, start_with_ollama,
    stream::{Heard, hear, shown},
};
use crate::raw_provider::RawProvider;

use shapes::{found, job, model, models, profile, provider_key, request_status, schema, signed_in, token};
pub(super) use shapes::{generation, session};

/// The SDK's client. It knows GET, POST, PUT and DELETE, and says with each of them that it sends JSON.
pub(super) struct Dart<'a> {
    app: &'a TestApp,
    token: String,
}

impl<'a> Dart<'a> {
    pub(super) fn new(app: &'a TestApp, token: &str) -> Self {
        Self { app, token: token.to_owned() }
    }

    fn stranger(app: &'a TestApp) -> Self {
        Self::new(app, "")
    }

    fn request(&self, method: Method, path: &str) -> HttpRequest {
        let request = self.app.http().request(method, path).header("content-type", "application/json");
        if self.token.is_empty() { request } else { request.header("authorization", &format!("Bearer {}", self.token)) }
    }

    pub(super) async fn get(&self, path: &str, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::GET, path)).await)
    }

    pub(super) async fn post(&self, path: &str, body: Value, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::POST, path).body(body.to_string())).await)
    }

    async fn put(&self, path: &str, body: Value, shape: Shape) -> Value {
        shape.read(json_of(self.request(Method::PUT, path).body(body.to_string())).await)
    }

    /// What comes back does not matter.
    async fn delete(&self, path: &str) {
        let reply = self.request(Method::DELETE, path).send().await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text().await);
    }

    pub(super) async fn stream(&self, path: &str, body: Value) -> Result<Vec<Heard>, Value> {
        hear(self.request(Method::POST, path).body(body.to_string()).send().await, &generation()).await
    }

    /// The status of a failure, and the `detail` that people see: a text as it is, all else in Dart's own notation.
    pub(super) async fn failure(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let reply = self.request(method, path).body(body.to_string()).send().await;
        (reply.status.as_u16(), reply.json().await["detail"].take())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// What the SDK sends by default.
fn hello(changes: Value) -> Value {
    let mut body = json!({
        "model": "openai:echo", "modality": "text", "input": { "prompt": "Hello" }, "selection_mode": "auto",
    });
    let Value::Object(changes) = changes else { panic!("no object: {changes}") };
    body.as_object_mut().expect("an object").extend(changes);
    body
}

fn sdk<'a>(app: &'a TestApp, person: &Person) -> Dart<'a> {
    Dart::new(app, &person.token)
}

each_db! {
    async fn the_dart_client_is_signed_in_by_registering_and_by_signing_in(database: Database) {
        let (app, _) = start(database).await;
        let stranger = Dart::stranger(&app);
        let account = json!({ "username": "grace", "email": "grace", "password": "a-password-of-graces" });
        let registered = stranger.post("/v1/users/register", account.clone(), signed_in()).await;
        let grace = Dart::new(&app, text(&registered["access_token"]));
        assert_eq!(grace.get("/v1/users/me", profile()).await["username"], "grace");

        let again = stranger.post("/v1/users/login", account, signed_in()).await;
        assert_eq!((&again["user"]["id"], &again["access_token"]), (&registered["user"]["id"], &again["token"]));
        let grace = Dart::new(&app, text(&again["access_token"]));
        assert_eq!(grace.get("/v1/users/me", profile()).await["id"], again["user"]["id"]);
    }

    async fn the_dart_client_may_send_its_key_as_x_api_key(database: Database) {
        let (app, ada) = start(database).await;
        let request = app.http().get("/v1/users/me").header("X-Api-Key", &ada.token);
        assert_eq!(profile().read(json_of(request).await)["id"], ada.id);
    }

    async fn the_dart_client_changes_the_display_name_by_put(database: Database) {
        let (app, ada) = start(database).await;
        let changed = sdk(&app, &ada).put("/v1/users/me", json!({ "display_name": "Ada" }), profile()).await;
        assert_eq!((&changed["display_name"], &changed["username"]), (&json!("Ada"), &json!("ada@example.org")));
        let untouched = sdk(&app, &ada).put("/v1/users/me", json!({ "display_name": null }), profile()).await;
        assert_eq!(untouched["display_name"], "Ada");
    }

    async fn the_dart_client_reads_a_flat_new_token_and_a_bare_array_of_them(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let named = dart.post("/v1/users/tokens", json!({ "name": "phone" }), token()).await;
        assert_eq!(named["name"], "phone");
        let phone = Dart::new(&app, text(&named["token"]));
        phone.get("/v1/users/me", profile()).await;
        let nameless = dart.post("/v1/users/tokens", json!({}), token()).await;

        let tokens = dart.get("/v1/users/tokens", list(token())).await;
        let ids: Vec<&Value> = tokens.as_array().into_iter().flatten().map(|token| &token["id"]).collect();
        assert!(ids.contains(&&named["id"]) && ids.contains(&&nameless["id"]), "{tokens}");
        assert!(tokens.as_array().into_iter().flatten().all(|token| token.get("token").is_none()));
        dart.delete(&format!("/v1/users/tokens/{}", text(&named["id"]))).await;
        assert_eq!(phone.failure(Method::GET, "/v1/users/me", json!({})).await.0, 401);
    }

    async fn the_dart_client_sends_empty_texts_for_fields_that_a_key_does_not_have(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let body = json!({
            "provider": "groq", "credential_type": "api_key", "api_key": "gsk-adas-own-key", "endpoint": "",
            "oauth_token": "", "service_account_json": "",
        });
        let stored = dart.post("/v1/users/provider-keys", body, provider_key()).await;
        assert_eq!((&stored["provider"], &stored["masked_key"]), (&json!("groq"), &json!("gsk...key")));
        let keys = dart.get("/v1/users/provider-keys", list(provider_key())).await;
        assert_eq!(keys.as_array().map(Vec::len), Some(2));
        dart.delete("/v1/users/provider-keys/groq").await;
    }

    async fn the_dart_client_lists_models_and_sees_which_ones_a_key_would_open(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let models = dart.get("/v1/models", models()).await;
        let access = |id: &str| {
            let mut models = models["models"].as_array().expect("a list").iter();
            let model = models.find(|model| model["id"] == id);
            model.map(|model| text(&model["availability"]["access"]).to_owned())
        };
        assert_eq!(access("echo").as_deref(), Some("available"));
        assert_eq!(access("grok-3").as_deref(), Some("locked"));

        let status = dart.get("/v1/models/echo/status", object([
            required("model_id", Shape::Text),
            required("runtime_status", Shape::Text),
            optional("queue_depth", Shape::Whole),
        ])).await;
        assert_eq!(status["model_id"], "echo");
    }

    async fn the_dart_client_puts_model_ids_into_paths_as_they_are(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"meta-llama/Llama-3-8B"},{"id":"llama3:8b"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start_with(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let dart = sdk(&app, &ada);
        for id in ["meta-llama/Llama-3-8B", "llama3:8b"] {
            assert_eq!(dart.get(&format!("/v1/models/{id}"), model()).await["id"], id);
            assert_eq!(dart.get(&format!("/v1/schema?model={id}"), schema()).await["model_id"], id);
            let default = dart.post(&format!("/v1/models/{id}/default"), json!({}), model()).await;
            assert_eq!((&default["id"], &default["is_default"]), (&json!(id), &json!(true)));
        }
    }

    async fn the_dart_client_makes_a_form_from_the_schema(database: Database) {
        let (app, ada) = start(database).await;
        let of_text = sdk(&app, &ada).get("/v1/schema?model=echo", schema()).await;
        assert_eq!(of_text["properties"]["temperature"]["maximum"], 2.0);
        let of_images = sdk(&app, &ada).get("/v1/schema?model=dall-e-3", schema()).await;
        assert_eq!(of_images["properties"]["width"]["default"], 512);
    }

    async fn the_dart_client_searches_the_hub_page_by_page(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let first = dart.get("/v1/models/search?query=llama&source=huggingface&limit=3", found()).await;
        assert_eq!((&first["results"][0]["id"], &first["results"][0]["downloads"]),
            (&json!("maker-1/llama-1b"), &json!(1000)));
        let cursor = text(&first["next_cursor"]);
        let path = format!("/v1/models/search?query=llama&source=huggingface&limit=3&cursor={cursor}");
        let second = dart.get(&path, found()).await;
        assert_eq!(second["results"][0]["id"], "maker-4/llama-4b");
    }

    async fn the_dart_client_unloads_with_force_in_the_body(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let dart = sdk(&app, &ada);
        let loaded = || object([
            required("models", list(object([
                required("model_id", Shape::Text),
                optional("status", Shape::Text),
                optional("loaded_at", Shape::Time),
            ]))),
        ]);
        let answer = || object([
            optional("model_id", Shape::Text),
            optional("status", Shape::Text),
            optional("message", Shape::Text),
        ]);
        let names = async || {
            let reply = dart.get("/v1/models/loaded", loaded()).await;
            let models = reply["models"].as_array().expect("a list").clone();
            models.iter().map(|model| text(&model["model_id"]).to_owned()).collect::<Vec<_>>()
        };
        let reply = dart.post("/v1/models/local:echo:latest/load", json!({ "wait": true }), answer()).await;
        assert_eq!(reply["status"], "loaded");
        assert_eq!(names().await, ["local:echo:latest"]);
        let reply = dart.post("/v1/models/local:echo:latest/load", json!({ "config": { "n_ctx": 1 } }), answer()).await;
        assert_eq!(reply["status"], "loaded", "it was there already");
        let reply = dart.post("/v1/models/local:echo:latest/unload", json!({ "force": true }), Shape::Anything).await;
        assert_eq!(reply["status"], "unloaded");
        assert!(names().await.is_empty());
    }

    async fn the_dart_client_downloads_a_model_and_watches_the_job(database: Database) {
        let (app, ada, _ollama) = start_with_ollama(database).await;
        let dart = sdk(&app, &ada);
        let body = json!({
            "model": { "id": "slow-pull", "name": "slow-pull", "version": "latest", "modality": "text" },
            "source": { "type": "local", "id": "slow-pull" },
            "options": { "install_local": true },
        });
        let started = dart.post("/v1/models/download", body, job()).await;
        let path = format!("/v1/jobs/{}", text(&started["job_id"]));
        let jobs = dart.get("/v1/jobs", object([required("jobs", list(job()))])).await;
        assert_eq!(jobs["jobs"][0]["job_id"], started["job_id"]);
        dart.delete(&path).await;
        assert_eq!(dart.get(&path, job()).await["status"], "cancelled");
    }

    async fn the_dart_client_keeps_conversations_in_sessions(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let created = dart.post("/v1/sessions", json!({}), session()).await;
        let path = format!("/v1/sessions/{}", text(&created["id"]));
        let reply = dart.post("/v1/generate", hello(json!({ "session_id": created["id"] })), generation()).await;
        assert_eq!((&reply["output"]["text"], &reply["usage"]["prompt_tokens"]), (&json!("You said: Hello"), &json!(11)));

        let summary = object([
            required("id", Shape::Text),
            optional("title", Shape::Text),
            optional("message_count", Shape::Whole),
            required("created_at", Shape::Time),
            optional("last_used_at", Shape::Time),
        ]);
        let sessions = dart.get("/v1/sessions", object([required("sessions", list(summary))])).await;
        assert_eq!(sessions["sessions"][0]["title"], "Hello");
        let renamed = dart.put(&path, json!({ "title": "Greetings" }), session()).await;
        assert_eq!(renamed["title"], "Greetings");
        dart.put(&path, json!({}), session()).await;

        let opened = dart.get(&path, session()).await;
        let roles: Vec<&Value> = opened["messages"].as_array().into_iter().flatten().map(|one| &one["role"]).collect();
        assert_eq!((roles, &opened["title"]), (vec![&json!("user"), &json!("assistant")], &json!("Greetings")));
        dart.delete(&path).await;
    }

    async fn the_dart_client_regenerates_the_last_reply(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let created = dart.post("/v1/sessions", json!({}), session()).await;
        dart.post("/v1/generate", hello(json!({ "session_id": created["id"] })), generation()).await;
        let path = format!("/v1/sessions/{}/regenerate", text(&created["id"]));
        let body = json!({ "stream": false, "selection_mode": "auto" });
        assert_eq!(dart.post(&path, body, generation()).await["output"]["text"], "You said: Hello");
        let body = json!({ "model": "openai:counts", "parameters": { "temperature": 0.1 }, "stream": true,
            "selection_mode": "auto" });
        assert_eq!(shown(dart.stream(&path, body).await.expect("a reply")), "turns: 1 user");
    }

    async fn the_dart_client_reads_text_chunks_without_output_or_modality(database: Database) {
        let (app, ada) = start(database).await;
        let heard = sdk(&app, &ada).stream("/v1/generate", hello(json!({ "stream": true }))).await.expect("a reply");
        let selected = Heard::Selected {
            model: json!("echo"), name: json!("echo"), fallback_used: false, fallback_reason: Value::Null,
        };
        assert_eq!(heard[0], selected);
        assert!(heard[1..].iter().all(|event| matches!(event, Heard::Text(_))), "{heard:?}");
        assert_eq!(shown(heard), "You said: Hello");
    }

    async fn the_dart_client_takes_an_event_with_output_for_the_complete_reply(database: Database) {
        let (app, ada) = start(database).await;
        let body = hello(json!({ "model": "openai:dall-e-3", "modality": "image", "stream": true }));
        let heard = sdk(&app, &ada).stream("/v1/generate", body).await.expect("a reply");
        let [Heard::Selected { .. }, Heard::Complete(reply)] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!((&reply["modality"], reply["output"]["images"].as_array().map(Vec::len)), (&json!("image"), Some(1)));
    }

    async fn the_dart_client_throws_on_an_error_event(database: Database) {
        let (app, ada) = start(database).await;
        let body = hello(json!({ "model": "openai:fails", "stream": true }));
        let error = sdk(&app, &ada).stream("/v1/generate", body).await.expect_err("a failure");
        assert_eq!(error["code"], "upstream_error");
        assert!(text(&error["message"]).starts_with("openai: "), "{error}");
    }

    async fn the_dart_client_shows_detail_as_people_read_it(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let failures = [
            (dart.failure(Method::GET, "/v1/models/nothing", json!({})).await, "Model 'nothing' not found"),
            (dart.failure(Method::GET, "/v1/jobs/nothing", json!({})).await, "Job not found"),
            (dart.failure(Method::GET, "/v1/requests/nothing/status", json!({})).await, "Request not found"),
            (dart.failure(Method::DELETE, "/v1/users/tokens/nothing", json!({})).await, "Token not found"),
            (dart.failure(Method::GET, "/v1/sessions/nothing", json!({})).await, "Session 'nothing' not found"),
        ];
        for ((status, detail), sentence) in failures {
            assert_eq!((status, detail), (404, json!(sentence)));
        }
        let refused = dart.failure(Method::POST, "/v1/users/login", json!({ "username": "ada", "password": "x" })).await;
        assert_eq!(refused, (401, json!("Invalid credentials")));
    }

    async fn the_dart_client_asks_for_a_request_and_cancels_it(database: Database) {
        let (app, ada) = start(database).await;
        let dart = sdk(&app, &ada);
        let reply = dart.post("/v1/generate", hello(json!({})), generation()).await;
        let path = format!("/v1/requests/{}", text(&reply["request_id"]));
        assert_eq!(dart.get(&format!("{path}/status"), request_status()).await["status"], "completed");
        let late = dart.post(&format!("{path}/cancel"), json!({}), Shape::Anything).await;
        assert_eq!(late["cancelled"], false);
    }

    async fn the_dart_client_asks_who_is_there(database: Database) {
        let (app, ada) = start_with(database, &[("APP_VERSION", "2026.11")]).await;
        let stranger = Dart::stranger(&app);
        assert_eq!(stranger.get("/health", object([optional("status", Shape::Text)])).await["status"], "ok");
        assert_eq!(stranger.get("/version", object([optional("version", Shape::Text)])).await["version"], "2026.11");
        let flags = object([
            optional("local_models_enabled", Shape::Flag),
            optional("huggingface_hosted_3d_supported", Shape::Flag),
        ]);
        let features = sdk(&app, &ada).get("/v1/features", flags).await;
        assert_eq!(features["huggingface_hosted_3d_supported"], false);
    }
}
