//! Who stands in when the chosen provider does not answer, and how that is told.

use std::time::Duration;

use llm_api_domain::RequestStatus;
use llm_api_testkit::{Database, FakeProvider, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    asking::{
        announced, answer, ask, ask_streamed, chosen, events, generations, models_asked, prompt, refused, said, with,
    },
    usage_rows::{request_id, row_with},
};

const QWEN: &str = "Qwen/Qwen2.5-7B-Instruct";
/// Longer than `context-20` takes, for itself and behind a system prompt.
const WORDS: &str = "big wide world, big wide world";

async fn start(database: Database, providers: &[&str], settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    for provider in providers {
        app.store_key(&ada.token, provider, &format!("adas-key-for-{provider}")).await;
    }
    (app, ada)
}

/// Asks for `model` in one piece and streamed; both times `stand_in` must answer instead, for `reason`.
async fn check(app: &TestApp, ada: &Person, model: &'static str, stand_in: &str, reasons: [&str; 2]) {
    let told = reasons.map(|reason| format!("{stand_in} ({reason})"));
    let (provider, name) = stand_in.split_once(':').expect("provider:model");

    let reply = ask(app, ada, prompt(model, WORDS)).await;
    let id = request_id(&reply);
    let reply = answer(reply).await;
    assert_eq!(chosen(&reply), told[0], "{model}");
    assert_eq!(reply["output"]["text"], format!("You said: {WORDS}"), "{model}");
    assert_eq!((&reply["usage"]["total_tokens"], &reply["finish_reason"]), (&json!(18), &json!("stop")));
    let row = row_with(app, ada, id).await;
    assert_eq!((row.provider.as_str(), row.model.as_str()), (provider, name), "{model}");
    assert_eq!((row.fallback_reason.as_deref(), row.status), (Some(reasons[0]), RequestStatus::Completed), "{model}");
    assert_eq!((row.error_code, row.usage.total_tokens), (None, Some(18)), "{model}");

    let reply = ask_streamed(app, ada, prompt(model, WORDS)).await;
    let id = request_id(&reply);
    let events = events(reply).await;
    assert_eq!(announced(&events), [model.to_owned(), told[1].clone()]);
    // Who answers is known before the first word.
    assert!(events[..2].iter().all(|event| event["event"] == "model_selected"), "{events:#?}");
    assert_eq!(said(&events), format!("You said: {WORDS}"), "{model}");
    let completed = events.last().expect("an event");
    assert_eq!((&completed["event"], &completed["finish_reason"]), (&json!("completed"), &json!("stop")));
    let row = row_with(app, ada, id).await;
    assert_eq!((row.provider.as_str(), row.model.as_str()), (provider, name), "{model}");
    assert_eq!((row.fallback_reason.as_deref(), row.status), (Some(reasons[1]), RequestStatus::Completed), "{model}");
}

/// What the list of models tells of a provider's account.
async fn credits(app: &TestApp, person: &Person, provider: &str) -> Value {
    let list = answer(app.get("/v1/models", &person.token).await).await;
    let models = list["models"].as_array().expect("a list");
    let model = models.iter().find(|model| model["provider"] == provider).expect("one of its models");
    model["availability"]["credits_status"].clone()
}

each_db! {
    async fn a_cheaper_model_of_the_same_provider_stands_in(database: Database) {
        let providers = ["openai", "anthropic", "google", "xai", "deepseek", "groq"];
        let (app, ada) = start(database, &providers, &[]).await;
        for (limited, overloaded, cheaper) in [
            ("openai:rate-limited", "openai:overloaded", "openai:gpt-4o-mini"),
            ("anthropic:rate-limited", "anthropic:overloaded", "anthropic:claude-3-5-haiku-20241022"),
            ("google:rate-limited", "google:overloaded", "google:gemini-1.5-flash"),
            ("xai:rate-limited", "xai:overloaded", "xai:grok-2"),
            ("deepseek:rate-limited", "deepseek:overloaded", "deepseek:deepseek-chat"),
            ("groq:rate-limited", "groq:overloaded", "groq:llama3-8b-8192"),
        ] {
            let (_, model) = cheaper.split_once(':').expect("provider:model");
            app.provider.serve_also(model);
            check(&app, &ada, limited, cheaper, ["rate_limited_tier"; 2]).await;
            check(&app, &ada, overloaded, cheaper, ["rate_limited_tier"; 2]).await;
        }
        // Each of the four requests is a call that failed and one that was answered.
        let root = app.admin("root").await;
        let figures = app.get("/metrics", &root.token).await.text().await;
        for provider in providers {
            for sample in [
                format!("llm_api_provider_fallbacks_total{{provider=\"{provider}\"}} 4"),
                format!("llm_api_provider_calls_total{{provider=\"{provider}\",outcome=\"failed\"}} 4"),
                format!("llm_api_provider_calls_total{{provider=\"{provider}\",outcome=\"answered\"}} 4"),
                format!("llm_api_provider_first_event_seconds_count{{provider=\"{provider}\"}} 2"),
            ] {
                assert!(figures.lines().any(|line| line == sample), "{sample}\n{figures}");
            }
        }
    }

    async fn hugging_face_stands_in_for_who_has_too_many_requests(database: Database) {
        let (app, ada) = start(database, &["openai", "mistral", "huggingface"], &[]).await;
        app.provider.serve_also(QWEN);
        let stand_in = format!("huggingface:{QWEN}");
        for model in ["mistral:rate-limited", "mistral:no-quota", "openai:rate-limited", "openai:no-quota"] {
            check(&app, &ada, model, &stand_in, ["rate_limit_fallback_huggingface"; 2]).await;
            let request = app.provider.last_request();
            assert_eq!(request.header("authorization"), "Bearer adas-key-for-huggingface", "its own key");
        }
    }

    async fn a_cheaper_model_that_does_not_answer_is_one_step_of_the_way(database: Database) {
        let (app, ada) = start(database, &["openai", "huggingface"], &[]).await;
        app.provider.serve_also(QWEN);
        answer(ask(&app, &ada, prompt("openai:rate-limited", WORDS)).await).await;
        assert_eq!(models_asked(&app.provider), ["rate-limited", "gpt-4o-mini", QWEN]);
        answer(ask(&app, &ada, prompt("openai:no-quota", WORDS)).await).await;
        assert_eq!(models_asked(&app.provider)[3..], ["no-quota", QWEN], "an empty account pays for no cheaper one");
    }

    async fn a_stream_that_was_too_long_goes_to_hugging_face(database: Database) {
        let (app, ada) = start(database, &["openai", "anthropic", "google", "huggingface"], &[]).await;
        app.provider.serve_also(QWEN);
        for model in ["openai:context-20", "anthropic:context-20", "google:context-20"] {
            let events = events(ask_streamed(&app, &ada, prompt(model, WORDS)).await).await;
            let told = format!("huggingface:{QWEN} (token_error_fallback_huggingface)");
            assert_eq!(announced(&events), [model.to_owned(), told]);
            assert_eq!(said(&events), format!("You said: {WORDS}"));
        }
    }

    async fn the_operators_own_server_stands_in_last(database: Database) {
        let local = FakeProvider::start_open().await;
        let settings = [("LOCAL_BASE_URL", local.base_url())];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (app, ada) = start(database, &["openai", "anthropic", "google"], &settings).await;
        for (models, reason) in [
            (["openai:no-quota", "anthropic:no-quota", "google:no-quota"], "quota_exceeded"),
            (["openai:rate-limited", "anthropic:rate-limited", "google:rate-limited"], "rate_limited_local"),
            (["openai:overloaded", "anthropic:overloaded", "google:overloaded"], "provider_overloaded_local"),
            (["openai:context-20", "anthropic:context-20", "google:context-20"], "context_length_exceeded_local"),
        ] {
            for model in models {
                check(&app, &ada, model, "local:echo", [reason; 2]).await;
                assert_eq!(local.last_request().header("authorization"), "", "nobody's key goes there");
            }
        }
    }

    async fn everything_that_was_asked_is_asked_again(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["anthropic"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let body = with(prompt("anthropic:overloaded", "Hello"), "system_prompt", "Be brief.");
        let body = with(body, "parameters", json!({ "max_tokens": 9, "stop": "END" }));
        answer(ask(&app, &ada, body).await).await;
        assert_eq!(local.last_request().body, json!({
            "model": "echo", "max_tokens": 9, "stop": "END",
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }],
        }), "in the words of who stands in");
    }

    async fn images_go_to_nobody_who_is_known_to_be_blind(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["mistral", "huggingface"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        app.provider.serve_also(QWEN);
        let body = with(prompt("mistral:rate-limited", "Hello"), "input", json!({
            "prompt": "What is this?", "images": ["data:image/png;base64,iVBORw0KGgo="],
        }));
        let reply = answer(ask(&app, &ada, body).await).await;
        assert_eq!(chosen(&reply), "local:echo (rate_limited_local)");
        assert_eq!(models_asked(&app.provider), ["rate-limited"]);
    }

    async fn where_nobody_is_left_the_first_error_is_told(database: Database) {
        let (app, ada) = start(database, &["openai", "huggingface"], &[]).await;
        let reply = ask(&app, &ada, prompt("openai:rate-limited", WORDS)).await;
        assert_eq!(reply.header("retry-after"), "7");
        let id = request_id(&reply);
        let (status, code, message) = refused(reply).await;
        assert_eq!((status, code.as_str()), (429, "upstream_rate_limited"));
        assert!(message.starts_with("openai: ") && message.contains("Rate limit reached"), "{message}");
        assert_eq!(models_asked(&app.provider), ["rate-limited", "gpt-4o-mini", QWEN]);
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.provider.as_str(), row.model.as_str()), ("openai", "rate-limited"));
        assert_eq!((row.error_code.as_deref(), row.fallback_reason), (Some("upstream_rate_limited"), None));
        assert_eq!(row.status, RequestStatus::Failed);

        let reply = ask_streamed(&app, &ada, prompt("openai:overloaded", WORDS)).await;
        let id = request_id(&reply);
        let events = events(reply).await;
        assert_eq!(announced(&events), ["openai:overloaded"]);
        assert_eq!(events.last().expect("an event")["error"]["code"], "upstream_error");
        let row = row_with(&app, &ada, id).await;
        assert_eq!((row.provider.as_str(), row.model.as_str()), ("openai", "overloaded"));
        assert_eq!((row.error_code.as_deref(), row.fallback_reason), (Some("upstream_error"), None));
    }

    async fn other_errors_have_no_stand_in(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start(database, &["openai", "huggingface"], &[("LOCAL_BASE_URL", &local.base_url())]).await;
        app.provider.serve_also(QWEN);
        app.provider.serve_also("gpt-4o-mini");
        let faults = ["rejects-key", "refuses", "fails", "html", "bad-json", "dies", "redirect", "no-such-model"];
        for model in faults {
            let body = with(prompt(None, WORDS), "model", format!("openai:{model}"));
            assert_ne!(ask(&app, &ada, body.clone()).await.status, 200, "{model}");
            let events = events(ask_streamed(&app, &ada, body).await).await;
            assert_eq!(announced(&events), [format!("openai:{model}")]);
            assert!(events.last().expect("an event")["error"]["code"].is_string(), "{model}");
        }
        assert_eq!(models_asked(&app.provider), faults.map(|model| [model; 2]).concat());
        assert_eq!(generations(&local).len(), 0);
    }

    async fn once_text_has_come_nobody_stands_in(database: Database) {
        let local = FakeProvider::start_open().await;
        let settings = [("LOCAL_BASE_URL", local.base_url()), ("UPSTREAM_IDLE_TIMEOUT_SECONDS", "0.2".to_owned())];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (app, ada) = start(database, &["openai"], &settings).await;
        for (model, text) in
            [("openai:dies", "You said: "), ("openai:stalls", "You "), ("openai:no-done", "You said: ")]
        {
            let events = events(ask_streamed(&app, &ada, prompt(model, WORDS)).await).await;
            assert_eq!((announced(&events), said(&events).as_str()), (vec![model.to_owned()], text));
            assert_eq!(events.last().expect("an event")["error"]["code"], "upstream_interrupted", "{model}");
        }
        assert!(generations(&local).is_empty());
    }

    async fn what_an_account_lacks_is_listed_until_it_is_tried_again(database: Database) {
        let (app, ada) = start(database, &["anthropic", "huggingface"], &[]).await;
        for provider in ["anthropic", "huggingface"] {
            assert_eq!(credits(&app, &ada, provider).await, Value::Null, "{provider}");
        }
        assert_eq!(ask(&app, &ada, prompt("anthropic:no-quota", WORDS)).await.status, 429);
        assert_eq!(models_asked(&app.provider), ["no-quota", QWEN]);
        assert_eq!(credits(&app, &ada, "anthropic").await, json!({
            "provider": "anthropic", "status": "exhausted", "remaining": null,
            "reset_at": "2026-11-22T13:00:00.000000Z",
        }));
        // What others ran into is not its fault.
        assert_eq!(credits(&app, &ada, "huggingface").await, Value::Null);

        app.advance(Duration::from_hours(1));
        assert_eq!(credits(&app, &ada, "anthropic").await, Value::Null);
        let reply = answer(ask(&app, &ada, prompt("anthropic:echo", WORDS)).await).await;
        let available = json!({ "provider": "anthropic", "status": "available", "remaining": null, "reset_at": null });
        assert_eq!((&reply["credits_status"], credits(&app, &ada, "anthropic").await), (&available, available.clone()));
    }

    async fn a_limit_on_requests_is_told_without_a_word_that_clients_do_not_know(database: Database) {
        let (app, ada) = start(database, &["groq"], &[]).await;
        assert_eq!(ask(&app, &ada, prompt("groq:rate-limited", WORDS)).await.status, 429);
        assert_eq!(credits(&app, &ada, "groq").await, json!({
            "provider": "groq", "status": "unknown", "remaining": null, "reset_at": "2026-11-22T12:00:07.000000Z",
        }));
        app.advance(Duration::from_secs(7));
        assert_eq!(credits(&app, &ada, "groq").await, Value::Null);
    }
}
