//! Conversations that are longer than the model can read.

use llm_api_testkit::{Database, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{ask, fill, heard, open, path, prompt, refused, say, shown, start, streamed};
use crate::raw_provider::RawProvider;

/// What a model server lists of a model that reads 1,000 tokens.
const SMALL: &str = r#"{"data":[{"id":"gpt-4","object":"model","context_length":1000}]}"#;
const ANSWER: &str =
    r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;

fn left_out(count: usize) -> Value {
    let sentence = "This conversation is longer than the model can read: its oldest";
    let plural = if count == 1 { "exchange was" } else { "exchanges were" };
    json!([format!("{sentence} {count} {plural} left out")])
}

/// A session with so many exchanges, each half so long.
async fn long_session(app: &TestApp, person: &Person, count: usize, letters: usize) -> String {
    let session = open(app, person, json!({})).await;
    fill(app, person, &session, count, letters).await;
    session
}

/// How many messages each generating request had that the provider has got since.
fn lengths(app: &TestApp, since: usize) -> Vec<usize> {
    let bodies = app.provider.requests().split_off(since).into_iter().map(|request| request.body);
    bodies.filter_map(|body| Some(body.get("messages").or_else(|| body.get("contents"))?.as_array()?.len())).collect()
}

async fn start_with_keys(database: Database) -> (TestApp, Person) {
    let (app, ada) = start(database, &[]).await;
    app.store_key(&ada.token, "anthropic", "sk-ant-adas-own-key").await;
    app.store_key(&ada.token, "google", "AIza-adas-own-key").await;
    (app, ada)
}

each_db! {
    async fn what_a_known_model_cannot_read_is_left_out_beforehand(database: Database) {
        let (app, ada) = start(database, &[]).await;
        // Publicly known to read 8,192 tokens: room for three exchanges of 2,016 each beside a reply.
        app.provider.serve_also("gpt-4");
        for stream in [false, true] {
            let session = long_session(&app, &ada, 10, 3000).await;
            let before = app.provider.requests().len();
            let warnings = if stream {
                heard(ask(&app, &ada, &session, streamed(prompt("openai:gpt-4", "And now?"))).await).await.1
            } else {
                say(&app, &ada, &session, "openai:gpt-4", "And now?").await
            };
            assert_eq!(warnings["warnings"], left_out(7));
            assert_eq!(lengths(&app, before), [7], "three exchanges and the prompt, at the first try");
            let sent = &app.provider.last_request().body["messages"];
            assert!(sent[0]["content"].as_str().expect("a text").starts_with("question 0008"), "the newest stay");
            assert_eq!(shown(&app, &ada, &session).await["message_count"], 11, "and all are kept");
        }
    }

    async fn the_length_of_the_reply_decides_how_much_room_is_left(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.provider.serve_also("gpt-4");
        let session = long_session(&app, &ada, 10, 3000).await;
        for (parameters, left) in [
            (json!({ "max_tokens": 4000 }), 8), (json!({ "max_completion_tokens": 4000 }), 8),
            (json!({ "max_tokens": 10 }), 6),
        ] {
            let mut body = prompt("openai:gpt-4", "And now?");
            body["parameters"] = parameters;
            let session = long_session(&app, &ada, 10, 3000).await;
            assert_eq!(ask(&app, &ada, &session, body).await.json().await["warnings"], left_out(left));
        }
        let mut body = prompt("openai:gpt-4", "And now?");
        body["system_prompt"] = "x".repeat(7000).into();
        let reply = ask(&app, &ada, &session, body).await.json().await;
        assert_eq!(reply["warnings"], left_out(8), "so does a system prompt");
    }

    async fn a_conversation_that_fits_is_sent_whole_without_a_word(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.provider.serve_also("gpt-4");
        let session = long_session(&app, &ada, 3, 3000).await;
        let reply = say(&app, &ada, &session, "openai:gpt-4", "And now?").await;
        assert_eq!(reply["warnings"], Value::Null);
        assert_eq!(lengths(&app, 0).last(), Some(&7));
    }

    async fn what_the_operators_server_lists_counts(database: Database) {
        let local = RawProvider::start(SMALL, ANSWER).await;
        let (app, ada) = start(database, &[("LOCAL_BASE_URL", local.base_url())]).await;
        let session = long_session(&app, &ada, 6, 300).await;
        let reply = say(&app, &ada, &session, "local:gpt-4", "And now?").await;
        assert_eq!(reply["warnings"], left_out(4));
        let sent: Value = serde_json::from_str(&local.last_body()).expect("JSON");
        let texts: Vec<&str> = sent["messages"].as_array().expect("messages").iter()
            .map(|one| one["content"].as_str().expect("a text").trim_end_matches('.')).collect();
        assert_eq!(texts, ["question 0005", "answer 0005", "question 0006", "answer 0006", "And now?"]);
    }

    async fn what_a_provider_was_seen_to_list_goes_before_what_is_publicly_known(database: Database) {
        let provider = RawProvider::start(SMALL, ANSWER).await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let session = long_session(&app, &ada, 6, 300).await;
        assert_eq!(say(&app, &ada, &session, "openai:gpt-4", "And now?").await["warnings"], Value::Null);
        assert_eq!(app.get("/v1/models", &ada.token).await.status, 200);
        assert_eq!(say(&app, &ada, &session, "openai:gpt-4", "And then?").await["warnings"], left_out(4));
        let sent: Value = serde_json::from_str(&provider.last_body()).expect("JSON");
        assert_eq!(sent["messages"].as_array().map(Vec::len), Some(7), "two long exchanges, a short one, the prompt");
    }

    async fn where_nobody_knows_the_limit_a_refusal_makes_it_shorter(database: Database) {
        let (app, ada) = start_with_keys(database).await;
        for model in ["openai:context-200", "anthropic:claude-context-200", "google:gemini-context-200"] {
            for stream in [false, true] {
                // 24 letters an exchange: 20 and 10 of them are too long, 5 are not.
                let session = long_session(&app, &ada, 20, 0).await;
                let before = app.provider.requests().len();
                let body = prompt(model, "And now?");
                let (text, mut end) = if stream {
                    heard(ask(&app, &ada, &session, streamed(body)).await).await
                } else {
                    let mut reply = say(&app, &ada, &session, model, "And now?").await;
                    (reply["output"]["text"].take().as_str().expect("a text").to_owned(), reply)
                };
                assert_eq!((text.as_str(), end["warnings"].take()), ("You said: And now?", left_out(15)), "{model}");
                assert_eq!(lengths(&app, before), [41, 21, 11], "{model}");
                assert_eq!(shown(&app, &ada, &session).await["message_count"], 21, "{model}: and all are kept");
            }
        }
    }

    async fn a_prompt_that_is_too_long_by_itself_is_refused(database: Database) {
        let (app, ada) = start_with_keys(database).await;
        let long = "x".repeat(201);
        for model in ["openai:context-200", "anthropic:claude-context-200", "google:gemini-context-200"] {
            let session = long_session(&app, &ada, 2, 0).await;
            let before = app.provider.requests().len();
            let (status, code, detail) = refused(ask(&app, &ada, &session, prompt(model, &long)).await).await;
            assert_eq!((status, code.as_str()), (400, "context_length_exceeded"), "{model}: {detail}");
            assert!(detail["message"].as_str().expect("a sentence").contains("200"), "{model}: {detail}");
            assert_eq!(lengths(&app, before), [5, 3, 1], "{model}: until nothing is left to leave out");
            let (_, last) = heard(ask(&app, &ada, &session, streamed(prompt(model, &long))).await).await;
            assert_eq!(last["error"]["code"], "context_length_exceeded", "{model}: {last}");
            let reply = app.post("/v1/generate", &ada.token, prompt(model, &long)).await;
            assert_eq!(refused(reply).await.0, 400, "{model}: nor without a session");
            assert_eq!(shown(&app, &ada, &session).await["message_count"], 2, "{model}: nothing is kept of it");
        }
    }

    async fn a_shorter_conversation_is_asked_again_too(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = long_session(&app, &ada, 20, 0).await;
        let again = path(&session, "/regenerate");
        let reply = app.post(&again, &ada.token, json!({ "model": "openai:context-200" })).await.json().await;
        assert!(reply["output"]["text"].as_str().expect("a text").starts_with("You said: question 0020"));
        // 19 before it, then 9, then 4.
        assert_eq!(reply["warnings"], left_out(15));
        assert_eq!(shown(&app, &ada, &session).await["message_count"], 20);
    }
}
