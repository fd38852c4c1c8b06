//! What a name stands for is looked up with every request that uses one, so it is kept in memory.

use llm_api_domain::UserId;
use llm_api_storage::{AuditContext, NewAlias, Store};
use llm_api_testkit::each_db;

use super::House;

fn alias(name: &str, target: &str) -> NewAlias {
    NewAlias { name: name.to_owned(), targets: vec![target.parse().expect("a model")], context_target: None }
}

async fn found(store: &Store, user: UserId, name: &str) -> Option<String> {
    let alias = store.aliases().find(user, name).await.expect("the database answers")?;
    Some(alias.targets[0].to_string())
}

each_db! {
    async fn a_change_counts_at_once(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let (aliases, context) = (store.aliases(), AuditContext::operator(house.now()));
        assert_eq!(found(&store, ada, "fast").await, None);
        aliases.put_global(&alias("fast", "openai:a"), &context).await.expect("written").expect("there is room");
        for user in [ada, bob] {
            assert_eq!(found(&store, user, "fast").await.as_deref(), Some("openai:a"));
        }
        aliases.put(ada, &alias("fast", "openai:b"), house.now()).await.expect("written").expect("there is room");
        assert_eq!(found(&store, ada, "fast").await.as_deref(), Some("openai:b"));
        assert_eq!(found(&store, bob, "fast").await.as_deref(), Some("openai:a"));
        assert_eq!(found(&store, ada, "Fast").await, None);
        assert!(aliases.delete(ada, "fast").await.expect("written"));
        assert_eq!(found(&store, ada, "fast").await.as_deref(), Some("openai:a"));
        assert!(aliases.delete_global("fast", &context).await.expect("written"));
        assert_eq!(found(&store, ada, "fast").await, None);
    }

    async fn there_is_an_end_to_names(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        for number in 0..200 {
            let new = alias(&format!("n{number}"), "openai:a");
            store.aliases().put(ada, &new, house.now()).await.expect("written").expect("there is room");
        }
        let put = async |name: &str| store.aliases().put(ada, &alias(name, "openai:b"), house.now()).await.expect("read");
        assert!(put("one-more").await.is_none());
        assert!(put("n7").await.is_some(), "what is there can be changed");
        assert_eq!(found(&store, ada, "n7").await.as_deref(), Some("openai:b"));
    }

    async fn what_another_version_wrote_is_passed_over(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        for name in ["some", "none"] {
            store.aliases().put(ada, &alias(name, "openai:a"), house.now()).await.expect("written");
        }
        let targets = r#"'["tomorrows:x","openai:b"]'"#;
        house.database.change(&format!("UPDATE user_model_aliases SET targets = {targets} WHERE name = 'some'")).await;
        let targets = r#"'["tomorrows:x"]'"#;
        house.database.change(&format!("UPDATE user_model_aliases SET targets = {targets} WHERE name = 'none'")).await;
        let listed = store.aliases().list(ada).await.expect("read");
        assert_eq!(listed.iter().map(|alias| alias.name.as_str()).collect::<Vec<_>>(), ["some"]);
        assert_eq!(listed[0].targets[0].to_string(), "openai:b");
    }
}
