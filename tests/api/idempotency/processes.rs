//! Keys among several processes: those that serve at once, and one that has died.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use llm_api_domain::{RequestId, UserId};
use llm_api_storage::{Claim, Claimed};
use llm_api_testkit::{Database, each_db};
use sha2::{Digest as _, Sha256};

use super::{CHAT, GENERATE, ask, chat, hello, is_replay, start};
use crate::asking::generations;

each_db! {
    async fn of_many_at_once_one_generates(database: Database) {
        let (app, ada) = start(database).await;
        let all = join_all((0..12).map(|_| ask(&app, &ada, CHAT, "k", chat("openai:echo", false)))).await;
        for reply in &all {
            assert!(matches!(reply.status, StatusCode::OK | StatusCode::CONFLICT), "{}", reply.status);
        }
        let generated = all.iter().filter(|reply| reply.status == StatusCode::OK && !is_replay(reply)).count();
        assert_eq!((generated, generations(&app.provider).len()), (1, 1));
    }

    async fn what_a_dead_process_has_claimed_is_free_after_its_longest_request(database: Database) {
        let (app, ada) = start(database).await;
        let body = hello("openai:echo");
        let fingerprint = Sha256::digest(format!("POST {GENERATE}\n\n{body}")).into();
        let user: UserId = ada.id.parse().expect("an id");
        let at = app.clock.now();
        // As a request of its own would claim it.
        let life = Duration::from_secs(900 + 60);
        let claim = Claim { user, key: "k".to_owned(), fingerprint, request: RequestId::new(at), at, life };
        let keys = app.state.auth.store.idempotency_keys();
        assert_eq!(keys.claim(&claim).await.expect("claims"), Claimed::Mine);

        app.advance(Duration::from_secs(959));
        assert_eq!(ask(&app, &ada, GENERATE, "k", body.clone()).await.status, StatusCode::CONFLICT);
        app.advance(Duration::from_secs(1));
        let taken_over = ask(&app, &ada, GENERATE, "k", body.clone()).await;
        assert_eq!((taken_over.status, is_replay(&taken_over)), (StatusCode::OK, false));
        taken_over.bytes().await;

        // Should it not be dead after all, it does no harm.
        keys.release(&claim).await.expect("nothing to release");
        let reply = llm_api_storage::KeptReply {
            request: claim.request, status: 200, content_type: None, headers: Vec::new(), body: Some(b"late".to_vec()),
        };
        assert!(!keys.finish(&claim, &reply, app.clock.now()).await.expect("nothing to finish"));
        assert!(is_replay(&ask(&app, &ada, GENERATE, "k", body).await));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_know_the_same_keys() {
    let (one, ada) = start(Database::Postgres).await;
    // Both reach the same provider: the key was stored for its address.
    let address = one.provider.base_url();
    let two = one.start_beside_with(&[("OPENAI_BASE_URL", &address)]).await;
    let body = chat("openai:slow-stream", true);
    let mut first = ask(&one, &ada, CHAT, "k", body.clone()).await;
    first.next_event().await.expect("a stream").expect("an event");
    assert_eq!(ask(&two, &ada, CHAT, "k", body.clone()).await.status, StatusCode::CONFLICT);
    one.provider.release();
    first.bytes().await;
    let again = ask(&two, &ada, CHAT, "k", body).await;
    assert!(is_replay(&again));
    assert_eq!(again.data().await.last().map(String::as_str), Some("[DONE]"));
    assert_eq!(generations(&one.provider).len(), 1);

    let asks = (0..16).map(|number| {
        ask(if number % 2 == 0 { &one } else { &two }, &ada, CHAT, "at-once", chat("openai:echo", false))
    });
    let before = generations(&one.provider).len();
    let all = join_all(asks).await;
    for reply in all {
        let status = reply.status;
        assert!(matches!(status, StatusCode::OK | StatusCode::CONFLICT), "{status}: {}", reply.text().await);
    }
    assert_eq!(generations(&one.provider).len() - before, 1);
}
