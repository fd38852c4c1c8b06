//! Keeping people out, and letting them in again.

use llm_api_domain::UserId;
use llm_api_storage::{AccountChange, AuditContext, NewUser, Store};
use llm_api_testkit::{TestApp, each_db};

use super::House;

async fn admin(house: &House, store: &Store, username: &str) -> UserId {
    let context = AuditContext::operator(house.now());
    let id = UserId::new(context.now);
    let user = NewUser {
        id,
        username: username.to_owned(),
        password_hash: "none that fits".to_owned(),
        display_name: None,
        is_admin: true,
    };
    assert!(store.users().create(&user, &context).await.expect("the database answers"));
    id
}

each_db! {
    async fn of_two_administrators_who_remove_each_other_at_once_one_stays(database: Database) {
        let house = House::new(database).await;
        let (here, there) = (house.server().await, house.beside().await);
        let context = AuditContext::operator(house.now());
        for round in 0..10 {
            let (ada, bob) = (admin(&house, &here, "ada").await, admin(&house, &here, "bob").await);
            let done = if round % 2 == 0 {
                let (here, there) = (here.users(), there.users());
                let (one, two) = tokio::join!(here.disable(ada, false, &context), there.disable(bob, false, &context));
                [one.expect("tried"), two.expect("tried")]
            } else {
                let (here, there) = (here.users(), there.users());
                let (one, two) = tokio::join!(here.delete(ada, &context), there.delete(bob, &context));
                [one.expect("tried").0, two.expect("tried").0]
            };
            assert!(done.contains(&AccountChange::Done) && done.contains(&AccountChange::LastAdmin), "{done:?}");
            // Made disabled first, everybody can be removed.
            for person in [ada, bob] {
                here.users().disable(person, true, &context).await.expect("tried");
                here.users().delete(person, &context).await.expect("tried");
            }
            assert!(!here.users().any_person().await.expect("read"));
        }
    }

    async fn a_disabled_persons_tokens_stop_at_once(database: Database) {
        let app = TestApp::start(database).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        let users = app.state.auth.store.users();
        let context = AuditContext::operator(app.clock.now());
        let id: UserId = ada.id.parse().expect("an id");
        for _ in 0..3 {
            assert_eq!(app.get("/v1/users/me", &ada.token).await.status, 200);
            assert!(users.set_active("ada", false, &context).await.expect("set"));
            assert_eq!(app.get("/v1/users/me", &ada.token).await.status, 401);
            assert_eq!(app.get("/v1/users/me", &bob.token).await.status, 200);
            assert!(users.set_active(id, true, &context).await.expect("set"));
        }
        assert_eq!(app.get("/v1/users/me", &ada.token).await.status, 200);
    }

    async fn only_people_are_switched(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let context = AuditContext::operator(house.now());
        for nobody in ["service", "Ada", ""] {
            assert!(!store.users().set_active(nobody, false, &context).await.expect("tried"), "{nobody}");
        }
        let unknown = UserId::new(house.now());
        assert!(!store.users().set_active(unknown, false, &context).await.expect("tried"));
        assert!(store.users().profile(ada).await.expect("read").expect("there").user.is_active);
        assert!(store.users().set_active(ada, false, &context).await.expect("set"));
        assert!(!store.users().profile(ada).await.expect("read").expect("there").user.is_active);
    }
}
