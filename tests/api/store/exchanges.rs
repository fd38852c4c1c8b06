//! What is said in sessions.

use llm_api_domain::{ExchangeId, ExchangeStatus, Modality, RequestId, SessionId, Timestamp, UserId};
use llm_api_storage::{Exchange, NewExchange, Recorded, Store, StoredTurn};
use llm_api_testkit::each_db;
use tokio::task::JoinSet;

use super::House;

/// A plain exchange in which `prompt` is answered by its echo.
pub(super) fn said(user: UserId, session: SessionId, prompt: &str, now: Timestamp) -> NewExchange {
    NewExchange {
        id: ExchangeId::new(now),
        user,
        session,
        request: RequestId::new(now),
        modality: Modality::Text,
        provider: "openai".to_owned(),
        model: "echo".to_owned(),
        prompt: Some(prompt.to_owned()),
        input: None,
        reply: Some(format!("echo: {prompt}")),
        output: None,
        status: ExchangeStatus::Completed,
        finish_reason: Some("stop".to_owned()),
        error_code: None,
        state_tokens: None,
        title_when_untitled: None,
        replaces: None,
        created_at: now,
    }
}

async fn all(store: &Store, user: UserId, session: SessionId) -> Vec<Exchange> {
    store.exchanges().list(user, session, 0, 1000).await.expect("the database answers")
}

fn prompts(exchanges: &[Exchange]) -> Vec<(i64, &str)> {
    exchanges.iter().map(|one| (one.sequence, one.prompt.as_deref().unwrap_or("-"))).collect()
}

each_db! {
    async fn every_word_is_kept_as_it_was(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        let exchange = NewExchange {
            modality: Modality::Image,
            input: Some("{\"images\": [\"data:image/png;base64,AAAA\"],  \"mesh\":null}".to_owned()),
            output: Some("{\"b\":1.0,\"a\":[1e3, \"\\u0000\"]}".to_owned()),
            status: ExchangeStatus::Incomplete,
            finish_reason: None,
            error_code: Some("upstream_timeout".to_owned()),
            state_tokens: Some("{ \"z\": 1, \"a\": 30000000000000000000000000000 }".to_owned()),
            title_when_untitled: Some("Grüße".to_owned()),
            ..said(ada, session, "draw me a 🐑", house.later(5))
        };
        assert_eq!(store.exchanges().record(&exchange).await.expect("stored"), Recorded::Stored);
        let kept = store.exchanges().last(ada, session).await.expect("read").expect("stored");
        assert_eq!((kept.id, kept.sequence, kept.request), (exchange.id, 1, exchange.request));
        assert_eq!((kept.modality, kept.status), (Modality::Image, ExchangeStatus::Incomplete));
        assert_eq!((kept.provider, kept.model), (exchange.provider, exchange.model));
        assert_eq!((kept.prompt, kept.reply), (exchange.prompt, exchange.reply));
        assert_eq!((kept.input, kept.output), (exchange.input, exchange.output));
        assert_eq!((kept.finish_reason, kept.error_code), (exchange.finish_reason, exchange.error_code));
        assert_eq!((&kept.state_tokens, kept.created_at), (&exchange.state_tokens, exchange.created_at));
        let session = store.sessions().get(ada, session).await.expect("read").expect("hers");
        assert_eq!((session.title.as_deref(), session.state_tokens), (Some("Grüße"), exchange.state_tokens));
        assert_eq!((session.exchange_count, session.last_used_at), (1, exchange.created_at));
    }

    async fn a_session_remembers_its_title_and_state(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        for (title, state) in [(None, Some("1")), (Some("first"), None), (Some("second"), Some("2")), (None, None)] {
            let exchange = NewExchange {
                title_when_untitled: title.map(str::to_owned),
                state_tokens: state.map(str::to_owned),
                ..said(ada, session, "hello", house.later(1))
            };
            store.exchanges().record(&exchange).await.expect("stored");
        }
        let session = store.sessions().get(ada, session).await.expect("read").expect("hers");
        assert_eq!((session.title.as_deref(), session.state_tokens.as_deref()), (Some("first"), Some("2")));
        assert_eq!((session.exchange_count, session.last_used_at), (4, house.now()));
    }

    async fn pages_and_turns_go_by_number(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let session = house.session(&store, ada, None).await.id;
        for prompt in ["a", "b", "c", "d"] {
            store.exchanges().record(&said(ada, session, prompt, house.later(1))).await.expect("stored");
        }
        let page = store.exchanges().list(ada, session, 1, 2).await.expect("read");
        assert_eq!(prompts(&page), [(2, "b"), (3, "c")]);
        let turn = |sequence, prompt: &str| StoredTurn {
            sequence,
            prompt: Some(prompt.to_owned()),
            reply: Some(format!("echo: {prompt}")),
        };
        let turns = store.exchanges().turns(ada, session, None, 2).await.expect("read");
        assert_eq!(turns, [turn(4, "d"), turn(3, "c")]);
        let turns = store.exchanges().turns(ada, session, Some(3), 10).await.expect("read");
        assert_eq!(turns, [turn(2, "b"), turn(1, "a")]);
        assert!(all(&store, bob, session).await.is_empty());
        assert!(store.exchanges().last(bob, session).await.expect("read").is_none());
        assert!(store.exchanges().turns(bob, session, None, 10).await.expect("read").is_empty());
    }

    async fn a_regenerated_answer_takes_the_old_ones_place(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let (session, elsewhere) = (house.session(&store, ada, None).await.id, house.session(&store, ada, None).await.id);
        let first = said(ada, session, "first", house.later(1));
        let second = said(ada, session, "second", house.later(1));
        for exchange in [&first, &second] {
            store.exchanges().record(exchange).await.expect("stored");
        }
        let replacing = |old: ExchangeId, prompt| NewExchange {
            replaces: Some(old),
            ..said(ada, session, prompt, house.later(1))
        };
        let again = replacing(second.id, "second again");
        assert_eq!(store.exchanges().record(&again).await.expect("stored"), Recorded::Stored);
        assert_eq!(prompts(&all(&store, ada, session).await), [(1, "first"), (2, "second again")]);
        let count = async || store.sessions().get(ada, session).await.expect("read").expect("hers").exchange_count;
        assert_eq!(count().await, 2);

        // The same once more, while somebody else has replaced it already: nothing that was said is lost.
        store.exchanges().record(&replacing(second.id, "late")).await.expect("stored");
        assert_eq!(prompts(&all(&store, ada, session).await), [(1, "first"), (2, "second again"), (3, "late")]);
        assert_eq!(count().await, 3);
        store.exchanges().record(&said(ada, session, "next", house.later(1))).await.expect("stored");
        assert_eq!(store.exchanges().last(ada, session).await.expect("read").expect("stored").sequence, 4);

        // Only within its own session.
        let foreign = NewExchange { session: elsewhere, ..replacing(first.id, "elsewhere") };
        store.exchanges().record(&foreign).await.expect("stored");
        assert_eq!(prompts(&all(&store, ada, elsewhere).await), [(1, "elsewhere")]);
        assert_eq!(all(&store, ada, session).await.len(), 4);
        store.exchanges().record(&replacing(first.id, "first again")).await.expect("stored");
        assert_eq!(prompts(&all(&store, ada, session).await)[..2], [(1, "first again"), (2, "second again")]);
        assert_eq!(count().await, 4);
    }

    async fn many_at_once_get_a_number_each(database: Database) {
        const MANY: i64 = 40;
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        let mut writing = JoinSet::new();
        for number in 0..MANY {
            let (store, exchange) = (store.clone(), said(ada, session, &number.to_string(), house.now()));
            writing.spawn(async move { store.exchanges().record(&exchange).await.expect("stored") });
        }
        assert_eq!(writing.join_all().await, vec![Recorded::Stored; 40]);
        let numbers: Vec<i64> = all(&store, ada, session).await.iter().map(|one| one.sequence).collect();
        assert_eq!(numbers, (1..=MANY).collect::<Vec<_>>());
        let session = store.sessions().get(ada, session).await.expect("read").expect("hers");
        assert_eq!(session.exchange_count, MANY);
    }

    async fn two_regenerations_at_once_lose_nothing(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        let old = said(ada, session, "old", house.now());
        store.exchanges().record(&old).await.expect("stored");
        let mut writing = JoinSet::new();
        for _ in 0..8 {
            let again = NewExchange { replaces: Some(old.id), ..said(ada, session, "again", house.now()) };
            let store = store.clone();
            writing.spawn(async move { store.exchanges().record(&again).await.expect("stored") });
        }
        writing.join_all().await;
        let kept = all(&store, ada, session).await;
        assert_eq!(prompts(&kept), (1..=8).map(|number| (number, "again")).collect::<Vec<_>>());
        let session = store.sessions().get(ada, session).await.expect("read").expect("hers");
        assert_eq!(session.exchange_count, 8);
    }

    async fn what_was_running_is_stored_wherever_it_still_can_be(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let session = house.session(&store, ada, None).await.id;
        store.sessions().close(ada, session, house.now()).await.expect("closed");
        let exchange = said(ada, session, "hello", house.now());
        assert_eq!(store.exchanges().record(&exchange).await.expect("stored"), Recorded::Stored);
        assert_eq!(store.exchanges().record(&exchange).await.expect("tried again"), Recorded::Stored);
        assert_eq!(prompts(&all(&store, ada, session).await), [(1, "hello")]);
        let count = store.sessions().get(ada, session).await.expect("read").expect("hers").exchange_count;
        assert_eq!(count, 1, "the second try left nothing");

        let of_bob = said(bob, session, "hello", house.now());
        assert_eq!(store.exchanges().record(&of_bob).await.expect("tried"), Recorded::SessionGone);
        store.sessions().purge(ada, session).await.expect("purged");
        let late = said(ada, session, "late", house.now());
        assert_eq!(store.exchanges().record(&late).await.expect("tried"), Recorded::SessionGone);
        assert!(all(&store, ada, session).await.is_empty());
    }

    async fn a_zero_byte_of_a_provider_spoils_nothing(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        let exchange = NewExchange { reply: Some("a\0b".to_owned()), ..said(ada, session, "hello", house.now()) };
        store.exchanges().record(&exchange).await.expect("stored");
        let kept = store.exchanges().last(ada, session).await.expect("read").expect("stored");
        assert_eq!(kept.reply.as_deref(), Some("a\u{FFFD}b"));
    }

    async fn what_a_guard_left_behind_is_stored_before_the_end(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        for number in 0..20 {
            store.exchanges().record_later(said(ada, session, &number.to_string(), house.now()));
        }
        store.close().await;
        let beside = house.beside().await;
        assert_eq!(all(&beside, ada, session).await.len(), 20);
    }

    async fn a_guard_may_be_dropped_outside_the_runtime(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let session = house.session(&store, ada, None).await.id;
        let (guard, exchange) = (store.clone(), said(ada, session, "hello", house.now()));
        std::thread::spawn(move || guard.exchanges().record_later(exchange)).join().expect("it does not panic");
        store.close().await;
        assert_eq!(all(&house.beside().await, ada, session).await.len(), 1);
    }
}
