//! Who is asked, who stands in, and who is left alone.

use std::time::Duration;

use http::Method;
use llm_api_testkit::{Person, Recording, TestApp, each_db};
use serde_json::{Value, json};

use super::Caller;
use crate::{
    families::{ANTHROPIC, GOOGLE, OPENAI, start},
    usage_rows::{request_id, row_with},
};

pub(super) async fn alias(app: &TestApp, person: &Person, name: &str, body: Value) {
    let path = format!("/v1/users/aliases/{name}");
    let reply = app.http().request(Method::PUT, &path).bearer(&person.token).json(body).send().await;
    let (status, text) = (reply.status, reply.text().await);
    assert!(status.is_success(), "{status} {text}");
}

fn overloaded() -> Recording {
    Recording { status: 503, ..Recording::new(json!({ "error": { "message": "busy" } }), "") }
}

each_db! {
    async fn an_alias_leads_down_its_chain(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC, GOOGLE], &[]).await;
        alias(&app, &ada, "fast", json!({ "targets": ["groq:echo", "openai:overloaded", "anthropic:rate-limited", "google:echo"] })).await;
        for caller in Caller::ALL {
            for streamed in [false, true] {
                let mut body = caller.hello("fast");
                body["stream"] = streamed.into();
                let reply = caller.ask(&app, &ada, body).await;
                assert_eq!(reply.status, 200, "{caller:?}");
                assert_eq!((reply.header("x-llm-api-provider"), reply.header("x-llm-api-model")), ("google", "echo"));
                assert_eq!(reply.header("x-llm-api-fallback"), "rate_limited");
                let id = request_id(&reply);
                let text = reply.text().await;
                let row = row_with(&app, &ada, id).await;
                assert_eq!((row.provider.as_str(), row.fallback_reason.as_deref()), ("google", Some("rate_limited")));
                assert!(text.contains("said:"), "{text}");
            }
        }
    }

    async fn the_first_refusal_is_told_when_nobody_answers(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC], &[]).await;
        alias(&app, &ada, "sad", json!({ "targets": ["openai:rate-limited", "anthropic:overloaded"] })).await;
        let reply = Caller::Chat.ask(&app, &ada, Caller::Chat.hello("sad")).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, "7"));
        // A request that is wrong is wrong everywhere.
        alias(&app, &ada, "wrong", json!({ "targets": ["openai:refuses", "anthropic:echo"] })).await;
        let reply = Caller::Chat.ask(&app, &ada, Caller::Chat.hello("wrong")).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json().await["error"]["param"], "temperature");
    }

    async fn a_prompt_that_is_too_long_goes_to_who_reads_more(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC], &[]).await;
        let targets = json!({ "targets": ["openai:context-200", "openai:context-200"], "context_target": "anthropic:echo" });
        alias(&app, &ada, "long", targets).await;
        let short = Caller::Chat.ask(&app, &ada, Caller::Chat.hello("long")).await;
        assert_eq!((short.header("x-llm-api-provider"), short.header("x-llm-api-fallback")), ("openai", ""));
        let long = Caller::Chat.ask(&app, &ada, Caller::Chat.says("long", &"word ".repeat(80))).await;
        assert_eq!(long.status, 200);
        assert_eq!((long.header("x-llm-api-provider"), long.header("x-llm-api-fallback")), ("anthropic", "context_length"));
    }

    async fn a_model_that_was_named_is_asked_again_but_nobody_stands_in(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC], &[]).await;
        app.provider.play("busy", overloaded());
        let before = app.provider.requests().len();
        let reply = Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:busy")).await;
        assert_eq!(reply.status, 502);
        assert_eq!(app.provider.requests().len() - before, 3, "asked three times");
        let limited = Recording { status: 429, ..Recording::new(json!({ "error": { "message": "slow down" } }), "") };
        app.provider.play("soon", limited.with_header("retry-after", "0"));
        let before = app.provider.requests().len();
        assert_eq!(Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:soon")).await.status, 429);
        assert_eq!(app.provider.requests().len() - before, 3, "it said that it would not take long");
        let before = app.provider.requests().len();
        assert_eq!(Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:rate-limited")).await.status, 429);
        assert_eq!(app.provider.requests().len() - before, 1, "seven seconds are the client's to wait");
    }

    async fn who_fails_again_and_again_is_left_alone_for_a_while(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC], &[]).await;
        for _ in 0..5 {
            assert_eq!(Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:fails")).await.status, 502);
        }
        let before = app.provider.requests().len();
        let reply = Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:echo")).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "10"));
        assert_eq!(reply.json().await["error"]["code"], "upstream_resting");
        assert_eq!(app.provider.requests().len(), before, "nobody was asked");
        let other = Caller::Chat.ask(&app, &ada, Caller::Chat.hello("anthropic:echo")).await;
        assert_eq!(other.status, 200, "another provider is another matter");
        app.advance(Duration::from_secs(11));
        assert_eq!(Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:echo")).await.status, 200);
        assert_eq!(Caller::Chat.ask(&app, &ada, Caller::Chat.hello("openai:echo")).await.status, 200);
    }
}
