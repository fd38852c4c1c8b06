//! The Flutter app, which stands on the Dart SDK: what its pages do with replies.

use http::Method;
use llm_api_testkit::{FakeProvider, each_db};
use serde_json::{Value, json};

use super::{
    dart::{Dart, generation, session},
    json_of,
    shape::{Shape, list, object, optional, required},
    start, start_with,
    stream::{Heard, shown},
};

/// The head of a JPEG, labelled as the app labels every picture.
const PICTURE: &str = "data:image/png;base64,/9j/4AAQSkZJRgAB";

/// What the chat page sends: the text as typed, in the session that it made before.
fn typed(prompt: &str, session: &Value, model: Option<&str>) -> Value {
    let mut body = json!({
        "modality": "text", "input": { "prompt": prompt }, "stream": true, "session_id": session["id"],
        "selection_mode": if model.is_some() { "model" } else { "auto" },
    });
    if let Some(model) = model {
        body["model"] = model.into();
    }
    body
}

/// What the chat page says of a 404: only these words keep it from dropping the session.
fn session_is_taken_for_lost(detail: &Value) -> bool {
    let detail = detail.as_str().expect("a text, as the app reads it");
    !detail.contains("Model not found") && !detail.contains("register the model")
}

fn path_of(session: &Value) -> String {
    format!("/v1/sessions/{}", session["id"].as_str().expect("an id"))
}

each_db! {
    async fn the_app_makes_a_session_first_and_streams_in_it(database: Database) {
        let (app, ada) = start(database).await;
        let dart = Dart::new(&app, &ada.token);
        let chat = dart.post("/v1/sessions", json!({}), session()).await;
        for prompt in ["Hello there", "And again"] {
            let heard = dart.stream("/v1/generate", typed(prompt, &chat, Some("echo"))).await.expect("a reply");
            assert_eq!(shown(heard), format!("You said: {prompt}"));
        }
        let opened = dart.get(&path_of(&chat), session()).await;
        let messages = opened["messages"].as_array().expect("messages");
        let lines: Vec<String> =
            messages.iter().map(|one| format!("{} {}", one["role"], one["content"])).collect();
        assert_eq!(lines, [
            r#""user" "Hello there""#, r#""assistant" "You said: Hello there""#,
            r#""user" "And again""#, r#""assistant" "You said: And again""#,
        ], "both halves, though they were streamed");
        assert_eq!((&opened["title"], &messages[1]["model_name"]), (&json!("Hello there"), &json!("echo")));
    }

    async fn the_app_names_no_model_when_it_leaves_the_choice_to_the_server(database: Database) {
        let (app, ada) = start_with(database, &[("DEFAULT_MODEL", "openai:echo")]).await;
        let dart = Dart::new(&app, &ada.token);
        let chat = dart.post("/v1/sessions", json!({}), session()).await;
        let heard = dart.stream("/v1/generate", typed("draw a 3d photo", &chat, None)).await.expect("a reply");
        assert_eq!(shown(heard), "You said: draw a 3d photo", "words do not change what is made");
    }

    async fn the_app_labels_every_picture_as_png(database: Database) {
        let (app, ada) = start(database).await;
        let dart = Dart::new(&app, &ada.token);
        let chat = dart.post("/v1/sessions", json!({}), session()).await;
        let mut body = typed("What is this?", &chat, Some("openai:sees-images"));
        body["input"]["images"] = json!([PICTURE]);
        let heard = dart.stream("/v1/generate", body).await.expect("a reply");
        assert_eq!(shown(heard), "images: 1 image/jpeg", "the provider learns what it is");
        let opened = dart.get(&path_of(&chat), session()).await;
        let image = opened["messages"][0]["images"][0].as_str().expect("the picture again");
        assert!(image.starts_with("data:image/") && image.ends_with(PICTURE.split_once(',').expect("data").1), "{image}");
    }

    async fn a_404_tells_a_lost_session_from_a_missing_model(database: Database) {
        let (app, ada) = start(database).await;
        let dart = Dart::new(&app, &ada.token);
        let chat = dart.post("/v1/sessions", json!({}), session()).await;
        for model in ["no-such-model", "openai:no-such-model"] {
            let mut body = typed("Hi", &chat, Some(model));
            body["stream"] = false.into();
            let (status, detail) = dart.failure(Method::POST, "/v1/generate", body).await;
            assert_eq!((status, session_is_taken_for_lost(&detail)), (404, false), "{detail}");
        }
        let lost = json!({ "id": "0190a000-0000-7000-8000-000000000000" });
        let (status, detail) =
            dart.failure(Method::POST, "/v1/generate", typed("Hi", &lost, Some("openai:echo"))).await;
        assert_eq!((status, session_is_taken_for_lost(&detail)), (404, true), "{detail}");
        assert_eq!(detail, "Session '0190a000-0000-7000-8000-000000000000' not found");
        let (status, detail) = dart.failure(Method::GET, &path_of(&lost), json!({})).await;
        assert_eq!((status, session_is_taken_for_lost(&detail)), (404, true), "{detail}");
    }

    async fn the_app_learns_that_another_model_answers_and_why(database: Database) {
        let (app, ada) = start(database).await;
        app.provider.serve_also("gpt-4o-mini");
        let dart = Dart::new(&app, &ada.token);
        let chat = dart.post("/v1/sessions", json!({}), session()).await;
        let body = typed("Hi", &chat, Some("openai:rate-limited"));
        let heard = dart.stream("/v1/generate", body).await.expect("a reply");
        let notices: Vec<&Value> = heard.iter().filter_map(|event| match event {
            Heard::Selected { fallback_used: true, fallback_reason, .. } => Some(fallback_reason),
            Heard::Selected { .. } | Heard::Text(_) | Heard::Complete(_) => None,
        }).collect();
        assert_eq!(notices, [&json!("rate_limited_tier")]);
        assert_eq!(shown(heard), "You said: Hi");
    }

    async fn the_app_cancels_by_an_id_that_it_never_sent(database: Database) {
        let (app, ada) = start(database).await;
        let dart = Dart::new(&app, &ada.token);
        let path = "/v1/requests/3f0c1b7a-8a55-4f0e-9d3b-0d6f2a6f9c11/cancel";
        assert_eq!(dart.failure(Method::POST, path, json!({})).await, (404, json!("Request not found")));
    }

    async fn the_app_draws_pictures_from_plain_base64(database: Database) {
        let (app, ada) = start(database).await;
        let dart = Dart::new(&app, &ada.token);
        let chat = dart.post("/v1/sessions", json!({}), session()).await;
        let mut body = typed("a pixel", &chat, Some("openai:dall-e-3"));
        body["modality"] = "image".into();
        let heard = dart.stream("/v1/generate", body).await.expect("a reply");
        let Some(Heard::Complete(reply)) = heard.last() else { panic!("{heard:?}") };
        let image = reply["output"]["images"][0].as_str().expect("a picture");
        assert!(image.starts_with("iVBORw0KGgo") && !image.contains(','), "no head of a data URL: {image}");
    }

    async fn the_app_loads_large_pictures_from_absolute_addresses(database: Database) {
        let (app, ada) = start_with(database, &[("ARTIFACT_INLINE_THRESHOLD_KB", "0")]).await;
        let dart = Dart::new(&app, &ada.token);
        let body = json!({
            "model": "openai:dall-e-3", "modality": "image", "input": { "prompt": "a pixel" }, "selection_mode": "model",
        });
        let reply = dart.post("/v1/generate", body, generation()).await;
        assert_eq!(reply["output"]["images"], Value::Null);
        let artifact = &reply["output"]["artifacts"][0];
        assert_eq!(artifact["type"], "image");
        let url = artifact["url"].as_str().expect("an address");
        let path = url.strip_prefix("http://").and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
        // The page that shows it sends no credential.
        let shown = app.http().get(path.expect("an absolute address")).send().await;
        assert_eq!((shown.status.as_u16(), shown.header("content-type")), (200, "image/png"));
        assert_eq!(shown.bytes().await, FakeProvider::PNG);
    }

    async fn the_keys_page_offers_these_providers(database: Database) {
        let (app, ada) = start(database).await;
        let dart = Dart::new(&app, &ada.token);
        let key = || object([required("provider", Shape::Text), required("masked_key", Shape::Text)]);
        for provider in ["openai", "anthropic", "google", "xai", "deepseek", "groq", "huggingface", "other"] {
            let body = json!({
                "provider": provider, "credential_type": "api_key", "api_key": "the-key-of-ada", "endpoint": "",
                "oauth_token": "", "service_account_json": "",
            });
            assert_eq!(dart.post("/v1/users/provider-keys", body, key()).await["provider"], provider);
        }
        let body = json!({
            "provider": "azure", "credential_type": "endpoint_key", "api_key": "the-key-of-ada",
            "endpoint": app.provider.azure_base_url(), "oauth_token": "", "service_account_json": "",
        });
        assert_eq!(dart.post("/v1/users/provider-keys", body, key()).await["provider"], "azure");

        let cards = object([required("providers", list(object([
            required("name", Shape::Text),
            optional("configured", Shape::Flag),
            optional("supported_modalities", list(Shape::Text)),
        ])))]);
        let cards = dart.get("/v1/providers", cards).await;
        for card in cards["providers"].as_array().expect("a list") {
            let name = card["name"].as_str().expect("a name");
            let is_stored = !matches!(name, "openrouter" | "mistral" | "together" | "fireworks" | "bedrock" | "custom");
            assert_eq!(card["configured"], is_stored, "{name}");
        }
    }

    async fn the_register_page_goes_on_with_the_token_that_it_gets(database: Database) {
        let (app, _) = start(database).await;
        let body = json!({ "username": "grace", "password": "a-password-of-graces", "invite_token": "" });
        let registered = json_of(app.http().post("/v1/users/register").json(body)).await;
        let grace = Dart::new(&app, registered["access_token"].as_str().expect("a token"));
        grace.post("/v1/sessions", json!({}), session()).await;
    }
}
