//! Clients that leave before the end: the request ends, or goes on for whoever asks again.

use http::StatusCode;
use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, HttpRequest, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{CHAT, GENERATE, KEY, ask, chat, hello, is_replay, keyed, start};
use crate::{
    asking::with,
    usage_rows::{COUNTED, outcome_of_the_only_request},
};

const ON_DISCONNECT: &str = "x-llm-api-on-disconnect";

/// Somebody whose token lets requests go on.
async fn draining(app: &TestApp, person: &Person) -> Person {
    let made = app.post("/v1/users/tokens", &person.token, json!({ "on_disconnect": "drain" })).await.json().await;
    Person { token: made["token"].as_str().expect("a token").to_owned(), ..person.clone() }
}

/// Sends a request, and leaves once the provider was asked.
async fn leave_before_the_head(app: &TestApp, request: HttpRequest) {
    let asked = app.provider.requests().len() + 1;
    tokio::select! {
        reply = request.send() => panic!("it waits for the provider: {}", reply.status),
        () = app.provider.wait_for_requests(asked) => {}
    }
}

/// Reads the begin of what the provider says, and leaves.
async fn leave_a_stream(request: HttpRequest) {
    let mut reply = request.send().await;
    assert_eq!(reply.status, StatusCode::OK);
    let has_begun = |event: &str| event.contains("choices");
    while !has_begun(&reply.next_event().await.expect("a stream").expect("an event")) {}
}

/// Asks until the first request has ended.
async fn when_it_has_ended(app: &TestApp, person: &Person, path: &str, key: &str, body: &Value) -> HttpReply {
    let ended = async {
        loop {
            let reply = ask(app, person, path, key, body.clone()).await;
            if reply.status != StatusCode::CONFLICT {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("it ends")
}

each_db! {
    async fn a_stream_that_was_left_frees_its_key(database: Database) {
        let (app, ada) = start(database).await;
        let body = with(hello("openai:slow-stream"), "stream", true);
        leave_a_stream(keyed(&app, &ada, GENERATE, "k", body.clone())).await;
        app.provider.wait_until_closed().await;
        assert_eq!(outcome_of_the_only_request(&app, &ada).await.status, RequestStatus::Cancelled);
        app.provider.release();
        let again = when_it_has_ended(&app, &ada, GENERATE, "k", &body).await;
        assert_eq!((again.status, is_replay(&again)), (StatusCode::OK, false));
    }

    async fn a_request_that_was_left_before_its_head_frees_its_key(database: Database) {
        let (app, ada) = start(database).await;
        let body = chat("openai:slow-head", false);
        leave_before_the_head(&app, keyed(&app, &ada, CHAT, "k", body.clone())).await;
        app.provider.wait_until_closed().await;
        app.provider.release();
        let again = when_it_has_ended(&app, &ada, CHAT, "k", &body).await;
        assert_eq!((again.status, is_replay(&again)), (StatusCode::OK, false));
    }

    async fn with_drain_a_stream_goes_on_and_its_reply_waits(database: Database) {
        let (app, ada) = start(database).await;
        let body = chat("openai:slow-stream", true);
        leave_a_stream(keyed(&app, &ada, CHAT, "k", body.clone()).header(ON_DISCONNECT, "drain")).await;
        app.provider.release();
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.usage), (RequestStatus::Completed, COUNTED));
        let again = when_it_has_ended(&app, &ada, CHAT, "k", &body).await;
        assert!(is_replay(&again));
        assert_eq!(again.data().await.last().map(String::as_str), Some("[DONE]"));
    }

    async fn with_drain_a_whole_reply_waits_as_well(database: Database) {
        let (app, ada) = start(database).await;
        let body = chat("openai:slow-head", false);
        leave_before_the_head(&app, keyed(&app, &ada, CHAT, "k", body.clone()).header(ON_DISCONNECT, "drain")).await;
        app.provider.release();
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.usage), (RequestStatus::Completed, COUNTED));
        let again = when_it_has_ended(&app, &ada, CHAT, "k", &body).await;
        assert!(is_replay(&again));
        assert_eq!(again.json().await["choices"][0]["message"]["content"], "You said: Hello");
    }

    async fn a_token_may_say_so_for_all_of_its_requests(database: Database) {
        let (app, ada) = start(database).await;
        let program = draining(&app, &ada).await;
        let session = app.post("/v1/sessions", &ada.token, json!({})).await.json().await;
        let session = format!("/v1/sessions/{}", session["id"].as_str().expect("an id"));
        let body = with(hello("openai:slow-stream"), "stream", true);
        let request = app.http().post(&format!("{session}/generate")).bearer(&program.token).json(body);
        leave_a_stream(request).await;
        app.provider.release();
        assert_eq!(outcome_of_the_only_request(&app, &ada).await.status, RequestStatus::Completed);
        app.state.background.idle().await;
        let stored = app.get(&session, &ada.token).await.json().await;
        assert_eq!(stored["message_count"], 1, "{stored}");
    }

    async fn a_request_goes_before_its_token(database: Database) {
        let (app, ada) = start(database).await;
        let program = draining(&app, &ada).await;
        let body = with(hello("openai:slow-stream"), "stream", true);
        let request = app.http().post(GENERATE).bearer(&program.token).header(ON_DISCONNECT, "cancel").json(body);
        leave_a_stream(request).await;
        app.provider.wait_until_closed().await;
        assert_eq!(outcome_of_the_only_request(&app, &ada).await.status, RequestStatus::Cancelled);
    }

    async fn who_stays_notices_nothing_of_it(database: Database) {
        let (app, ada) = start(database).await;
        let program = draining(&app, &ada).await;
        for stream in [false, true] {
            for key in ["", "k"] {
                let body = chat("openai:echo", stream);
                let plain = app.post(CHAT, &ada.token, body.clone()).await;
                let request = app.http().post(CHAT).bearer(&program.token).json(body);
                let request = if key.is_empty() { request } else { request.header(KEY, &format!("{key}-{stream}")) };
                let drained = request.send().await;
                assert_eq!(drained.status, StatusCode::OK);
                assert_eq!(drained.header("content-type"), plain.header("content-type"));
                assert_eq!(drained.bytes().await.len(), plain.bytes().await.len());
            }
        }
        let odd = app.http().post(CHAT).bearer(&ada.token).header(ON_DISCONNECT, "maybe").json(chat("openai:echo", false));
        let odd = odd.send().await;
        assert_eq!(odd.status, StatusCode::BAD_REQUEST);
        assert_eq!(odd.json().await["error"]["code"], "invalid_on_disconnect");
    }
}
