//! Aliases for chains of models in functions, and who is left alone there for a while.

use llm_api_testkit::each_db;
use serde_json::json;

use super::STREAM;
use super::crew::{ANSWER, Caller, Crew};

each_db! {
    async fn an_alias_leads_down_its_chain_in_functions(database: Database) {
        let crew = Crew::start(database).await;
        crew.set_alias("fast", &["mistral:echo", "openai:overloaded", "anthropic:claude-rate-limited", "google:gemini-echo"]).await;
        crew.set_alias("plain", &["anthropic:claude-echo", "openai:echo"]).await;
        crew.set_alias("sad", &["anthropic:claude-rate-limited", "openai:no-such-model"]).await;
        for caller in Caller::ALL {
            for stream in [false, true] {
                for (alias, served, reason) in [
                    ("fast", ("google", "gemini-echo"), "rate_limited"),
                    ("plain", ("anthropic", "claude-echo"), ""),
                ] {
                    let reply = crew.ask(caller, &caller.hello(alias, stream)).await;
                    assert_eq!((reply.status.as_u16(), caller.text(&reply, stream).as_str()), (200, ANSWER), "{caller:?}");
                    assert_eq!((reply.header("x-llm-api-provider"), reply.header("x-llm-api-model")), served);
                    assert_eq!(reply.header("x-llm-api-fallback"), reason, "{caller:?}");
                    let row = crew.row(&reply).await;
                    assert_eq!((row.provider.as_str(), row.model.as_str()), served);
                    assert_eq!(row.fallback_reason.unwrap_or_default(), reason);
                }
                let reply = crew.ask(caller, &caller.hello("sad", stream)).await;
                assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, "7"), "the first one's refusal");
                caller.error(&reply);
            }
        }
    }

    async fn a_function_leaves_alone_who_fails_again_and_again(database: Database) {
        let mut crew = Crew::start(database).await;
        crew.set_alias("safe", &["openai:echo", "anthropic:claude-echo"]).await;
        for caller in [Caller::Responses, Caller::Messages] {
            for _ in 0..5 {
                assert_eq!(crew.ask(caller, &caller.hello("openai:fails", false)).await.status, 502);
            }
            let asked = crew.asked();
            let resting = crew.ask(caller, &caller.hello("openai:echo", false)).await;
            assert_eq!(resting.status, 503, "{}", resting.text());
            assert!(resting.header("retry-after").parse().is_ok_and(|seconds: u32| (1..=10).contains(&seconds)));
            caller.error(&resting);
            assert_eq!((&resting.json()["code"], crew.asked()), (&json!("upstream_resting"), asked), "nobody is asked");

            let stand_in = crew.ask(caller, &caller.hello("safe", true)).await;
            assert_eq!((stand_in.status.as_u16(), caller.text(&stand_in, true).as_str()), (200, ANSWER));
            assert_eq!(stand_in.header("x-llm-api-provider"), "anthropic");
            assert_eq!(stand_in.header("x-llm-api-fallback"), "provider_resting");
        }
        // Each process learns for itself.
        crew.relieved(&STREAM).await;
        for caller in [Caller::Responses, Caller::Messages] {
            let reply = crew.ask(caller, &caller.hello("safe", true)).await;
            assert_eq!((reply.status.as_u16(), reply.header("x-llm-api-provider")), (200, "openai"));
        }
    }
}
