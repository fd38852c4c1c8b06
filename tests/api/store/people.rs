//! Keeping people out, and letting them in again.

use llm_api_domain::UserId;
use llm_api_storage::AuditContext;
use llm_api_testkit::{TestApp, each_db};

use super::House;

each_db! {
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
