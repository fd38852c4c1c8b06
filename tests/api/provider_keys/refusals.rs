//! What cannot be stored, and why.

use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

use super::{KEYS, list, store};
use crate::accounts::{invalid, refusal, sentence};

const MIB: usize = 1024 * 1024;

each_db! {
    async fn an_endpoint_that_leads_inside_is_refused(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let port = app.provider.port();
        for (endpoint, reason) in [
            ("http://127.0.0.1:1/v1".to_owned(), "https://"),
            ("http://example.com".to_owned(), "https://"),
            ("https://10.0.0.1/v1".to_owned(), "private or reserved"),
            ("https://169.254.169.254/latest".to_owned(), "private or reserved"),
            ("https://[::ffff:10.0.0.1]/v1".to_owned(), "private or reserved"),
            ("https://0x7f000001/v1".to_owned(), "private or reserved"),
            ("https://localhost./v1".to_owned(), "private or reserved"),
            (format!("https://127.0.0.1:{port}/v1"), "private or reserved"),
            (format!("http://localhost:{port}/v1"), "https://"),
            ("https://user:pw@example.com".to_owned(), "user name or password"),
            (format!("http://user:pw@127.0.0.1:{port}/v1"), "user name or password"),
            ("https://example.com/v1?x=1".to_owned(), "query"),
            ("https://example.com/v1#x".to_owned(), "fragment"),
            ("ftp://example.com/v1".to_owned(), "https://"),
            ("file:///etc/passwd".to_owned(), "https://"),
            ("example.com/v1".to_owned(), "not a URL"),
        ] {
            let body = json!({ "provider": "custom", "api_key": "own-key-0001", "endpoint": endpoint });
            let told = sentence(store(&app, &ada.token, body).await, 400, "bad_request").await;
            assert!(told.starts_with("endpoint: ") && told.contains(reason), "{endpoint}: {told}");
            assert!(!told.contains("pw"), "an address may hold a password: {told}");
        }
        assert_eq!(list(&app, &ada.token).await, json!([]));
        assert!(app.provider.requests().is_empty());
    }

    async fn a_missing_part_is_named(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for (body, field) in [
            (json!({ "provider": "openai" }), "api_key"),
            (json!({ "provider": "openai", "api_key": null }), "api_key"),
            (json!({ "provider": "openai", "api_key": " \n" }), "api_key"),
            (json!({ "provider": "openai", "oauth_token": "ya29.of-ada" }), "api_key"),
            (json!({ "provider": "xai", "credential_type": "oauth_token", "api_key": "xai-0001" }), "oauth_token"),
            (json!({ "provider": "google", "credential_type": "service_account" }), "service_account_json"),
            (json!({ "provider": "custom", "api_key": "own-key-0001" }), "endpoint"),
            (json!({ "provider": "custom", "api_key": "own-key-0001", "endpoint": " " }), "endpoint"),
            (json!({ "provider": "azure", "credential_type": "endpoint_key", "api_key": "key-0001" }), "endpoint"),
            (
                json!({ "provider": "azure", "credential_type": "endpoint_key", "endpoint": "https://a.example.com" }),
                "api_key",
            ),
        ] {
            let told = sentence(store(&app, &ada.token, body.clone()).await, 400, "bad_request").await;
            assert!(told.starts_with(&format!("{field} is required")), "{body}: {told}");
        }
        assert_eq!(list(&app, &ada.token).await, json!([]));
        assert!(app.provider.requests().is_empty());
    }

    async fn a_provider_with_an_address_of_its_own_takes_no_other(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let body = json!({ "provider": "openai", "api_key": "sk-of-ada-0001", "endpoint": app.provider.base_url() });
        let told = sentence(store(&app, &ada.token, body).await, 400, "bad_request").await;
        assert_eq!(told, "endpoint: openai has its own address; store an own endpoint as provider custom");
        let local = store(&app, &ada.token, json!({ "provider": "local", "api_key": "key-0001" })).await;
        let told = sentence(local, 400, "bad_request").await;
        assert_eq!(told, "provider: local is the operator's own server and needs no key");
    }

    async fn what_is_unknown_is_refused_by_field(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for provider in ["nonesuch", "", "openai:gpt-4o", "../openai"] {
            let reply = store(&app, &ada.token, json!({ "provider": provider, "api_key": "sk-of-ada-0001" })).await;
            let told = invalid(reply, "provider").await;
            assert!(told.starts_with("must be one of openai, anthropic, ") && !told.contains("local"), "{told}");
        }
        invalid(store(&app, &ada.token, json!({ "api_key": "sk-of-ada-0001" })).await, "provider").await;
        for kind in [json!("password"), json!("API_KEY"), json!(7)] {
            let body = json!({ "provider": "openai", "credential_type": kind, "api_key": "sk-of-ada-0001" });
            let told = invalid(store(&app, &ada.token, body).await, "credential_type").await;
            let known = "must be one of api_key, endpoint_key, oauth_token, service_account";
            assert!(told == known || told.contains("expected a string"), "{told}");
        }
        invalid(store(&app, &ada.token, json!({ "provider": "openai", "api_key": 7 })).await, "api_key").await;
    }

    async fn a_body_that_is_no_json_is_refused(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for body in [
            r#"{"provider": "openai", "api_key": "sk-of-ada-0001""#,
            r#"{"provider": "openai", "api_key": "sk-of-ada-0001"} {}"#,
            "provider=openai&api_key=sk-of-ada-0001",
            r#"{"provider": "openai", "api_key": "sk-\u0000of-ada-0001"}"#,
            "",
        ] {
            let reply = app.http().post(KEYS).bearer(&ada.token).body(body).send().await;
            let refused = refusal(reply, 422, "validation_error").await;
            assert_eq!(refused["detail"][0]["loc"], json!(["body"]), "{refused}");
            assert!(!refused.to_string().contains("ada-0001"), "{refused}");
        }
        let no_text = [br#"{"provider": "openai", "api_key": ""#.as_slice(), b"\xff\xfe", br#""}"#].concat();
        let reply = app.http().post(KEYS).bearer(&ada.token).body(no_text).send().await;
        refusal(reply, 422, "validation_error").await;
        assert_eq!(list(&app, &ada.token).await, json!([]));
    }

    async fn a_body_may_be_as_large_as_one_mebibyte(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let body_of = |length: usize| {
            let empty = json!({ "provider": "other", "api_key": "key-of-ada-0001", "padding": "" }).to_string();
            let padding = "x".repeat(length - empty.len());
            json!({ "provider": "other", "api_key": "key-of-ada-0001", "padding": padding })
        };
        assert_eq!(store(&app, &ada.token, body_of(MIB)).await.status, 201);
        let told = sentence(store(&app, &ada.token, body_of(MIB + 1)).await, 413, "payload_too_large").await;
        assert_eq!(told, "The request body is larger than 1 MiB");
    }

    async fn a_compressed_body_is_refused(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let send = async |encoding: &str| {
            let body = json!({ "provider": "openai", "api_key": "sk-of-ada-0001" });
            app.http().post(KEYS).bearer(&ada.token).header("content-encoding", encoding).json(body).send().await
        };
        for encoding in ["gzip", "br", "zstd", "gzip, identity"] {
            sentence(send(encoding).await, 415, "unsupported_media_type").await;
        }
        assert_eq!(send("identity").await.status, 201);
    }
}
