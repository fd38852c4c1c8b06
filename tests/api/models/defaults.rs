//! The model for requests that name none: everybody's own goes before the one that administrators set for all.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{default_ids, get, good, list, refused, start};
use crate::{accounts::personal_token, raw_provider::RawProvider};

async fn set(app: &TestApp, token: &str, id: &str, body: Value) -> HttpReply {
    app.post(&format!("/v1/models/{id}/default"), token, body).await
}

/// Who answers a request that names no model, in each way to name none; always the same: `provider:model`.
async fn chosen(app: &TestApp, person: &Person) -> String {
    let mut chosen = Vec::new();
    for model in [Value::Null, json!("auto"), json!("")] {
        let body = json!({ "modality": "text", "model": model, "input": { "prompt": "Hello" } });
        let selection = good(app.post("/v1/generate", &person.token, body).await).await["selection"].take();
        assert_eq!((&selection["fallback_used"], &selection["fallback_reason"]), (&json!(false), &Value::Null));
        let text = |name: &str| selection[name].as_str().expect("a name").to_owned();
        chosen.push(format!("{}:{}", text("selected_provider"), text("selected_model")));
    }
    chosen.dedup();
    let [one] = chosen.as_slice() else { panic!("{chosen:?}") };
    one.clone()
}

/// The text models that the list marks.
async fn marked(app: &TestApp, person: &Person) -> Vec<String> {
    default_ids(&list(app, person, "?modality=text").await).into_iter().map(str::to_owned).collect()
}

async fn bob(app: &TestApp) -> Person {
    let bob = app.person("bob").await;
    app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
    bob
}

each_db! {
    async fn everybody_sets_a_default_of_their_own(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = bob(&app).await;
        let before = chosen(&app, &bob).await;
        let plain = get(&app, &ada, "/v1/models/unicode").await;
        let shown = good(set(&app, &ada.token, "unicode", json!({})).await).await;
        let mut expected = plain.clone();
        expected["is_default"] = true.into();
        assert_eq!(shown, expected, "the model as it stands in the list, marked");
        assert_eq!(get(&app, &ada, "/v1/models/unicode").await, shown);
        assert_eq!((chosen(&app, &ada).await.as_str(), marked(&app, &ada).await), ("openai:unicode", vec!["unicode".to_owned()]));

        assert_eq!(get(&app, &bob, "/v1/models/unicode").await["is_default"], false, "another user has none of it");
        assert_eq!(chosen(&app, &bob).await, before);

        set(&app, &ada.token, "counts", json!({ "scope": "user" })).await;
        assert_eq!((chosen(&app, &ada).await.as_str(), marked(&app, &ada).await), ("openai:counts", vec!["counts".to_owned()]));
    }

    async fn administrators_set_the_default_of_all_and_an_own_one_wins(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "context-200")]).await;
        let (bob, root) = (bob(&app).await, app.admin("root").await);
        app.store_key(&root.token, "openai", "sk-roots-own-key").await;
        assert_eq!(chosen(&app, &ada).await, "openai:context-200", "the setting, as long as nobody chose");

        assert_eq!(good(set(&app, &root.token, "unicode", json!({})).await).await["is_default"], true);
        for person in [&ada, &bob, &root] {
            assert_eq!(chosen(&app, person).await, "openai:unicode", "{}", person.username);
            assert_eq!(marked(&app, person).await, ["unicode"]);
        }
        set(&app, &ada.token, "counts", json!({})).await;
        set(&app, &root.token, "echo", json!({ "scope": "global" })).await;
        assert_eq!((chosen(&app, &ada).await.as_str(), marked(&app, &ada).await), ("openai:counts", vec!["counts".to_owned()]));
        assert_eq!((chosen(&app, &bob).await.as_str(), marked(&app, &bob).await), ("openai:echo", vec!["echo".to_owned()]));

        set(&app, &root.token, "counts", json!({ "scope": "user" })).await;
        assert_eq!(chosen(&app, &root).await, "openai:counts", "administrators have an own one as well");
        assert_eq!(chosen(&app, &bob).await, "openai:echo");
    }

    async fn only_administrators_may_choose_for_all(database: Database) {
        let (app, ada) = start(database, &[("API_KEY", "static-key-of-the-service")]).await;
        let root = app.admin("root").await;
        app.store_key(&root.token, "openai", "sk-roots-own-key").await;
        let narrow = personal_token(&app, &root.token, json!({ "name": "ci", "scopes": ["generate"] })).await;
        let path = "/v1/models/unicode/default";
        let global = json!({ "scope": "global" });
        for reply in [
            set(&app, &ada.token, "unicode", global.clone()).await,
            set(&app, &narrow, "unicode", global.clone()).await,
            app.http().post(&format!("{path}?scope=global")).bearer(&ada.token).send().await,
            app.http().post(path).header("x-api-key", "static-key-of-the-service").json(global).send().await,
        ] {
            assert_eq!(refused(reply, 403, "forbidden").await, "Admin privileges required");
        }
        assert_eq!(marked(&app, &ada).await, ["llama-3.1-8b-instant"], "the setting still");

        good(set(&app, &narrow, "unicode", json!({})).await).await;
        assert_eq!(chosen(&app, &root).await, "openai:unicode", "a narrow token chooses for its user");
        assert_eq!(marked(&app, &ada).await, ["llama-3.1-8b-instant"]);
    }

    async fn the_scope_may_stand_in_the_body_or_in_the_query(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let root = app.admin("root").await;
        app.store_key(&root.token, "openai", "sk-roots-own-key").await;
        let without_a_body = |query: &str| {
            app.http().post(&format!("/v1/models/unicode/default{query}")).bearer(&root.token)
        };
        good(without_a_body("?scope=user").send().await).await;
        assert_eq!(marked(&app, &ada).await, ["llama-3.1-8b-instant"]);
        good(without_a_body("?scope=global").json(json!({ "scope": "user" })).send().await).await;
        assert_eq!(marked(&app, &ada).await, ["llama-3.1-8b-instant"], "the body goes before");
        good(without_a_body("").send().await).await;
        assert_eq!(marked(&app, &ada).await, ["unicode"], "for all, when nothing is said");
        for reply in [without_a_body("?scope=all").send().await, set(&app, &root.token, "echo", json!({ "scope": "all" })).await] {
            refused(reply, 422, "validation_error").await;
        }
    }

    async fn a_model_that_is_not_there_cannot_be_a_default(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        for (person, id) in [(&ada, "no-such-model"), (&ada, "groq:echo"), (&ada, "meta/none"), (&bob, "echo")] {
            let reply = set(&app, &person.token, id, json!({})).await;
            assert_eq!(refused(reply, 404, "not_found").await, format!("Model '{id}' not found"));
        }
        assert_eq!(marked(&app, &ada).await, ["llama-3.1-8b-instant"]);
    }

    async fn an_id_may_hold_slashes_and_a_provider(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"first"},{"id":"org/second"}]}"#;
        const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}"#;
        let provider = RawProvider::start(LIST, ANSWER).await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        for (path, expected) in [
            ("org/second", "openai:org/second"), ("openai:first", "openai:first"), ("org%2Fsecond", "openai:org/second"),
        ] {
            assert_eq!(good(set(&app, &ada.token, path, json!({})).await).await["is_default"], true);
            assert_eq!(chosen(&app, &ada).await, expected, "{path}");
        }
    }

    async fn each_modality_has_a_default_of_its_own(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "openai:counts")]).await;
        let id = "stabilityai/stable-diffusion-xl-base-1.0";
        assert_eq!(good(set(&app, &ada.token, id, json!({})).await).await["modality"], "image", "locked or not");
        assert_eq!(default_ids(&list(&app, &ada, "").await), ["counts", id]);

        app.store_key(&ada.token, "huggingface", "hf_of_ada").await;
        assert_eq!(chosen(&app, &ada).await, "openai:counts");
        let body = json!({ "modality": "image", "input": { "prompt": "A lighthouse" } });
        let painted = good(app.post("/v1/generate", &ada.token, body).await).await;
        assert_eq!((&painted["model"], &painted["selection"]["selected_provider"]), (&json!(id), &json!("huggingface")));
        assert_eq!(app.provider.last_request().path, format!("/hf-inference/models/{id}"));
    }

    async fn a_default_keeps_to_its_provider(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
        app.store_key(&ada.token, "mistral", "adas-mistral-key").await;
        for id in ["openai:unicode", "mistral:unicode", "local:unicode"] {
            good(set(&app, &ada.token, id, json!({})).await).await;
            assert_eq!(chosen(&app, &ada).await, id);
        }
    }

    async fn a_default_for_all_serves_those_who_can_use_it(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.provider.serve_also("gpt-4o");
        let root = app.admin("root").await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "mistral", "bobs-key").await;
        let shown = good(set(&app, &root.token, "gpt-4o", json!({})).await).await;
        assert_eq!(shown["availability"]["access"], "locked", "the administrator has no key");
        assert_eq!(chosen(&app, &ada).await, "openai:gpt-4o", "ada has one, and her provider's list need not name it");
        assert_eq!(chosen(&app, &bob).await, "mistral:echo", "bob has another's: the first that he can use");
        let nobody = app.person("eve").await;
        let body = json!({ "modality": "text", "input": { "prompt": "Hello" } });
        let reply = app.post("/v1/generate", &nobody.token, body).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.json().await["code"], "no_model_available");
    }

    async fn a_default_without_its_key_is_passed_over(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "mistral", "adas-mistral-key").await;
        good(set(&app, &ada.token, "openai:unicode", json!({})).await).await;
        app.delete("/v1/users/provider-keys/openai", &ada.token).await;
        assert_eq!(chosen(&app, &ada).await, "mistral:echo");
        app.store_key(&ada.token, "openai", "sk-another-key").await;
        assert_eq!(chosen(&app, &ada).await, "openai:unicode", "it was not forgotten");
    }
}
