//! Every caller's format with every provider.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{Recording, each_db};

use super::{Caller, parsed};
use crate::{
    families::{ANTHROPIC, PROVIDERS, start},
    usage_rows::{COUNTED, request_id, row_with},
};

/// A reply of Anthropic's after it had searched the web, whole and streamed.
const SEARCHED: &str = include_str!("../../../shared/translate/tests/golden/replies/anthropic/sources.json");
const SEARCHING: &str = include_str!("../../../shared/translate/tests/golden/streams/anthropic/sources.sse");

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

    async fn what_only_the_provider_knows_is_named_where_it_is_left_out(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC], &[]).await;
        app.provider.play("searching", Recording::new(SEARCHED, SEARCHING));
        for caller in [Caller::Chat, Caller::Responses] {
            let reply = caller.ask(&app, &ada, caller.hello("anthropic:searching")).await;
            assert_eq!(reply.header("x-llm-api-dropped"), "reply.server_tool_use, reply.web_search_tool_result", "{caller:?}");

            let reply = caller.ask_streamed(&app, &ada, caller.hello("anthropic:searching")).await;
            assert_eq!((reply.status.as_u16(), reply.header("x-llm-api-dropped")), (200, ""), "{caller:?}");
            let text = reply.text().await;
            let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(": x-llm-api-dropped: ")).collect();
            assert_eq!(told, ["reply.server_tool_use", "reply.web_search_tool_result"], "{caller:?}: {text}");
        }
    }
}
