//! Who sees which models, and how the list follows what becomes of a key.

use std::time::Duration;

use http::StatusCode;
use llm_api_testkit::{FakeProvider, MODELS, TestApp, each_db};
use serde_json::{Value, json};

use super::{entries, ids, ids_with, list, locked_of, open_ids, start, times_asked};

/// One line a provider, in the order of the list.
fn by_provider(list: &Value) -> String {
    let mut lines: Vec<String> = Vec::new();
    for entry in entries(list) {
        let (provider, id) = (entry["provider"].as_str().expect("a name"), entry["id"].as_str().expect("an id"));
        match lines.last_mut().filter(|line| line.starts_with(&format!("{provider}: "))) {
            Some(line) => line.extend([", ", id]),
            None => lines.push(format!("{provider}: {id}")),
        }
    }
    lines.join("\n")
}

async fn generate(app: &TestApp, token: &str, model: &str) -> u16 {
    let body = json!({ "modality": "text", "model": model, "input": { "prompt": "Hello" } });
    app.post("/v1/generate", token, body).await.status.as_u16()
}

each_db! {
    async fn a_newcomer_sees_what_keys_would_open(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let list = list(&app, &ada, "").await;
        assert_eq!(ids_with(&list, "locked"), ids(&list));
        assert!(app.provider.requests().is_empty(), "nobody is asked without a key");
        insta::allow_duplicates! {
            insta::assert_snapshot!(by_provider(&list), @"
            openai: gpt-6.1-sol, gpt-6.1-terra, gpt-6-luna, gpt-image-2, gpt-4o, gpt-4o-mini, o3, dall-e-3
            anthropic: claude-opus-5-5, claude-sonnet-5-5, claude-haiku-5-5, claude-3-7-sonnet-20250219, claude-3-5-sonnet-20241022, claude-3-5-haiku-20241022
            google: gemini-4-argon, gemini-3.8-flash, gemini-3.5-flash-lite, gemini-2.5-pro, gemini-2.0-flash, gemini-1.5-pro
            xai: grok-4.7, grok-4.3, grok-build-latest, grok-3, grok-3-mini
            deepseek: deepseek-v4-pro, deepseek-v4-flash, deepseek-chat, deepseek-reasoner
            groq: openai/gpt-oss-120b, openai/gpt-oss-20b, qwen/qwen3.8-27b, llama-3.3-70b-versatile, llama-3.1-8b-instant, mixtral-8x7b-32768, gemma2-9b-it
            huggingface: stabilityai/sdxl-turbo, stabilityai/stable-diffusion-xl-base-1.0
            mistral: mistral-large-latest, mistral-medium-latest, mistral-small-latest, codestral-latest
            together: moonshotai/Kimi-K3, deepseek-ai/DeepSeek-V4.1-Flash, zai-org/GLM-5.3-Flash
            fireworks: accounts/fireworks/models/kimi-k3, accounts/fireworks/models/deepseek-v4p1-flash, accounts/fireworks/models/glm-5p3-flash
            ");
        }
    }

    async fn locked_models_come_last_and_a_key_opens_its_providers(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let before = list(&app, &ada, "").await;
        let words: Vec<&Value> = entries(&before).iter().map(|entry| &entry["availability"]["access"]).collect();
        let (open, locked) = words.split_at(MODELS.len());
        assert!(open.iter().all(|word| *word == "available") && locked.iter().all(|word| *word == "locked"));
        assert_eq!(locked_of(&before, "openai"), Vec::<&str>::new(), "openai tells its models itself");
        assert!(locked_of(&before, "google").contains(&"gemini-1.5-pro"));

        app.store_key(&ada.token, "google", "AIza-of-ada").await;
        let after = list(&app, &ada, "").await;
        assert_eq!(locked_of(&after, "google"), Vec::<&str>::new());
        let open = open_ids(&after);
        assert!(open[MODELS.len()..] == MODELS && open[..MODELS.len()].iter().all(|id| id.starts_with("gemini-")));
    }

    async fn a_provider_that_is_down_shows_its_well_known_models(database: Database) {
        let (app, ada) = start(database, &[("GROQ_BASE_URL", "http://127.0.0.1:9/v1")]).await;
        assert_eq!(app.store_key(&ada.token, "groq", "gsk-adas-key").await["status"], "unreachable");
        let list = list(&app, &ada, "").await;
        assert_eq!(locked_of(&list, "groq"), Vec::<&str>::new(), "the key may well be good");
        let open = open_ids(&list);
        for id in ["llama-3.3-70b-versatile", "llama-3.1-8b-instant", "mixtral-8x7b-32768", "gemma2-9b-it"] {
            assert!(open.contains(&id), "{id}");
        }
        assert!(MODELS.iter().all(|model| open.contains(model)), "the others are as they were");
    }

    async fn a_rejected_key_leaves_its_provider_locked(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let stored = app.store_key(&ada.token, "openai", "sk-bad-key").await;
        assert_eq!(stored["status"], "rejected");
        let list = list(&app, &ada, "").await;
        assert_eq!(open_ids(&list), Vec::<&str>::new());
        assert!(locked_of(&list, "openai").contains(&"gpt-4o-mini"));
    }

    async fn a_key_that_is_rejected_in_use_locks_its_provider(database: Database) {
        let (app, ada) = start(database, &[]).await;
        assert_eq!(open_ids(&list(&app, &ada, "").await), MODELS);
        assert_eq!(generate(&app, &ada.token, "openai:rejects-key").await, 424);
        let list = list(&app, &ada, "").await;
        assert_eq!(open_ids(&list), Vec::<&str>::new());
        assert!(locked_of(&list, "openai").contains(&"gpt-4o"));
    }

    async fn a_replaced_key_shows_its_own_list_at_once(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "openai", "sk-bad-key").await;
        assert_eq!(open_ids(&list(&app, &ada, "").await), Vec::<&str>::new());
        app.store_key(&ada.token, "openai", "sk-good-again").await;
        assert_eq!(open_ids(&list(&app, &ada, "").await), MODELS);
        app.delete("/v1/users/provider-keys/openai", &ada.token).await;
        assert_eq!(open_ids(&list(&app, &ada, "").await), Vec::<&str>::new());
    }

    async fn nobody_sees_another_users_providers(database: Database) {
        let (app, _ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        assert_eq!(open_ids(&list(&app, &bob, "").await), Vec::<&str>::new());
        assert_eq!(app.get("/v1/models/echo", &bob.token).await.status, StatusCode::NOT_FOUND);
        app.store_key(&bob.token, "mistral", "bobs-key").await;
        assert_eq!(list(&app, &bob, "?limit=1").await["data"][0]["provider"], "mistral");
    }

    async fn the_operators_key_lists_for_everyone(database: Database) {
        let app = TestApp::start_with(database, &[("OPENAI_API_KEY", "sk-for-everyone")]).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        assert_eq!(open_ids(&list(&app, &ada, "").await), MODELS);
        assert_eq!(open_ids(&list(&app, &bob, "").await), MODELS);
        assert_eq!(times_asked(&app), 1, "one list for all");
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer sk-for-everyone");
    }

    async fn lists_are_kept_for_five_minutes(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let before = times_asked(&app);
        list(&app, &ada, "").await;
        list(&app, &ada, "").await;
        assert_eq!(app.get("/v1/models/echo", &ada.token).await.status, StatusCode::OK);
        assert_eq!(times_asked(&app), before + 1);
        app.advance(Duration::from_mins(4));
        list(&app, &ada, "").await;
        assert_eq!(times_asked(&app), before + 1);
        app.advance(Duration::from_mins(2));
        list(&app, &ada, "").await;
        assert_eq!(times_asked(&app), before + 2);
    }

    async fn a_provider_that_tells_no_list_is_asked_again_sooner(database: Database) {
        let other = FakeProvider::start().await;
        let without_a_list = format!("{}/elsewhere/v1", other.origin());
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", &without_a_list)]).await;
        let mut asked = other.requests().len();
        for (seconds, more) in [(0, 1), (19, 0), (2, 1)] {
            app.advance(Duration::from_secs(seconds));
            assert!(open_ids(&list(&app, &ada, "").await).contains(&"gpt-4o"), "its well-known models stand in");
            asked += more;
            assert_eq!(other.requests().len(), asked, "after {seconds} seconds");
        }
    }

    async fn the_list_tells_what_a_deepseek_account_has_left(database: Database) {
        let app = TestApp::start(database).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        app.store_key(&ada.token, "deepseek", "sk-adas-key").await;
        app.store_key(&bob.token, "deepseek", "sk-bobs-broke-key").await;
        let credits = async |person| list(&app, person, "?limit=1").await["data"][0]["availability"]["credits_status"].take();
        assert_eq!(credits(&ada).await, json!({
            "provider": "deepseek", "status": "available", "remaining": 4.2, "reset_at": null,
        }));
        assert_eq!(credits(&bob).await, json!({
            "provider": "deepseek", "status": "exhausted", "remaining": 0.0, "reset_at": "2026-11-22T13:00:00.000000Z",
        }));
    }

    async fn the_list_tells_of_an_account_that_ran_dry(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        assert_eq!(generate(&app, &ada.token, "openai:no-quota").await, 429);
        let first = async |person| list(&app, person, "?limit=1").await["data"][0]["availability"].take();
        assert_eq!(first(&ada).await, json!({
            "provider": "openai", "access": "available", "credits_status": {
                "provider": "openai", "status": "exhausted", "remaining": null,
                "reset_at": "2026-11-22T13:00:00.000000Z",
            },
        }));
        assert_eq!(first(&bob).await["credits_status"], Value::Null, "another account");
        app.advance(Duration::from_hours(1));
        assert_eq!(first(&ada).await["credits_status"], Value::Null, "nobody knows");
        assert_eq!(generate(&app, &ada.token, "openai:echo").await, 200);
        assert_eq!(first(&ada).await["credits_status"]["status"], "available");
    }
}
