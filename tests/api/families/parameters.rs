//! Parameters in each provider's own words; what a provider does not know is its own to refuse.

use llm_api_testkit::each_db;
use serde_json::{Value, json};

use super::{ANTHROPIC, AZURE, Account, GOOGLE, HUGGINGFACE, OPENAI, PROVIDERS, seen, start};
use crate::asking::{answer, ask, ask_streamed, events, generations, refused, with};

/// What of the body is no message, model or wish for a stream.
fn parameters_in(mut body: Value) -> Value {
    let members = body.as_object_mut().expect("an object");
    for name in ["model", "messages", "contents", "stream", "stream_options"] {
        members.remove(name);
    }
    body
}

fn hello(account: Account, parameters: Value) -> Value {
    with(account.hello("echo"), "parameters", parameters)
}

each_db! {
    async fn every_parameter_goes_on_in_the_providers_words(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        // Nulls stand for missing fields, and what the request itself says is not to be replaced.
        let given = json!({
            "temperature": 0.2, "top_p": 0.9, "max_tokens": 64, "stop": ["END"], "seed": null, "top_k": null,
            "model": "another", "messages": [], "stream": true,
        });
        let openai = json!({ "temperature": 0.2, "top_p": 0.9, "max_tokens": 64, "stop": ["END"] });
        for (account, expected) in [
            (OPENAI, openai.clone()),
            (AZURE, openai.clone()),
            (HUGGINGFACE, openai),
            (ANTHROPIC, json!({ "temperature": 0.2, "top_p": 0.9, "max_tokens": 64, "stop_sequences": ["END"] })),
            (GOOGLE, json!({ "generationConfig":
                { "temperature": 0.2, "topP": 0.9, "maxOutputTokens": 64, "stopSequences": ["END"] } })),
        ] {
            answer(ask(&app, &ada, hello(account, given.clone())).await).await;
            assert_eq!(parameters_in(seen(&app).body), expected, "{account:?}");
            events(ask_streamed(&app, &ada, hello(account, given.clone())).await).await;
            assert_eq!(parameters_in(seen(&app).body), expected, "{account:?} streamed");
        }
    }

    async fn a_seed_and_one_stop_text_are_understood(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        let given = json!({ "seed": 7, "stop": "END" });
        for account in [OPENAI, AZURE, HUGGINGFACE] {
            answer(ask(&app, &ada, hello(account, given.clone())).await).await;
            assert_eq!(parameters_in(seen(&app).body), given, "{account:?}");
        }
        answer(ask(&app, &ada, hello(GOOGLE, given.clone())).await).await;
        let expected = json!({ "generationConfig": { "seed": 7, "stopSequences": ["END"] } });
        assert_eq!(parameters_in(seen(&app).body), expected);
        // Anthropic has no seed, and says so.
        let (status, _, message) = refused(ask(&app, &ada, hello(ANTHROPIC, given)).await).await;
        assert_eq!(status, 400);
        assert!(message.contains("seed: Extra inputs are not permitted"), "{message}");
    }

    async fn no_parameters_means_the_providers_own_defaults(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for account in PROVIDERS {
            answer(ask(&app, &ada, account.hello("echo")).await).await;
            // Only Anthropic must have a cap.
            let expected = if account.provider == "anthropic" { json!({ "max_tokens": 4096 }) } else { json!({}) };
            assert_eq!(parameters_in(seen(&app).body), expected, "{account:?}");
        }
    }

    async fn json_is_asked_for_where_the_provider_has_a_word_for_it(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        let format = json!({ "format": "json" });
        let openai = json!({ "response_format": { "type": "json_object" } });
        for (account, expected) in [
            (OPENAI, openai.clone()),
            (AZURE, openai.clone()),
            (HUGGINGFACE, openai),
            (GOOGLE, json!({ "generationConfig": { "responseMimeType": "application/json" } })),
        ] {
            answer(ask(&app, &ada, hello(account, format.clone())).await).await;
            assert_eq!(parameters_in(seen(&app).body), expected, "{account:?}");
        }
        let asked_before = generations(&app.provider).len();
        for reply in [
            ask(&app, &ada, hello(ANTHROPIC, format.clone())).await,
            ask_streamed(&app, &ada, hello(ANTHROPIC, format.clone())).await,
        ] {
            let (status, code, message) = refused(reply).await;
            assert_eq!((status, code.as_str()), (400, "invalid_parameter"));
            assert!(message.starts_with("format: "), "{message}");
        }
        for account in PROVIDERS {
            answer(ask(&app, &ada, hello(account, json!({ "format": "text" }))).await).await;
            assert!(!seen(&app).body.to_string().contains("format"), "{account:?}");
            let (status, _, message) = refused(ask(&app, &ada, hello(account, json!({ "format": "xml" }))).await).await;
            assert_eq!(status, 400, "{account:?}");
            assert!(message.starts_with("format: "), "{message}");
        }
        assert_eq!(generations(&app.provider).len(), asked_before + PROVIDERS.len(), "nothing else was sent");
    }

    async fn a_parameter_that_the_provider_does_not_know_is_named(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC, GOOGLE], &[]).await;
        for account in [ANTHROPIC, GOOGLE] {
            let body = hello(account, json!({ "vendor_option": 1 }));
            let (status, code, message) = refused(ask(&app, &ada, body.clone()).await).await;
            assert_eq!((status, code.as_str()), (400, "provider_refused_request"), "{account:?}");
            assert!(message.contains("vendor_option") && message.contains(account.provider), "{message}");
            let events = events(ask_streamed(&app, &ada, body).await).await;
            let error = &events.last().expect("an event")["error"];
            assert_eq!(error["code"], "provider_refused_request", "{account:?}");
            assert_eq!(error["message"], message, "{account:?}");
        }
    }

    async fn newer_openai_models_get_the_cap_by_its_newer_name(database: Database) {
        let (app, ada) = start(database, &[OPENAI], &[]).await;
        app.provider.serve_also("o3-mini");
        let body = with(OPENAI.hello("o3-mini"), "parameters", json!({ "max_tokens": 64 }));
        answer(ask(&app, &ada, body).await).await;
        assert_eq!(parameters_in(seen(&app).body), json!({ "max_completion_tokens": 64 }));
    }
}
