//! The native endpoint, answered in one piece.

use http::StatusCode;
use llm_api_domain::RequestStatus;
use llm_api_testkit::{FakeProvider, HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{raw_provider::RawProvider, usage_rows::row_behind};

const GENERATE: &str = "/v1/generate";

fn hello(model: Option<&str>) -> Value {
    json!({ "modality": "text", "model": model, "input": { "prompt": "Hello" } })
}

async fn ask(app: &TestApp, person: &Person, body: Value) -> HttpReply {
    app.post(GENERATE, &person.token, body).await
}

async fn start(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

/// Who served, from a reply that must be good: `provider:model`.
async fn chosen(reply: HttpReply) -> String {
    assert_eq!(reply.status, StatusCode::OK);
    let selection = &reply.json().await["selection"];
    let text = |name: &str| selection[name].as_str().expect("a name").to_owned();
    format!("{}:{}", text("selected_provider"), text("selected_model"))
}

/// Status, code and `detail` of a refusal.
async fn refused(reply: HttpReply) -> (u16, String, Value) {
    let (status, id) = (reply.status.as_u16(), reply.header("x-request-id").to_owned());
    let mut body = reply.json().await;
    assert_eq!(body["request_id"], id.as_str());
    (status, body["code"].as_str().expect("a code").to_owned(), body["detail"].take())
}

each_db! {
    async fn the_reply_has_every_field_that_clients_know(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut body = hello(Some("openai:echo"));
        body["state_tokens"] = json!({ "turn": 1 });
        let reply = ask(&app, &ada, body).await;
        assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"));
        let row = row_behind(&app, &ada, &reply).await;
        assert_eq!((row.endpoint.as_str(), row.provider.as_str(), row.model.as_str()), ("generate", "openai", "echo"));
        assert_eq!((row.status, row.streamed, row.usage.total_tokens), (RequestStatus::Completed, false, Some(18)));
        assert_eq!(reply.json().await, json!({
            "request_id": row.id.to_string(),
            "model": "echo",
            "modality": "text",
            "session_id": null,
            "state_tokens": { "turn": 1 },
            "selection": {
                "selected_model": "echo", "selected_provider": "openai",
                "fallback_used": false, "fallback_reason": null,
            },
            "credits_status": { "provider": "openai", "status": "available", "remaining": null, "reset_at": null },
            "output": { "text": "You said: Hello", "images": null, "mesh": null, "artifacts": null },
            "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
            "finish_reason": "stop",
            "warnings": null,
        }));
    }

    async fn counts_that_the_provider_did_not_give_are_numbers_all_the_same(database: Database) {
        const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}"#;
        let provider = RawProvider::start(r#"{"data":[]}"#, ANSWER).await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let reply = ask(&app, &ada, hello(Some("openai:gpt-4o"))).await;
        assert_eq!(row_behind(&app, &ada, &reply).await.usage.total_tokens, None, "unknown, not zero");
        let reply = reply.json().await;
        assert_eq!(reply["usage"], json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 }));
        assert_eq!(reply["finish_reason"], "stop", "a whole reply without a reason to end has one all the same");
    }

    async fn parameters_go_on_and_nulls_among_them_do_not(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut body = hello(Some("openai:echo"));
        body["parameters"] = json!({
            "temperature": 0.2, "max_tokens": 5, "top_p": null, "seed": 7, "stop": ["\n"],
            "response_format": { "type": "json_object" }, "vendor_option": { "deep": [1, null] },
            "model": "another", "messages": [], "stream": true,
        });
        assert_eq!(ask(&app, &ada, body).await.status, StatusCode::OK);
        assert_eq!(app.provider.last_request().body, json!({
            "model": "echo",
            "messages": [{ "role": "user", "content": "Hello" }],
            "temperature": 0.2, "max_tokens": 5, "seed": 7, "stop": ["\n"],
            "response_format": { "type": "json_object" }, "vendor_option": { "deep": [1, null] },
        }));
    }

    async fn a_system_prompt_and_images_reach_the_provider(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let image = "data:image/png;base64,iVBORw0KGgo=";
        let mut body = hello(Some("openai:echo"));
        body["system_prompt"] = "Be brief.".into();
        body["input"]["images"] = json!([image]);
        let reply = ask(&app, &ada, body).await;
        assert_eq!(reply.json().await["output"]["text"], "You said: Hello");
        assert_eq!(app.provider.last_request().body["messages"], json!([
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "Hello" },
                { "type": "image_url", "image_url": { "url": image } },
            ] },
        ]));

        let mut body = hello(Some("openai:echo"));
        body["input"] = json!({ "images": [image] });
        assert_eq!(ask(&app, &ada, body).await.status, StatusCode::OK, "an image alone");
        let content = &app.provider.last_request().body["messages"][0]["content"];
        assert_eq!(content, &json!([{ "type": "image_url", "image_url": { "url": image } }]));
    }

    async fn explicit_nulls_are_as_good_as_missing_fields(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "echo")]).await;
        let reply = ask(&app, &ada, json!({
            "modality": "text", "model": null, "provider": null, "selection_mode": null, "session_id": null,
            "state_tokens": null, "parameters": null, "system_prompt": null, "stream": null,
            "input": { "prompt": "Hello", "images": null, "mesh": null },
        })).await;
        assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"));
        assert_eq!(reply.json().await["output"]["text"], "You said: Hello");
        let sent = app.provider.last_request().body;
        assert_eq!(sent, json!({ "model": "echo", "messages": [{ "role": "user", "content": "Hello" }] }));
    }

    async fn unknown_fields_and_empty_texts_do_no_harm(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut body = hello(Some("openai:echo"));
        for name in ["session_id", "provider", "system_prompt"] {
            body[name] = "".into();
        }
        body["invented"] = json!({ "by": "a client" });
        assert_eq!(ask(&app, &ada, body).await.status, StatusCode::OK);
    }

    async fn without_a_model_the_default_is_taken(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "unicode")]).await;
        for model in [None, Some("auto"), Some(""), Some(" auto ")] {
            assert_eq!(chosen(ask(&app, &ada, hello(model)).await).await, "openai:unicode", "{model:?}");
        }
    }

    async fn where_the_default_is_out_of_reach_the_first_model_found_is_taken(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "llama-3.1-8b-instant")]).await;
        for model in [None, Some("auto")] {
            assert_eq!(chosen(ask(&app, &ada, hello(model)).await).await, "openai:echo", "{model:?}");
        }
    }

    async fn a_default_by_its_name_alone_goes_to_the_provider_that_the_name_tells(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.provider.serve_also("llama-3.1-8b-instant");
        app.store_key(&ada.token, "groq", "gsk-adas-key").await;
        assert_eq!(chosen(ask(&app, &ada, hello(None)).await).await, "groq:llama-3.1-8b-instant");
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer gsk-adas-key");
    }

    async fn the_provider_may_stand_in_a_field_of_its_own(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "unicode")]).await;
        app.store_key(&ada.token, "mistral", "adas-mistral-key").await;
        let mut body = hello(Some("unicode"));
        body["provider"] = "mistral".into();
        assert_eq!(chosen(ask(&app, &ada, body).await).await, "mistral:unicode");
        let mut body = hello(Some("openai:unicode"));
        body["provider"] = "mistral".into();
        assert_eq!(chosen(ask(&app, &ada, body).await).await, "openai:unicode", "the prefix wins");
        let mut body = hello(None);
        body["provider"] = "Mistral".into();
        assert_eq!(chosen(ask(&app, &ada, body).await).await, "mistral:echo", "its first model");

        for (provider, model) in [("nonsense", Some("echo")), ("nonsense", None), ("other", Some("echo"))] {
            let mut body = hello(model);
            body["provider"] = provider.into();
            let (status, code, detail) = refused(ask(&app, &ada, body).await).await;
            assert_eq!((status, code.as_str()), (400, "unsupported_provider"));
            assert_eq!(detail, json!({
                "code": "unsupported_provider", "message": format!("Provider '{provider}' is not supported here"),
            }));
        }
        let mut body = hello(Some("echo"));
        body["provider"] = "anthropic".into();
        assert_eq!(refused(ask(&app, &ada, body).await).await.1, "provider_not_configured", "no key is stored for it");
    }

    async fn free_means_the_operators_own_server(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &[("LOCAL_BASE_URL", &local.base_url()), ("DEFAULT_MODEL", "unicode")]).await;
        for (mode, expected) in [
            ("free_only", "local:echo"), ("commercial_only", "openai:unicode"), ("auto", "openai:unicode"),
        ] {
            let mut body = hello(None);
            body["selection_mode"] = mode.into();
            assert_eq!(chosen(ask(&app, &ada, body).await).await, expected, "{mode}");
        }
        let mut body = hello(None);
        body["selection_mode"] = "model".into();
        let (status, code, detail) = refused(ask(&app, &ada, body).await).await;
        assert_eq!((status, code.as_str(), &detail["code"]), (400, "model_required", &json!("model_required")));
        let mut body = hello(Some("local:unicode"));
        body["selection_mode"] = "commercial_only".into();
        assert_eq!(chosen(ask(&app, &ada, body).await).await, "local:unicode", "a model that is named wins");
    }

    async fn what_is_wrong_with_a_body_is_told_field_by_field(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let without = |name: &str| {
            let mut body = hello(Some("openai:echo"));
            body.as_object_mut().expect("an object").remove(name);
            body
        };
        let with = |name: &str, value: Value| {
            let mut body = hello(Some("openai:echo"));
            body[name] = value;
            body
        };
        for (body, kind, loc) in [
            (without("modality"), "missing", json!(["body", "modality"])),
            (without("input"), "missing", json!(["body", "input"])),
            (with("modality", json!("smell")), "value_error", json!(["body", "modality"])),
            (with("input", json!({ "prompt": 7 })), "value_error", json!(["body", "input", "prompt"])),
            (with("input", json!({})), "value_error", json!(["body", "input"])),
            (with("input", json!({ "prompt": "", "images": [] })), "value_error", json!(["body", "input"])),
            (with("stream", json!("yes")), "value_error", json!(["body", "stream"])),
            (with("parameters", json!([])), "value_error", json!(["body", "parameters"])),
            (with("selection_mode", json!("cheap")), "value_error", json!(["body", "selection_mode"])),
        ] {
            let (status, code, detail) = refused(ask(&app, &ada, body.clone()).await).await;
            assert_eq!((status, code.as_str()), (422, "validation_error"), "{body}");
            assert_eq!((&detail[0]["type"], &detail[0]["loc"]), (&json!(kind), &loc), "{body}: {detail}");
        }
        for body in [r#"{"modality":"#, "", r#"{"modality":"text","input":{"prompt":"a\u0000b"}}"#] {
            let reply = app.http().post(GENERATE).bearer(&ada.token).body(body).send().await;
            assert_eq!(refused(reply).await.0, 422, "{body}");
        }
    }

    async fn what_nobody_here_can_make_is_refused(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "mistral", "adas-mistral-key").await;
        let asked = app.provider.requests().len();
        for (modality, model) in [("3d", Some("openai:echo")), ("3d", None), ("image", Some("mistral:echo"))] {
            let mut body = hello(model);
            body["modality"] = modality.into();
            let (status, code, detail) = refused(ask(&app, &ada, body).await).await;
            assert_eq!((status, code.as_str()), (400, "unsupported_modality"), "{modality} {model:?}");
            assert_eq!((&detail["code"], detail["message"].is_string()), (&json!("unsupported_modality"), true));
        }
        assert_eq!(app.provider.requests().len(), asked, "no provider was asked");
    }

    async fn a_session_that_is_not_there_is_named(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut body = hello(Some("openai:echo"));
        body["session_id"] = "5a4b".into();
        let (status, _, detail) = refused(ask(&app, &ada, body).await).await;
        assert_eq!((status, detail), (404, json!("Session '5a4b' not found")));
    }

    async fn a_missing_model_cannot_be_taken_for_a_lost_session(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        let (status, code, detail) = refused(ask(&app, &ada, hello(Some("no-such-model"))).await).await;
        assert_eq!((status, code.as_str(), detail), (404, "model_not_found", json!("Model not found: no-such-model")));

        let (status, code, detail) = refused(ask(&app, &ada, hello(Some("openai:no-such-model"))).await).await;
        assert_eq!((status, code.as_str()), (404, "model_not_found"));
        assert!(detail.as_str().is_some_and(|text| text.starts_with("Model not found: ")), "{detail}");

        let (status, code, detail) = refused(ask(&app, &bob, hello(None)).await).await;
        assert_eq!((status, code.as_str()), (404, "no_model_available"));
        assert!(detail.as_str().is_some_and(|text| text.starts_with("Model not found")), "{detail}");
    }

    async fn a_provider_without_a_key_is_named(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let (status, code, detail) = refused(ask(&app, &ada, hello(Some("groq:echo"))).await).await;
        assert_eq!((status, code.as_str()), (400, "provider_not_configured"));
        assert!(detail["message"].as_str().is_some_and(|text| text.contains("groq")), "{detail}");
        let (status, code, detail) = refused(ask(&app, &ada, hello(Some("claude-3-7-sonnet-20250219"))).await).await;
        assert_eq!((status, code.as_str()), (400, "provider_not_configured"));
        assert!(detail["message"].as_str().is_some_and(|text| text.contains("anthropic")), "{detail}");
    }

    async fn a_body_over_the_limit_is_refused(database: Database) {
        let (app, ada) = start(database, &[("MAX_GENERATE_BODY_BYTES", "500")]).await;
        let mut body = hello(Some("openai:echo"));
        body["input"]["prompt"] = "long ".repeat(100).into();
        let (status, code, detail) = refused(ask(&app, &ada, body).await).await;
        assert_eq!((status, code.as_str()), (413, "payload_too_large"));
        assert_eq!(detail, "The request body is larger than 500 bytes");
    }
}
