//! A session from its beginning to its end.

use std::time::Duration;

use llm_api_testkit::{HttpReply, each_db};
use serde_json::{Value, json};

use super::{SESSIONS, ask, list, open, path, prompt, refused, say, shown, start, stored, streamed, talk};

const NOON: &str = "2026-11-22T12:00:00.000000Z";
const MINUTE: Duration = Duration::from_mins(1);

async fn good(reply: HttpReply) -> Value {
    assert_eq!(reply.status, 200);
    reply.json().await
}

/// The titles of a list's entries.
fn titles(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["title"].as_str().expect("a title")).collect()
}

each_db! {
    async fn a_new_session_is_empty_and_has_every_field(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let post = || app.http().post(SESSIONS).bearer(&ada.token);
        for request in [
            post(),
            post().json(json!({})),
            post().json(json!({ "title": null, "system_prompt": null })),
            post().json(json!({ "title": "  ", "system_prompt": "" })),
            post().json(json!({ "model_id": "what an older client sends" })),
        ] {
            let reply = request.send().await;
            assert_eq!(reply.status, 201);
            let session = reply.json().await;
            assert!(session["id"].is_string());
            assert_eq!(session, json!({
                "id": session["id"], "status": "active", "title": null, "system_prompt": null,
                "created_at": NOON, "last_used_at": NOON, "message_count": 0, "messages": null,
            }));
        }
        assert_eq!(list(&app, &ada).await.len(), 5, "each is a session of its own");
    }

    async fn a_session_may_begin_with_a_title_and_a_system_prompt(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let title = "é".repeat(1000);
        let given = json!({ "title": format!("  {} ", "Engines"), "system_prompt": " Be brief. \n" });
        let reply = app.post(SESSIONS, &ada.token, given).await;
        assert_eq!(reply.status, 201);
        let session = reply.json().await;
        assert_eq!((&session["title"], &session["system_prompt"]), (&json!("Engines"), &json!(" Be brief. \n")));
        assert_eq!(app.post(SESSIONS, &ada.token, json!({ "title": title })).await.status, 201);

        let (status, code, detail) =
            refused(app.post(SESSIONS, &ada.token, json!({ "title": format!("{title}é") })).await).await;
        assert_eq!((status, code.as_str()), (422, "validation_error"));
        assert_eq!(detail[0]["loc"], json!(["body", "title"]));
        assert_eq!(detail[0]["msg"], "at most 1000 characters");
        let (status, _, _) = refused(app.post(SESSIONS, &ada.token, json!({ "title": 7 })).await).await;
        assert_eq!(status, 422);
    }

    async fn the_list_has_the_newest_use_first_and_no_messages(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        open(&app, &bob, json!({ "title": "of bob" })).await;
        let mut ids = Vec::new();
        for title in ["first", "second", "third"] {
            ids.push(open(&app, &ada, json!({ "title": title })).await);
            app.advance(MINUTE);
        }
        let entries = list(&app, &ada).await;
        assert_eq!(titles(&entries), ["third", "second", "first"]);

        good(app.delete(&path(&ids[1], ""), &ada.token).await).await;
        app.advance(MINUTE);
        assert_eq!(titles(&list(&app, &ada).await), ["second", "third", "first"], "closed ones are there");
        shown(&app, &ada, &ids[0]).await;
        app.advance(MINUTE);
        assert_eq!(titles(&list(&app, &ada).await), ["first", "second", "third"], "opening one is a use");
        say(&app, &ada, &ids[2], "openai:echo", "Hello").await;
        let entries = list(&app, &ada).await;
        assert_eq!(titles(&entries), ["third", "first", "second"]);
        assert_eq!(entries[0], json!({
            "id": ids[2], "status": "active", "title": "third", "created_at": "2026-11-22T12:02:00.000000Z",
            "last_used_at": "2026-11-22T12:05:00.000000Z", "message_count": 1,
        }));
        assert_eq!((&entries[2]["id"], &entries[2]["status"]), (&json!(ids[1]), &json!("closed")));
        assert_eq!(titles(&list(&app, &bob).await), ["of bob"]);
    }

    async fn a_long_list_comes_in_pages(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for number in 1..=5 {
            open(&app, &ada, json!({ "title": format!("number {number}") })).await;
            app.advance(MINUTE);
        }
        let mut next = String::new();
        let mut pages = Vec::new();
        loop {
            let page = good(app.get(&format!("{SESSIONS}?limit=2{next}"), &ada.token).await).await;
            let entries = page["sessions"].as_array().expect("a list");
            pages.push(titles(entries).join(", "));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(pages, ["number 5, number 4", "number 3, number 2", "number 1"]);
        let whole = good(app.get(&format!("{SESSIONS}?limit=5"), &ada.token).await).await;
        assert_eq!(whole["next_cursor"], Value::Null, "five of five");
        for query in ["limit=0", "limit=-1", "limit=many", "cursor=-1", "cursor=abc", "cursor=99999999999999"] {
            let (status, code, _) = refused(app.get(&format!("{SESSIONS}?{query}"), &ada.token).await).await;
            assert_eq!((status, code.as_str()), (422, "validation_error"), "{query}");
        }
        let behind = good(app.get(&format!("{SESSIONS}?cursor=5"), &ada.token).await).await;
        assert_eq!(behind, json!({ "sessions": [], "next_cursor": null }));
    }

    async fn an_opened_session_shows_both_halves_of_each_exchange(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        assert_eq!(shown(&app, &ada, &session).await["messages"], json!([]), "an empty list, not null");
        say(&app, &ada, &session, "openai:echo", "Grüße 🦀").await;
        app.advance(MINUTE);
        say(&app, &ada, &session, "openai:unicode", "Once more").await;
        let shown = shown(&app, &ada, &session).await;
        let message = |exchange: usize, time: &str, role: &str, content: &str, model: Option<&str>| json!({
            "id": shown["messages"][2 * exchange]["id"], "role": role, "content": content, "created_at": time,
            "status": "completed", "images": null, "artifact_urls": null, "model_name": model,
            "provider": model.map(|_| "openai"),
        });
        let later = "2026-11-22T12:01:00.000000Z";
        assert_eq!(shown["messages"], json!([
            message(0, NOON, "user", "Grüße 🦀", None),
            message(0, NOON, "assistant", "You said: Grüße 🦀", Some("echo")),
            message(1, later, "user", "Once more", None),
            message(1, later, "assistant", llm_api_testkit::UNICODE, Some("unicode")),
        ]));
        assert_ne!(shown["messages"][0]["id"], shown["messages"][2]["id"]);
        assert_eq!((&shown["message_count"], &shown["last_used_at"]), (&json!(2), &json!(later)));
    }

    async fn a_session_can_be_renamed(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({ "title": "Engines", "system_prompt": "Be brief." })).await;
        say(&app, &ada, &session, "openai:echo", "Hello").await;
        let rename = async |body: Value| app.http().put(&path(&session, "")).bearer(&ada.token).json(body).send().await;
        let renamed = good(rename(json!({ "title": " Looms " })).await).await;
        assert_eq!(renamed, json!({
            "id": session, "status": "active", "title": "Looms", "system_prompt": "Be brief.", "created_at": NOON,
            "last_used_at": NOON, "message_count": 1, "messages": null,
        }));
        for body in [json!({ "title": null }), json!({})] {
            assert_eq!(good(rename(body).await).await["title"], "Looms", "null leaves it as it is");
        }
        for body in [json!({ "title": "x".repeat(1001) }), json!({ "title": 7 }), json!("Looms")] {
            let (status, code, _) = refused(rename(body).await).await;
            assert_eq!((status, code.as_str()), (422, "validation_error"));
        }
        assert_eq!(shown(&app, &ada, &session).await["title"], "Looms");
        assert_eq!(list(&app, &ada).await[0]["title"], "Looms");
    }

    async fn a_closed_session_is_readable_and_takes_nothing_more(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({ "title": "Engines" })).await;
        say(&app, &ada, &session, "openai:echo", "Hello").await;
        for _ in ["once", "twice"] {
            assert_eq!(good(app.delete(&path(&session, ""), &ada.token).await).await, json!({
                "id": session, "status": "closed", "title": "Engines", "system_prompt": null, "created_at": NOON,
                "last_used_at": NOON, "message_count": 1, "messages": null,
            }));
        }
        let shown = shown(&app, &ada, &session).await;
        assert_eq!((&shown["status"], &shown["messages"][1]["content"]), (&json!("closed"), &json!("You said: Hello")));

        let asked_before = app.provider.requests().len();
        let body = prompt("openai:echo", "More");
        let mut in_body = body.clone();
        in_body["session_id"] = json!(session);
        let (generate, regenerate) = (path(&session, "/generate"), path(&session, "/regenerate"));
        for (path, body) in [
            (generate.as_str(), body.clone()),
            (&generate, streamed(body)),
            ("/v1/generate", in_body.clone()),
            ("/v1/generate", streamed(in_body)),
            (&regenerate, json!({})),
            (&regenerate, json!({ "stream": true })),
        ] {
            let told = refused(app.post(path, &ada.token, body).await).await;
            assert_eq!(told, (400, "session_closed".to_owned(), json!("Session is closed")), "{path}");
        }
        assert_eq!(app.provider.requests().len(), asked_before, "the provider hears nothing");
        assert_eq!(talk(&app, &ada, &session).await.len(), 2);
    }

    async fn a_reset_session_forgets_what_was_said_and_keeps_its_name(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({ "title": "Engines", "system_prompt": "Be brief." })).await;
        let mut first = prompt("openai:echo", "Hello");
        first["state_tokens"] = json!({ "turn": 1 });
        assert_eq!(ask(&app, &ada, &session, first).await.status, 200);
        let reset = path(&session, "/reset");
        let emptied = good(app.http().post(&reset).bearer(&ada.token).send().await).await;
        assert_eq!(emptied, json!({
            "id": session, "status": "active", "title": "Engines", "system_prompt": "Be brief.", "created_at": NOON,
            "last_used_at": NOON, "message_count": 0, "messages": null,
        }));
        assert_eq!(shown(&app, &ada, &session).await["messages"], json!([]));
        let reply = say(&app, &ada, &session, "openai:counts", "Who am I?").await;
        assert_eq!(reply["output"]["text"], "turns: 1 user");
        assert_eq!(reply["state_tokens"], Value::Null);

        good(app.delete(&path(&session, ""), &ada.token).await).await;
        let emptied = good(app.post(&reset, &ada.token, json!({})).await).await;
        assert_eq!((&emptied["status"], &emptied["message_count"]), (&json!("closed"), &json!(0)));
    }

    async fn a_purged_session_is_gone(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let (gone, kept) = (open(&app, &ada, json!({})).await, open(&app, &ada, json!({})).await);
        for session in [&gone, &kept] {
            say(&app, &ada, session, "openai:echo", "Hello").await;
        }
        let closed = good(app.delete(&path(&gone, "?purge=false"), &ada.token).await).await;
        assert_eq!(closed["status"], "closed");
        let purge = path(&gone, "?purge=true");
        let purged = good(app.delete(&purge, &ada.token).await).await;
        assert_eq!(purged, json!({ "id": gone, "deleted": true }));
        for reply in [app.delete(&purge, &ada.token).await, app.get(&path(&gone, ""), &ada.token).await] {
            let told = refused(reply).await;
            assert_eq!(told, (404, "session_not_found".to_owned(), json!(format!("Session '{gone}' not found"))));
        }
        let left = list(&app, &ada).await;
        assert_eq!((left.len(), &left[0]["id"]), (1, &json!(kept)));
        assert_eq!(talk(&app, &ada, &kept).await, ["user: Hello", "assistant: You said: Hello"]);
        assert!(stored(&app, &ada, &gone).await.is_empty(), "nor is anything left behind");
    }
}
