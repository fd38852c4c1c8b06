//! How far a request is, and ending it from outside.

use std::time::Duration;

use http::StatusCode;
use llm_api_domain::{RequestId, RequestStatus};
use llm_api_testkit::{Database, HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    asking::{announced, answer, ask, ask_streamed, events, generations, next_event, prompt, refused, said, with},
    usage_rows::{outcome_of_the_only_request, request_id, row_with, rows_of},
};

const CHAT: &str = "/v1/chat/completions";
/// A request that no server made: version 4, where ours are of version 7.
const OWN_ID: &str = "0b54a1c0-6c1f-4d5a-9c53-6b7f0f8a2d11";
/// From then on nobody waits for the row of an unknown request to be written.
const NO_LONGER_YOUNG: Duration = Duration::from_secs(3);

async fn start(database: Database) -> (TestApp, Person) {
    let app = TestApp::start(database).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "adas-own-key").await;
    (app, ada)
}

fn hello(model: &'static str) -> Value {
    prompt(model, "big wide world")
}

async fn status(app: &TestApp, person: &Person, id: impl ToString) -> HttpReply {
    app.get(&format!("/v1/requests/{}/status", id.to_string()), &person.token).await
}

async fn cancel(app: &TestApp, person: &Person, id: impl ToString) -> HttpReply {
    app.http().post(&format!("/v1/requests/{}/cancel", id.to_string())).bearer(&person.token).send().await
}

/// How far a request is that its owner can see.
async fn word(app: &TestApp, person: &Person, id: RequestId) -> String {
    let reply = answer(status(app, person, id).await).await;
    let word = reply["status"].as_str().expect("a word").to_owned();
    assert_eq!(reply, json!({ "request_id": id.to_string(), "status": word, "queue_position": null }));
    word
}

fn cancellation(id: impl ToString + Copy, cancelled: bool, status: &str) -> Value {
    json!({ "request_id": id.to_string(), "cancelled": cancelled, "status": status })
}

/// Reads to the end of a native stream that was cancelled after its first word.
async fn check_cancelled_stream(reply: HttpReply, id: RequestId) {
    let events = events(reply).await;
    let [error] = events.as_slice() else { panic!("nothing but the error: {events:?}") };
    assert_eq!(error["error"]["code"], "request_cancelled");
    assert_eq!(error["error"]["message"], "The request was cancelled");
    assert_eq!(error["request_id"], id.to_string());
}

/// A stream that has said its first word, and waits for the provider.
async fn running_stream(app: &TestApp, person: &Person, body: Value) -> HttpReply {
    let mut reply = ask_streamed(app, person, body).await;
    assert_eq!(next_event(&mut reply).await["event"], "model_selected");
    assert_eq!(said(&[next_event(&mut reply).await]), "You ");
    reply
}

fn chat(model: &str, stream: bool) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }], "stream": stream })
}

/// Waits for a row that is written while its request runs.
async fn wait_for_row(app: &TestApp, person: &Person) {
    let seen = async {
        while rows_of(app, person).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.expect("a row of the running request");
}

each_db! {
    async fn a_request_runs_until_its_last_event(database: Database) {
        let (app, ada) = start(database).await;
        let mut reply = running_stream(&app, &ada, hello("openai:slow-stream")).await;
        let id = request_id(&reply);
        assert_eq!(word(&app, &ada, id).await, "running");
        app.provider.release();
        while next_event(&mut reply).await["event"] != "completed" {}
        assert_eq!(word(&app, &ada, id).await, "completed", "who has read the last event finds it ended");
        assert_eq!(next_event(&mut reply).await, "[DONE]");
    }

    async fn every_end_has_its_word(database: Database) {
        let (app, ada) = start(database).await;
        for (model, expected) in [
            ("openai:echo", "completed"), ("openai:fails", "failed"), ("openai:rejects-key", "failed"),
            // Cut off after the first words: clients know no word for that but this one.
            ("openai:dies", "failed"),
        ] {
            let reply = ask(&app, &ada, hello(model)).await;
            assert_eq!(word(&app, &ada, request_id(&reply)).await, expected, "{model}");
            let reply = ask_streamed(&app, &ada, hello(model)).await;
            let id = request_id(&reply);
            events(reply).await;
            assert_eq!(word(&app, &ada, id).await, expected, "{model} streamed");
            let again = answer(cancel(&app, &ada, id).await).await;
            assert_eq!(again, cancellation(id, false, expected), "{model}: it is too late");
        }
    }

    async fn a_client_that_leaves_has_cancelled(database: Database) {
        let (app, ada) = start(database).await;
        let reply = running_stream(&app, &ada, hello("openai:slow-stream")).await;
        let id = request_id(&reply);
        drop(reply);
        app.provider.wait_until_closed().await;
        outcome_of_the_only_request(&app, &ada).await;
        assert_eq!(word(&app, &ada, id).await, "cancelled");
    }

    async fn what_is_not_the_callers_is_not_found(database: Database) {
        let (app, ada) = start(database).await;
        let eve = app.person("eve").await;
        let running = running_stream(&app, &ada, hello("openai:slow-stream")).await;
        let finished = ask(&app, &ada, hello("openai:echo")).await;
        let ids = [
            request_id(&running).to_string(), request_id(&finished).to_string(),
            RequestId::new(app.clock.now()).to_string(), OWN_ID.to_owned(), "5a4b".to_owned(), "%20".to_owned(), "..%2F..%2Fme".to_owned(),
        ];
        app.advance(NO_LONGER_YOUNG);
        for id in ids {
            for reply in [status(&app, &eve, &id).await, cancel(&app, &eve, &id).await] {
                let (status, code, message) = refused(reply).await;
                assert_eq!((status, code.as_str(), message.as_str()), (404, "not_found", "Request not found"), "{id}");
            }
        }
        assert_eq!(word(&app, &ada, request_id(&running)).await, "running", "the stranger changed nothing");
        app.provider.release();
        assert_eq!(said(&events(running).await), "said: big wide world");
    }

    async fn cancelling_a_stream_ends_it_here_and_at_the_provider(database: Database) {
        let (app, ada) = start(database).await;
        let reply = running_stream(&app, &ada, hello("openai:slow-stream")).await;
        let id = request_id(&reply);
        let cancelled = cancel(&app, &ada, id).await;
        assert_eq!(cancelled.status, StatusCode::OK);
        assert_eq!(cancelled.json().await, cancellation(id, true, "cancelled"));
        check_cancelled_stream(reply, id).await;
        app.provider.wait_until_closed().await;
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("request_cancelled")));
        assert!(row.finished_at.is_some());
        assert_eq!(word(&app, &ada, id).await, "cancelled");
        let again = answer(cancel(&app, &ada, id).await).await;
        assert_eq!(again, cancellation(id, false, "cancelled"), "once is enough");
    }

    async fn a_stream_that_has_said_nothing_yet_is_cancelled_as_well(database: Database) {
        let (app, ada) = start(database).await;
        for model in ["openai:slow-head", "openai:silent"] {
            let before = app.provider.requests().len();
            let mut reply = ask_streamed(&app, &ada, hello(model)).await;
            let id = request_id(&reply);
            assert_eq!(next_event(&mut reply).await["event"], "model_selected");
            app.provider.wait_for_requests(before + 1).await;
            assert_eq!(answer(cancel(&app, &ada, id).await).await, cancellation(id, true, "cancelled"));
            check_cancelled_stream(reply, id).await;
            app.provider.wait_until_closed().await;
            assert_eq!(word(&app, &ada, id).await, "cancelled");
        }
    }

    async fn an_answer_in_one_piece_is_cancelled_by_an_id_of_the_clients_own(database: Database) {
        let (app, ada) = start(database).await;
        let before = app.provider.requests().len();
        let (reply, cancelled) = tokio::join!(
            ask(&app, &ada, with(hello("openai:slow-head"), "request_id", OWN_ID)),
            async {
                app.provider.wait_for_requests(before + 1).await;
                assert_eq!(word(&app, &ada, OWN_ID.parse().expect("an id")).await, "running");
                answer(cancel(&app, &ada, OWN_ID).await).await
            },
        );
        assert_eq!(cancelled, cancellation(OWN_ID, true, "cancelled"));
        let (status, code, message) = refused(reply).await;
        assert_eq!((status, code.as_str(), message.as_str()), (409, "request_cancelled", "The request was cancelled"));
        app.provider.wait_until_closed().await;
        let row = row_with(&app, &ada, OWN_ID.parse().expect("an id")).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("request_cancelled")));
    }

    async fn a_chat_stream_is_cancelled_by_the_id_in_its_header(database: Database) {
        let (app, ada) = start(database).await;
        let mut reply = app.post(CHAT, &ada.token, chat("openai:slow-stream", true)).await;
        let id = request_id(&reply);
        assert_eq!(next_event(&mut reply).await["object"], "chat.completion.chunk");
        assert_eq!(word(&app, &ada, id).await, "running");
        assert_eq!(answer(cancel(&app, &ada, id).await).await, cancellation(id, true, "cancelled"));
        let data = reply.data().await;
        let error: Value = serde_json::from_str(data.last().expect("an event")).expect("an error, and no [DONE]");
        assert_eq!(error["error"]["code"], "request_cancelled");
        app.provider.wait_until_closed().await;
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.status, row.endpoint.as_str()), (RequestStatus::Cancelled, "chat_completions"));
        assert_eq!(word(&app, &ada, id).await, "cancelled");
    }

    async fn a_chat_runs_until_its_last_event(database: Database) {
        let (app, ada) = start(database).await;
        let mut reply = app.post(CHAT, &ada.token, chat("openai:echo", true)).await;
        let id = request_id(&reply);
        while next_event(&mut reply).await != "[DONE]" {}
        assert_eq!(word(&app, &ada, id).await, "completed");
        let reply = app.post(CHAT, &ada.token, chat("openai:fails", false)).await;
        assert_eq!(word(&app, &ada, request_id(&reply)).await, "failed");
    }

    async fn a_chat_in_one_piece_is_cancelled_by_an_id_of_the_clients_own(database: Database) {
        let (app, ada) = start(database).await;
        let before = app.provider.requests().len();
        let request = app.http().post(CHAT).bearer(&ada.token).header("x-request-id", OWN_ID);
        let (reply, cancelled) = tokio::join!(request.json(chat("openai:slow-head", false)).send(), async {
            app.provider.wait_for_requests(before + 1).await;
            answer(cancel(&app, &ada, OWN_ID).await).await
        });
        assert_eq!(cancelled, cancellation(OWN_ID, true, "cancelled"));
        assert_eq!((reply.status, reply.header("x-request-id")), (StatusCode::CONFLICT, OWN_ID));
        assert_eq!(reply.json().await["error"]["code"], "request_cancelled");
        app.provider.wait_until_closed().await;
        assert_eq!(word(&app, &ada, OWN_ID.parse().expect("an id")).await, "cancelled");
    }

    async fn a_clients_own_id_stands_everywhere(database: Database) {
        let (app, ada) = start(database).await;
        let ids: [String; 5] = std::array::from_fn(|number| format!("0b54a1c0-6c1f-4d5a-9c53-6b7f0f8a2d0{number}"));
        let in_body = |id: &str| with(hello("openai:echo"), "request_id", id);
        let in_header = |path: &str, id: &str| app.http().post(path).bearer(&ada.token).header("x-request-id", id);

        let reply = answer(ask(&app, &ada, in_body(&ids[0])).await).await;
        assert_eq!(reply["request_id"], ids[0]);
        let reply = in_header("/v1/generate", &ids[1]).json(hello("openai:echo")).send().await;
        assert_eq!(reply.header("x-request-id"), ids[1]);
        assert_eq!(answer(reply).await["request_id"], ids[1]);
        let events = events(ask_streamed(&app, &ada, in_body(&ids[2])).await).await;
        for event in [&events[0], events.last().expect("an event")] {
            assert_eq!(event["request_id"], ids[2], "{event}");
        }
        for (id, stream) in [(&ids[3], false), (&ids[4], true)] {
            let reply = in_header(CHAT, id).json(chat("openai:echo", stream)).send().await;
            assert_eq!((reply.status, reply.header("x-request-id")), (StatusCode::OK, id.as_str()));
            reply.text().await;
        }
        for id in &ids {
            assert_eq!(word(&app, &ada, id.parse().expect("an id")).await, "completed");
        }
        assert_eq!(rows_of(&app, &ada).await.len(), ids.len());
    }

    async fn what_is_no_id_is_refused_in_the_body_and_ignored_in_the_header(database: Database) {
        let (app, ada) = start(database).await;
        for id in ["5a4b", "0b54a1c0-6c1f-4d5a-9c53", "not-a-uuid-not-a-uuid-not-a-uuid-not-a"] {
            let reply = ask(&app, &ada, with(hello("openai:echo"), "request_id", id)).await;
            assert_eq!(reply.status, 422, "{id}");
            assert_eq!(reply.json().await["detail"][0]["loc"], json!(["body", "request_id"]));
            let request = app.http().post("/v1/generate").bearer(&ada.token).header("x-request-id", id);
            let reply = request.json(hello("openai:echo")).send().await;
            assert_eq!(reply.status, 200, "{id}");
            assert_ne!(reply.header("x-request-id"), id);
        }
        // Some proxies put one in that form there for every request: that is no client's choice.
        let proxys = OWN_ID.replace('-', "");
        for _ in 0..2 {
            let request = app.http().post("/v1/generate").bearer(&ada.token).header("x-request-id", &proxys);
            assert_eq!(request.json(hello("openai:echo")).send().await.status, 200);
        }
    }

    async fn an_id_is_good_for_one_request(database: Database) {
        let (app, ada) = start(database).await;
        let own: RequestId = OWN_ID.parse().expect("an id");
        answer(ask(&app, &ada, with(hello("openai:echo"), "request_id", OWN_ID)).await).await;
        let first = format!("{:?}", row_with(&app, &ada, own).await);
        app.advance(NO_LONGER_YOUNG);
        let asked = generations(&app.provider).len();
        let again = with(hello("openai:unicode"), "request_id", OWN_ID);
        let by_header = app.http().post("/v1/generate").bearer(&ada.token).header("x-request-id", OWN_ID);
        for reply in [
            ask(&app, &ada, again.clone()).await,
            ask_streamed(&app, &ada, again.clone()).await,
            by_header.json(hello("openai:unicode")).send().await,
        ] {
            let (status, code, message) = refused(reply).await;
            assert_eq!((status, code.as_str()), (409, "request_id_in_use"));
            assert!(message.contains("used before"), "{message}");
        }
        for stream in [false, true] {
            let request = app.http().post(CHAT).bearer(&ada.token).header("x-request-id", OWN_ID);
            let reply = request.json(chat("openai:unicode", stream)).send().await;
            assert_eq!(reply.status, StatusCode::CONFLICT);
            assert_eq!(reply.json().await["error"]["code"], "request_id_in_use");
        }
        assert_eq!(generations(&app.provider).len(), asked, "nothing is spent on them");
        assert_eq!(format!("{:?}", row_with(&app, &ada, own).await), first);
        assert_eq!(rows_of(&app, &ada).await.len(), 1);
        assert_eq!(word(&app, &ada, own).await, "completed");
    }

    async fn an_id_in_use_does_not_disturb_who_uses_it(database: Database) {
        let (app, ada) = start(database).await;
        let own: RequestId = OWN_ID.parse().expect("an id");
        let first = running_stream(&app, &ada, with(hello("openai:slow-stream"), "request_id", OWN_ID)).await;
        let (status, code, _) = refused(ask(&app, &ada, with(hello("openai:echo"), "request_id", OWN_ID)).await).await;
        assert_eq!((status, code.as_str()), (409, "request_id_in_use"));
        assert_eq!(word(&app, &ada, own).await, "running");
        app.provider.release();
        let events = events(first).await;
        assert_eq!(said(&events), "said: big wide world");
        assert_eq!(row_with(&app, &ada, own).await.model, "slow-stream");
        assert_eq!(word(&app, &ada, own).await, "completed");
    }

    async fn two_users_may_choose_the_same_id(database: Database) {
        let (app, ada) = start(database).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "bobs-key").await;
        let own: RequestId = OWN_ID.parse().expect("an id");
        let adas = running_stream(&app, &ada, with(hello("openai:slow-stream"), "request_id", OWN_ID)).await;
        let bobs = running_stream(&app, &bob, with(hello("openai:slow-stream"), "request_id", OWN_ID)).await;
        assert_eq!(answer(cancel(&app, &bob, OWN_ID).await).await, cancellation(OWN_ID, true, "cancelled"));
        check_cancelled_stream(bobs, own).await;
        app.provider.wait_until_closed().await;
        assert_eq!(word(&app, &ada, own).await, "running", "the other's is another request");
        app.provider.release();
        assert_eq!(said(&events(adas).await), "said: big wide world");
        assert_eq!(word(&app, &ada, own).await, "completed");
        assert_eq!(word(&app, &bob, own).await, "cancelled");
    }

    async fn requests_of_the_static_key_are_its_own(database: Database) {
        let settings = [("API_KEY", "the-static-key"), ("OPENAI_API_KEY", "the-operators")];
        let app = TestApp::start_with(database, &settings).await;
        let ada = app.person("ada").await;
        let with_key = |request: llm_api_testkit::HttpRequest| request.header("x-api-key", "the-static-key");
        let body = with(hello("openai:slow-stream"), "stream", true);
        let mut reply = with_key(app.http().post("/v1/generate")).json(body).send().await;
        assert_eq!(announced(&[next_event(&mut reply).await]), ["openai:slow-stream"]);
        assert_eq!(said(&[next_event(&mut reply).await]), "You ");
        let id = request_id(&reply);
        let running = with_key(app.http().get(&format!("/v1/requests/{id}/status"))).send().await;
        assert_eq!(answer(running).await["status"], "running");
        app.advance(NO_LONGER_YOUNG);
        assert_eq!(status(&app, &ada, id).await.status, 404);
        assert_eq!(cancel(&app, &ada, id).await.status, 404);
        let cancelled = with_key(app.http().post(&format!("/v1/requests/{id}/cancel"))).send().await;
        assert_eq!(answer(cancelled).await, cancellation(id, true, "cancelled"));
        check_cancelled_stream(reply, id).await;
        app.provider.wait_until_closed().await;
        let ended = with_key(app.http().get(&format!("/v1/requests/{id}/status"))).send().await;
        assert_eq!(answer(ended).await["status"], "cancelled");
    }

    async fn strangers_learn_nothing(database: Database) {
        let (app, ada) = start(database).await;
        let reply = ask(&app, &ada, hello("openai:echo")).await;
        let id = request_id(&reply);
        assert_eq!(app.http().get(&format!("/v1/requests/{id}/status")).send().await.status, 401);
        assert_eq!(app.http().post(&format!("/v1/requests/{id}/cancel")).send().await.status, 401);
        assert_eq!(app.get(&format!("/v1/requests/{id}/cancel"), &ada.token).await.status, 405);
        assert_eq!(app.post(&format!("/v1/requests/{id}/status"), &ada.token, json!({})).await.status, 405);
    }
}

/// A second process on the same database tells and ends what runs in the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_tells_and_cancels_a_stream() {
    let (app, ada) = start(Database::Postgres).await;
    let beside = app.start_beside().await;
    let reply = running_stream(&app, &ada, hello("openai:slow-stream")).await;
    let id = request_id(&reply);
    wait_for_row(&app, &ada).await;
    assert_eq!(word(&beside, &ada, id).await, "running");
    assert_eq!(answer(cancel(&beside, &ada, id).await).await, cancellation(id, true, "cancelled"));
    check_cancelled_stream(reply, id).await;
    app.provider.wait_until_closed().await;
    assert_eq!(row_with(&app, &ada, id).await.status, RequestStatus::Cancelled);
    for process in [&app, &beside] {
        assert_eq!(word(process, &ada, id).await, "cancelled");
        assert_eq!(answer(cancel(process, &ada, id).await).await, cancellation(id, false, "cancelled"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_knows_a_clients_own_id_at_once() {
    let (app, ada) = start(Database::Postgres).await;
    let beside = app.start_beside().await;
    // A key is good for one address; each process has a provider of its own here.
    beside.store_key(&ada.token, "mistral", "adas-other-key").await;
    let own: RequestId = OWN_ID.parse().expect("an id");
    let before = app.provider.requests().len();
    let (reply, ()) = tokio::join!(ask(&app, &ada, with(hello("openai:slow-head"), "request_id", OWN_ID)), async {
        app.provider.wait_for_requests(before + 1).await;
        assert_eq!(word(&beside, &ada, own).await, "running");
        let (status, code, _) =
            refused(ask(&beside, &ada, with(hello("mistral:echo"), "request_id", OWN_ID)).await).await;
        assert_eq!((status, code.as_str()), (409, "request_id_in_use"), "on the other process as well");
        assert_eq!(answer(cancel(&beside, &ada, OWN_ID).await).await, cancellation(OWN_ID, true, "cancelled"));
    });
    let (status, code, _) = refused(reply).await;
    assert_eq!((status, code.as_str()), (409, "request_cancelled"));
    app.provider.wait_until_closed().await;
    assert_eq!(word(&beside, &ada, own).await, "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_keeps_other_peoples_requests_to_themselves() {
    let (app, ada) = start(Database::Postgres).await;
    let beside = app.start_beside().await;
    let eve = app.person("eve").await;
    let first = running_stream(&app, &ada, with(hello("openai:slow-stream"), "request_id", OWN_ID)).await;
    for reply in [status(&beside, &eve, OWN_ID).await, cancel(&beside, &eve, OWN_ID).await] {
        let (status, _, message) = refused(reply).await;
        assert_eq!((status, message.as_str()), (404, "Request not found"));
    }
    app.provider.release();
    assert_eq!(said(&events(first).await), "said: big wide world");
}
