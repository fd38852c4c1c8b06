//! What else than its body makes a request another one.

use http::StatusCode;
use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::Value;

use super::{CHAT, MESSAGES, hello_at, is_replay, keyed, start};
use crate::asking::{generations, with};

/// Asks with the key `k` and more headers; whether the reply was there already, or `None` where the key is another request's.
async fn repeats(
    app: &TestApp,
    person: &Person,
    path: &str,
    body: Value,
    headers: &[(&'static str, &str)],
) -> Option<bool> {
    let mut request = keyed(app, person, path, "k", body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let reply = request.send().await;
    match reply.status {
        StatusCode::OK => Some(is_replay(&reply)),
        StatusCode::UNPROCESSABLE_ENTITY => {
            assert_eq!(reply.json().await["code"], "idempotency_key_reused");
            None
        }
        status => panic!("{status}: {}", reply.text().await),
    }
}

each_db! {
    async fn betas_make_a_request_another_one(database: Database) {
        let (app, ada) = start(database).await;
        app.store_key(&ada.token, "anthropic", "sk-ant-adas").await;
        let ask = async |headers: &[(&'static str, &str)]| {
            repeats(&app, &ada, MESSAGES, hello_at(MESSAGES, "anthropic:echo", false), headers).await
        };
        let (one, two) = (("anthropic-beta", "one"), ("anthropic-beta", "two"));
        assert_eq!(ask(&[one, two]).await, Some(false));
        assert_eq!(ask(&[one, two]).await, Some(true));
        for other in [&[][..], &[one], &[two, one], &[one, two, ("anthropic-version", "2023-06-01")]] {
            assert_eq!(ask(other).await, None, "{other:?}");
        }
        // What says nothing about the reply.
        for same in [("x-llm-api-on-disconnect", "drain"), ("user-agent", "another"), ("x-stainless-retry-count", "1")] {
            assert_eq!(ask(&[one, two, same]).await, Some(true), "{same:?}");
        }
        assert_eq!(generations(&app.provider).len(), 1);
    }

    async fn so_does_what_may_be_dropped(database: Database) {
        let (app, ada) = start(database).await;
        app.store_key(&ada.token, "anthropic", "sk-ant-adas").await;
        let body = with(hello_at(CHAT, "anthropic:echo", false), "seed", 7);
        let ask = async |headers: &[(&'static str, &str)]| repeats(&app, &ada, CHAT, body.clone(), headers).await;
        assert_eq!(ask(&[("x-llm-api-unsupported", "drop")]).await, Some(false));
        assert_eq!(ask(&[("x-llm-api-unsupported", "drop")]).await, Some(true));
        assert_eq!(ask(&[("x-llm-api-unsupported", "refuse")]).await, None);
        assert_eq!(ask(&[]).await, None, "without the header it would be refused");
    }
}
