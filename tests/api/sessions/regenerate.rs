//! The last exchange once more.

use llm_api_domain::ExchangeStatus;
use llm_api_storage::NewExchange;
use llm_api_testkit::{FakeProvider, HttpReply, Person, TestApp, UNICODE, each_db};
use serde_json::{Value, json};

use super::{
    IMAGE, SESSIONS, ask, begun, fill, heard, ids, open, path, prompt, refused, say, shown, start, stored, streamed,
    talk,
};
use crate::usage_rows::{outcome_of_the_only_request, request_id};

async fn again(app: &TestApp, person: &Person, session: &str, body: Value) -> HttpReply {
    app.post(&path(session, "/regenerate"), &person.token, body).await
}

/// A session in which two things were said.
async fn talked(app: &TestApp, person: &Person) -> String {
    let session = open(app, person, json!({})).await;
    say(app, person, &session, "openai:echo", "One").await;
    say(app, person, &session, "openai:echo", "Two").await;
    session
}

const TALKED: [&str; 4] = ["user: One", "assistant: You said: One", "user: Two", "assistant: You said: Two"];

each_db! {
    async fn the_last_reply_is_replaced_in_its_place(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        let before = shown(&app, &ada, &session).await;
        let asked = json!({ "model": "openai:unicode", "parameters": { "temperature": 0.1, "seed": null } });
        let reply = again(&app, &ada, &session, asked).await;
        assert_eq!(reply.status, 200);
        let id = request_id(&reply);
        assert_eq!(reply.json().await, json!({
            "request_id": id.to_string(), "model": "unicode", "modality": "text", "session_id": session,
            "state_tokens": null,
            "selection": {
                "selected_model": "unicode", "selected_provider": "openai",
                "fallback_used": false, "fallback_reason": null,
            },
            "credits_status": { "provider": "openai", "status": "available", "remaining": null, "reset_at": null },
            "output": { "text": UNICODE, "images": null, "mesh": null, "artifacts": null },
            "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
            "finish_reason": "stop", "warnings": null,
        }));
        assert_eq!(app.provider.last_request().body, json!({
            "model": "unicode", "temperature": 0.1,
            "messages": [
                { "role": "user", "content": "One" }, { "role": "assistant", "content": "You said: One" },
                { "role": "user", "content": "Two" },
            ],
        }));
        let after = shown(&app, &ada, &session).await;
        assert_eq!(after["message_count"], 2);
        assert_eq!((&after["messages"][0], &after["messages"][1]), (&before["messages"][0], &before["messages"][1]));
        assert_eq!(after["messages"][2]["content"], "Two");
        assert_eq!(after["messages"][3]["content"], UNICODE);
        assert_eq!(after["messages"][3]["model_name"], "unicode");
        let kept: Vec<i64> = stored(&app, &ada, &session).await.iter().map(|one| one.sequence).collect();
        assert_eq!(kept, [1, 2]);
    }

    async fn without_a_body_the_same_is_asked_again(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({ "system_prompt": "Be brief." })).await;
        say(&app, &ada, &session, "openai:counts", "One").await;
        let bare = || app.http().post(&path(&session, "/regenerate")).bearer(&ada.token);
        for request in [
            bare(),
            bare().json(json!({})),
            bare().json(json!({ "model": null, "parameters": null, "stream": null, "selection_mode": null })),
            bare().json(json!({ "model": "", "selection_mode": "model" })),
        ] {
            let reply = request.send().await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.json().await["output"]["text"], "turns: 1 user");
            let sent = app.provider.last_request().body;
            assert_eq!(sent["messages"][0], json!({ "role": "system", "content": "Be brief." }));
        }
        assert_eq!(talk(&app, &ada, &session).await, ["user: One", "assistant: turns: 1 user"]);
    }

    async fn it_streams_when_asked_to(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        let reply = again(&app, &ada, &session, json!({ "model": "openai:counts", "stream": true })).await;
        let (text, last) = heard(reply).await;
        assert_eq!(text, "turns: 3 user assistant user");
        assert_eq!((&last["session_id"], &last["usage"]["total_tokens"]), (&json!(session), &json!(18)));
        assert_eq!(talk(&app, &ada, &session).await[2..], ["user: Two", "assistant: turns: 3 user assistant user"]);
        assert_eq!(shown(&app, &ada, &session).await["message_count"], 2);
    }

    async fn the_provider_of_the_first_time_is_asked_again(database: Database) {
        let local = FakeProvider::start_open().await;
        // The first half of such a name is a provider's, too.
        local.serve_also("mistral:7b");
        let (app, ada) = start(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
        app.store_key(&ada.token, "groq", "gsk-adas-own-key").await;
        app.store_key(&ada.token, "anthropic", "sk-ant-adas-own-key").await;
        for (model, expected) in [
            ("groq:echo", ["groq", "echo"]),
            ("anthropic:claude-echo", ["anthropic", "claude-echo"]),
            ("local:mistral:7b", ["local", "mistral:7b"]),
        ] {
            let session = open(&app, &ada, json!({})).await;
            say(&app, &ada, &session, model, "Hello").await;
            let reply = again(&app, &ada, &session, json!({})).await;
            let (status, reply) = (reply.status, reply.json().await);
            assert_eq!(status, 200, "{model}: {reply}");
            let selection = &reply["selection"];
            assert_eq!([&selection["selected_provider"], &selection["selected_model"]], expected, "{model}");
        }
    }

    async fn a_mode_that_chooses_lets_the_server_choose_anew(database: Database) {
        let local = FakeProvider::start_open().await;
        let settings = [("LOCAL_BASE_URL", local.base_url()), ("DEFAULT_MODEL", "openai:unicode".to_owned())];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (app, ada) = start(database, &settings).await;
        let session = talked(&app, &ada).await;
        for (body, expected) in [
            (json!({ "selection_mode": "auto" }), "openai:unicode"),
            (json!({ "selection_mode": "commercial_only" }), "openai:unicode"),
            (json!({ "selection_mode": "free_only" }), "local:echo"),
            (json!({ "model": "auto" }), "openai:unicode"),
            (json!({ "selection_mode": "model", "model": "openai:counts" }), "openai:counts"),
            (json!({ "selection_mode": "auto", "model": "openai:echo" }), "openai:echo"),
        ] {
            let reply = again(&app, &ada, &session, body).await.json().await;
            let chosen = [&reply["selection"]["selected_provider"], &reply["selection"]["selected_model"]];
            assert_eq!(chosen.map(|name| name.as_str().expect("a name")).join(":"), expected);
        }
        assert_eq!(talk(&app, &ada, &session).await, TALKED);
    }

    async fn images_are_sent_again(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        for input in [json!({ "prompt": "What is this?", "images": [IMAGE] }), json!({ "images": [IMAGE, IMAGE] })] {
            let mut body = prompt("openai:echo", "");
            body["input"] = input.clone();
            assert_eq!(ask(&app, &ada, &session, body).await.status, 200);
            let reply = again(&app, &ada, &session, json!({ "model": "openai:sees-images" })).await.json().await;
            let count = input["images"].as_array().expect("images").len();
            let text = reply["output"]["text"].as_str().expect("a text");
            assert!(text.starts_with(&format!("images: {count} image/png")), "{text}");
        }
        let shown = shown(&app, &ada, &session).await;
        assert_eq!(shown["messages"][0]["images"], json!([IMAGE]));
        assert_eq!(shown["messages"][2]["images"], json!([IMAGE, IMAGE]));
    }

    async fn state_tokens_stay(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let mut body = prompt("openai:echo", "Hello");
        body["state_tokens"] = json!({ "turn": 1 });
        assert_eq!(ask(&app, &ada, &session, body).await.status, 200);
        assert_eq!(again(&app, &ada, &session, json!({})).await.json().await["state_tokens"], json!({ "turn": 1 }));
        let (_, last) = heard(again(&app, &ada, &session, json!({ "stream": true })).await).await;
        assert_eq!(last["state_tokens"], json!({ "turn": 1 }));
    }

    async fn a_second_try_that_fails_keeps_the_first_reply(database: Database) {
        let (app, ada) = start(database, &[("UPSTREAM_IDLE_TIMEOUT_SECONDS", "0.2")]).await;
        let session = talked(&app, &ada).await;
        let before = shown(&app, &ada, &session).await;
        for model in ["refuses", "rate-limited", "fails", "html", "dies", "stalls", "bad-json", "no-such-model"] {
            let mut body = json!({ "model": format!("openai:{model}") });
            let reply = again(&app, &ada, &session, body.clone()).await;
            assert!(reply.status.is_client_error() || reply.status.is_server_error(), "{model}");
            body["stream"] = true.into();
            let (_, last) = heard(again(&app, &ada, &session, body).await).await;
            assert!(last["error"]["code"].is_string(), "{model}: {last}");
        }
        for body in [json!({ "model": "never-heard-of" }), json!({ "model": "groq:echo", "stream": true })] {
            assert!(again(&app, &ada, &session, body).await.status.is_client_error());
        }
        assert_eq!(shown(&app, &ada, &session).await, before);
    }

    async fn a_second_try_that_is_cancelled_keeps_the_first_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        let slow = json!({ "model": "openai:slow-stream", "stream": true });
        let reply = begun(again(&app, &ada, &session, slow).await).await;
        let cancel = format!("/v1/requests/{}/cancel", request_id(&reply));
        assert_eq!(app.post(&cancel, &ada.token, json!({})).await.json().await["cancelled"], true);
        assert_eq!(heard(reply).await.1["error"]["code"], "request_cancelled");
        assert_eq!(talk(&app, &ada, &session).await, TALKED);
    }

    async fn a_second_try_whose_client_leaves_keeps_the_first_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        fill(&app, &ada, &session, 1, 0).await;
        let slow = json!({ "model": "openai:slow-stream", "stream": true });
        let reply = begun(again(&app, &ada, &session, slow).await).await;
        drop(reply);
        app.provider.wait_until_closed().await;
        outcome_of_the_only_request(&app, &ada).await;
        assert_eq!(talk(&app, &ada, &session).await, ["user: question 0001", "assistant: answer 0001"]);
    }

    async fn while_a_second_try_runs_the_first_reply_is_there(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        let slow = json!({ "model": "openai:slow-stream", "stream": true });
        let reply = begun(again(&app, &ada, &session, slow).await).await;
        assert_eq!(talk(&app, &ada, &session).await, TALKED);
        app.provider.release();
        heard(reply).await;
        assert_eq!(talk(&app, &ada, &session).await, TALKED);
    }

    async fn a_reply_that_was_cut_short_can_be_asked_for_again(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        heard(ask(&app, &ada, &session, streamed(prompt("openai:dies", "Hello"))).await).await;
        assert_eq!(talk(&app, &ada, &session).await, ["user: Hello", "assistant (incomplete): You said: "]);
        assert_eq!(again(&app, &ada, &session, json!({ "model": "openai:echo" })).await.status, 200);
        assert_eq!(talk(&app, &ada, &session).await, ["user: Hello", "assistant: You said: Hello"]);
    }

    async fn an_empty_session_has_nothing_to_ask_again(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        assert_eq!(app.post(&path(&session, "/reset"), &ada.token, json!({})).await.status, 200);
        for session in [session, open(&app, &ada, json!({})).await] {
            for body in [json!({}), json!({ "stream": true })] {
                let told = refused(again(&app, &ada, &session, body).await).await;
                let sentence = json!("Session has no messages to regenerate");
                assert_eq!(told, (400, "nothing_to_regenerate".to_owned(), sentence));
            }
        }
    }

    async fn an_exchange_without_a_prompt_cannot_be_asked_again(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        let (user, id) = ids(&ada, &session);
        let last = stored(&app, &ada, &session).await.pop().expect("an exchange");
        let now = app.clock.now();
        let imported = NewExchange {
            id: llm_api_domain::ExchangeId::new(now), user, session: id, request: last.request, modality: last.modality,
            provider: String::new(), model: String::new(), prompt: None, input: None,
            reply: Some("An old reply".to_owned()), output: None, status: ExchangeStatus::Completed,
            finish_reason: None, error_code: None, state_tokens: None, title_when_untitled: None, replaces: None,
            created_at: now,
        };
        app.state.auth.store.exchanges().record(&imported).await.expect("the database answers");
        let (status, _, detail) = refused(again(&app, &ada, &session, json!({})).await).await;
        assert_eq!((status, detail), (400, json!("No user message found in session")));
        assert_eq!(talk(&app, &ada, &session).await.pop().as_deref(), Some("assistant: An old reply"));
    }

    async fn an_exchange_of_an_unknown_model_goes_to_the_default(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "openai:unicode")]).await;
        let session = talked(&app, &ada).await;
        let (user, id) = ids(&ada, &session);
        let last = stored(&app, &ada, &session).await.pop().expect("an exchange");
        let now = app.clock.now();
        // As the Python service left it: it did not note who answered.
        let imported = NewExchange {
            id: llm_api_domain::ExchangeId::new(now), user, session: id, request: last.request, modality: last.modality,
            provider: String::new(), model: String::new(), prompt: Some("Three".to_owned()), input: None,
            reply: None, output: None, status: ExchangeStatus::Completed, finish_reason: None, error_code: None,
            state_tokens: None, title_when_untitled: None, replaces: None, created_at: now,
        };
        app.state.auth.store.exchanges().record(&imported).await.expect("the database answers");
        assert_eq!(again(&app, &ada, &session, json!({})).await.json().await["model"], "unicode");
        let last_two = talk(&app, &ada, &session).await.split_off(4);
        assert_eq!(last_two, ["user: Three".to_owned(), format!("assistant: {UNICODE}")]);
        assert_eq!(app.get(SESSIONS, &ada.token).await.json().await["sessions"][0]["message_count"], 3);
    }

    async fn a_bad_wish_is_refused(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = talked(&app, &ada).await;
        for body in [
            json!({ "selection_mode": "cheapest" }), json!({ "stream": "yes" }), json!({ "parameters": [] }),
            json!({ "request_id": "mine" }), json!([]),
        ] {
            let (status, code, _) = refused(again(&app, &ada, &session, body).await).await;
            assert_eq!((status, code.as_str()), (422, "validation_error"));
        }
        assert_eq!(talk(&app, &ada, &session).await, TALKED);
    }
}
