//! How long a key lasts, what it may look like, and what is too large to be kept.

use std::time::Duration;

use http::StatusCode;
use llm_api_storage::AuditContext;
use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::json;

use super::{CHAT, GENERATE, KEY, ask, chat, hello, is_replay, keyed, start};
use crate::{
    asking::{generations, prompt, refused},
    database::OpenDatabase,
};

const DAY: Duration = Duration::from_hours(24);

/// The keys that stand in the database.
pub(super) async fn kept(data: &OpenDatabase) -> String {
    data.query("SELECT key FROM idempotency_keys ORDER BY key").await.replace('\n', " ").trim().to_owned()
}

/// Waits until a running server knows of a freeze by itself, and need not be told by the database.
async fn until_frozen(app: &TestApp) {
    let known = async {
        while app.state.auth.store.freezes().recent().await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), known).await.expect("it is seen within a second");
}

each_db! {
    async fn a_reply_is_kept_for_a_day(database: Database) {
        let data = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[data.setting()]).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        ask(&app, &ada, GENERATE, "k", hello("openai:echo")).await;
        app.advance(DAY.saturating_sub(Duration::from_secs(1)));
        assert!(is_replay(&ask(&app, &ada, GENERATE, "k", hello("openai:echo")).await));
        app.advance(Duration::from_secs(1));
        let anew = ask(&app, &ada, GENERATE, "k", hello("openai:counts")).await;
        assert_eq!((anew.status, is_replay(&anew)), (StatusCode::OK, false), "the key is free, for whatever");
        anew.bytes().await;

        // What has expired goes with the requests of others.
        ask(&app, &ada, GENERATE, "old", hello("openai:echo")).await.bytes().await;
        assert_eq!(kept(&data).await, "k old");
        app.advance(DAY);
        for number in 0..64 {
            let (status, _, _) = refused(ask(&app, &ada, GENERATE, &format!("n{number}"), hello("openai:fails")).await).await;
            assert_eq!(status, 502);
        }
        assert_eq!(kept(&data).await, "");
    }

    async fn keys_have_a_form(database: Database) {
        let (app, ada) = start(database).await;
        for bad in ["", "two words", &"k".repeat(256), "schl\u{fc}ssel", "tab\there"] {
            let (status, code, _) = refused(ask(&app, &ada, GENERATE, bad, hello("openai:echo")).await).await;
            assert_eq!((status, code.as_str()), (400, "invalid_idempotency_key"), "{bad:?}");
        }
        let two = keyed(&app, &ada, GENERATE, "a", hello("openai:echo")).header(KEY, "b").send().await;
        assert_eq!(refused(two).await.0, 400);
        assert!(generations(&app.provider).is_empty());
        assert_eq!(ask(&app, &ada, GENERATE, &"!~".repeat(127), hello("openai:echo")).await.status, StatusCode::OK);
        // Where nothing is generated, nobody looks at it.
        let session = app.http().post("/v1/sessions").bearer(&ada.token).header(KEY, "two words").json(json!({}));
        assert_eq!(session.send().await.status, StatusCode::CREATED);
    }

    async fn who_may_not_generate_claims_nothing(database: Database) {
        let data = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[data.setting()]).await;
        let ada = app.person("ada").await;
        let made = app.post("/v1/users/tokens", &ada.token, json!({ "scopes": ["account"] })).await.json().await;
        let limited = Person { token: made["token"].as_str().expect("a token").to_owned(), ..ada.clone() };
        let nobody = Person { token: "junk".to_owned(), ..ada.clone() };
        for (person, expected) in [(&limited, 403), (&nobody, 401)] {
            assert_eq!(refused(ask(&app, person, GENERATE, "k", hello("openai:echo")).await).await.0, expected);
        }
        assert_eq!(kept(&data).await, "");
        // A body that is none is refused as ever, and may be put right.
        let broken = app.http().post(GENERATE).bearer(&ada.token).header(KEY, "k").body("{").send().await;
        assert_eq!(broken.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(kept(&data).await, "");
    }

    async fn a_reply_that_is_too_large_is_not_given_again(database: Database) {
        let (app, ada) = start(database).await;
        let long = prompt("openai:echo", &"word".repeat(2_200_000));
        let first = ask(&app, &ada, GENERATE, "k", long.clone()).await;
        assert_eq!(first.status, StatusCode::OK);
        assert!(first.bytes().await.len() > 8_800_000);
        let (status, code, message) = refused(ask(&app, &ada, GENERATE, "k", long).await).await;
        assert_eq!((status, code.as_str()), (409, "idempotency_reply_not_kept"));
        assert!(message.contains("has succeeded") && message.contains("8 MiB"), "{message}");
        assert_eq!(generations(&app.provider).len(), 1);
    }

    async fn while_the_data_moves_what_is_there_is_given_again(database: Database) {
        let (app, ada) = start(database).await;
        ask(&app, &ada, CHAT, "k", chat("openai:echo", false)).await.bytes().await;
        let freezes = app.state.auth.store.freezes();
        let context = AuditContext::operator(app.clock.now());
        freezes.drain(Some("moving"), &context).await.expect("drains");
        assert!(freezes.close().await.expect("closes"));
        assert!(is_replay(&ask(&app, &ada, CHAT, "k", chat("openai:echo", false)).await));
        assert_eq!(ask(&app, &ada, CHAT, "new", chat("openai:echo", false)).await.status, StatusCode::SERVICE_UNAVAILABLE);
        until_frozen(&app).await;
        assert!(is_replay(&ask(&app, &ada, CHAT, "k", chat("openai:echo", false)).await));
        let other = ask(&app, &ada, CHAT, "k", chat("openai:counts", false)).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
        for key in ["new", "two words"] {
            let refusal = ask(&app, &ada, CHAT, key, chat("openai:echo", false)).await;
            assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refusal.json().await["code"], "read_only");
        }
    }
}
