//! `Idempotency-Key`: a request that is sent again gets the same reply, and nobody pays twice.

mod bounds;
mod embeddings;
mod leaving;
mod limits;
mod meaning;
mod processes;

use std::time::Duration;

use http::StatusCode;
use llm_api_testkit::{HttpReply, HttpRequest, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    asking::{generations, prompt, refused, with},
    usage_rows::{request_id, rows_of},
};

const GENERATE: &str = "/v1/generate";
const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const EMBEDDINGS: &str = "/v1/embeddings";
/// The paths that stream.
const STREAMING: [&str; 4] = [GENERATE, CHAT, RESPONSES, MESSAGES];
const KEY: &str = "idempotency-key";

async fn start(database: llm_api_testkit::Database) -> (TestApp, Person) {
    let app = TestApp::start(database).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

fn hello(model: &'static str) -> Value {
    prompt(model, "big wide world")
}

fn chat(model: &str, stream: bool) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }], "stream": stream })
}

/// A greeting for `model` in the form of `path`.
fn hello_at(path: &str, model: &str, stream: bool) -> Value {
    match path {
        GENERATE => {
            json!({ "modality": "text", "model": model, "input": { "prompt": "big wide world" }, "stream": stream })
        }
        CHAT => chat(model, stream),
        RESPONSES => json!({ "model": model, "input": "Hello", "stream": stream }),
        MESSAGES => with(chat(model, stream), "max_tokens", 64),
        EMBEDDINGS => json!({ "model": model, "input": ["Hello", "world"] }),
        _ => panic!("{path} generates nothing"),
    }
}

fn keyed(app: &TestApp, person: &Person, path: &str, key: &str, body: Value) -> HttpRequest {
    app.http().post(path).bearer(&person.token).header(KEY, key).json(body)
}

async fn ask(app: &TestApp, person: &Person, path: &str, key: &str, body: Value) -> HttpReply {
    keyed(app, person, path, key, body).send().await
}

fn is_replay(reply: &HttpReply) -> bool {
    !reply.header("idempotency-replayed").is_empty()
}

/// The same again: what comes is what came.
async fn check_repeated(app: &TestApp, person: &Person, path: &str, key: &str, body: Value) {
    let asked = generations(&app.provider).len();
    let first = ask(app, person, path, key, body.clone()).await;
    assert_eq!((first.status, is_replay(&first)), (StatusCode::OK, false), "{path}");
    let (id, headers, first) = (request_id(&first), first.headers.clone(), first.bytes().await);
    for _ in 0..2 {
        let again = ask(app, person, path, key, body.clone()).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::OK, "true"), "{path}");
        assert_eq!(again.header("x-llm-api-replay-of"), id.to_string());
        assert_ne!(request_id(&again), id, "it is a request of its own");
        for (name, value) in &headers {
            let of_each = ["x-request-id", "request-id", "date", "transfer-encoding", "content-length"];
            if !of_each.contains(&name.as_str()) {
                assert_eq!(again.headers.get(name), Some(value), "{path}: {name}");
            }
        }
        assert_eq!(again.bytes().await, first, "{path}");
    }
    assert_eq!(generations(&app.provider).len(), asked + 1, "{path}: the provider was asked once");
}

each_db! {
    async fn a_repeated_request_gets_the_same_reply(database: Database) {
        let (app, ada) = start(database).await;
        let session = app.post("/v1/sessions", &ada.token, json!({})).await.json().await;
        let session = format!("/v1/sessions/{}", session["id"].as_str().expect("an id"));
        let (generate, regenerate) = (format!("{session}/generate"), format!("{session}/regenerate"));
        for (place, stream) in [false, true].into_iter().enumerate() {
            let native = with(hello("openai:echo"), "stream", stream);
            check_repeated(&app, &ada, GENERATE, &format!("native-{stream}"), native.clone()).await;
            check_repeated(&app, &ada, CHAT, &format!("chat-{stream}"), chat("openai:echo", stream)).await;
            check_repeated(&app, &ada, &generate, &format!("said-{stream}"), native).await;
            let stored = app.get(&session, &ada.token).await.json().await;
            assert_eq!(stored["message_count"], place + 1, "said once");
            check_repeated(&app, &ada, &regenerate, &format!("said-anew-{stream}"), json!({ "stream": stream })).await;
        }
        assert_eq!(rows_of(&app, &ada).await.len(), 8, "a row for each that generated");
        // Without a key, or with another one, it is another request.
        assert!(!is_replay(&app.post(GENERATE, &ada.token, hello("openai:echo")).await));
        assert!(!is_replay(&ask(&app, &ada, GENERATE, "another", hello("openai:echo")).await));
    }

    async fn so_it_is_in_every_vendors_format(database: Database) {
        let (app, ada) = start(database).await;
        app.store_key(&ada.token, "anthropic", "sk-ant-adas").await;
        // What passes through and what is translated.
        for model in ["openai:echo", "anthropic:echo"] {
            for path in [CHAT, RESPONSES, MESSAGES] {
                for stream in [false, true] {
                    let key = format!("{path}-{model}-{stream}");
                    check_repeated(&app, &ada, path, &key, hello_at(path, model, stream)).await;
                }
            }
        }
        check_repeated(&app, &ada, EMBEDDINGS, "vectors", hello_at(EMBEDDINGS, "openai:echo", false)).await;
        assert_eq!(rows_of(&app, &ada).await.len(), 13, "a row for each that generated");
    }

    async fn pictures_are_repeated_as_well(database: Database) {
        let (app, ada) = start(database).await;
        let picture = json!({ "model": "openai:dall-e-3", "modality": "image", "input": { "prompt": "a pixel" } });
        check_repeated(&app, &ada, GENERATE, "picture", picture).await;
    }

    async fn while_the_first_one_runs_the_key_is_in_use(database: Database) {
        let (app, ada) = start(database).await;
        for path in STREAMING {
            let body = hello_at(path, "openai:slow-stream", true);
            let mut first = ask(&app, &ada, path, path, body.clone()).await;
            let begin = first.next_chunk().await.expect("a stream").expect("its begin");
            let second = ask(&app, &ada, path, path, body.clone()).await;
            assert_eq!((second.status, second.header("retry-after")), (StatusCode::CONFLICT, "1"));
            let refusal = second.json().await;
            assert_eq!(refusal["code"], "idempotency_key_in_use", "{refusal}");
            assert_eq!(refusal["error"]["message"].is_string(), path != GENERATE, "told as its family does: {refusal}");
            app.provider.release();
            let whole = [begin.to_vec(), first.bytes().await].concat();
            // Who has read the last byte can repeat at once.
            let third = ask(&app, &ada, path, path, body).await;
            assert!(is_replay(&third));
            assert_eq!(third.bytes().await, whole);
        }
    }

    async fn a_key_stands_for_one_request(database: Database) {
        let (app, ada) = start(database).await;
        assert_eq!(ask(&app, &ada, GENERATE, "k", hello("openai:echo")).await.status, StatusCode::OK);
        let (status, code, _) = refused(ask(&app, &ada, GENERATE, "k", hello("openai:counts")).await).await;
        assert_eq!((status, code.as_str()), (422, "idempotency_key_reused"));
        // Its SDKs know 400 for what is wrong with a body, but this is not about the body.
        let other_path = ask(&app, &ada, CHAT, "k", chat("openai:echo", false)).await;
        assert_eq!(other_path.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(other_path.json().await["error"]["code"], "idempotency_key_reused");
        assert!(is_replay(&ask(&app, &ada, GENERATE, "k", hello("openai:echo")).await), "the first one stays");
        for path in [CHAT, RESPONSES, MESSAGES, EMBEDDINGS] {
            let body = |model| hello_at(path, model, false);
            assert_eq!(ask(&app, &ada, path, path, body("openai:echo")).await.status, StatusCode::OK, "{path}");
            let other = ask(&app, &ada, path, path, body("openai:counts")).await;
            assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
            let refusal = other.json().await;
            assert_eq!(refusal["code"], "idempotency_key_reused", "{refusal}");
            assert!(refusal["error"]["message"].is_string(), "{refusal}");
            assert!(is_replay(&ask(&app, &ada, path, path, body("openai:echo")).await), "{path}");
        }

        // Everybody has keys of their own.
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        let of_bob = ask(&app, &bob, GENERATE, "k", hello("openai:counts")).await;
        assert_eq!((of_bob.status, is_replay(&of_bob)), (StatusCode::OK, false));
    }

    async fn what_failed_may_be_tried_again(database: Database) {
        let (app, ada) = start(database).await;
        for (model, stream) in [
            ("openai:fails", false), ("openai:refuses", false), ("openai:refuses", true), ("openai:dies", false),
            ("openai:dies", true), ("openai:no-done", true),
        ] {
            for path in STREAMING {
                let body = hello_at(path, model, stream);
                let key = format!("{path}-{model}-{stream}");
                let mut asked = generations(&app.provider).len();
                for _ in 0..2 {
                    // By then a provider that failed is asked again.
                    app.advance(Duration::from_mins(3));
                    let reply = ask(&app, &ada, path, &key, body.clone()).await;
                    assert!(!is_replay(&reply), "{key}");
                    assert!(reply.status == StatusCode::OK || reply.status.as_u16() >= 400, "{key}");
                    reply.bytes().await;
                    let now = generations(&app.provider).len();
                    assert!(now > asked, "{key}: asked anew");
                    asked = now;
                }
            }
        }
        // And once it works, that is what counts.
        app.advance(Duration::from_mins(3));
        let body = chat("openai:by-and-by", false);
        assert_ne!(ask(&app, &ada, CHAT, "later", body.clone()).await.status, StatusCode::OK);
        app.provider.serve_also("by-and-by");
        assert_eq!(ask(&app, &ada, CHAT, "later", body.clone()).await.status, StatusCode::OK);
        assert!(is_replay(&ask(&app, &ada, CHAT, "later", body).await));
    }

    async fn a_cancelled_request_may_be_tried_again(database: Database) {
        let (app, ada) = start(database).await;
        let body = with(hello("openai:slow-stream"), "stream", true);
        let mut first = ask(&app, &ada, GENERATE, "k", body.clone()).await;
        first.next_event().await.expect("a stream").expect("an event");
        let cancel = format!("/v1/requests/{}/cancel", request_id(&first));
        assert_eq!(app.post(&cancel, &ada.token, json!({})).await.status, StatusCode::OK);
        first.bytes().await;
        app.provider.release();
        let second = ask(&app, &ada, GENERATE, "k", body).await;
        assert_eq!((second.status, is_replay(&second)), (StatusCode::OK, false));
    }
}
