//! Requests that run: found by their id, cancelled from anywhere.

use std::{future::poll_fn, task::Poll};

use llm_api_domain::{ProviderId, RequestId, RequestStatus, SessionId, Timestamp, TokenUsage, UserId};
use llm_api_storage::{RequestRecord, Running, Store};
use llm_api_testkit::each_db;
use tokio::time::timeout;

use super::{House, PATIENCE};

pub(super) fn running(user: UserId, now: Timestamp) -> RequestRecord {
    RequestRecord {
        id: RequestId::new(now),
        user,
        token: None,
        endpoint: "generate",
        provider: ProviderId::Openai,
        model: "echo".to_owned(),
        streamed: true,
        status: RequestStatus::Running,
        error_code: None,
        fallback_reason: None,
        session: None,
        usage: TokenUsage::default(),
        started_at: now,
        first_byte_at: None,
        finished_at: None,
    }
}

async fn status(store: &Store, user: UserId, id: RequestId) -> Option<RequestStatus> {
    store.requests().get(user, id).await.expect("read").map(|request| request.status)
}

/// Waits until the request hears of its cancellation.
async fn hears(running: &Running) {
    timeout(PATIENCE, running.cancelled()).await.expect("the cancellation arrives");
    assert!(running.is_cancelled());
}

/// Does `work`, but drops it when it has been polled so many times.
async fn given_up_after<T>(polls: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = Box::pin(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

each_db! {
    async fn an_id_that_the_client_chose_is_good_once(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let record = running(ada, house.now());
        assert!(store.requests().claim(&record).await.expect("claimed"));
        assert!(!store.requests().claim(&record).await.expect("tried"));
        assert_eq!(status(&store, ada, record.id).await, Some(RequestStatus::Running));
        assert_eq!(status(&store, bob, record.id).await, None);
        assert!(store.requests().claim(&RequestRecord { user: bob, ..record.clone() }).await.expect("claimed"));

        let session = SessionId::new(house.now());
        let outcome = RequestRecord {
            status: RequestStatus::Completed,
            provider: ProviderId::Groq,
            fallback_reason: Some("rate_limited_tier"),
            session: Some(session),
            ..record.clone()
        };
        store.recorder().settle(outcome).await.expect("settled");
        let row = store.requests().get(ada, record.id).await.expect("read").expect("a row");
        assert_eq!((row.status, row.provider.as_str()), (RequestStatus::Completed, "groq"));
        assert_eq!((row.fallback_reason.as_deref(), row.session), (Some("rate_limited_tier"), Some(session)));
        assert!(!store.requests().claim(&record).await.expect("tried"), "not even after its end");
        assert_eq!(status(&store, bob, record.id).await, Some(RequestStatus::Running), "a row of its own");
    }

    async fn only_the_owner_cancels_and_only_what_runs(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let record = running(ada, house.now());
        let cancel = async |user| store.requests().request_cancel(user, record.id, house.now()).await.expect("asked");
        let guard = store.recorder().running(ada, record.id);
        assert_eq!(cancel(ada).await, None, "no row yet");
        assert!(store.recorder().is_running_here(ada, record.id) && !store.recorder().is_running_here(bob, record.id));
        assert!(!store.recorder().cancel_here(bob, record.id));
        assert!(store.requests().claim(&record).await.expect("claimed"));
        assert_eq!(cancel(bob).await, None);
        assert!(!guard.is_cancelled());
        assert!(store.recorder().cancel_here(ada, record.id));
        hears(&guard).await;
        drop(guard);
        assert!(!store.recorder().is_running_here(ada, record.id));
        assert!(!store.recorder().cancel_here(ada, record.id));
        let outcome = RequestRecord { status: RequestStatus::Cancelled, ..record.clone() };
        store.recorder().settle(outcome).await.expect("settled");
        assert_eq!(cancel(ada).await, Some(RequestStatus::Cancelled));
    }

    async fn a_request_is_cancelled_through_another_process(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let beside = house.beside().await;
        let ada = house.person(&store, "ada").await;
        let (record, spared) = (running(ada, house.now()), running(ada, house.now()));
        for record in [&record, &spared] {
            assert!(store.requests().claim(record).await.expect("claimed"));
        }
        let (guard, other) =
            (store.recorder().running(ada, record.id), store.recorder().running(ada, spared.id));
        assert!(!beside.recorder().cancel_here(ada, record.id));
        let told = beside.requests().request_cancel(ada, record.id, house.now()).await.expect("asked");
        assert_eq!(told, Some(RequestStatus::Running));
        hears(&guard).await;
        assert!(!other.is_cancelled());
    }

    async fn a_request_without_a_name_of_its_own_can_be_cancelled_once_it_runs_long(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let record = running(ada, house.now());
        let guard = store.recorder().running(ada, record.id);
        store.recorder().opened(record.clone());
        let asked = timeout(PATIENCE, async {
            while store.requests().request_cancel(ada, record.id, house.now()).await.expect("asked").is_none() {
                tokio::task::yield_now().await;
            }
        });
        asked.await.expect("the row comes");
        hears(&guard).await;
    }

    async fn a_cancellation_arrives_while_others_keep_the_writer_busy(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let record = running(ada, house.now());
        assert!(store.requests().claim(&record).await.expect("claimed"));
        let guard = store.recorder().running(ada, record.id);
        let busy = async || {
            loop {
                let other = RequestRecord { status: RequestStatus::Completed, ..running(ada, house.now()) };
                store.recorder().settle(other).await.expect("settled");
            }
        };
        let cancelled = async {
            store.requests().request_cancel(ada, record.id, house.now()).await.expect("asked");
            hears(&guard).await;
        };
        tokio::select! {
            never = async { tokio::join!(busy(), busy(), busy(), busy()) } => never.0,
            () = cancelled => {}
        }
        assert!(guard.is_cancelled());
    }

    async fn a_claim_that_is_given_up_leaves_nothing_running(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        for polls in 0..30 {
            let record = running(ada, house.now());
            let requests = store.requests();
            if let Some(claimed) = given_up_after(polls, requests.claim(&record)).await {
                assert!(claimed.expect("claimed"));
                let outcome = RequestRecord { status: RequestStatus::Completed, ..record };
                store.recorder().settle(outcome).await.expect("settled");
            }
        }
        store.recorder().flush().await;
        let rows = store.requests().list(ada, 100).await.expect("read");
        assert!(rows.iter().all(|row| row.status != RequestStatus::Running), "{rows:?}");
    }
}
