//! Images in conversations: kept, shown again, replaced and deleted with them.

use std::time::Duration;

use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{
    LIFE, PNG, assert_expired, assert_missing, assert_opens, files_on_disk, image, in_session, large, link_in,
    link_shown, made, messages, open, open_session, own_path, start,
};
use crate::asking::{answer, ask, ask_streamed, events, refused, with};

/// Longer than any story: what is gone then did not expire.
const LONG_LIFE: (&str, &str) = ("ARTIFACT_EXPIRY_SECS", "604800");

async fn again(app: &TestApp, person: &Person, session: &str, body: Value) -> HttpReply {
    app.post(&format!("/v1/sessions/{session}/regenerate"), &person.token, body).await
}

async fn delete(app: &TestApp, person: &Person, session: &str, query: &str) -> Value {
    answer(app.delete(&format!("/v1/sessions/{session}{query}"), &person.token).await).await
}

each_db! {
    async fn a_small_image_is_kept_in_the_conversation(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open_session(&app, &ada).await;
        let reply = answer(ask(&app, &ada, in_session(image("dall-e-3"), &session)).await).await;
        assert_eq!((&reply["session_id"], &reply["output"]["images"]), (&json!(session), &json!([PNG])));

        let shown = answer(app.get(&format!("/v1/sessions/{session}"), &ada.token).await).await;
        assert_eq!((&shown["title"], &shown["message_count"]), (&json!("A boat"), &json!(1)));
        let [asked, answered] = shown["messages"].as_array().expect("messages").as_slice() else { panic!("{shown}") };
        let both = |role, content, images: Value, model: Option<&str>| json!({
            "id": asked["id"], "role": role, "content": content, "created_at": app.clock.now().to_string(),
            "status": "completed", "images": images, "artifact_urls": null, "model_name": model,
            "provider": model.map(|_| "openai"),
        });
        assert_eq!(*asked, both("user", "A boat", Value::Null, None));
        assert_eq!(*answered, both("assistant", "", json!([PNG]), Some("dall-e-3")));
        assert_eq!(files_on_disk(&app), 0);
    }

    async fn a_large_image_is_kept_as_long_as_its_session_and_every_look_gives_a_fresh_link(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open_session(&app, &ada).await;
        let first = made(&app, &ada, in_session(large(), &session)).await;
        app.advance(Duration::from_secs(3599));
        let second = link_shown(&app, &ada, &session).await;
        app.advance(Duration::from_secs(1));
        assert_expired(open(&app, &first).await).await;
        assert_opens(&app, &second).await;

        app.advance(LIFE * 24 * 6);
        assert_expired(open(&app, &second).await).await;
        let message = messages(&app, &ada, &session).await.pop().expect("a message");
        assert_eq!((&message["role"], &message["images"]), (&json!("assistant"), &Value::Null));
        assert_eq!((&message["model_name"], &message["provider"]), (&json!("big-image"), &json!("openai")));
        assert_opens(&app, &link_shown(&app, &ada, &session).await).await;
        let own = app.get(own_path(&first), &ada.token).await;
        assert_eq!((own.status.as_u16(), own.header("cache-control")), (200, "private, max-age=3600"));
        assert_eq!(files_on_disk(&app), 1);
    }

    async fn a_streamed_image_is_kept_as_well(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open_session(&app, &ada).await;
        let events = events(ask_streamed(&app, &ada, in_session(large(), &session)).await).await;
        let complete = events.last().expect("the whole reply");
        assert_eq!(complete["session_id"], json!(session));
        assert_eq!(link_shown(&app, &ada, &session).await, link_in(complete), "the clock stands still");
    }

    async fn a_maker_of_images_hears_nothing_of_the_conversation(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open_session(&app, &ada).await;
        let text = |prompt: &str| {
            let body = json!({ "modality": "text", "model": "openai:counts", "input": { "prompt": prompt } });
            in_session(with(body, "state_tokens", json!({ "step": 1 })), &session)
        };
        answer(ask(&app, &ada, text("What floats?")).await).await;
        let reply = answer(ask(&app, &ada, in_session(image("gpt-image-1"), &session)).await).await;
        assert_eq!(app.provider.last_request().body, json!({ "model": "gpt-image-1", "prompt": "A boat" }));
        assert_eq!(reply["state_tokens"], json!({ "step": 1 }), "the session's last ones");
        // A text that follows is told what was asked; the picture itself is not sent again.
        let reply = answer(ask(&app, &ada, text("And what flies?")).await).await;
        assert_eq!(reply["output"]["text"], "turns: 4 user assistant user user");
        assert!(!app.provider.last_request().body.to_string().contains(PNG));
    }

    async fn a_new_try_replaces_the_image_and_its_file(database: Database) {
        let (app, ada) = start(database, &[LONG_LIFE]).await;
        let session = open_session(&app, &ada).await;
        let old = made(&app, &ada, in_session(large(), &session)).await;
        app.advance(Duration::from_secs(1));
        let new = link_in(&answer(again(&app, &ada, &session, json!({})).await).await);
        assert_ne!(own_path(&new), own_path(&old));
        let shown = messages(&app, &ada, &session).await;
        assert_eq!((shown.len(), &shown[0]["content"]), (2, &json!("A boat")));
        let link = link_shown(&app, &ada, &session).await;
        assert_eq!(own_path(&link), own_path(&new));
        assert_opens(&app, &link).await;
        assert_missing(open(&app, &old).await).await;
        assert_eq!(files_on_disk(&app), 1);

        // A small one takes the place of a large one, also streamed.
        let streamed = again(&app, &ada, &session, json!({ "model": "dall-e-3", "stream": true })).await;
        let events = events(streamed).await;
        assert_eq!(events.last().expect("the whole reply")["output"]["images"], json!([PNG]));
        let message = messages(&app, &ada, &session).await.pop().expect("a message");
        assert_eq!((&message["images"], &message["artifact_urls"]), (&json!([PNG]), &Value::Null));
        assert_missing(open(&app, &new).await).await;
        assert_eq!(files_on_disk(&app), 0);
    }

    async fn a_new_try_touches_no_other_image_of_the_conversation(database: Database) {
        let (app, ada) = start(database, &[LONG_LIFE]).await;
        let session = open_session(&app, &ada).await;
        let first = made(&app, &ada, in_session(large(), &session)).await;
        let second = made(&app, &ada, in_session(large(), &session)).await;
        let third = link_in(&answer(again(&app, &ada, &session, json!({})).await).await);
        assert_missing(open(&app, &second).await).await;
        assert_opens(&app, &first).await;
        assert_opens(&app, &third).await;
    }

    async fn a_new_try_that_fails_keeps_what_was_there(database: Database) {
        let (app, ada) = start(database, &[LONG_LIFE]).await;
        let session = open_session(&app, &ada).await;
        let old = made(&app, &ada, in_session(large(), &session)).await;
        let before = messages(&app, &ada, &session).await;
        let refusing = json!({ "model": "openai:refuses-image" });
        let (status, code, _) = refused(again(&app, &ada, &session, refusing.clone()).await).await;
        assert_eq!((status, code.as_str()), (400, "content_policy_violation"));
        let events = events(again(&app, &ada, &session, with(refusing, "stream", true)).await).await;
        assert_eq!(events.last().expect("an event")["error"]["code"], "content_policy_violation");
        assert_eq!(messages(&app, &ada, &session).await, before);
        assert_opens(&app, &old).await;
    }

    async fn a_closed_session_keeps_its_images_and_takes_no_more(database: Database) {
        let (app, ada) = start(database, &[LONG_LIFE]).await;
        let session = open_session(&app, &ada).await;
        let link = made(&app, &ada, in_session(large(), &session)).await;
        assert_eq!(delete(&app, &ada, &session, "").await["status"], "closed");
        assert_opens(&app, &link).await;
        assert_opens(&app, &link_shown(&app, &ada, &session).await).await;
        let (status, _, message) = refused(ask(&app, &ada, in_session(large(), &session)).await).await;
        assert_eq!((status, message.as_str()), (400, "Session is closed"));
    }

    async fn what_deletes_a_conversation_deletes_its_files(database: Database) {
        let (app, ada) = start(database, &[LONG_LIFE]).await;
        let kept_session = open_session(&app, &ada).await;
        let kept = [made(&app, &ada, in_session(large(), &kept_session)).await, made(&app, &ada, large()).await];

        let session = open_session(&app, &ada).await;
        let first = made(&app, &ada, in_session(large(), &session)).await;
        let second = made(&app, &ada, in_session(large(), &session)).await;
        assert_eq!(files_on_disk(&app), 4);
        answer(app.post(&format!("/v1/sessions/{session}/reset"), &ada.token, json!({})).await).await;
        assert_eq!((files_on_disk(&app), messages(&app, &ada, &session).await.len()), (2, 0));

        let third = made(&app, &ada, in_session(large(), &session)).await;
        assert_opens(&app, &third).await;
        assert_eq!(delete(&app, &ada, &session, "?purge=true").await, json!({ "id": session, "deleted": true }));
        for link in [first, second, third] {
            assert_missing(open(&app, &link).await).await;
            assert_missing(app.get(own_path(&link), &ada.token).await).await;
        }
        for link in &kept {
            assert_opens(&app, link).await;
        }
        assert_eq!(files_on_disk(&app), 2);
        assert_eq!(delete(&app, &ada, &kept_session, "?purge=true").await["deleted"], true);
        assert_opens(&app, &kept[1]).await;
        assert_eq!(files_on_disk(&app), 1);
    }

    async fn files_of_idle_sessions_go_with_them(database: Database) {
        let (app, ada) = start(database, &[LONG_LIFE, ("SESSION_RETENTION_MINUTES", "60")]).await;
        let session = open_session(&app, &ada).await;
        let link = made(&app, &ada, in_session(large(), &session)).await;
        app.advance(Duration::from_hours(2));
        let list = answer(app.get("/v1/sessions", &ada.token).await).await;
        assert_eq!(list["sessions"], json!([]));
        assert_missing(open(&app, &link).await).await;
        assert_eq!(files_on_disk(&app), 0);
    }

    async fn an_image_for_somebody_elses_session_is_not_made(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        let theirs = open_session(&app, &bob).await;
        for session in [theirs.as_str(), "0190a000-0000-7000-8000-000000000000", "nonsense"] {
            let (status, code, message) = refused(ask(&app, &ada, in_session(large(), session)).await).await;
            assert_eq!((status, code.as_str()), (404, "session_not_found"));
            assert_eq!(message, format!("Session '{session}' not found"));
        }
        assert!(messages(&app, &bob, &theirs).await.is_empty());
        assert_eq!(files_on_disk(&app), 0);
    }

    async fn a_session_that_is_deleted_meanwhile_leaves_no_lasting_file(database: Database) {
        let (app, ada) = start(database, &[("ARTIFACT_INLINE_THRESHOLD_KB", "0")]).await;
        let session = open_session(&app, &ada).await;
        let before = app.provider.requests().len();
        let (reply, ()) = tokio::join!(ask(&app, &ada, in_session(image("openai:slow-image"), &session)), async {
            app.provider.wait_for_requests(before + 1).await;
            delete(&app, &ada, &session, "?purge=true").await;
            app.provider.release();
        });
        let reply = answer(reply).await;
        assert_eq!(reply["warnings"], json!(["The session was deleted while this reply was made"]));
        let link = link_in(&reply);
        assert_eq!(open(&app, &link).await.status, 200, "it was paid for");
        app.advance(LIFE);
        assert_expired(app.get(own_path(&link), &ada.token).await).await;
    }
}
