//! A session that the caller does not have, for whatever reason: nothing tells one reason from the other.

use http::Method;
use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{SESSIONS, list, open, path, prompt, refused, say, shown, start, streamed, talk};

/// Every way to name a session: method, path and body.
fn ways(session: &str) -> Vec<(Method, String, Option<Value>)> {
    let body = prompt("openai:echo", "Hello");
    let mut in_body = body.clone();
    in_body["session_id"] = json!(session);
    let post = |path: &str, body: Value| (Method::POST, path.to_owned(), Some(body));
    vec![
        (Method::GET, path(session, ""), None),
        (Method::PUT, path(session, ""), Some(json!({ "title": "Mine" }))),
        (Method::PUT, path(session, ""), Some(json!({ "title": null }))),
        (Method::DELETE, path(session, ""), None),
        (Method::DELETE, path(session, "?purge=true"), None),
        (Method::POST, path(session, "/reset"), None),
        (Method::POST, path(session, "/regenerate"), None),
        post(&path(session, "/regenerate"), json!({ "stream": true })),
        post(&path(session, "/generate"), body.clone()),
        post(&path(session, "/generate"), streamed(body)),
        post("/v1/generate", in_body.clone()),
        post("/v1/generate", streamed(in_body)),
    ]
}

async fn assert_not_found(app: &TestApp, person: &Person, session: &str) {
    for (method, path, body) in ways(session) {
        let request = app.http().request(method.clone(), &path).bearer(&person.token);
        let request = body.into_iter().fold(request, llm_api_testkit::HttpRequest::json);
        let told = refused(request.send().await).await;
        let sentence = json!(format!("Session '{session}' not found"));
        assert_eq!(told, (404, "session_not_found".to_owned(), sentence), "{method} {path}");
    }
}

each_db! {
    async fn an_unknown_and_a_malformed_id_are_not_found(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let asked_before = app.provider.requests().len();
        for session in [
            "0196f1a2-0000-7000-8000-000000000000",
            "00000000-0000-0000-0000-000000000000",
            "5a4b",
            "session",
            "0196f1a2-0000-7000-8000-00000000000z",
            "-1",
        ] {
            assert_not_found(&app, &ada, session).await;
        }
        assert_eq!(app.provider.requests().len(), asked_before, "the provider hears nothing");
        assert!(list(&app, &ada).await.is_empty());
    }

    async fn another_persons_session_is_as_unknown_and_stays_as_it_was(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = app.admin("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        let session = open(&app, &ada, json!({ "title": "Engines" })).await;
        say(&app, &ada, &session, "openai:echo", "Hello").await;
        let before = shown(&app, &ada, &session).await;
        assert_not_found(&app, &bob, &session).await;
        assert_eq!(shown(&app, &ada, &session).await, before);
        assert!(list(&app, &bob).await.is_empty(), "an administrator sees own sessions alone");
    }

    async fn the_static_key_has_sessions_of_its_own(database: Database) {
        let key = "a-static-key-of-forty-two-characters-in-all";
        let (app, ada) = start(database, &[("API_KEY", key)]).await;
        let reply = app.http().post(SESSIONS).header("x-api-key", key).json(json!({})).send().await;
        assert_eq!(reply.status, 201);
        let session = reply.json().await["id"].as_str().expect("an id").to_owned();
        assert_eq!(app.http().get(&path(&session, "")).header("x-api-key", key).send().await.status, 200);
        assert_not_found(&app, &ada, &session).await;
        let hers = open(&app, &ada, json!({})).await;
        let reply = app.http().get(&path(&hers, "")).header("x-api-key", key).send().await;
        assert_eq!(reply.status, 404);
        assert_eq!(talk(&app, &ada, &hers).await.len(), 0);
    }
}
