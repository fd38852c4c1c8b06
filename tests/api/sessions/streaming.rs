//! Streams in a session: what was said is kept, however they end.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{
    ask, begun, heard, next_event, open, path, prompt, refused, say, shown, start, stored, streamed, talk,
    wait_until_stored,
};
use crate::usage_rows::{outcome_of_the_only_request, request_id};

const HELLO: &str = "big wide world";

async fn stream(app: &TestApp, person: &Person, session: &str, model: &str) -> HttpReply {
    ask(app, person, session, streamed(prompt(model, HELLO))).await
}

/// What a session shows of a reply that ended after its first word.
const CUT: [&str; 2] = ["user: big wide world", "assistant (incomplete): You "];

/// The next request tells the provider what had come.
async fn assert_goes_on(app: &TestApp, person: &Person, session: &str, partial: &str) {
    let reply = say(app, person, session, "openai:counts", "Go on").await;
    assert_eq!(reply["output"]["text"], "turns: 3 user assistant user");
    let sent = &app.provider.last_request().body["messages"];
    assert_eq!(sent[1], json!({ "role": "assistant", "content": partial }));
    assert_eq!(sent[2], json!({ "role": "user", "content": "Go on" }));
}

each_db! {
    async fn a_streamed_reply_is_kept_with_its_prompt(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let reply = stream(&app, &ada, &session, "openai:echo").await;
        let id = request_id(&reply);
        let (text, last) = heard(reply).await;
        assert_eq!(text, "You said: big wide world");
        assert_eq!(last, json!({
            "event": "completed", "request_id": id.to_string(), "session_id": session, "finish_reason": "stop",
            "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 }, "state_tokens": null,
            "credits_status": { "provider": "openai", "status": "available", "remaining": null, "reset_at": null },
            "warnings": null,
        }));
        assert_eq!(talk(&app, &ada, &session).await, ["user: big wide world", "assistant: You said: big wide world"]);
        let kept = &stored(&app, &ada, &session).await[0];
        assert_eq!((kept.request, kept.finish_reason.as_deref()), (id, Some("stop")));
    }

    async fn the_exchange_is_kept_before_the_last_event_comes(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let mut reply = stream(&app, &ada, &session, "openai:echo").await;
        while !next_event(&mut reply).await.contains(r#""event":"completed""#) {}
        assert_eq!(stored(&app, &ada, &session).await.len(), 1);
        assert_eq!(next_event(&mut reply).await, "data: [DONE]");
    }

    async fn nothing_is_kept_while_the_reply_still_comes(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
        assert!(talk(&app, &ada, &session).await.is_empty());
        app.provider.release();
        heard(reply).await;
        assert_eq!(talk(&app, &ada, &session).await.len(), 2);
    }

    async fn what_the_provider_cut_short_is_kept_as_incomplete(database: Database) {
        let (app, ada) = start(database, &[("UPSTREAM_IDLE_TIMEOUT_SECONDS", "0.2")]).await;
        for (model, code, partial) in [
            ("dies", "upstream_interrupted", "You said: "),
            ("no-done", "upstream_interrupted", "You said: "),
            ("stalls", "upstream_interrupted", "You "),
            ("bad-json", "upstream_bad_response", "You "),
        ] {
            let session = open(&app, &ada, json!({})).await;
            let (text, last) = heard(stream(&app, &ada, &session, &format!("openai:{model}")).await).await;
            assert_eq!((text.as_str(), &last["error"]["code"]), (partial, &json!(code)), "{model}");
            let shown = shown(&app, &ada, &session).await;
            assert_eq!(shown["messages"][0]["status"], "completed", "{model}: the prompt is whole");
            assert_eq!(shown["messages"][1]["status"], "incomplete", "{model}");
            assert_eq!((&shown["title"], &shown["message_count"]), (&json!(HELLO), &json!(1)), "{model}");
            let kept = &stored(&app, &ada, &session).await[0];
            assert_eq!((kept.error_code.as_deref(), &kept.finish_reason), (Some(code), &None), "{model}");
            assert_goes_on(&app, &ada, &session, partial).await;
        }
    }

    async fn what_failed_before_the_first_word_is_not_kept(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        for model in ["refuses", "rate-limited", "no-quota", "fails", "overloaded", "html", "redirect", "rejects-key"] {
            let (text, last) = heard(stream(&app, &ada, &session, &format!("openai:{model}")).await).await;
            assert!(text.is_empty() && last["error"]["code"].is_string(), "{model}: {last}");
        }
        let shown = shown(&app, &ada, &session).await;
        assert_eq!((&shown["messages"], &shown["title"]), (&json!([]), &Value::Null));
    }

    async fn what_had_come_when_the_client_left_is_kept(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
        drop(reply);
        app.provider.wait_until_closed().await;
        wait_until_stored(&app, &ada, &session, 1).await;
        assert_eq!(talk(&app, &ada, &session).await, CUT);
        assert_eq!(stored(&app, &ada, &session).await[0].error_code.as_deref(), Some("client_left"));
        assert_goes_on(&app, &ada, &session, "You ").await;
    }

    async fn a_client_that_leaves_before_the_first_word_leaves_no_exchange(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let asked_before = app.provider.requests().len();
        let mut reply = stream(&app, &ada, &session, "openai:slow-head").await;
        assert!(next_event(&mut reply).await.contains("model_selected"));
        app.provider.wait_for_requests(asked_before + 1).await;
        drop(reply);
        app.provider.wait_until_closed().await;
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("client_left")));
        assert_eq!(say(&app, &ada, &session, "openai:counts", "Hello").await["output"]["text"], "turns: 1 user");
        assert_eq!(shown(&app, &ada, &session).await["message_count"], 1);
    }

    async fn a_client_that_leaves_while_its_reply_is_being_stored_loses_nothing(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for _ in 0..20 {
            let session = open(&app, &ada, json!({})).await;
            let mut reply = stream(&app, &ada, &session, "openai:echo").await;
            while !next_event(&mut reply).await.contains("world") {}
            drop(reply);
            wait_until_stored(&app, &ada, &session, 1).await;
            assert_eq!(stored(&app, &ada, &session).await[0].reply.as_deref(), Some("You said: big wide world"));
        }
    }

    async fn what_had_come_when_it_was_cancelled_is_kept(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
        let cancel = format!("/v1/requests/{}/cancel", request_id(&reply));
        let told = app.http().post(&cancel).bearer(&ada.token).send().await.json().await;
        assert_eq!(told["cancelled"], true);
        let (_, last) = heard(reply).await;
        assert_eq!(last["error"]["code"], "request_cancelled");
        app.provider.wait_until_closed().await;
        assert_eq!(talk(&app, &ada, &session).await, CUT);
        assert_goes_on(&app, &ada, &session, "You ").await;
    }

    async fn what_had_come_when_the_server_stopped_is_kept(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
        app.stop_streams();
        let (_, last) = heard(reply).await;
        assert_eq!(last["error"]["code"], "server_stopping");
        assert_eq!(talk(&app, &ada, &session).await, CUT);
    }

    async fn a_cancelled_request_in_one_piece_leaves_no_exchange(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let asked_before = app.provider.requests().len();
        let id = "5a0f7a70-21b5-4f8e-9f8e-4b1c4f1d2a33";
        let mut body = prompt("openai:slow-head", HELLO);
        body["request_id"] = id.into();
        let cancel = async {
            app.provider.wait_for_requests(asked_before + 1).await;
            app.post(&format!("/v1/requests/{id}/cancel"), &ada.token, json!({})).await
        };
        let (reply, cancelled) = tokio::join!(ask(&app, &ada, &session, body), cancel);
        assert_eq!(cancelled.json().await["cancelled"], true);
        let (status, code, _) = refused(reply).await;
        assert_eq!((status, code.as_str()), (409, "request_cancelled"));
        app.provider.wait_until_closed().await;
        assert!(talk(&app, &ada, &session).await.is_empty());
    }

    async fn a_session_that_is_closed_meanwhile_takes_the_running_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
        assert_eq!(app.delete(&path(&session, ""), &ada.token).await.status, 200);
        app.provider.release();
        assert_eq!(heard(reply).await.1["warnings"], Value::Null);
        let shown = shown(&app, &ada, &session).await;
        assert_eq!((&shown["status"], &shown["message_count"]), (&json!("closed"), &json!(1)));
    }

    async fn a_session_that_is_reset_meanwhile_begins_with_the_running_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        say(&app, &ada, &session, "openai:echo", "Forget this").await;
        let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
        assert_eq!(app.post(&path(&session, "/reset"), &ada.token, json!({})).await.status, 200);
        app.provider.release();
        heard(reply).await;
        assert_eq!(talk(&app, &ada, &session).await, ["user: big wide world", "assistant: You said: big wide world"]);
    }

    async fn a_session_that_is_purged_meanwhile_stays_gone(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for stream_it in [true, false] {
            let session = open(&app, &ada, json!({})).await;
            let purge = path(&session, "?purge=true");
            let mut last = if stream_it {
                let reply = begun(stream(&app, &ada, &session, "openai:slow-stream").await).await;
                assert_eq!(app.delete(&purge, &ada.token).await.status, 200);
                app.provider.release();
                heard(reply).await.1
            } else {
                let asked_before = app.provider.requests().len();
                let purge = async {
                    app.provider.wait_for_requests(asked_before + 1).await;
                    assert_eq!(app.delete(&purge, &ada.token).await.status, 200);
                    app.provider.release();
                };
                tokio::join!(say(&app, &ada, &session, "openai:slow-head", HELLO), purge).0
            };
            let warning = "The session was deleted while this reply was made";
            assert_eq!(last["warnings"].take(), json!([warning]));
            assert_eq!(app.get(&path(&session, ""), &ada.token).await.status, 404);
        }
    }
}
