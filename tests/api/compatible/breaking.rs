//! Streams that break off say so in the caller's grammar, and never look complete.

use llm_api_domain::RequestStatus;
use llm_api_testkit::each_db;

use super::{Caller, parsed};
use crate::{
    families::{PROVIDERS, start},
    usage_rows::{outcome_of, request_id, row_with},
};

each_db! {
    async fn a_stream_that_breaks_off_ends_in_an_error(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for caller in Caller::ALL {
            for account in PROVIDERS {
                for model in ["dies", "no-done", "bad-json"] {
                    // What passes through is not read, so its broken event arrives as it is.
                    let body = caller.hello(&format!("{}:{model}", account.provider));
                    let reply = caller.ask_streamed(&app, &ada, body).await;
                    let place = format!("{caller:?}, {model} of {}", account.provider);
                    assert_eq!(reply.status, 200, "{place}");
                    let id = request_id(&reply);
                    let data = reply.data().await;
                    assert!(!caller.is_whole(&data), "{place}: {data:#?}");
                    let last = parsed(&data[data.len() - 1..]).remove(0);
                    match caller {
                        Caller::Chat => assert!(last["error"]["message"].is_string(), "{place}: {last}"),
                        Caller::Messages => {
                            assert_eq!(last["type"], "error", "{place}: {last}");
                            assert!(last["error"]["message"].is_string(), "{place}: {last}");
                            assert_eq!(last["request_id"], id.to_string(), "{place}");
                        }
                        Caller::Responses if last["type"] == "error" => {
                            assert!(last["message"].is_string(), "{place}: {last}");
                        }
                        Caller::Responses => {
                            assert_eq!(last["type"], "response.failed", "{place}: {last}");
                            assert_eq!(last["response"]["status"], "failed", "{place}: {last}");
                            assert!(last["response"]["error"]["message"].is_string(), "{place}: {last}");
                        }
                    }
                    let row = row_with(&app, &ada, id).await;
                    assert_eq!(row.status, RequestStatus::Incomplete, "{place}");
                }
            }
        }
    }

    async fn a_whole_reply_that_breaks_off_is_a_gateway_error(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for caller in Caller::ALL {
            for account in PROVIDERS {
                for model in ["dies", "html", "bad-json", "redirect"] {
                    let body = caller.hello(&format!("{}:{model}", account.provider));
                    let reply = caller.ask(&app, &ada, body).await;
                    let place = format!("{caller:?}, {model} of {}", account.provider);
                    assert_eq!(reply.status, 502, "{place}");
                    caller.message(&reply.json().await);
                }
            }
        }
    }

    async fn a_client_that_leaves_ends_the_providers_work(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for caller in Caller::ALL {
            for account in PROVIDERS {
                let body = caller.hello(&format!("{}:slow-stream", account.provider));
                let mut reply = caller.ask_streamed(&app, &ada, body).await;
                let id = request_id(&reply);
                let place = format!("{caller:?} with {}", account.provider);
                reply.next_event().await.expect("a whole event").expect("one event");
                drop(reply);
                app.provider.wait_until_closed().await;
                let row = outcome_of(&app, &ada, id).await;
                assert_eq!(row.status, RequestStatus::Cancelled, "{place}");
            }
        }
    }
}
