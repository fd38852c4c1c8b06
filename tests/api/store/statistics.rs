//! Sums over quarters of an hour.

use std::time::Duration;

use llm_api_domain::{ProviderId, RequestStatus, UserId};
use llm_api_storage::{Bucket, RequestRecord, Store, Totals};
use llm_api_testkit::each_db;

use super::{House, requests::running};

const QUARTER: u64 = 900;

/// A request that began now and ended after `millis`.
fn ended(house: &House, user: UserId, status: RequestStatus, millis: u64) -> RequestRecord {
    let now = house.now();
    RequestRecord { status, finished_at: Some(now + Duration::from_millis(millis)), ..running(user, now) }
}

async fn settle(store: &Store, record: RequestRecord) {
    store.recorder().settle(record).await.expect("settled");
}

async fn totals(store: &Store) -> Totals {
    store.recorder().flush().await;
    store.usage_buckets().totals().await.expect("read")
}

each_db! {
    async fn what_is_asked_is_counted(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        assert_eq!(totals(&store).await, Totals::default());
        let start = house.now();
        for status in RequestStatus::ALL {
            if status != RequestStatus::Running {
                settle(&store, ended(&house, ada, status, 10)).await;
            }
        }
        let fallback = RequestRecord {
            provider: ProviderId::Groq,
            fallback_reason: Some("rate_limited_tier"),
            ..ended(&house, ada, RequestStatus::Completed, 40)
        };
        settle(&store, fallback).await;
        let expected = Totals {
            requests: 6,
            errors: 3,
            fallbacks: 1,
            latency_ms_total: 90,
            by_provider: vec![("groq".to_owned(), 1), ("openai".to_owned(), 5)],
            recent_latency_ms: Some(15.0),
        };
        assert_eq!(totals(&store).await, expected);
        let second_start = house.later(QUARTER);
        settle(&store, ended(&house, ada, RequestStatus::Completed, 1)).await;
        store.recorder().flush().await;
        let first = Bucket { start, requests: 6, errors: 3, fallbacks: 1, latency_ms_total: 90 };
        let second = Bucket { start: second_start, requests: 1, errors: 0, fallbacks: 0, latency_ms_total: 1 };
        let since = async |from| store.usage_buckets().since(from).await.expect("read");
        assert_eq!(since(start).await, [first, second.clone()]);
        assert_eq!(since(start + Duration::from_secs(1)).await, [second]);
    }

    async fn several_processes_add_to_the_same_sums(database: Database) {
        let house = House::new(database).await;
        let (store, beside) = (house.server().await, house.beside().await);
        let ada = house.person(&store, "ada").await;
        for store in [&store, &beside, &store, &beside] {
            settle(store, ended(&house, ada, RequestStatus::Completed, 10)).await;
            store.recorder().flush().await;
        }
        assert_eq!(totals(&store).await.requests, 4);
        assert_eq!(store.usage_buckets().since(house.now()).await.expect("read").len(), 1);
    }

    async fn nothing_counted_is_lost_at_the_end(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        store.recorder().settle_detached(ended(&house, ada, RequestStatus::Completed, 10));
        store.close().await;
        assert_eq!(totals(&house.beside().await).await.requests, 1);
    }

    async fn sums_of_more_than_a_year_ago_go(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        for days in [0, 1, 399] {
            house.later(days * 24 * 3600);
            settle(&store, ended(&house, ada, RequestStatus::Completed, 10)).await;
            assert!(totals(&store).await.requests > 0);
        }
        assert_eq!(totals(&store).await.requests, 3, "the first is 400 days old");
        house.later(QUARTER);
        settle(&store, ended(&house, ada, RequestStatus::Completed, 10)).await;
        assert_eq!(totals(&store).await.requests, 3, "a new one came, the first went");
    }
}
