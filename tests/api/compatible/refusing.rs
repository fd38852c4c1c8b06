//! What cannot be done is said by name, in the caller's format.

use llm_api_testkit::each_db;
use serde_json::{Value, json};

use super::Caller;
use crate::families::{ANTHROPIC, PART_OF_KEY, PROVIDERS, start};

each_db! {
    async fn every_providers_refusals_are_told_in_the_callers_format(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for caller in Caller::ALL {
            for account in PROVIDERS {
                for (model, status, retry_after) in [
                    ("rejects-key", 424, ""),
                    ("rate-limited", 429, "7"),
                    ("no-quota", 429, ""),
                    ("refuses", 400, ""),
                    ("no-such-model", 404, ""),
                ] {
                    let body = caller.hello(&format!("{}:{model}", account.provider));
                    for reply in [
                        caller.ask(&app, &ada, body.clone()).await,
                        caller.ask_streamed(&app, &ada, body.clone()).await,
                    ] {
                        let place = format!("{caller:?}, {model} of {}", account.provider);
                        assert_eq!(reply.status, status, "{place}");
                        assert_eq!(reply.header("retry-after"), retry_after, "{place}");
                        let text = reply.text().await;
                        assert!(!text.contains(PART_OF_KEY), "{text}");
                        let body: Value = serde_json::from_str(&text).expect("JSON");
                        assert!(!caller.message(&body).is_empty(), "{place}");
                    }
                }
            }
        }
    }

    async fn our_own_refusals_have_the_callers_format_too(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        for caller in Caller::ALL {
            let stranger = app.http().post(caller.path()).json(caller.hello("openai:echo")).send().await;
            assert_eq!(stranger.status, 401);
            caller.message(&stranger.json().await);
            let no_key = caller.ask(&app, &ada, caller.hello("openai:echo")).await;
            assert_eq!(no_key.status, 400);
            assert!(caller.message(&no_key.json().await).contains("No key is stored for openai"));
            let broken = app.http().post(caller.path()).bearer(&ada.token).body("{\"model\":").send().await;
            assert_eq!(broken.status, 400);
            caller.message(&broken.json().await);
            let nameless = caller.ask(&app, &ada, json!({ "messages": [{ "role": "user", "content": "x" }] })).await;
            assert_eq!(nameless.status, 400);
            assert!(caller.message(&nameless.json().await).contains("model"));
        }
        let by_key = app.http().post("/v1/messages").header("x-api-key", &ada.token).json(Caller::Messages.hello("x")).send();
        assert_eq!(by_key.await.status, 404, "Anthropic's SDKs send their key in x-api-key");
    }

    async fn a_member_without_a_counterpart_is_refused_by_name_or_dropped_in_sight(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC], &[]).await;
        let mut body = Caller::Chat.hello("anthropic:echo");
        body["seed"] = 7.into();
        body["user"] = "somebody".into();
        let refused = Caller::Chat.ask(&app, &ada, body.clone()).await;
        assert_eq!(refused.status, 400);
        let error = refused.json().await["error"].take();
        assert_eq!((&error["param"], &error["code"]), (&json!("seed"), &json!("invalid_parameter")));
        assert!(error["message"].as_str().is_some_and(|message| message.contains("`seed`")), "{error}");

        let send = |header: &'static str| {
            let request = app.http().post(Caller::Chat.path()).bearer(&ada.token);
            request.header("x-llm-api-unsupported", header).json(body.clone()).send()
        };
        let reply = send("drop").await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("x-llm-api-dropped").contains("seed"), "{}", reply.header("x-llm-api-dropped"));
        assert_eq!(send("perhaps").await.status, 400);
    }
}
