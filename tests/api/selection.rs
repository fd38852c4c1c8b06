//! Who answers a request: by the model's name, by the provider's, or by the server's choice.

use std::time::Duration;

use llm_api_testkit::{Database, FakeProvider, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    asking::{
        announced, answer, ask, ask_streamed, chosen, events, generations, models_asked, prompt, refused,
        store_credential, with,
    },
    raw_provider::RawProvider,
    usage_rows::{request_id, row_with},
};

/// Ada with a key for each of `providers`; the default model is one of `OpenAI`'s.
async fn start(database: Database, providers: &[&str], settings: &[(&str, &str)]) -> (TestApp, Person) {
    let settings = [&[("DEFAULT_MODEL", "unicode")], settings].concat();
    let app = TestApp::start_with(database, &settings).await;
    let ada = app.person("ada").await;
    for provider in providers {
        app.store_key(&ada.token, provider, &format!("adas-key-for-{provider}")).await;
    }
    (app, ada)
}

fn hello(model: impl Into<Option<&'static str>>) -> Value {
    prompt(model, "Hello")
}

/// Who answered a good request.
async fn who(app: &TestApp, person: &Person, body: Value) -> String {
    chosen(&answer(ask(app, person, body).await).await)
}

async fn refusal(app: &TestApp, person: &Person, body: Value) -> (u16, String) {
    let (status, code, message) = refused(ask(app, person, body).await).await;
    if status == 404 {
        // The Flutter app tells a missing model from a lost session by these words.
        assert!(message.starts_with("Model not found: "), "{message}");
    }
    (status, code)
}

each_db! {
    async fn a_providers_name_before_the_model_decides(database: Database) {
        let (app, ada) = start(database, &["openai", "mistral", "anthropic"], &[]).await;
        assert_eq!(who(&app, &ada, hello("mistral:echo")).await, "mistral:echo");
        assert_eq!(who(&app, &ada, hello("Anthropic:echo")).await, "anthropic:echo");
        assert_eq!(who(&app, &ada, hello(" openai:echo ")).await, "openai:echo");
        let both = with(hello("mistral:echo"), "provider", "anthropic");
        assert_eq!(who(&app, &ada, both).await, "mistral:echo", "the prefix wins");
        // Nobody looks whether the provider lists it.
        app.provider.serve_also("brand-new");
        assert_eq!(who(&app, &ada, hello("openai:brand-new")).await, "openai:brand-new");
        app.provider.serve_also("ft:gpt-4o:me::x");
        assert_eq!(who(&app, &ada, hello("openai:ft:gpt-4o:me::x")).await, "openai:ft:gpt-4o:me::x");
    }

    async fn only_a_known_provider_is_a_prefix(database: Database) {
        let local = RawProvider::start(
            r#"{"data":[{"id":"llama3:8b"},{"id":"openai:odd"}]}"#,
            r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#,
        )
        .await;
        let (app, ada) = start(database, &[], &[("LOCAL_BASE_URL", local.base_url())]).await;
        for model in ["llama3:8b", "local:llama3:8b", "LOCAL:llama3:8b"] {
            let reply = answer(ask(&app, &ada, hello(model)).await).await;
            assert_eq!((chosen(&reply).as_str(), &reply["output"]["text"]), ("local:llama3:8b", &json!("Hi")));
            let sent: Value = serde_json::from_str(&local.last_body()).expect("JSON");
            assert_eq!(sent["model"], "llama3:8b", "{model}");
        }
        assert_eq!(refusal(&app, &ada, hello("llama3:70b")).await, (404, "model_not_found".to_owned()));
        assert_eq!(refusal(&app, &ada, hello("nonsense:echo")).await, (404, "model_not_found".to_owned()));
        let odd = refusal(&app, &ada, hello("openai:odd")).await;
        assert_eq!(odd, (400, "provider_not_configured".to_owned()), "a known prefix is one, whoever lists the name");
    }

    async fn a_provider_beside_the_model_decides(database: Database) {
        let (app, ada) = start(database, &["openai", "mistral"], &[]).await;
        let asked = |provider: &str| with(hello("echo"), "provider", provider);
        assert_eq!(who(&app, &ada, asked("mistral")).await, "mistral:echo");
        assert_eq!(who(&app, &ada, asked(" Mistral ")).await, "mistral:echo");
        assert_eq!(who(&app, &ada, asked("")).await, who(&app, &ada, hello("echo")).await, "an empty name is none");
        assert_eq!(refusal(&app, &ada, asked("nonsense")).await, (400, "unsupported_provider".to_owned()));
        assert_eq!(refusal(&app, &ada, asked("groq")).await, (400, "provider_not_configured".to_owned()));
        assert_eq!(refusal(&app, &ada, hello("groq:echo")).await, (400, "provider_not_configured".to_owned()));
        let auto = with(hello("auto"), "provider", "nonsense");
        assert_eq!(refusal(&app, &ada, auto).await, (400, "unsupported_provider".to_owned()));
        let kept_only = with(hello("echo"), "provider", "other");
        assert_eq!(refusal(&app, &ada, kept_only).await, (400, "unsupported_provider".to_owned()));
    }

    async fn a_bare_name_is_looked_for_in_the_callers_lists_first(database: Database) {
        let (app, ada) = start(database, &["mistral", "openai"], &[]).await;
        let bob = app.person("bob").await;
        app.store_key(&ada.token, "groq", "adas-key-for-groq").await;
        // All list it: the first by the provider's name answers, whenever its key was stored.
        assert_eq!(who(&app, &ada, hello("echo")).await, "groq:echo");
        assert_eq!(app.delete("/v1/users/provider-keys/groq", &ada.token).await.status, 200);
        assert_eq!(who(&app, &ada, hello("echo")).await, "mistral:echo");
        assert_eq!(refusal(&app, &bob, hello("echo")).await, (404, "model_not_found".to_owned()));
        app.store_key(&bob.token, "mistral", "bobs-key").await;
        assert_eq!(who(&app, &bob, hello("echo")).await, "mistral:echo");
        assert_eq!(app.provider.last_request().header("authorization"), "Bearer bobs-key");
    }

    async fn a_well_known_name_leads_to_its_maker(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        for (model, provider) in [
            ("gpt-echo", "openai"), ("o1-pro", "openai"), ("o3", "openai"), ("o4-mini", "openai"),
            ("chatgpt-4o-latest", "openai"), ("claude-echo", "anthropic"), ("gemini-echo", "google"),
            ("gemma-echo", "google"), ("palm-echo", "google"), ("grok-echo", "xai"), ("deepseek-echo", "deepseek"),
            ("llama-echo", "groq"), ("mixtral-echo", "groq"), ("gemma2-echo", "groq"),
        ] {
            app.provider.serve_also(model);
            let (status, code, message) = refused(ask(&app, &ada, hello(model)).await).await;
            assert_eq!((status, code.as_str()), (400, "provider_not_configured"), "{model}");
            assert!(message.contains(provider), "{model}: {message}");
            app.store_key(&ada.token, provider, "adas-own-key").await;
            assert_eq!(who(&app, &ada, hello(model)).await, format!("{provider}:{model}"));
            assert_eq!(app.delete(&format!("/v1/users/provider-keys/{provider}"), &ada.token).await.status, 200);
        }
        for model in ["no-such-model", "my-gpt-4o", "GPT-4o"] {
            let (status, code, message) = refused(ask(&app, &ada, hello(model)).await).await;
            assert_eq!((status, code.as_str()), (404, "model_not_found"));
            assert_eq!(message, format!("Model not found: {model}"));
        }
    }

    async fn no_model_means_the_default(database: Database) {
        let (app, ada) = start(database, &["openai"], &[]).await;
        for model in [None, Some("auto"), Some(""), Some("  ")] {
            assert_eq!(who(&app, &ada, hello(model)).await, "openai:unicode", "{model:?}");
        }
        for mode in ["auto", "commercial_only"] {
            assert_eq!(who(&app, &ada, with(hello(None), "selection_mode", mode)).await, "openai:unicode", "{mode}");
        }
        for model in [None, Some("auto")] {
            let (status, code, message) =
                refused(ask(&app, &ada, with(hello(model), "selection_mode", "model")).await).await;
            assert_eq!((status, code.as_str()), (400, "model_required"), "{model:?}");
            assert!(message.contains("model"), "{message}");
        }
        let named = with(hello("echo"), "selection_mode", "model");
        assert_eq!(who(&app, &ada, named).await, "openai:echo");
        let free = with(hello(None), "selection_mode", "free_only");
        assert_eq!(refusal(&app, &ada, free).await, (404, "no_model_available".to_owned()));
    }

    async fn the_mode_narrows_the_choice_but_not_a_name(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["openai"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        for (mode, expected) in [
            ("auto", "openai:unicode"), ("commercial_only", "openai:unicode"), ("free_only", "local:echo"),
        ] {
            for model in [None, Some("auto")] {
                assert_eq!(who(&app, &ada, with(hello(model), "selection_mode", mode)).await, expected, "{mode}");
            }
            assert_eq!(who(&app, &ada, with(hello("local:unicode"), "selection_mode", mode)).await, "local:unicode");
            assert_eq!(who(&app, &ada, with(hello("openai:echo"), "selection_mode", mode)).await, "openai:echo");
        }
        let bob = app.person("bob").await;
        let commercial = with(hello(None), "selection_mode", "commercial_only");
        assert_eq!(refusal(&app, &bob, commercial).await, (404, "no_model_available".to_owned()));
        assert_eq!(who(&app, &bob, hello(None)).await, "local:unicode", "the default's name is known there, too");
    }

    async fn words_in_the_prompt_never_reroute(database: Database) {
        let (app, ada) = start(database, &["openai"], &[]).await;
        for words in ["draw a picture", "render a 3d mesh as obj", "an image, a photo, an illustration: art"] {
            let reply = answer(ask(&app, &ada, prompt(None, words)).await).await;
            assert_eq!((chosen(&reply).as_str(), &reply["modality"]), ("openai:unicode", &json!("text")), "{words}");
        }
        let with_image = with(prompt("auto", "draw"), "input", json!({
            "prompt": "draw", "images": ["data:image/png;base64,iVBORw0KGgo="],
        }));
        assert_eq!(who(&app, &ada, with_image).await, "openai:unicode");
    }

    async fn a_provider_without_a_model_answers_with_its_first(database: Database) {
        let (app, ada) = start(database, &["openai", "mistral", "anthropic"], &[]).await;
        for provider in ["openai", "mistral", "anthropic"] {
            for model in [None, Some("auto")] {
                let asked = with(hello(model), "provider", provider);
                assert_eq!(who(&app, &ada, asked.clone()).await, format!("{provider}:echo"), "{model:?}");
                let commercial = with(asked, "selection_mode", "commercial_only");
                assert_eq!(who(&app, &ada, commercial).await, format!("{provider}:echo"));
            }
        }
    }

    async fn without_access_a_free_model_answers(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["openai"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let groq = with(hello("auto"), "provider", "groq");
        let reply = ask(&app, &ada, groq.clone()).await;
        let id = request_id(&reply);
        let reply = answer(reply).await;
        assert_eq!((chosen(&reply).as_str(), &reply["credits_status"]), ("local:echo (no_access)", &Value::Null));
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.provider.as_str(), row.model.as_str()), ("local", "echo"));
        assert_eq!(row.fallback_reason.as_deref(), Some("no_access"));
        let events = events(ask_streamed(&app, &ada, groq.clone()).await).await;
        assert_eq!(announced(&events), ["local:echo (no_access)"]);

        let commercial = with(groq, "selection_mode", "commercial_only");
        assert_eq!(refusal(&app, &ada, commercial).await, (404, "no_model_available".to_owned()));
        let free = with(with(hello("auto"), "provider", "openai"), "selection_mode", "free_only");
        assert_eq!(who(&app, &ada, free).await, "local:echo (no_access)");
        // A model by its name is never exchanged for another one.
        let named = with(hello("echo"), "provider", "groq");
        assert_eq!(refusal(&app, &ada, named).await, (400, "provider_not_configured".to_owned()));
    }

    async fn without_access_and_a_free_model_nothing_is_found(database: Database) {
        let (app, ada) = start(database, &["openai"], &[]).await;
        let groq = with(hello("auto"), "provider", "groq");
        assert_eq!(refusal(&app, &ada, groq.clone()).await, (404, "no_model_available".to_owned()));
        let (status, code, _) = refused(ask_streamed(&app, &ada, groq).await).await;
        assert_eq!((status, code.as_str()), (404, "no_model_available"), "before any stream begins");
        let bob = app.person("bob").await;
        assert_eq!(refusal(&app, &bob, hello(None)).await, (404, "no_model_available".to_owned()));
        assert!(generations(&app.provider).is_empty());
    }

    async fn an_account_without_credit_is_left_alone_for_an_hour(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["openai"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let auto = with(hello("auto"), "provider", "openai");
        assert_eq!(who(&app, &ada, auto.clone()).await, "openai:echo");
        assert_eq!(who(&app, &ada, hello("openai:no-quota")).await, "local:echo (quota_exceeded)");

        let asked = generations(&app.provider).len();
        assert_eq!(who(&app, &ada, auto.clone()).await, "local:echo (credits_exhausted)");
        let events = events(ask_streamed(&app, &ada, auto.clone()).await).await;
        assert_eq!(announced(&events), ["local:echo (credits_exhausted)"]);
        assert_eq!(generations(&app.provider).len(), asked, "the empty account is not asked");
        let commercial = with(auto.clone(), "selection_mode", "commercial_only");
        assert_eq!(refusal(&app, &ada, commercial).await, (404, "no_model_available".to_owned()));

        app.advance(Duration::from_secs(3599));
        assert_eq!(who(&app, &ada, auto.clone()).await, "local:echo (credits_exhausted)");
        app.advance(Duration::from_secs(1));
        assert_eq!(who(&app, &ada, auto).await, "openai:echo");
    }

    async fn an_account_that_pays_again_is_used_at_once(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["openai"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let auto = with(hello("auto"), "provider", "openai");
        answer(ask(&app, &ada, hello("openai:no-quota")).await).await;
        assert_eq!(who(&app, &ada, auto.clone()).await, "local:echo (credits_exhausted)");
        let reply = answer(ask(&app, &ada, hello("openai:echo")).await).await;
        assert_eq!(reply["credits_status"]["status"], "available", "a name is always tried");
        assert_eq!(who(&app, &ada, auto).await, "openai:echo");
    }

    async fn one_users_empty_account_is_nobody_elses(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["openai"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "bobs-key").await;
        answer(ask(&app, &ada, hello("openai:no-quota")).await).await;
        let auto = with(hello("auto"), "provider", "openai");
        assert_eq!(who(&app, &bob, auto.clone()).await, "openai:echo");
        // A new key is a new account.
        app.store_key(&ada.token, "openai", "adas-other-key").await;
        assert_eq!(who(&app, &ada, auto).await, "openai:echo");
    }

    async fn a_balance_of_nothing_is_known_before_anything_is_asked(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &[], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let bob = app.person("bob").await;
        app.store_key(&ada.token, "deepseek", "adas-broke-key").await;
        app.store_key(&bob.token, "deepseek", "bobs-key").await;
        let auto = with(hello("auto"), "provider", "deepseek");
        assert_eq!(who(&app, &ada, auto.clone()).await, "local:echo (credits_exhausted)");
        assert_eq!(models_asked(&app.provider), <[String; 0]>::default());
        let reply = answer(ask(&app, &bob, auto).await).await;
        assert_eq!(chosen(&reply), "deepseek:echo");
        assert_eq!(reply["credits_status"], json!({
            "provider": "deepseek", "status": "available", "remaining": 4.2, "reset_at": null,
        }));
    }

    async fn three_dimensions_are_not_made_here(database: Database) {
        let (app, ada) = start(database, &["openai"], &[]).await;
        for model in [None, Some("auto"), Some("openai:echo"), Some("openai/shap-e")] {
            let body = with(hello(model), "modality", "3d");
            for reply in [ask(&app, &ada, body.clone()).await, ask_streamed(&app, &ada, body).await] {
                let (status, code, _) = refused(reply).await;
                assert_eq!((status, code.as_str()), (400, "unsupported_modality"), "{model:?}");
            }
        }
    }

    async fn a_credential_that_cannot_be_used_is_told_from_one_that_is_missing(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        let service_account = json!({
            "provider": "google", "credential_type": "service_account", "service_account_json": "{}",
        });
        store_credential(&app, &ada, service_account).await;
        let asked = refusal(&app, &ada, hello("google:echo")).await;
        assert_eq!(asked, (424, "unsupported_credential".to_owned()));
    }
}
