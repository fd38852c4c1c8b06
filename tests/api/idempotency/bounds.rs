//! What is kept of one user has an end, and nobody is refused for it.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use llm_api_testkit::{Database, Person, TestApp, each_db};

use super::{CHAT, GENERATE, ask, chat, hello, is_replay, limits::kept};
use crate::{
    asking::{generations, prompt, refused},
    database::OpenDatabase,
};

async fn start(database: Database, setting: (&str, &str)) -> (OpenDatabase, TestApp, Person) {
    let data = OpenDatabase::new(database).await;
    let app = TestApp::start_with(database, &[data.setting(), setting]).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (data, app, ada)
}

/// A new one, and a moment later.
async fn ask_anew(app: &TestApp, person: &Person, key: &str) {
    let reply = ask(app, person, GENERATE, key, hello("openai:echo")).await;
    assert_eq!((reply.status, is_replay(&reply)), (StatusCode::OK, false), "{key}");
    reply.bytes().await;
    app.advance(Duration::from_secs(1));
}

each_db! {
    async fn of_too_many_replies_the_oldest_are_forgotten(database: Database) {
        let (data, app, ada) = start(database, ("IDEMPOTENCY_MAX_KEYS_PER_USER", "3")).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        ask_anew(&app, &bob, "bobs").await;
        for number in 1..=5 {
            ask_anew(&app, &ada, &format!("k{number}")).await;
        }
        assert_eq!(kept(&data).await, "bobs k3 k4 k5");
        for key in ["k3", "k4", "k5"] {
            assert!(is_replay(&ask(&app, &ada, GENERATE, key, hello("openai:echo")).await), "{key}");
        }
        ask_anew(&app, &ada, "k1").await;
        assert_eq!(kept(&data).await, "bobs k1 k4 k5");

        // Several make room at once, and for themselves as well.
        let keys: Vec<String> = (0..12).map(|number| format!("m{number:02}")).collect();
        let all = join_all(keys.iter().map(|key| ask(&app, &ada, CHAT, key, chat("openai:echo", false)))).await;
        assert!(all.iter().all(|reply| reply.status == StatusCode::OK));
        app.advance(Duration::from_secs(1));
        ask_anew(&app, &ada, "last").await;
        let left = kept(&data).await;
        assert_eq!(left.split(' ').count(), 4, "{left}");
        assert!(left.starts_with("bobs last m"), "{left}");
    }

    async fn of_too_many_bytes_the_oldest_are_not_given_again(database: Database) {
        let (data, app, ada) = start(database, ("IDEMPOTENCY_MAX_MB_PER_USER", "1")).await;
        let long = prompt("openai:echo", &"word".repeat(100_000));
        for key in ["a", "b", "c"] {
            let reply = ask(&app, &ada, GENERATE, key, long.clone()).await;
            assert_eq!((reply.status, is_replay(&reply)), (StatusCode::OK, false), "{key}");
            assert!(reply.bytes().await.len() > 400_000);
            app.advance(Duration::from_secs(1));
        }
        let (status, code, message) = refused(ask(&app, &ada, GENERATE, "a", long.clone()).await).await;
        assert_eq!((status, code.as_str()), (409, "idempotency_reply_not_kept"));
        assert!(message.contains("has succeeded") && message.contains("later ones"), "{message}");
        for key in ["b", "c"] {
            assert!(is_replay(&ask(&app, &ada, GENERATE, key, long.clone()).await), "{key}");
        }

        // One that is too large by itself is served, and takes nobody's room.
        let words = format!("{} ", "w".repeat(10_000)).repeat(120);
        for (key, stream) in [("whole", false), ("streamed", true)] {
            let mut body = chat("openai:echo", stream);
            body["messages"][0]["content"] = words.as_str().into();
            let reply = ask(&app, &ada, CHAT, key, body.clone()).await;
            assert_eq!(reply.status, StatusCode::OK, "{key}");
            assert!(reply.bytes().await.len() > 1 << 20, "{key}");
            let again = ask(&app, &ada, CHAT, key, body).await;
            assert_eq!(again.status, StatusCode::CONFLICT, "{key}");
            assert_eq!(again.json().await["error"]["code"], "idempotency_reply_not_kept");
        }
        for key in ["b", "c"] {
            assert!(is_replay(&ask(&app, &ada, GENERATE, key, long.clone()).await), "{key}");
        }
        assert_eq!(generations(&app.provider).len(), 5);
        let bytes = data.query("SELECT SUM(kept_bytes), SUM(COALESCE(LENGTH(body), 0) + COALESCE(LENGTH(headers), 0)) FROM idempotency_keys").await;
        let (counted, there) = bytes.trim().split_once('|').expect("two columns");
        assert_eq!(counted, there);
        assert!(counted.parse::<usize>().expect("a number") <= 1 << 20, "{counted}");
    }
}
