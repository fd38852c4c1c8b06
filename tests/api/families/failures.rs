//! Each way in which each provider can fail, in one piece and streamed, told in our words.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{Database, Person, TestApp, each_db};
use serde_json::Value;

use super::{ACCOUNTS, ANTHROPIC, AZURE, Account, GOOGLE, HUGGINGFACE, KEY, OPENAI, PART_OF_KEY, PROVIDERS, start};
use crate::{
    asking::{answer, ask, ask_streamed, events, refused, said},
    usage_rows::{request_id, row_with},
};

/// One fault, as a client meets it and as its row tells it.
#[derive(Clone, Copy, Debug)]
struct Fault {
    model: &'static str,
    status: u16,
    code: &'static str,
    /// What of the text has come when a stream breaks.
    text_before: &'static str,
}

const fn fault(model: &'static str, status: u16, code: &'static str) -> Fault {
    Fault { model, status, code, text_before: "" }
}

const FAULTS: [Fault; 10] = [
    fault("rejects-key", 424, "provider_key_rejected"),
    fault("rate-limited", 429, "upstream_rate_limited"),
    fault("no-quota", 429, "insufficient_quota"),
    fault("refuses", 400, "provider_refused_request"),
    fault("fails", 502, "upstream_error"),
    fault("overloaded", 502, "upstream_error"),
    fault("html", 502, "upstream_bad_response"),
    fault("redirect", 502, "upstream_bad_response"),
    Fault { text_before: "You ", ..fault("bad-json", 502, "upstream_bad_response") },
    Fault { text_before: "You said: ", ..fault("dies", 502, "upstream_interrupted") },
];

/// What a client sees as the code: the provider's own word, where it has one for a request that it refuses.
fn code_shown(account: Account, fault: Fault) -> &'static str {
    match (fault.model, account.provider) {
        ("refuses", "openai" | "azure" | "huggingface") => "unsupported_value",
        _ => fault.code,
    }
}

/// No reply, stream, header or row tells anything of the key.
fn check_secrecy(account: Account, seen: &[String]) {
    for text in seen {
        assert!(!text.contains(PART_OF_KEY), "{account:?}: {text}");
    }
}

async fn check_whole(app: &TestApp, ada: &Person, account: Account, fault: Fault) {
    let what = format!("{} of {account:?}", fault.model);
    let reply = ask(app, ada, account.hello(fault.model)).await;
    assert_eq!(reply.status, fault.status, "{what}");
    let expected = if fault.model == "rate-limited" { "7" } else { "" };
    assert_eq!(reply.header("retry-after"), expected, "{what}");
    let (id, headers) = (request_id(&reply), format!("{:?}", reply.headers));
    let text = reply.text().await;
    let body: Value = serde_json::from_str(&text).expect("JSON");
    let code = code_shown(account, fault);
    assert_eq!((&body["code"], &body["detail"]["code"]), (&Value::from(code), &Value::from(code)), "{what}");
    assert_eq!(body["request_id"], id.to_string(), "{what}");
    let message = body["detail"]["message"].as_str().expect("a sentence");
    assert!(message.starts_with(&format!("{}: ", account.provider)), "{what}: {message}");
    let row = row_with(app, ada, id).await;
    assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Failed, Some(fault.code)), "{what}");
    assert_eq!((row.provider.as_str(), row.model.as_str()), (account.provider, fault.model), "{what}");
    assert_eq!(row.fallback_reason, None, "{what}");
    check_secrecy(account, &[headers, text, format!("{row:?}")]);
}

async fn check_streamed(app: &TestApp, ada: &Person, account: Account, fault: Fault) {
    let what = format!("{} of {account:?}, streamed", fault.model);
    let reply = ask_streamed(app, ada, account.hello(fault.model)).await;
    let id = request_id(&reply);
    let events = events(reply).await;
    let (last, before) = events.split_last().expect("an event");
    assert_eq!(before[0]["event"], "model_selected", "{what}");
    assert_eq!(said(before), fault.text_before, "{what}");
    assert_eq!(last["error"]["code"], code_shown(account, fault), "{what}");
    let message = last["error"]["message"].as_str().expect("a sentence");
    assert!(message.starts_with(&format!("{}: ", account.provider)), "{what}: {message}");
    assert_eq!(last["request_id"], id.to_string(), "{what}");
    assert!(last.get("output").is_none() && last.get("modality").is_none(), "{what}: {last}");
    let status = if fault.text_before.is_empty() { RequestStatus::Failed } else { RequestStatus::Incomplete };
    let row = row_with(app, ada, id).await;
    assert_eq!((row.status, row.error_code.as_deref()), (status, Some(fault.code)), "{what}");
    assert_eq!((row.provider.as_str(), row.model.as_str()), (account.provider, fault.model), "{what}");
    check_secrecy(account, &[format!("{events:?}"), format!("{row:?}")]);
}

async fn check_all(database: Database, account: Account) {
    let (app, ada) = start(database, &[account], &[]).await;
    for fault in FAULTS {
        check_whole(&app, &ada, account, fault).await;
        check_streamed(&app, &ada, account, fault).await;
    }
    let strayed = app.provider.requests().into_iter().find(|request| request.path.contains("elsewhere"));
    assert!(strayed.is_none(), "a redirect is not followed: {strayed:?}");
}

/// What the list of keys says of the account.
async fn key_status(app: &TestApp, person: &Person, account: Account) -> String {
    let text = app.get("/v1/users/provider-keys", &person.token).await.text().await;
    assert!(!text.contains(PART_OF_KEY), "{text}");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let key = list.as_array().expect("a list").iter().find(|key| key["provider"] == account.provider).expect("its key");
    assert_eq!(key["credential_type"], account.credential_type);
    key["status"].as_str().expect("a word").to_owned()
}

each_db! {
    async fn openais_faults_are_told_in_our_words(database: Database) {
        check_all(database, OPENAI).await;
    }

    async fn anthropics_faults_are_told_in_our_words(database: Database) {
        check_all(database, ANTHROPIC).await;
    }

    async fn googles_faults_are_told_in_our_words(database: Database) {
        check_all(database, GOOGLE).await;
    }

    async fn azures_faults_are_told_in_our_words(database: Database) {
        check_all(database, AZURE).await;
    }

    async fn hugging_faces_faults_are_told_in_our_words(database: Database) {
        check_all(database, HUGGINGFACE).await;
    }

    async fn a_rejected_key_is_marked_until_it_works(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        for account in ACCOUNTS {
            account.store(&app, &ada).await;
            assert_eq!(ask(&app, &ada, account.hello("rejects-key")).await.status, 424, "{account:?}");
            assert_eq!(key_status(&app, &ada, account).await, "rejected", "{account:?}");
            answer(ask(&app, &ada, account.hello("echo")).await).await;
            assert_eq!(key_status(&app, &ada, account).await, "valid", "{account:?}");
            events(ask_streamed(&app, &ada, account.hello("rejects-key")).await).await;
            assert_eq!(key_status(&app, &ada, account).await, "rejected", "{account:?}");
            events(ask_streamed(&app, &ada, account.hello("echo")).await).await;
            assert_eq!(key_status(&app, &ada, account).await, "valid", "{account:?}");
        }
    }

    async fn a_key_that_the_provider_refuses_when_it_is_stored_says_so(database: Database) {
        let (app, ada) = start(database, &[], &[]).await;
        for account in ACCOUNTS {
            let mut credential = account.credential(&app.provider);
            let field = if account.credential_type == "oauth_token" { "oauth_token" } else { "api_key" };
            credential[field] = format!("bad-{KEY}").into();
            let reply = app.post("/v1/users/provider-keys", &ada.token, credential).await;
            assert_eq!(reply.status, 201, "{account:?}");
            let text = reply.text().await;
            let stored: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(stored["status"], "rejected", "{account:?}: {text}");
            assert!(!text.contains(PART_OF_KEY), "{account:?}: {text}");
        }
    }

    async fn a_provider_that_never_answers_is_a_timeout(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "0.2")]).await;
        let silent = fault("silent", 504, "upstream_timeout");
        for account in PROVIDERS {
            check_whole(&app, &ada, account, silent).await;
            app.provider.wait_until_closed().await;
            check_streamed(&app, &ada, account, silent).await;
            app.provider.wait_until_closed().await;
        }
    }

    async fn a_stream_without_its_end_is_not_taken_for_whole(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[("UPSTREAM_IDLE_TIMEOUT_SECONDS", "0.2")]).await;
        for account in PROVIDERS {
            for (model, text_before) in [("no-done", "You said: "), ("stalls", "You ")] {
                let fault = Fault { text_before, ..fault(model, 502, "upstream_interrupted") };
                check_streamed(&app, &ada, account, fault).await;
            }
            app.provider.wait_until_closed().await;
        }
    }

    async fn a_model_that_the_provider_does_not_have_is_not_found(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for account in PROVIDERS {
            let (status, code, message) =
                refused(ask(&app, &ada, account.hello("no-such-model")).await).await;
            assert_eq!((status, code.as_str()), (404, "model_not_found"), "{account:?}");
            assert!(message.starts_with("Model not found: ") && message.contains(account.provider), "{message}");
            let events = events(ask_streamed(&app, &ada, account.hello("no-such-model")).await).await;
            assert_eq!(events.last().expect("an event")["error"]["code"], "model_not_found", "{account:?}");
        }
    }
}
