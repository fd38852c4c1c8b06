//! The four types of credentials: kept, masked, tried, replaced, used and deleted.

use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{KEYS, list, store};
use crate::accounts::{refusal, sentence};

fn account() -> String {
    json!({ "type": "service_account", "project_id": "adas-project", "private_key": "-----BEGIN PRIVATE KEY-----" })
        .to_string()
}

/// What each type consists of; the other fields are empty texts, as the keys page sends them.
fn credential(provider: &str, kind: &str, secret: &str, endpoint: &str) -> Value {
    let mut body = json!({
        "provider": provider, "credential_type": kind, "endpoint": endpoint,
        "api_key": "", "oauth_token": "", "service_account_json": "",
    });
    let field = match kind {
        "oauth_token" => "oauth_token",
        "service_account" => "service_account_json",
        _ => "api_key",
    };
    body[field] = secret.into();
    body
}

async fn stored(app: &TestApp, person: &Person, body: Value) -> Value {
    let reply = store(app, &person.token, body).await;
    assert_eq!(reply.status, 201);
    reply.json().await
}

async fn generate(app: &TestApp, person: &Person, model: &str, stream: bool) -> HttpReply {
    let body = json!({ "modality": "text", "model": model, "stream": stream, "input": { "prompt": "Hello" } });
    app.post("/v1/generate", &person.token, body).await
}

each_db! {
    async fn every_type_of_credential_is_kept_masked_and_tried(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let azure = app.provider.azure_base_url();
        for (body, masked, status, detail) in [
            (
                credential("groq", "api_key", "gsk_of_ada_0001", ""),
                "gsk...001", "valid", "The provider lists 22 models",
            ),
            (
                credential("anthropic", "oauth_token", "sk-ant-oat-of-ada", ""),
                "sk-...ada", "valid", "The provider lists 22 models",
            ),
            (
                credential("azure", "endpoint_key", "azure-key-0001", &azure),
                "azu...001", "valid", "The provider accepts the key",
            ),
            (
                credential("google", "service_account", &account(), ""),
                "service_account_json", "unchecked", "A service account is kept, but cannot be used to generate",
            ),
            (
                credential("other", "api_key", "whatever-0001", ""),
                "wha...001", "unchecked", "This version cannot call other yet; the key is kept",
            ),
        ] {
            let kept = stored(&app, &ada, body.clone()).await;
            assert_eq!(kept["masked_key"], masked, "{kept}");
            assert_eq!((&kept["status"], &kept["status_detail"]), (&json!(status), &json!(detail)), "{kept}");
            assert_eq!(kept["credential_type"], body["credential_type"]);
            assert_eq!(kept["endpoint"].as_str().unwrap_or_default(), body["endpoint"], "{kept}");
            assert_eq!(kept["checked_at"].is_null(), status == "unchecked");
            assert!(list(&app, &ada.token).await.as_array().expect("a list").contains(&kept));
        }
    }

    async fn each_family_is_tried_in_its_own_way(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let azure = app.provider.azure_base_url();
        for (body, path, header, value) in [
            (credential("openai", "api_key", "sk-ada-1", ""), "/v1/models", "authorization", "Bearer sk-ada-1"),
            (credential("huggingface", "api_key", "hf_ada-1", ""), "/v1/models", "authorization", "Bearer hf_ada-1"),
            (credential("anthropic", "api_key", "ant-ada-1", ""), "/v1/models?limit=1000", "x-api-key", "ant-ada-1"),
            (
                credential("anthropic", "oauth_token", "oat-ada-1", ""),
                "/v1/models?limit=1000", "authorization", "Bearer oat-ada-1",
            ),
            (
                credential("google", "api_key", "AIza-ada-1", ""),
                "/v1beta/models?pageSize=1000", "x-goog-api-key", "AIza-ada-1",
            ),
            (
                credential("azure", "endpoint_key", "az-ada-1", &azure),
                "/openai/models?api-version=2024-10-21", "api-key", "az-ada-1",
            ),
        ] {
            // Hugging Face lists its models to everybody: a list proves nothing.
            let status = if body["provider"] == "huggingface" { "unchecked" } else { "valid" };
            assert_eq!(stored(&app, &ada, body.clone()).await["status"], status, "{body}");
            let tried = app.provider.last_request();
            assert_eq!((tried.method.as_str(), tried.path.as_str(), tried.header(header)), ("GET", path, value));
            let secret = value.trim_start_matches("Bearer ");
            let places = tried.headers.values().filter(|value| value.to_str().is_ok_and(|text| text.contains(secret)));
            assert_eq!(places.count(), 1, "the key goes where it belongs and nowhere else: {:?}", tried.headers);
        }
    }

    async fn a_credential_that_its_provider_refuses_is_rejected_in_every_family(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let azure = app.provider.azure_base_url();
        for body in [
            credential("openai", "api_key", "bad-key-0001", ""),
            credential("anthropic", "api_key", "bad-key-0002", ""),
            credential("anthropic", "oauth_token", "bad-token-0003", ""),
            credential("google", "api_key", "bad-key-0004", ""),
            credential("azure", "endpoint_key", "bad-key-0005", &azure),
            credential("huggingface", "oauth_token", "bad-token-0006", ""),
        ] {
            let kept = stored(&app, &ada, body.clone()).await;
            assert_eq!(kept["status"], "rejected", "{kept}");
            assert!(kept["checked_at"].is_string() && kept["status_detail"].is_string(), "{kept}");
            assert!(!kept.to_string().contains("-000"), "what the provider says back shows no key: {kept}");
        }
    }

    async fn a_credential_is_used_replaced_by_another_type_and_deleted(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let first = stored(&app, &ada, credential("anthropic", "api_key", "sk-ant-of-ada", "")).await;
        assert_eq!(generate(&app, &ada, "anthropic:echo", false).await.status, 200);
        let seen = app.provider.last_request();
        assert_eq!((seen.header("x-api-key"), seen.header("authorization")), ("sk-ant-of-ada", ""));

        let second = stored(&app, &ada, credential("anthropic", "oauth_token", "oauth-of-ada", "")).await;
        assert_eq!((&second["credential_type"], &second["masked_key"]), (&json!("oauth_token"), &json!("oau...ada")));
        assert_eq!(second["created_at"], first["created_at"]);
        assert_eq!(list(&app, &ada.token).await, json!([second]), "one for each provider");
        assert_eq!(generate(&app, &ada, "anthropic:echo", false).await.status, 200);
        let seen = app.provider.last_request();
        assert_eq!((seen.header("x-api-key"), seen.header("authorization")), ("", "Bearer oauth-of-ada"));

        let reply = app.delete(&format!("{KEYS}/anthropic"), &ada.token).await;
        assert_eq!((reply.status.as_u16(), reply.json().await), (200, json!({ "deleted": true })));
        assert_eq!(list(&app, &ada.token).await, json!([]));
        let again = app.delete(&format!("{KEYS}/anthropic"), &ada.token).await;
        assert_eq!(sentence(again, 404, "not_found").await, "Provider key not found");
        let asked = app.provider.requests().len();
        let told = refusal(generate(&app, &ada, "anthropic:echo", false).await, 400, "provider_not_configured").await;
        assert!(told["detail"]["message"].as_str().is_some_and(|text| text.contains("anthropic")), "{told}");
        assert_eq!(app.provider.requests().len(), asked);
    }

    async fn an_azure_key_goes_to_its_own_resource(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        stored(&app, &ada, credential("azure", "endpoint_key", "azure-of-ada", &app.provider.azure_base_url())).await;
        let reply = generate(&app, &ada, "azure:echo", false).await;
        assert_eq!(reply.json().await["output"]["text"], "You said: Hello");
        let seen = app.provider.last_request();
        assert!(seen.path.starts_with("/openai/deployments/echo/chat/completions?api-version="), "{}", seen.path);
        assert_eq!((seen.header("api-key"), seen.header("authorization")), ("azure-of-ada", ""));

        for endpoint in ["", "https://10.0.0.1", "http://ada.openai.azure.com", "https://ada@x.openai.azure.com"] {
            let body = credential("azure", "endpoint_key", "azure-of-ada", endpoint);
            let told = sentence(store(&app, &ada.token, body).await, 400, "bad_request").await;
            assert!(told.starts_with("endpoint"), "{endpoint}: {told}");
        }
        assert_eq!(list(&app, &ada.token).await[0]["endpoint"], app.provider.azure_base_url(), "the good one stays");
    }

    async fn a_service_account_is_kept_but_generates_nothing(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        stored(&app, &ada, credential("google", "service_account", &account(), "")).await;
        stored(&app, &ada, credential("openai", "service_account", &account(), "")).await;
        for stream in [false, true] {
            let told = refusal(generate(&app, &ada, "google:echo", stream).await, 424, "unsupported_credential").await;
            assert_eq!(told["detail"], json!({
                "code": "unsupported_credential",
                "message": "The stored credential for google is a service account, which is kept but cannot be used to \
                            generate",
            }));
        }
        let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "Hello" }] });
        let reply = app.post("/v1/chat/completions", &ada.token, chat).await;
        assert_eq!((reply.status.as_u16(), reply.json().await["error"]["code"].take()), (424, json!("unsupported_credential")));
        assert!(app.provider.requests().is_empty(), "it was sent nowhere");

        let models = app.get("/v1/models", &ada.token).await.json().await;
        let of_google: Vec<&Value> =
            models["data"].as_array().into_iter().flatten().filter(|model| model["provider"] == "google").collect();
        assert!(!of_google.is_empty() && of_google.iter().all(|model| model["availability"]["access"] == "locked"));

        stored(&app, &ada, credential("google", "api_key", "AIza-of-ada", "")).await;
        assert_eq!(generate(&app, &ada, "google:echo", false).await.status, 200, "a key in its place");
        let reply = app.delete(&format!("{KEYS}/openai"), &ada.token).await;
        assert_eq!(reply.status, 200);
    }
}
