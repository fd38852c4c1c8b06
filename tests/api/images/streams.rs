//! Images over a stream, and requests that end early.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{OWN_ID, PNG, assert_opens, image, in_session, large, link_in, messages, open_session, start};
use crate::{
    asking::{announced, answer, ask, ask_streamed, events, next_event, refused, with},
    usage_rows::{outcome_of_the_only_request, request_id, row_with},
};

/// A stream whose maker is at work.
async fn at_work(app: &TestApp, person: &Person, body: Value) -> HttpReply {
    let before = app.provider.requests().len();
    let mut reply = ask_streamed(app, person, body).await;
    assert_eq!(heartbeat(&mut reply).await, ": heartbeat");
    assert_eq!(next_event(&mut reply).await["event"], "model_selected");
    app.provider.wait_for_requests(before + 1).await;
    reply
}

async fn heartbeat(reply: &mut HttpReply) -> String {
    reply.next_event().await.expect("a whole event").expect("one more event")
}

each_db! {
    async fn a_stream_shows_life_before_the_image_is_there(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut reply = ask_streamed(&app, &ada, image("openai:slow-image")).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/event-stream; charset=utf-8"));
        let id = request_id(&reply);
        assert_eq!(heartbeat(&mut reply).await, ": heartbeat");
        assert_eq!(next_event(&mut reply).await, json!({
            "event": "model_selected", "request_id": id.to_string(), "model": "slow-image", "model_name": "slow-image",
            "modality": "image", "provider": "openai", "fallback_used": false, "fallback_reason": null,
        }));
        app.provider.release();
        assert_eq!(next_event(&mut reply).await, json!({
            "request_id": id.to_string(), "model": "slow-image", "modality": "image", "session_id": null,
            "state_tokens": null,
            "selection": {
                "selected_model": "slow-image", "selected_provider": "openai",
                "fallback_used": false, "fallback_reason": null,
            },
            "credits_status": { "provider": "openai", "status": "available", "remaining": null, "reset_at": null },
            "output": { "text": null, "images": [PNG], "mesh": null, "artifacts": null },
            "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
            "finish_reason": null, "warnings": null,
        }));
        assert_eq!(next_event(&mut reply).await, "[DONE]");
        assert_eq!(reply.next_event().await.expect("a proper end"), None);
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.status, row.streamed), (RequestStatus::Completed, true));
    }

    async fn a_streamed_large_image_is_a_file_as_well(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for model in ["openai:big-image", "huggingface:big/image"] {
            let events = events(ask_streamed(&app, &ada, image(model)).await).await;
            let [selected, complete] = events.as_slice() else { panic!("two events: {events:?}") };
            assert_eq!(announced(std::slice::from_ref(selected)), [model]);
            assert_opens(&app, &link_in(complete)).await;
        }
    }

    async fn a_streamed_failure_is_an_event_and_the_stream_ends_properly(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for (model, code, words) in [
            ("openai:refuses-image", "content_policy_violation", "rejected as a result of our safety system"),
            ("huggingface:refuses/image", "provider_refused_request", "rejected as a result of our safety system"),
            ("openai:fails", "upstream_error", "openai"),
        ] {
            let reply = ask_streamed(&app, &ada, image(model)).await;
            let id = request_id(&reply);
            let events = events(reply).await;
            let [selected, failed] = events.as_slice() else { panic!("two events: {events:?}") };
            assert_eq!(announced(std::slice::from_ref(selected)), [model]);
            let message = failed["error"]["message"].as_str().expect("a sentence");
            assert!(message.contains(words), "{message}");
            let error = json!({ "code": code, "message": message });
            assert_eq!(*failed, json!({ "error": error, "request_id": id.to_string() }), "{model}");
            assert_eq!(row_with(&app, &ada, id).await.status, RequestStatus::Failed);
        }
    }

    async fn a_cancelled_image_is_not_waited_for(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open_session(&app, &ada).await;
        let cancel = async || {
            let reply = app.post(&format!("/v1/requests/{OWN_ID}/cancel"), &ada.token, json!({})).await;
            let expected = json!({ "request_id": OWN_ID, "cancelled": true, "status": "cancelled" });
            assert_eq!(answer(reply).await, expected);
        };
        let body = with(in_session(image("openai:slow-image"), &session), "request_id", OWN_ID);
        let before = app.provider.requests().len();
        let (reply, ()) = tokio::join!(ask(&app, &ada, body), async {
            app.provider.wait_for_requests(before + 1).await;
            cancel().await;
        });
        let (status, code, _) = refused(reply).await;
        assert_eq!((status, code.as_str()), (409, "request_cancelled"));
        app.provider.wait_until_closed().await;
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.id.to_string().as_str(), row.status), (OWN_ID, RequestStatus::Cancelled));
        assert!(messages(&app, &ada, &session).await.is_empty(), "nothing was made, nothing is kept");
    }

    async fn a_cancelled_stream_says_so_and_ends(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for model in ["openai:slow-image", "huggingface:slow/image"] {
            let reply = at_work(&app, &ada, image(model)).await;
            let id = request_id(&reply);
            let cancelled = app.post(&format!("/v1/requests/{id}/cancel"), &ada.token, json!({})).await;
            assert_eq!(answer(cancelled).await["cancelled"], true);
            let events = events(reply).await;
            let [error] = events.as_slice() else { panic!("nothing but the error: {events:?}") };
            assert_eq!(error["error"], json!({ "code": "request_cancelled", "message": "The request was cancelled" }));
            app.provider.wait_until_closed().await;
            assert_eq!(row_with(&app, &ada, id).await.status, RequestStatus::Cancelled);
        }
    }

    async fn a_client_that_leaves_ends_the_work(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open_session(&app, &ada).await;
        drop(at_work(&app, &ada, in_session(image("openai:slow-image"), &session)).await);
        app.provider.wait_until_closed().await;
        let row = outcome_of_the_only_request(&app, &ada).await;
        assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Cancelled, Some("client_left")));
        assert!(messages(&app, &ada, &session).await.is_empty());
    }

    async fn a_stopping_server_ends_the_stream_with_a_word(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let reply = at_work(&app, &ada, image("openai:slow-image")).await;
        app.stop_streams();
        let events = events(reply).await;
        assert_eq!(events.last().expect("an event")["error"]["code"], "server_stopping");
        app.provider.wait_until_closed().await;
    }

    async fn images_count_as_streams_of_their_user(database: Database) {
        let (app, ada) = start(database, &[("MAX_STREAMS_PER_USER", "1")]).await;
        let first = at_work(&app, &ada, image("openai:slow-image")).await;
        let (status, code, _) = refused(ask_streamed(&app, &ada, large()).await).await;
        assert_eq!((status, code.as_str()), (503, "too_many_streams"));
        app.provider.release();
        assert_eq!(events(first).await.len(), 1);
        assert_eq!(events(ask_streamed(&app, &ada, large()).await).await.len(), 2, "its place is free again");
    }
}
