//! How functions tell what goes wrong, in the caller's form and grammar.

use http::Method;
use llm_api_domain::RequestStatus;
use llm_api_testkit::each_db;
use serde_json::{Value, json};

use super::crew::{Caller, Crew, data, models};

/// The `type` of a refused token in the vendor's words.
const fn refused_token(caller: Caller) -> &'static str {
    match caller {
        Caller::Chat | Caller::Responses => "invalid_request_error",
        Caller::Messages => "authentication_error",
    }
}

/// A stream's last event must be the caller's own word for a failure.
fn check_broken(caller: Caller, last: &Value) {
    let message = match caller {
        Caller::Chat => &last["error"]["message"],
        Caller::Messages => {
            assert_eq!(last["type"], "error", "{last}");
            &last["error"]["message"]
        }
        Caller::Responses if last["type"] == "error" => &last["message"],
        Caller::Responses => {
            assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
            &last["response"]["error"]["message"]
        }
    };
    assert!(message.is_string(), "{caller:?}: {last}");
}

each_db! {
    async fn nobody_is_let_in_without_a_good_token(database: Database) {
        let crew = Crew::start(database).await;
        let asked = crew.asked();
        for caller in Caller::ALL {
            let body = caller.hello("openai:echo", true).to_string();
            let stranger = caller.shown("las_nobody");
            let stranger = (stranger.0, stranger.1.as_str());
            for headers in [&[][..], &[stranger], &[("authorization", "Bearer las_nobody")], &[("x-api-key", "las_nobody")]] {
                let reply = crew.function(caller).invoke(Method::POST, caller.path(), headers, &body).await;
                assert_eq!(reply.status, 401, "{caller:?} {headers:?}");
                assert_eq!(caller.error(&reply)["type"], refused_token(caller), "{headers:?}");
            }
            // Either header will do, whoever comes.
            let bearer = format!("Bearer {}", crew.ada);
            for header in [("authorization", bearer.as_str()), ("x-api-key", crew.ada.as_str())] {
                let reply = crew.function(caller).invoke(Method::POST, caller.path(), &[header], &body).await;
                assert_eq!(reply.status, 200, "{caller:?} {header:?}: {}", reply.text());
            }
        }
        assert_eq!(crew.asked() - asked, 6, "strangers reach no provider");
    }

    async fn refusals_keep_status_and_form(database: Database) {
        let crew = Crew::start(database).await;
        for caller in Caller::ALL {
            let function = crew.function(caller);
            let (name, shown) = caller.shown(&crew.ada);
            let broken = function.invoke(Method::POST, caller.path(), &[(name, &shown)], "{\"model\":").await;
            assert_eq!(broken.status, 400);
            caller.error(&broken);
            let mut nameless = caller.hello("", false);
            nameless.as_object_mut().expect("an object").remove("model");
            let nameless = crew.ask(caller, &nameless).await;
            assert_eq!(nameless.status, 400);
            assert!(caller.error(&nameless)["message"].as_str().is_some_and(|text| text.contains("model")));
            let no_key = crew.ask(caller, &caller.hello("mistral:echo", false)).await;
            assert_eq!(no_key.status, 400);
            assert!(caller.error(&no_key)["message"].as_str().is_some_and(|text| text.contains("No key is stored for mistral")));

            for (behaviour, status, retry_after) in
                [("no-such-model", 404, ""), ("rate-limited", 429, "7"), ("refuses", 400, ""), ("rejects-key", 424, "")]
            {
                for model in models(behaviour) {
                    for stream in [false, true] {
                        let reply = crew.ask(caller, &caller.hello(&model, stream)).await;
                        let place = format!("{caller:?} with {model}, streamed: {stream}");
                        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (status, retry_after), "{place}");
                        caller.error(&reply);
                        assert!(!reply.text().contains("sk-good"), "{place}: {}", reply.text());
                        assert_eq!(crew.row(&reply).await.status, RequestStatus::Failed, "{place}");
                    }
                }
            }
        }
    }

    async fn what_breaks_on_the_way_is_told_in_the_callers_grammar(database: Database) {
        let crew = Crew::start(database).await;
        for caller in Caller::ALL {
            for model in models("dies") {
                let place = format!("{caller:?} with {model}");
                let reply = crew.ask(caller, &caller.hello(&model, true)).await;
                assert_eq!(reply.status, 200, "{place}: {}", reply.text());
                assert_eq!(caller.text(&reply, true), "You said: ", "{place}: {}", reply.text());
                assert!(!caller.is_whole(&reply.text()), "{place}: {}", reply.text());
                check_broken(caller, data(&reply.text()).last().expect("an event"));
                assert_eq!(crew.row(&reply).await.status, RequestStatus::Incomplete, "{place}");

                let whole = crew.ask(caller, &caller.hello(&model, false)).await;
                assert_eq!(whole.status, 502, "{place}: {}", whole.text());
                caller.error(&whole);
            }
        }
    }
}
