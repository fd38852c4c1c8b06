//! A power cut for the process: what was acknowledged is there afterwards, what was cut off is told from it.

use std::cell::RefCell;

use futures_util::future::join_all;
use llm_api_domain::{RequestId, RequestStatus};
use llm_api_testkit::{Http, each_db};
use serde_json::{Value, json};

use crate::support::{Site, chat, eventually, get, question, sign_in, store_key};

const WORKERS: usize = 8;
/// Completions acknowledged before the cut.
const ENOUGH: usize = 300;

/// Completes one chat after the other until the server is gone; the ids of those whose reply arrived whole.
async fn complete_chats(http: &Http, token: &str, acknowledged: &RefCell<Vec<RequestId>>) {
    loop {
        let request = http.post("/v1/chat/completions").bearer(token).json(question("openai:echo"));
        let Ok(mut reply) = request.try_send().await else { return };
        assert_eq!(reply.status, 200);
        let id = reply.header("x-request-id").parse().expect("a UUID");
        let mut body = Vec::new();
        loop {
            match reply.next_chunk().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let body: Value = serde_json::from_slice(&body).expect("a whole body");
        assert_eq!(body["usage"]["total_tokens"], 18);
        acknowledged.borrow_mut().push(id);
    }
}

/// The same for personal tokens.
async fn make_tokens(http: &Http, token: &str, acknowledged: &RefCell<Vec<String>>) {
    loop {
        let Ok(mut reply) = http.post("/v1/users/tokens").bearer(token).json(json!({})).try_send().await else {
            return;
        };
        assert_eq!(reply.status, 201);
        let Ok(Some(body)) = reply.next_chunk().await else { return };
        let body: Value = serde_json::from_slice(&body).expect("a whole body");
        acknowledged.borrow_mut().push(body["token"].as_str().expect("a token").to_owned());
    }
}

each_db! {
    async fn no_acknowledged_write_is_lost(database: Database) {
        let site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        let mut server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;

        // One request that runs for longer than a second, which is when its row is written.
        let mut long = chat(&http, &ada, "slow-stream", true).await;
        let long_id: RequestId = long.header("x-request-id").parse().expect("a UUID");
        long.next_event().await.expect("a stream").expect("an event");
        let store = site.store().await;
        eventually("the row of the running request", async || {
            let rows = store.requests().list(ada_id, 100_000).await.expect("rows");
            rows.into_iter().find(|row| row.id == long_id && row.status == RequestStatus::Running)
        })
        .await;
        store.close().await;

        let (completions, tokens) = (RefCell::default(), RefCell::default());
        let workers = join_all((0..WORKERS).map(|_| complete_chats(&http, &ada, &completions)));
        let makers = join_all((0..2).map(|_| make_tokens(&http, &ada, &tokens)));
        let cut = async {
            eventually("some load", async || (completions.borrow().len() >= ENOUGH && tokens.borrow().len() >= 10)
                .then_some(())).await;
            server.kill9().await;
        };
        tokio::join!(workers, makers, cut);
        drop(long);
        let (completions, tokens) = (completions.into_inner(), tokens.into_inner());

        let mut server = site.start().await;
        for token in &tokens {
            assert_eq!(get(&server.http(), token, "/v1/users/me").await.status, 200);
        }
        assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);
        assert!(server.terminate().await.success());

        let rows = site.rows(ada_id).await;
        for id in &completions {
            let row = rows.iter().find(|row| row.id == *id).unwrap_or_else(|| panic!("the row of {id} is lost"));
            assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, Some(18)));
        }
        assert!(rows.len() > completions.len());

        let status = |rows: &[llm_api_storage::Request]| rows.iter().find(|row| row.id == long_id).expect("a row").status;
        if site.database.is_some() {
            // Another server on this database may still be at it, until it is older than any request gets.
            assert_eq!(status(&rows), RequestStatus::Running);
            site.sql("UPDATE requests SET started_at = started_at - interval '61 minutes' WHERE status = 'running'").await;
            assert!(site.start().await.terminate().await.success());
        }
        let rows = site.rows(ada_id).await;
        assert_eq!(status(&rows), RequestStatus::Interrupted);
        assert!(rows.iter().all(|row| row.finished_at.is_some()));
    }
}
