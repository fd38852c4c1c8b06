//! The native endpoint, streamed: the grammar that the Dart and Python clients read.

use http::StatusCode;
use llm_api_domain::{RequestId, RequestStatus};
use llm_api_testkit::{HttpReply, Person, TestApp, UNICODE, each_db};
use serde_json::{Value, json};

use crate::usage_rows::{outcome_of_the_only_request, request_id, row_behind, row_with};

const GENERATE: &str = "/v1/generate";

fn hello(model: &str) -> Value {
    json!({ "modality": "text", "model": model, "stream": true, "input": { "prompt": "big wide world" } })
}

async fn ask(app: &TestApp, person: &Person, model: &str) -> HttpReply {
    app.post(GENERATE, &person.token, hello(model)).await
}

async fn start(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

async fn next_event(reply: &mut HttpReply) -> String {
    reply.next_event().await.expect("a whole event").expect("one more event")
}

/// The events of a whole stream without the closing `[DONE]`.
fn events(data: &[String]) -> Vec<Value> {
    let (done, events) = data.split_last().expect("an event");
    assert_eq!(done, "[DONE]");
    events.iter().map(|line| serde_json::from_str(line).expect("JSON on one line")).collect()
}

/// What the Dart client appends: everything else it takes for the complete reply, an error or nothing.
fn text_of(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

fn selected(model: &str, id: RequestId) -> Value {
    json!({
        "event": "model_selected", "request_id": id.to_string(), "model": model, "model_name": model,
        "modality": "text", "provider": "openai", "fallback_used": false, "fallback_reason": null,
    })
}

each_db! {
    async fn the_stream_has_the_form_that_clients_read(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let reply = ask(&app, &ada, "openai:echo").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!((reply.header("cache-control"), reply.header("x-accel-buffering")), ("no-cache", "no"));
        let id = request_id(&reply);
        let said = |text: &str| json!({ "choices": [{ "delta": { "content": text } }] });
        assert_eq!(events(&reply.data().await), [
            selected("echo", id),
            said("You "), said("said: "), said("big "), said("wide "), said("world"),
            json!({
                "event": "completed", "request_id": id.to_string(), "session_id": null, "finish_reason": "stop",
                "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
                "state_tokens": null, "warnings": null,
                "credits_status": { "provider": "openai", "status": "available", "remaining": null, "reset_at": null },
            }),
        ]);
        let sent = app.provider.last_request().body;
        assert_eq!((&sent["stream"], &sent["stream_options"]), (&json!(true), &json!({ "include_usage": true })));
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.endpoint.as_str(), row.streamed, row.status), ("generate", true, RequestStatus::Completed));
        assert_eq!(row.usage.total_tokens, Some(18));
    }

    async fn every_event_is_one_line_of_data(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let text = ask(&app, &ada, "openai:echo").await.text().await;
        for event in text.split_terminator("\n\n") {
            assert!(event.starts_with("data: ") && !event.contains('\n'), "{event:?}");
        }
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    }

    async fn text_arrives_while_the_provider_still_writes(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        let first = next_event(&mut reply).await;
        let first: Value = serde_json::from_str(&first["data: ".len()..]).expect("JSON");
        assert_eq!(first, selected("slow-stream", request_id(&reply)));
        assert_eq!(next_event(&mut reply).await, r#"data: {"choices":[{"delta":{"content":"You "}}]}"#);
        app.provider.release();
        assert_eq!(text_of(&events(&reply.data().await)), "said: big wide world");
    }

    async fn the_row_is_committed_before_the_last_event(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:echo").await;
        while !next_event(&mut reply).await.contains(r#""event":"completed""#) {}
        let row = row_behind(&app, &ada, &reply).await;
        assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, Some(18)));
        assert_eq!(next_event(&mut reply).await, "data: [DONE]");
        assert_eq!(reply.next_event().await.expect("a proper end"), None);
    }

    async fn a_failure_is_told_inside_and_then_the_stream_is_done(database: Database) {
        let (app, ada) = start(database, &[("UPSTREAM_IDLE_TIMEOUT_SECONDS", "0.2")]).await;
        for (model, code, status, text) in [
            ("rate-limited", "upstream_rate_limited", RequestStatus::Failed, ""),
            ("fails", "upstream_error", RequestStatus::Failed, ""),
            ("html", "upstream_bad_response", RequestStatus::Failed, ""),
            ("bad-json", "upstream_bad_response", RequestStatus::Incomplete, "You "),
            ("dies", "upstream_interrupted", RequestStatus::Incomplete, "You said: "),
            ("no-done", "upstream_interrupted", RequestStatus::Incomplete, "You said: "),
            ("stalls", "upstream_interrupted", RequestStatus::Incomplete, "You "),
        ] {
            let reply = ask(&app, &ada, &format!("openai:{model}")).await;
            assert_eq!(reply.status, StatusCode::OK, "{model}");
            let id = request_id(&reply);
            let events = events(&reply.data().await);
            let (error, before) = events.split_last().expect("an event");
            assert_eq!(before[0], selected(model, id));
            assert_eq!(text_of(before), text, "{model}");
            assert_eq!(error["error"]["code"], code, "{model}");
            assert!(error["error"]["message"].is_string(), "{error}");
            assert_eq!(error["request_id"], id.to_string());
            assert!(error.get("output").is_none() && error.get("modality").is_none(), "{error}");
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.status, row.error_code.as_deref()), (status, Some(code)), "{model}");
        }
    }

    async fn what_goes_wrong_before_a_model_is_chosen_is_a_plain_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let with = |name: &str, value: &str| {
            let mut body = hello("openai:echo");
            body[name] = value.into();
            body
        };
        for (body, status, code) in [
            (with("model", "no-such-model"), 404, "model_not_found"),
            (with("model", "groq:echo"), 400, "provider_not_configured"),
            (with("session_id", "5a4b"), 404, "session_not_found"),
            (with("modality", "3d"), 400, "unsupported_modality"),
            (with("input", "no object"), 422, "validation_error"),
        ] {
            let reply = app.post(GENERATE, &ada.token, body).await;
            assert_eq!((reply.status.as_u16(), reply.header("content-type")), (status, "application/json"), "{code}");
            assert_eq!(reply.json().await["code"], code);
        }
    }

    async fn a_silent_provider_leaves_a_sign_of_life(database: Database) {
        let (app, ada) = start(database, &[("HEARTBEAT_SECONDS", "0.05")]).await;
        let mut reply = ask(&app, &ada, "openai:slow-head").await;
        assert!(next_event(&mut reply).await.contains("model_selected"));
        assert_eq!(next_event(&mut reply).await, ": heartbeat");
        app.provider.release();
        assert_eq!(text_of(&events(&reply.data().await)), "You said: big wide world");
    }

    async fn when_the_client_leaves_the_provider_is_let_go(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        next_event(&mut reply).await;
        next_event(&mut reply).await;
        drop(reply);
        app.provider.wait_until_closed().await;
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("client_left")));
    }

    async fn streams_are_counted_with_those_of_the_other_endpoint(database: Database) {
        let (app, ada) = start(database, &[("MAX_STREAMS_PER_USER", "1")]).await;
        let mut first = ask(&app, &ada, "openai:slow-stream").await;
        next_event(&mut first).await;
        let second = ask(&app, &ada, "openai:echo").await;
        assert_eq!((second.status, second.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert_eq!(second.json().await["detail"]["code"], "too_many_streams");
        let chat = json!({ "model": "openai:echo", "stream": true, "messages": [{ "role": "user", "content": "Hi" }] });
        let third = app.post("/v1/chat/completions", &ada.token, chat).await;
        assert_eq!(third.status, StatusCode::SERVICE_UNAVAILABLE);
        app.provider.release();
        first.data().await;
        assert_eq!(ask(&app, &ada, "openai:echo").await.status, StatusCode::OK);
    }

    async fn a_stopping_server_says_so_inside(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        next_event(&mut reply).await;
        next_event(&mut reply).await;
        let id = request_id(&reply);
        app.stop_streams();
        let events = events(&reply.data().await);
        assert_eq!(events.last().expect("an event")["error"]["code"], "server_stopping");
        assert_eq!(row_with(&app, &ada, id).await.status, RequestStatus::Incomplete);
    }

    async fn characters_cut_on_the_way_arrive_whole(database: Database) {
        let (app, ada) = start(database, &[]).await;
        assert_eq!(text_of(&events(&ask(&app, &ada, "openai:unicode").await.data().await)), UNICODE);
    }
}
