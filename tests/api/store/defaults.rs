//! The models that are used when a request names none.

use llm_api_domain::{Modality, ProviderId};
use llm_api_storage::{AuditContext, DefaultModel};
use llm_api_testkit::each_db;

use super::House;

fn default(modality: Modality, provider: Option<ProviderId>, model: &str) -> DefaultModel {
    DefaultModel { modality, provider, model: model.to_owned() }
}

each_db! {
    async fn ones_own_choice_wins(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let effective =
            async |user, modality| store.default_models().effective(user, modality).await.expect("read");
        assert_eq!(effective(ada, Modality::Text).await, None);
        let context = AuditContext::operator(house.now()).by(bob);
        let everybodys = default(Modality::Text, Some(ProviderId::Groq), "llama-3.1-8b-instant");
        let replaced = default(Modality::Text, None, "gpt-4o");
        for global in [&replaced, &everybodys] {
            store.default_models().set_global(global, &context).await.expect("set");
        }
        let hers = default(Modality::Text, Some(ProviderId::Local), "llama3:8b");
        for own in [&replaced, &hers] {
            store.default_models().set_own(ada, own, house.later(1)).await.expect("set");
        }
        let image = default(Modality::Image, None, "dall-e-3");
        store.default_models().set_own(ada, &image, house.now()).await.expect("set");

        assert_eq!(effective(ada, Modality::Text).await.as_ref(), Some(&hers));
        assert_eq!(effective(bob, Modality::Text).await.as_ref(), Some(&everybodys));
        assert_eq!(effective(ada, Modality::Image).await.as_ref(), Some(&image));
        assert_eq!(effective(bob, Modality::Image).await, None);
        assert_eq!(effective(ada, Modality::ThreeD).await, None);
        assert_eq!(store.default_models().global().await.expect("read"), [everybodys]);
        assert_eq!(store.default_models().of_user(ada).await.expect("read"), [image, hers]);
        assert!(store.default_models().of_user(bob).await.expect("read").is_empty());
    }

    async fn a_provider_that_another_version_knows_is_left_to_the_models_name(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let set = default(Modality::Text, Some(ProviderId::Groq), "gpt-4o");
        store.default_models().set_global(&set, &AuditContext::operator(house.now())).await.expect("set");
        house.database.change("UPDATE default_models SET provider = 'unheard-of'").await;
        let read = store.default_models().effective(ada, Modality::Text).await.expect("read");
        assert_eq!(read, Some(default(Modality::Text, None, "gpt-4o")));
    }
}
