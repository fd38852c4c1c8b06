//! Several requests in one session at the same time.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use llm_api_testkit::each_db;
use serde_json::json;

use super::{ask, begun, heard, open, path, prompt, say, shown, start, stored, streamed, talk};

each_db! {
    async fn eight_replies_at_once_are_eight_exchanges(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let asked_before = app.provider.requests().len();
        let texts: Vec<String> = (1..=8).map(|number| format!("Number {number}")).collect();
        let replies = join_all(texts.iter().map(|text| say(&app, &ada, &session, "openai:slow-head", text)));
        let together = async {
            app.provider.wait_for_requests(asked_before + 8).await;
            for _ in &texts {
                app.provider.release();
            }
        };
        let (replies, ()) = tokio::join!(replies, together);
        for (reply, text) in replies.iter().zip(&texts) {
            assert_eq!(reply["output"]["text"], format!("You said: {text}"));
        }
        let exchanges = stored(&app, &ada, &session).await;
        let numbers: Vec<i64> = exchanges.iter().map(|one| one.sequence).collect();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
        let prompts: BTreeSet<String> = exchanges.into_iter().filter_map(|one| one.prompt).collect();
        assert_eq!(prompts, texts.iter().cloned().collect());
        let shown = shown(&app, &ada, &session).await;
        assert_eq!((&shown["message_count"], shown["messages"].as_array().map(Vec::len)), (&json!(8), Some(16)));
        let first = talk(&app, &ada, &session).await.swap_remove(0);
        assert_eq!(Some(first.as_str()), shown["title"].as_str().map(|title| format!("user: {title}")).as_deref());
    }

    async fn streams_and_whole_replies_do_not_disturb_each_other(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let slow = begun(ask(&app, &ada, &session, streamed(prompt("openai:slow-stream", "slow"))).await).await;
        say(&app, &ada, &session, "openai:echo", "quick").await;
        heard(ask(&app, &ada, &session, streamed(prompt("openai:counts", "quick, too"))).await).await;
        app.provider.release();
        assert_eq!(heard(slow).await.0, "said: slow");
        assert_eq!(talk(&app, &ada, &session).await, [
            "user: quick", "assistant: You said: quick",
            "user: quick, too", "assistant: turns: 3 user assistant user",
            "user: slow", "assistant: You said: slow",
        ], "in the order in which they ended");
    }

    async fn two_second_tries_at_once_lose_neither_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        say(&app, &ada, &session, "openai:echo", "Hello").await;
        let asked_before = app.provider.requests().len();
        let again = path(&session, "/regenerate");
        let body = json!({ "model": "openai:slow-head" });
        let replies = join_all([0, 1].map(|_| app.post(&again, &ada.token, body.clone())));
        let together = async {
            app.provider.wait_for_requests(asked_before + 2).await;
            app.provider.release();
            app.provider.release();
        };
        let (replies, ()) = tokio::join!(replies, together);
        assert!(replies.iter().all(|reply| reply.status == 200));
        let exchanges = stored(&app, &ada, &session).await;
        let kept: Vec<_> = exchanges.iter().map(|one| (one.sequence, one.model.as_str())).collect();
        assert_eq!(kept, [(1, "slow-head"), (2, "slow-head")], "one takes the old one's place, the other follows");
        assert_eq!(shown(&app, &ada, &session).await["message_count"], 2);
    }
}
