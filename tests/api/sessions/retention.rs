//! Sessions stay until somebody deletes them, unless the operator says otherwise.

use std::time::Duration;

use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{SESSIONS, ask, begun, heard, ids, list, open, path, prompt, say, shown, start, stored, streamed};

const MINUTE: Duration = Duration::from_mins(1);

async fn titles(app: &TestApp, person: &Person) -> Vec<String> {
    let mut titles: Vec<String> =
        list(app, person).await.iter().map(|entry| entry["title"].as_str().expect("a title").to_owned()).collect();
    titles.sort();
    titles
}

each_db! {
    async fn idle_sessions_go_and_used_ones_stay(database: Database) {
        let (app, ada) = start(database, &[("SESSION_RETENTION_MINUTES", "60")]).await;
        let titled = async |title: &str| open(&app, &ada, json!({ "title": title })).await;
        let (idle, closed) = (titled("idle").await, titled("closed").await);
        let (opened, talked, renamed) = (titled("opened").await, titled("talked").await, titled("x").await);
        say(&app, &ada, &idle, "openai:echo", "Hello").await;
        assert_eq!(app.delete(&path(&closed, ""), &ada.token).await.status, 200);
        app.advance(50 * MINUTE);
        shown(&app, &ada, &opened).await;
        say(&app, &ada, &talked, "openai:echo", "Hello").await;
        let rename = app.http().put(&path(&renamed, "")).bearer(&ada.token).json(json!({ "title": "renamed" }));
        assert_eq!(rename.send().await.status, 200);

        app.advance(10 * MINUTE);
        assert_eq!(titles(&app, &ada).await, ["closed", "idle", "opened", "renamed", "talked"], "an hour, not longer");
        app.advance(Duration::from_micros(1));
        assert_eq!(titles(&app, &ada).await, ["opened", "renamed", "talked"], "being listed is no use");
        for gone in [&idle, &closed] {
            assert_eq!(app.get(&path(gone, ""), &ada.token).await.status, 404);
            assert!(stored(&app, &ada, gone).await.is_empty());
        }
        assert_eq!(shown(&app, &ada, &talked).await["message_count"], 1);
        app.advance(61 * MINUTE);
        assert!(titles(&app, &ada).await.is_empty());
    }

    async fn whoever_comes_clears_up_for_all(database: Database) {
        let (app, ada) = start(database, &[("SESSION_RETENTION_MINUTES", "60")]).await;
        let bob = app.person("bob").await;
        let hers = open(&app, &ada, json!({})).await;
        app.advance(61 * MINUTE);
        open(&app, &bob, json!({})).await;
        assert_eq!(app.get(&path(&hers, ""), &ada.token).await.status, 404);
        assert_eq!(list(&app, &bob).await.len(), 1);
    }

    async fn a_session_whose_reply_still_comes_is_in_use(database: Database) {
        let (app, ada) = start(database, &[("SESSION_RETENTION_MINUTES", "60")]).await;
        let session = open(&app, &ada, json!({ "title": "slow" })).await;
        app.advance(59 * MINUTE);
        let reply = begun(ask(&app, &ada, &session, streamed(prompt("openai:slow-stream", "Hello"))).await).await;
        app.advance(10 * MINUTE);
        assert_eq!(titles(&app, &ada).await, ["slow"]);
        app.provider.release();
        assert_eq!(heard(reply).await.1["warnings"], Value::Null);
        assert_eq!(shown(&app, &ada, &session).await["message_count"], 1);
    }

    async fn unless_the_operator_says_otherwise_all_sessions_stay(database: Database) {
        for settings in [&[][..], &[("SESSION_RETENTION_MINUTES", "0")]] {
            let (app, ada) = start(database, settings).await;
            open(&app, &ada, json!({ "title": "old" })).await;
            app.advance(Duration::from_hours(24 * 3650));
            let ada = Person { token: app.login("ada", &ada.password).await.json().await["token"].as_str()
                .expect("a token").to_owned(), ..ada };
            open(&app, &ada, json!({ "title": "new" })).await;
            assert_eq!(titles(&app, &ada).await, ["new", "old"]);
        }
    }

    async fn many_idle_sessions_go_in_batches_the_oldest_first(database: Database) {
        let (app, ada) = start(database, &[("SESSION_RETENTION_MINUTES", "60")]).await;
        let (user, _) = ids(&ada, &open(&app, &ada, json!({ "title": "000" })).await);
        for number in 1..250 {
            app.advance(Duration::from_secs(1));
            let now = app.clock.now();
            let title = Some(format!("{number:03}"));
            let id = llm_api_domain::SessionId::new(now);
            let session = llm_api_storage::NewSession { id, user, title, system_prompt: None };
            app.state.auth.store.sessions().create(&session, now).await.expect("the database answers");
        }
        app.advance(61 * MINUTE);
        for (left, oldest) in [(150, Some("100")), (50, Some("200")), (0, None)] {
            let titles = titles(&app, &ada).await;
            assert_eq!((titles.len(), titles.first().map(String::as_str)), (left, oldest));
        }
        assert_eq!(app.get(SESSIONS, &ada.token).await.status, 200);
    }
}
