//! Conversations, without what is said in them.

use llm_api_domain::{SessionId, SessionStatus};
use llm_api_storage::{NewSession, Session};
use llm_api_testkit::each_db;

use super::{House, exchanges::said};

fn titles(sessions: &[Session]) -> Vec<&str> {
    sessions.iter().map(|session| session.title.as_deref().unwrap_or("-")).collect()
}

each_db! {
    async fn ada_keeps_her_sessions(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let made_at = house.now();
        let new = NewSession {
            id: SessionId::new(made_at),
            user: ada,
            title: Some("Engines".to_owned()),
            system_prompt: Some("Be brief.".to_owned()),
        };
        let made = store.sessions().create(&new, made_at).await.expect("created");
        let found = store.sessions().get(ada, new.id).await.expect("read").expect("hers");
        for session in [&made, &found] {
            assert_eq!(session.id, new.id);
            assert_eq!(session.status, SessionStatus::Active);
            assert_eq!(session.title.as_deref(), Some("Engines"));
            assert_eq!(session.system_prompt.as_deref(), Some("Be brief."));
            assert_eq!((session.state_tokens.as_deref(), session.exchange_count), (None, 0));
            assert_eq!((session.created_at, session.last_used_at), (made_at, made_at));
        }

        let renamed_at = house.later(60);
        let renamed = store.sessions().rename(ada, new.id, "Looms", renamed_at).await.expect("renamed").expect("hers");
        assert_eq!((renamed.title.as_deref(), renamed.last_used_at), (Some("Looms"), renamed_at));
        let closed_at = house.later(60);
        let closed = store.sessions().close(ada, new.id, closed_at).await.expect("closed").expect("hers");
        assert_eq!((closed.status, closed.last_used_at), (SessionStatus::Closed, closed_at));
        assert_eq!(closed.created_at, made_at);
        store.sessions().touch(ada, new.id, made_at).await.expect("touched");
        let read = store.sessions().get(ada, new.id).await.expect("read").expect("kept");
        assert_eq!(read.last_used_at, closed_at, "a late word does not turn back time");
    }

    async fn the_list_begins_with_the_newest_use(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let mut ids = Vec::new();
        for title in ["one", "two", "three", "four"] {
            ids.push(house.session(&store, ada, Some(title)).await.id);
            house.session(&store, bob, Some("of bob")).await;
            house.later(1);
        }
        let list = async |limit, offset| store.sessions().list(ada, limit, offset).await.expect("listed");
        assert_eq!(titles(&list(10, 0).await), ["four", "three", "two", "one"]);
        store.sessions().touch(ada, ids[1], house.later(1)).await.expect("touched");
        assert_eq!(titles(&list(10, 0).await), ["two", "four", "three", "one"]);
        assert_eq!(titles(&list(2, 1).await), ["four", "three"]);
        assert_eq!(titles(&list(2, 4).await), [""; 0]);
        // Of those used at one moment, the one made last comes first.
        let now = house.later(1);
        for id in &ids {
            store.sessions().touch(ada, *id, now).await.expect("touched");
        }
        let mut by_id = ids.clone();
        by_id.sort_by(|one, other| other.cmp(one));
        let listed: Vec<SessionId> = list(10, 0).await.iter().map(|session| session.id).collect();
        assert_eq!(listed, by_id);
    }

    async fn nobody_reaches_anothers_session(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let made_at = house.now();
        let id = house.session(&store, ada, Some("Engines")).await.id;
        store.exchanges().record(&said(ada, id, "hello", made_at)).await.expect("stored");
        let now = house.later(60);
        let sessions = store.sessions();
        assert!(sessions.list(bob, 10, 0).await.expect("listed").is_empty());
        assert!(sessions.get(bob, id).await.expect("read").is_none());
        assert!(sessions.rename(bob, id, "Mine", now).await.expect("tried").is_none());
        assert!(sessions.close(bob, id, now).await.expect("tried").is_none());
        assert!(sessions.reset(bob, id, now).await.expect("tried").is_none());
        assert!(!sessions.purge(bob, id).await.expect("tried"));
        sessions.touch(bob, id, now).await.expect("tried");
        let kept = sessions.get(ada, id).await.expect("read").expect("hers");
        assert_eq!((kept.title.as_deref(), kept.status), (Some("Engines"), SessionStatus::Active));
        assert_eq!((kept.exchange_count, kept.last_used_at), (1, made_at));
        assert_eq!(store.exchanges().list(ada, id, 0, 10).await.expect("read").len(), 1);
    }

    async fn a_reset_forgets_what_was_said_and_nothing_else(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let id = house.session(&store, ada, Some("Engines")).await.id;
        let other = house.session(&store, ada, None).await.id;
        for session in [id, other] {
            let mut exchange = said(ada, session, "hello", house.now());
            exchange.state_tokens = Some("{\"a\":1}".to_owned());
            store.exchanges().record(&exchange).await.expect("stored");
        }
        store.sessions().close(ada, id, house.now()).await.expect("closed");
        let reset = store.sessions().reset(ada, id, house.later(1)).await.expect("reset").expect("hers");
        assert_eq!((reset.title.as_deref(), reset.status), (Some("Engines"), SessionStatus::Closed));
        assert_eq!((reset.state_tokens.as_deref(), reset.exchange_count), (None, 0));
        assert!(store.exchanges().list(ada, id, 0, 10).await.expect("read").is_empty());
        store.exchanges().record(&said(ada, id, "again", house.now())).await.expect("stored");
        assert_eq!(store.exchanges().last(ada, id).await.expect("read").expect("stored").sequence, 1);
        assert_eq!(store.exchanges().list(ada, other, 0, 10).await.expect("read").len(), 1);
    }

    async fn a_purged_session_is_gone_with_all_that_was_said(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let (id, other) = (house.session(&store, ada, None).await.id, house.session(&store, ada, None).await.id);
        for session in [id, other] {
            store.exchanges().record(&said(ada, session, "hello", house.now())).await.expect("stored");
        }
        assert!(store.sessions().purge(ada, id).await.expect("purged"));
        assert!(!store.sessions().purge(ada, id).await.expect("tried"));
        assert!(store.sessions().get(ada, id).await.expect("read").is_none());
        assert!(store.exchanges().list(ada, id, 0, 10).await.expect("read").is_empty());
        assert_eq!(store.exchanges().list(ada, other, 0, 10).await.expect("read").len(), 1);
    }

    async fn the_longest_idle_sessions_go_first(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let mut ids = Vec::new();
        for (user, title) in [(ada, "oldest"), (bob, "old"), (ada, "used again"), (bob, "idle"), (ada, "fresh")] {
            let id = house.session(&store, user, Some(title)).await.id;
            store.exchanges().record(&said(user, id, title, house.now())).await.expect("stored");
            ids.push((user, id));
            house.later(60);
        }
        let before = house.now() - std::time::Duration::from_secs(60);
        store.sessions().touch(ada, ids[2].1, house.now()).await.expect("touched");
        let left = async || {
            let mut all = store.sessions().list(ada, 10, 0).await.expect("listed");
            all.extend(store.sessions().list(bob, 10, 0).await.expect("listed"));
            titles(&all).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(store.sessions().purge_idle(before, 2).await.expect("purged"), 2);
        assert_eq!(left().await, ["used again", "fresh", "idle"]);
        assert_eq!(store.sessions().purge_idle(before, 2).await.expect("purged"), 1);
        assert_eq!(store.sessions().purge_idle(before, 2).await.expect("purged"), 0);
        assert_eq!(left().await, ["used again", "fresh"]);
        for (index, (user, id)) in ids.iter().enumerate() {
            let kept = store.exchanges().list(*user, *id, 0, 10).await.expect("read").len();
            assert_eq!(kept, usize::from(index == 2 || index == 4));
        }
    }
}
