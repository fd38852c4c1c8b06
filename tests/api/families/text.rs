//! Text in one piece and streamed, and how the request looks at the provider.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{ProviderRequest, UNICODE, each_db};
use serde_json::{Value, json};

use super::{
    ACCOUNTS, ANTHROPIC, ANTHROPIC_OAUTH, AZURE, Account, GOOGLE, HUGGINGFACE, KEY, OPENAI, PART_OF_KEY, PROVIDERS,
    seen, start,
};
use crate::{
    asking::{announced, answer, ask, ask_streamed, chosen, events, next_event, said, with},
    usage_rows::{COUNTED, request_id, row_with},
};

/// The key stands in its own header and nowhere else.
fn check_where_the_key_is(account: Account, request: &ProviderRequest) {
    let expected = format!("{}{KEY}", account.scheme);
    assert_eq!(request.header(account.header), expected, "{account:?}");
    for (name, value) in &request.headers {
        let text = value.to_str().expect("ASCII");
        assert_eq!(text.contains(PART_OF_KEY), name == account.header, "{account:?}: {name}");
    }
    assert!(!request.path.contains(PART_OF_KEY) && !request.body.to_string().contains(PART_OF_KEY), "{account:?}");
}

/// Nothing of our own caller travels on.
fn check_what_is_not_passed_on(token: &str, request: &ProviderRequest) {
    for name in ["cookie", "x-request-id", "x-forwarded-for", "referer", "origin"] {
        assert_eq!(request.header(name), "", "{name}");
    }
    assert!(!format!("{request:?}").contains(token));
}

each_db! {
    async fn every_provider_answers_in_one_piece(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        for account in ACCOUNTS {
            account.store(&app, &ada).await;
            check_where_the_key_is(account, &app.provider.last_request());
            let reply = ask(&app, &ada, account.hello("echo")).await;
            let id = request_id(&reply);
            let reply = answer(reply).await;
            assert_eq!(reply["output"]["text"], "You said: Hello", "{account:?}");
            assert_eq!(reply["usage"], json!({ "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 }));
            assert_eq!((&reply["finish_reason"], &reply["warnings"]), (&json!("stop"), &Value::Null), "{account:?}");
            assert_eq!(chosen(&reply), format!("{}:echo", account.provider));
            let request = seen(&app);
            assert_eq!(request.path, account.paths[0], "{account:?}");
            check_where_the_key_is(account, &request);
            check_what_is_not_passed_on(&ada.token, &request);
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.provider.as_str(), row.model.as_str()), (account.provider, "echo"));
            assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, COUNTED.total_tokens));
        }
    }

    async fn every_provider_streams_word_by_word(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        for account in ACCOUNTS {
            account.store(&app, &ada).await;
            let reply = ask_streamed(&app, &ada, account.hello("echo")).await;
            let id = request_id(&reply);
            let events = events(reply).await;
            assert_eq!(announced(&events), [format!("{}:echo", account.provider)]);
            assert_eq!(said(&events), "You said: Hello", "{account:?}");
            let [selected, you, _, _, completed] = events.as_slice() else { panic!("{account:?}: {events:#?}") };
            assert_eq!(selected["request_id"], id.to_string());
            assert_eq!(*you, json!({ "choices": [{ "delta": { "content": "You " } }] }));
            assert_eq!(*completed, json!({
                "event": "completed", "request_id": id.to_string(), "session_id": null, "finish_reason": "stop",
                "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 }, "state_tokens": null,
                "credits_status":
                    { "provider": account.provider, "status": "available", "remaining": null, "reset_at": null },
                "warnings": null,
            }), "{account:?}");
            let request = seen(&app);
            assert_eq!(request.path, account.paths[1], "{account:?}");
            check_where_the_key_is(account, &request);
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.streamed, row.status, row.usage.total_tokens), (true, RequestStatus::Completed, Some(18)));
        }
    }

    async fn text_comes_while_the_provider_still_writes(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for account in PROVIDERS {
            let mut reply = ask_streamed(&app, &ada, account.hello("slow-stream")).await;
            assert_eq!(next_event(&mut reply).await["event"], "model_selected");
            let first = next_event(&mut reply).await;
            assert_eq!(said(&[first]), "You ", "{account:?}");
            app.provider.release();
            assert_eq!(said(&events(reply).await), "said: Hello", "{account:?}");
        }
    }

    async fn characters_that_were_cut_arrive_whole(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for account in PROVIDERS {
            let events = events(ask_streamed(&app, &ada, account.hello("unicode")).await).await;
            assert_eq!(said(&events), UNICODE, "{account:?}");
            let reply = answer(ask(&app, &ada, account.hello("unicode")).await).await;
            assert_eq!(reply["output"]["text"], UNICODE, "{account:?}");
        }
    }

    async fn the_system_prompt_has_its_own_place_in_each_format(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        let messages = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }]);
        for (account, expected) in [
            (OPENAI, json!({ "model": "echo", "messages": messages })),
            (HUGGINGFACE, json!({ "model": "echo", "messages": messages })),
            // The deployment stands in the address.
            (AZURE, json!({ "messages": messages })),
            (ANTHROPIC, json!({
                "model": "echo", "max_tokens": 4096, "system": "Be brief.",
                "messages": [{ "role": "user", "content": "Hello" }],
            })),
            (GOOGLE, json!({
                "system_instruction": { "parts": [{ "text": "Be brief." }] },
                "contents": [{ "role": "user", "parts": [{ "text": "Hello" }] }],
            })),
        ] {
            let body = with(account.hello("echo"), "system_prompt", "Be brief.");
            answer(ask(&app, &ada, body.clone()).await).await;
            assert_eq!(seen(&app).body, expected, "{account:?}");
            events(ask_streamed(&app, &ada, body).await).await;
            let mut streamed = expected.clone();
            match account.provider {
                "google" => {}
                "anthropic" => streamed["stream"] = true.into(),
                _ => {
                    streamed["stream"] = true.into();
                    streamed["stream_options"] = json!({ "include_usage": true });
                }
            }
            assert_eq!(seen(&app).body, streamed, "{account:?}");
        }
    }

    async fn anthropic_is_told_which_version_and_kind_of_token_it_gets(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC], &[]).await;
        answer(ask(&app, &ada, ANTHROPIC.hello("echo")).await).await;
        let request = seen(&app);
        assert_eq!((request.header("anthropic-version"), request.header("anthropic-beta")), ("2023-06-01", ""));
        ANTHROPIC_OAUTH.store(&app, &ada).await;
        answer(ask(&app, &ada, ANTHROPIC_OAUTH.hello("echo")).await).await;
        let request = seen(&app);
        assert_eq!(request.header("anthropic-version"), "2023-06-01");
        assert_eq!((request.header("anthropic-beta"), request.header("x-api-key")), ("oauth-2025-04-20", ""));
    }

    async fn an_operators_key_serves_everybody_who_stored_none(database: Database) {
        let settings = [("ANTHROPIC_API_KEY", "the-operators"), ("GOOGLE_API_KEY", "the-operators-too")];
        let (app, ada) = start(database, &[ANTHROPIC], &settings).await;
        let bob = app.person("bob").await;
        answer(ask(&app, &bob, ANTHROPIC.hello("echo")).await).await;
        assert_eq!(seen(&app).header("x-api-key"), "the-operators");
        answer(ask(&app, &bob, GOOGLE.hello("echo")).await).await;
        assert_eq!(seen(&app).header("x-goog-api-key"), "the-operators-too");
        answer(ask(&app, &ada, ANTHROPIC.hello("echo")).await).await;
        assert_eq!(seen(&app).header("x-api-key"), KEY);
    }
}
