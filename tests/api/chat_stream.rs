//! OpenAI's chat completions, streamed.

use http::StatusCode;
use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, Person, TestApp, UNICODE, each_db};
use serde_json::{Value, json};

use crate::usage_rows::{COUNTED, outcome_of_the_only_request, request_id, row_behind, row_with, rows_of};

const CHAT: &str = "/v1/chat/completions";
const HEARTBEAT: &str = ": heartbeat";

fn hello(model: &str) -> Value {
    json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": "big wide world" }] })
}

async fn ask(app: &TestApp, person: &Person, model: &str) -> HttpReply {
    app.post(CHAT, &person.token, hello(model)).await
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

/// The next event's JSON.
async fn next_chunk(reply: &mut HttpReply) -> Value {
    json_of(next_event(reply).await.strip_prefix("data: ").expect("data"))
}

fn json_of(data: &str) -> Value {
    serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
}

/// The JSON of all events but `[DONE]`.
fn chunks(data: &[String]) -> Vec<Value> {
    data.iter().filter(|line| *line != "[DONE]").map(|line| json_of(line)).collect()
}

fn text_of(data: &[String]) -> String {
    chunks(data)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

/// The error that a broken stream ends with, and the text before it.
fn broken(data: &[String]) -> (Value, String) {
    assert!(!data.iter().any(|line| line == "[DONE]"), "it must not look complete: {data:#?}");
    let (last, before) = data.split_last().expect("an event");
    let mut last = json_of(last);
    assert!(last["error"]["message"].is_string(), "{last}");
    (last["error"].take(), text_of(before))
}

each_db! {
    async fn each_event_arrives_when_the_provider_sends_it(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!((reply.header("cache-control"), reply.header("x-accel-buffering")), ("no-cache", "no"));
        assert_eq!((reply.header("x-llm-api-provider"), reply.header("x-llm-api-model")), ("openai", "slow-stream"));
        assert_eq!(next_chunk(&mut reply).await["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(next_chunk(&mut reply).await["choices"][0]["delta"]["content"], "You ");
        app.provider.release();
        let rest = reply.data().await;
        assert_eq!(text_of(&rest), "said: big wide world");
        assert_eq!(rest.last().map(String::as_str), Some("[DONE]"));
        let words = chunks(&rest).iter().filter(|chunk| chunk["choices"][0]["delta"]["content"].is_string()).count();
        assert_eq!(words, 4, "an event a word: {rest:#?}");
    }

    async fn counts_are_asked_for_and_hidden_from_a_client_that_did_not_ask(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut body = hello("openai:echo");
        body["stream_options"] = json!({ "include_obfuscation": false });
        let reply = app.post(CHAT, &ada.token, body).await;
        let id = request_id(&reply);
        let data = reply.data().await;
        let sent = app.provider.last_request().body;
        assert_eq!(sent["stream_options"], json!({ "include_obfuscation": false, "include_usage": true }));
        assert_eq!((&sent["model"], &sent["stream"]), (&json!("echo"), &json!(true)));
        for chunk in chunks(&data) {
            assert!(chunk["usage"].is_null() && chunk["choices"] != json!([]), "{chunk}");
        }
        assert_eq!(text_of(&data), "You said: big wide world");
        assert_eq!(data.last().map(String::as_str), Some("[DONE]"));
        assert_eq!(row_with(&app, &ada, id).await.usage, COUNTED);
    }

    async fn counts_are_shown_to_a_client_that_asked(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut body = hello("openai:echo");
        body["stream_options"] = json!({ "include_usage": true });
        let data = app.post(CHAT, &ada.token, body).await.data().await;
        let [.., counted, done] = data.as_slice() else { panic!("{data:?}") };
        assert_eq!(done, "[DONE]");
        let counted = json_of(counted);
        assert_eq!(counted["choices"], json!([]));
        assert_eq!(counted["usage"], json!({ "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 }));
    }

    async fn a_provider_that_refuses_the_wish_for_counts_is_not_asked(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "mistral", "adas-mistral-key").await;
        let data = ask(&app, &ada, "mistral:echo").await.data().await;
        assert_eq!(data.last().map(String::as_str), Some("[DONE]"));
        assert_eq!(app.provider.last_request().body.get("stream_options"), None);
    }

    async fn the_row_is_committed_before_the_client_reads_done(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:echo").await;
        while next_event(&mut reply).await != "data: [DONE]" {}
        let row = row_behind(&app, &ada, &reply).await;
        assert_eq!((row.status, row.error_code, row.streamed), (RequestStatus::Completed, None, true));
        assert_eq!((row.endpoint.as_str(), row.model.as_str()), ("chat_completions", "echo"));
        assert_eq!((row.usage.total_tokens, row.finished_at), (Some(18), Some(app.clock.now())));
        assert_eq!(reply.next_event().await.expect("a proper end"), None);
    }

    async fn when_the_client_leaves_the_provider_is_let_go_and_the_row_says_cancelled(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        next_chunk(&mut reply).await;
        drop(reply);
        app.provider.wait_until_closed().await;
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("client_left")));
    }

    async fn a_client_that_leaves_before_the_first_event_lets_the_provider_go_too(database: Database) {
        let (app, ada) = start(database, &[("HEARTBEAT_SECONDS", "0.05")]).await;
        let mut reply = ask(&app, &ada, "openai:silent").await;
        assert_eq!(next_event(&mut reply).await, HEARTBEAT);
        drop(reply);
        app.provider.wait_until_closed().await;
        assert_eq!(outcome_of_the_only_request(&app, &ada).await.status, RequestStatus::Cancelled);
    }

    async fn a_silent_provider_leaves_a_sign_of_life(database: Database) {
        let (app, ada) = start(database, &[("HEARTBEAT_SECONDS", "0.05")]).await;
        let mut reply = ask(&app, &ada, "openai:slow-head").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(next_event(&mut reply).await, HEARTBEAT, "before the head");
        app.provider.release();
        assert_eq!(text_of(&reply.data().await), "You said: big wide world");

        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        let mut words = Vec::new();
        while words.len() < 2 {
            words.extend(next_event(&mut reply).await.strip_prefix("data: ").map(str::to_owned));
        }
        assert_eq!(next_event(&mut reply).await, HEARTBEAT, "between events");
        app.provider.release();
        words.extend(reply.data().await);
        assert_eq!(text_of(&words), "You said: big wide world");
    }

    async fn a_stream_that_breaks_ends_with_an_error_and_without_done(database: Database) {
        let (app, ada) = start(database, &[("UPSTREAM_IDLE_TIMEOUT_SECONDS", "0.2")]).await;
        let code = "upstream_interrupted";
        for (model, text) in [("dies", "You said: "), ("no-done", "You said: "), ("stalls", "You ")] {
            let reply = ask(&app, &ada, &format!("openai:{model}")).await;
            assert_eq!(reply.status, StatusCode::OK, "{model}");
            let id = request_id(&reply);
            let (error, before) = broken(&reply.data().await);
            assert_eq!((&error["code"], &error["type"]), (&json!(code), &json!("server_error")), "{model}");
            assert_eq!(before, text, "{model}: what had come was passed on");
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Incomplete, Some(code)), "{model}");
        }
        assert_eq!(rows_of(&app, &ada).await.len(), 3);
        app.provider.wait_until_closed().await;
    }

    async fn a_failure_after_heartbeats_is_an_error_event(database: Database) {
        let settings = [("HEARTBEAT_SECONDS", "0.05"), ("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "0.3")];
        let (app, ada) = start(database, &settings).await;
        let reply = ask(&app, &ada, "openai:silent").await;
        assert_eq!(reply.status, StatusCode::OK);
        let id = request_id(&reply);
        let (error, text) = broken(&reply.data().await);
        assert_eq!((&error["code"], text.as_str()), (&json!("upstream_timeout"), ""));
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Failed, Some("upstream_timeout")));
    }

    async fn a_failure_before_the_first_event_is_a_plain_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for (model, status, code) in [
            ("openai:fails", StatusCode::BAD_GATEWAY, "upstream_error"),
            ("no-such-model", StatusCode::NOT_FOUND, "model_not_found"),
            ("groq:echo", StatusCode::BAD_REQUEST, "provider_not_configured"),
        ] {
            let reply = ask(&app, &ada, model).await;
            assert_eq!((reply.status, reply.header("content-type")), (status, "application/json"), "{model}");
            assert_eq!(reply.json().await["error"]["code"], code);
        }
    }

    async fn a_user_has_so_many_streams_at_once_and_no_more(database: Database) {
        let (app, ada) = start(database, &[("MAX_STREAMS_PER_USER", "1")]).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        let mut first = ask(&app, &ada, "openai:slow-stream").await;
        next_chunk(&mut first).await;

        let second = ask(&app, &ada, "openai:echo").await;
        assert_eq!((second.status, second.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert_eq!(second.json().await["error"]["code"], "too_many_streams");
        let mut plain = hello("openai:echo");
        plain["stream"] = false.into();
        assert_eq!(app.post(CHAT, &ada.token, plain).await.status, StatusCode::OK, "not a stream");
        assert_eq!(ask(&app, &bob, "openai:echo").await.status, StatusCode::OK, "not her stream");

        app.provider.release();
        assert_eq!(first.data().await.last().map(String::as_str), Some("[DONE]"));
        let third = ask(&app, &ada, "openai:echo").await;
        assert_eq!(third.status, StatusCode::OK);
        third.data().await;
        assert_eq!(ask(&app, &ada, "openai:fails").await.status, StatusCode::BAD_GATEWAY);
        assert_eq!(ask(&app, &ada, "openai:echo").await.status, StatusCode::OK, "a failed one gave its place back");
    }

    async fn the_server_has_so_many_streams_at_once_and_no_more(database: Database) {
        let (app, ada) = start(database, &[("MAX_STREAMS", "1")]).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        let mut first = ask(&app, &ada, "openai:slow-stream").await;
        next_chunk(&mut first).await;
        let second = ask(&app, &bob, "openai:echo").await;
        assert_eq!((second.status, second.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        app.provider.release();
        first.data().await;
        assert_eq!(ask(&app, &bob, "openai:echo").await.status, StatusCode::OK);
    }

    async fn a_stopping_server_ends_its_streams_with_an_error(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask(&app, &ada, "openai:slow-stream").await;
        next_chunk(&mut reply).await;
        assert_eq!(next_chunk(&mut reply).await["choices"][0]["delta"]["content"], "You ");
        let id = request_id(&reply);
        app.stop_streams();
        let (error, text) = broken(&reply.data().await);
        assert_eq!((&error["code"], text.as_str()), (&json!("server_stopping"), ""));
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Incomplete, Some("server_stopping")));
        app.provider.wait_until_closed().await;
    }

    async fn characters_cut_on_the_way_arrive_whole(database: Database) {
        let (app, ada) = start(database, &[]).await;
        assert_eq!(text_of(&ask(&app, &ada, "openai:unicode").await.data().await), UNICODE);
    }
}
