//! Every caller's format with every provider.

use llm_api_domain::RequestStatus;
use llm_api_testkit::each_db;

use super::{Caller, parsed};
use crate::{
    families::{PROVIDERS, start},
    usage_rows::{COUNTED, request_id, row_with},
};

each_db! {
    async fn every_format_gets_an_answer_of_every_provider(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for caller in Caller::ALL {
            for account in PROVIDERS {
                let reply = caller.ask(&app, &ada, caller.hello(&format!("{}:echo", account.provider))).await;
                let place = format!("{caller:?} with {}", account.provider);
                assert_eq!(reply.status, 200, "{place}");
                assert_eq!(reply.header("x-llm-api-provider"), account.provider, "{place}");
                assert_eq!(reply.header("x-llm-api-model"), "echo", "{place}");
                let id = request_id(&reply);
                let reply = reply.json().await;
                assert_eq!(caller.text(&reply), "You said: Hello", "{place}: {reply}");
                assert_eq!(caller.counts(&reply), (11, 7), "{place}: {reply}");
                let row = row_with(&app, &ada, id).await;
                assert_eq!((row.provider.as_str(), row.endpoint.as_str()), (account.provider, caller.endpoint()));
                assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, COUNTED.total_tokens));
            }
        }
    }

    async fn every_format_gets_a_stream_of_every_provider(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for caller in Caller::ALL {
            for account in PROVIDERS {
                let reply = caller.ask_streamed(&app, &ada, caller.hello(&format!("{}:echo", account.provider))).await;
                let place = format!("{caller:?} with {}", account.provider);
                assert_eq!(reply.status, 200, "{place}");
                assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8", "{place}");
                assert_eq!(reply.header("x-llm-api-provider"), account.provider, "{place}");
                let id = request_id(&reply);
                let data = reply.data().await;
                assert!(caller.is_whole(&data), "{place}: {data:#?}");
                assert_eq!(caller.streamed_text(&parsed(&data)), "You said: Hello", "{place}: {data:#?}");
                let row = row_with(&app, &ada, id).await;
                assert_eq!((row.status, row.streamed), (RequestStatus::Completed, true), "{place}");
                assert_eq!(row.usage.total_tokens, COUNTED.total_tokens, "{place}");
            }
        }
    }
}
