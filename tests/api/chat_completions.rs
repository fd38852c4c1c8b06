//! OpenAI's chat completions, answered in one piece.

use http::StatusCode;
use llm_api_domain::{RequestStatus, SERVICE_USER_ID, TokenUsage};
use llm_api_storage::Request;
use llm_api_testkit::{FakeProvider, HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    raw_provider::RawProvider,
    usage_rows::{COUNTED, outcome_of_the_only_request, row_behind, rows_of},
};

const CHAT: &str = "/v1/chat/completions";

fn hello(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }] })
}

async fn ask(app: &TestApp, person: &Person, model: &str) -> HttpReply {
    app.post(CHAT, &person.token, hello(model)).await
}

/// Ada with a key for `openai`.
async fn ada(app: &TestApp) -> Person {
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    ada
}

/// The `error` object, after a look at what stands around it.
async fn error_of(reply: HttpReply) -> Value {
    let id = reply.header("x-request-id").to_owned();
    let mut body = reply.json().await;
    assert_eq!(body["request_id"], id.as_str());
    assert!(body["code"].is_string() && body["error"]["message"].is_string(), "{body}");
    body["error"].take()
}

each_db! {
    async fn both_sides_see_each_others_very_bytes_but_for_the_models_name(database: Database) {
        const ANSWER: &str = concat!(
            r#"{ "id":"c1","object":"chat.completion", "choices":[{"index":0,"finish_reason":"stop","#,
            r#""message":{"role":"assistant","content":"Gr\u00fc\u00df","annotations":[ ]}}],"#,
            r#""usage":{"prompt_tokens":11,"completion_tokens":7.0,"total_tokens":18},"x_cost":0.10 }"#, "\n",
        );
        let provider = RawProvider::start(r#"{"data":[]}"#, ANSWER).await;
        let app = TestApp::start_with(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let ada = ada(&app).await;
        let sent = |model: &str| {
            let before = r#"{"seed":12345678901234567890123,"temperature":1.50,"model":"#;
            let after = r#","messages":[ {"role":"user","content":"\u00df"} ],"vendor":{"deep":[1e2,null,true]}}"#;
            format!("{before}\"{model}\"{after}")
        };
        let reply = app.http().post(CHAT).bearer(&ada.token).body(sent("openai:gpt-4o")).send().await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(row_behind(&app, &ada, &reply).await.usage.completion_tokens, Some(7));
        assert_eq!(reply.text().await, ANSWER);
        assert_eq!(provider.last_body(), sent("gpt-4o"));

        app.http().post(CHAT).bearer(&ada.token).body(sent("gpt-4o")).send().await;
        assert_eq!(provider.last_body(), sent("gpt-4o"), "a name without a prefix stays as it is");
    }

    async fn the_reply_says_who_served_and_the_row_what_it_cost(database: Database) {
        let app = TestApp::start(database).await;
        let ada = ada(&app).await;
        let reply = ask(&app, &ada, "openai:echo").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!((reply.header("x-llm-api-provider"), reply.header("x-llm-api-model")), ("openai", "echo"));
        let row = row_behind(&app, &ada, &reply).await;
        let Request { endpoint, provider, model, .. } = &row;
        assert_eq!([endpoint, provider, model], ["chat_completions", "openai", "echo"]);
        assert_eq!((row.streamed, row.status, row.error_code), (false, RequestStatus::Completed, None));
        assert_eq!(row.usage, COUNTED);
        assert_eq!((row.started_at, row.finished_at), (app.clock.now(), Some(app.clock.now())));
        assert_eq!(reply.json().await["choices"][0]["message"]["content"], "You said: Hello");
        assert_eq!(rows_of(&app, &ada).await.len(), 1);
    }

    async fn the_provider_gets_the_stored_key_and_never_ours(database: Database) {
        let app = TestApp::start(database).await;
        let ada = ada(&app).await;
        let ours = ada.token.as_str();
        for (header, value) in [("authorization", format!("Bearer {ours}")), ("x-api-key", ours.to_owned())] {
            let request = app.http().post(CHAT).header(header, &value).header("cookie", "session=1");
            assert_eq!(request.json(hello("openai:echo")).send().await.status, StatusCode::OK);
            let seen = app.provider.last_request();
            assert_eq!(seen.header("authorization"), "Bearer sk-adas-own-key");
            assert!(!format!("{:?} {}", seen.headers, seen.body).contains(ours), "{header}");
            assert_eq!((seen.header("x-api-key"), seen.header("cookie")), ("", ""));
        }
    }

    async fn a_body_that_is_no_request_is_refused_in_openais_words(database: Database) {
        let app = TestApp::start(database).await;
        let ada = ada(&app).await;
        let messages = r#"[{"role":"user","content":"Hello"}]"#;
        let deep = format!(r#"{{"model":"echo","messages":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        let cases = [
            (format!(r#"{{"messages":{messages}}}"#), json!("model")),
            (format!(r#"{{"model":7,"messages":{messages}}}"#), json!("model")),
            (format!(r#"{{"model":null,"messages":{messages}}}"#), json!("model")),
            (format!(r#"{{"model":"","messages":{messages}}}"#), json!("model")),
            (r#"{"model":"echo"}"#.to_owned(), json!("messages")),
            (r#"{"model":"echo","messages":[]}"#.to_owned(), json!("messages")),
            (r#"{"model":"echo","messages":"Hello"}"#.to_owned(), json!("messages")),
            (format!(r#"{{"model":"echo","messages":{messages},"stream":"yes"}}"#), json!("stream")),
            (r#"["no object"]"#.to_owned(), Value::Null),
            (r#"{"model":"echo","messages":"#.to_owned(), Value::Null),
            (String::new(), Value::Null),
            (r#"{"model":"echo","messages":[{"role":"user","content":"a\u0000b"}]}"#.to_owned(), Value::Null),
            (deep, Value::Null),
        ];
        let asked_before = app.provider.requests().len();
        for (body, param) in cases {
            let reply = app.http().post(CHAT).bearer(&ada.token).body(body.clone()).send().await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
            let error = error_of(reply).await;
            assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &param), "{body}: {error}");
            assert!(error["code"].is_string() && error["message"] != "", "{error}");
        }
        assert_eq!(app.provider.requests().len(), asked_before, "none of them went on");
        assert!(rows_of(&app, &ada).await.is_empty());
    }

    async fn a_name_nobody_knows_is_model_not_found(database: Database) {
        let app = TestApp::start(database).await;
        let ada = ada(&app).await;
        let reply = ask(&app, &ada, "no-such-model").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        let error = error_of(reply).await;
        assert_eq!(error, json!({
            "message": "Model not found: no-such-model", "type": "invalid_request_error",
            "param": "model", "code": "model_not_found",
        }));

        let reply = ask(&app, &ada, "openai:no-such-model").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "the provider says so");
        assert_eq!(row_behind(&app, &ada, &reply).await.status, RequestStatus::Failed);
        let error = error_of(reply).await;
        assert_eq!((&error["code"], &error["param"]), (&json!("model_not_found"), &json!("model")));
        assert!(error["message"].as_str().is_some_and(|text| text.starts_with("Model not found: ")), "{error}");
    }

    async fn a_provider_without_a_key_or_that_we_cannot_call_is_named(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for (model, code, name) in [
            ("openai:echo", "provider_not_configured", "openai"),
            ("gpt-4o", "provider_not_configured", "openai"),
            ("custom:echo", "provider_not_configured", "custom"),
            ("claude-3-7-sonnet-20250219", "provider_not_configured", "anthropic"),
            ("google:gemini-2.0-flash", "provider_not_configured", "google"),
            ("other:echo", "unsupported_provider", "other"),
        ] {
            let reply = ask(&app, &ada, model).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{model}");
            let error = error_of(reply).await;
            assert_eq!(error["code"], code, "{model}");
            assert!(error["message"].as_str().is_some_and(|text| text.contains(name)), "{error}");
        }
        assert!(app.provider.requests().is_empty());
    }

    async fn a_users_own_server_and_the_operators_are_reached_by_prefix(database: Database) {
        let local = FakeProvider::start_open().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let ada = app.person("ada").await;
        let key = json!({ "provider": "custom", "api_key": "sk-custom", "endpoint": app.provider.base_url() });
        assert_eq!(app.post("/v1/users/provider-keys", &ada.token, key).await.status, StatusCode::CREATED);

        let reply = ask(&app, &ada, "custom:echo").await;
        assert_eq!((reply.status, reply.header("x-llm-api-provider")), (StatusCode::OK, "custom"));
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-custom");
        assert_eq!(app.provider.last_request().body["model"], "echo");

        let reply = ask(&app, &ada, "local:echo").await;
        assert_eq!((reply.status, reply.header("x-llm-api-provider")), (StatusCode::OK, "local"));
        assert_eq!(local.last_request().header("authorization"), "", "the operator's own server needs no key");
        assert_eq!(local.last_request().body["model"], "echo");
        assert_eq!(row_behind(&app, &ada, &reply).await.provider, "local");
    }

    async fn a_colon_in_a_models_name_is_no_prefix(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"llama3:8b"}]}"#;
        const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}"#;
        let local = RawProvider::start(LIST, ANSWER).await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", local.base_url())]).await;
        let ada = app.person("ada").await;
        for model in ["llama3:8b", "local:llama3:8b", "LOCAL:llama3:8b"] {
            let reply = ask(&app, &ada, model).await;
            assert_eq!(reply.status, StatusCode::OK, "{model}");
            assert_eq!((reply.header("x-llm-api-provider"), reply.header("x-llm-api-model")), ("local", "llama3:8b"));
            assert_eq!(serde_json::from_str::<Value>(&local.last_body()).expect("JSON")["model"], "llama3:8b");
            let usage = row_behind(&app, &ada, &reply).await.usage;
            assert_eq!(usage, TokenUsage::default(), "a count not given is unknown");
        }
        assert_eq!(ask(&app, &ada, "nobody:8b").await.status, StatusCode::NOT_FOUND);
    }

    async fn a_model_that_a_provider_lists_is_found_by_its_plain_name(database: Database) {
        let app = TestApp::start(database).await;
        let (ada, bob) = (ada(&app).await, app.person("bob").await);
        app.store_key(&bob.token, "mistral", "bobs-key").await;
        let reply = ask(&app, &ada, "echo").await;
        assert_eq!((reply.status, reply.header("x-llm-api-provider")), (StatusCode::OK, "openai"));
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-adas-own-key");
        let reply = ask(&app, &bob, "echo").await;
        assert_eq!((reply.status, reply.header("x-llm-api-provider")), (StatusCode::OK, "mistral"));
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer bobs-key");
    }

    async fn the_operators_key_serves_those_who_stored_none(database: Database) {
        let app = TestApp::start_with(database, &[("OPENAI_API_KEY", "sk-for-everyone")]).await;
        let (ada, bob) = (ada(&app).await, app.person("bob").await);
        for model in ["openai:echo", "echo"] {
            assert_eq!(ask(&app, &bob, model).await.status, StatusCode::OK);
            assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-for-everyone");
            assert_eq!(ask(&app, &ada, model).await.status, StatusCode::OK);
            assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-adas-own-key");
        }
        app.delete("/v1/users/provider-keys/openai", &ada.token).await;
        assert_eq!(ask(&app, &ada, "openai:echo").await.status, StatusCode::OK);
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-for-everyone");
    }

    async fn a_body_over_the_limit_is_refused_in_openais_words(database: Database) {
        let app = TestApp::start_with(database, &[("MAX_GENERATE_BODY_BYTES", "500")]).await;
        let ada = ada(&app).await;
        let mut long = hello("openai:echo");
        long["messages"][0]["content"] = "long ".repeat(100).into();
        let reply = app.post(CHAT, &ada.token, long).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
        let error = error_of(reply).await;
        assert_eq!(error, json!({
            "message": "The request body is larger than 500 bytes", "type": "invalid_request_error",
            "param": null, "code": "payload_too_large",
        }));
        assert_eq!(ask(&app, &ada, "openai:echo").await.status, StatusCode::OK);
    }

    async fn a_compressed_body_is_refused_in_openais_words(database: Database) {
        let app = TestApp::start(database).await;
        let ada = ada(&app).await;
        let request = app.http().post(CHAT).bearer(&ada.token).header("content-encoding", "gzip");
        let reply = request.body(&b"\x1f\x8b\x08\x00"[..]).send().await;
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(error_of(reply).await["code"], "unsupported_media_type");
    }

    async fn the_static_key_generates_with_the_operators_keys(database: Database) {
        let settings = [("API_KEY", "static-key-of-the-service"), ("OPENAI_API_KEY", "sk-for-everyone")];
        let app = TestApp::start_with(database, &settings).await;
        let request = app.http().post(CHAT).header("x-api-key", "static-key-of-the-service");
        let reply = request.json(hello("openai:echo")).send().await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-for-everyone");
        let rows = app.state.auth.store.requests().list(SERVICE_USER_ID, 10).await.expect("the database answers");
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, Some(18)));
    }

    async fn a_caller_without_a_good_credential_reads_invalid_api_key(database: Database) {
        let app = TestApp::start(database).await;
        for request in [app.http().post(CHAT), app.http().post(CHAT).bearer("sk-junk")] {
            let reply = request.json(hello("openai:echo")).send().await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            let error = error_of(reply).await;
            assert_eq!((&error["type"], &error["code"]), (&json!("invalid_request_error"), &json!("invalid_api_key")));
        }
    }

    async fn a_client_that_gives_up_waiting_is_recorded_as_cancelled(database: Database) {
        let app = TestApp::start(database).await;
        let ada = ada(&app).await;
        let asked_before = app.provider.requests().len();
        tokio::select! {
            reply = ask(&app, &ada, "openai:slow-head") => panic!("{reply:?}"),
            () = app.provider.wait_for_requests(asked_before + 1) => {}
        }
        app.provider.wait_until_closed().await;
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("client_left")));
    }
}
