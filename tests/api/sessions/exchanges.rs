//! What is said in a session and what is kept of it.

use llm_api_testkit::each_db;
use serde_json::{Value, json};

use super::{IMAGE, ask, heard, list, open, path, prompt, refused, say, shown, start, stored, streamed, talk};

each_db! {
    async fn the_session_of_the_path_replaces_the_one_of_the_body(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let (here, there) = (open(&app, &ada, json!({})).await, open(&app, &ada, json!({})).await);
        let mut body = prompt("openai:echo", "Hello");
        body["session_id"] = json!(there);
        let reply = ask(&app, &ada, &here, body.clone()).await;
        assert_eq!(reply.json().await["session_id"], here.as_str());
        assert_eq!((talk(&app, &ada, &here).await.len(), talk(&app, &ada, &there).await.len()), (2, 0));

        body["session_id"] = json!("no id at all");
        assert_eq!(ask(&app, &ada, &here, body.clone()).await.status, 200, "it is not even read");
        body["session_id"] = json!(there);
        let reply = app.post("/v1/generate", &ada.token, body).await;
        assert_eq!(reply.json().await["session_id"], there.as_str());
        assert_eq!((talk(&app, &ada, &here).await.len(), talk(&app, &ada, &there).await.len()), (4, 2));
    }

    async fn a_request_without_a_session_is_kept_nowhere(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let reply = app.post("/v1/generate", &ada.token, prompt("openai:echo", "Hello")).await;
        assert_eq!(reply.json().await["session_id"], Value::Null);
        assert!(list(&app, &ada).await.is_empty());
    }

    async fn a_session_without_a_title_takes_it_from_the_first_prompt(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let fifty = format!("What is the answer to {}", "é".repeat(28));
        let cut = format!("{} and more", "z".repeat(46));
        for (given, text, expected) in [
            (json!(null), "  Hello there \n", json!("Hello there")),
            (json!(null), fifty.as_str(), json!(fifty)),
            (json!(null), &"y".repeat(51), json!(format!("{}...", "y".repeat(47)))),
            (json!(null), &cut, json!(format!("{}...", "z".repeat(46)))),
            (json!("Engines"), "Hello", json!("Engines")),
        ] {
            for stream in [false, true] {
                let session = open(&app, &ada, json!({ "title": given })).await;
                let mut body = prompt("openai:echo", text);
                body["stream"] = stream.into();
                assert!(ask(&app, &ada, &session, body).await.text().await.contains("You"));
                assert_eq!(shown(&app, &ada, &session).await["title"], expected);
                say(&app, &ada, &session, "openai:echo", "Something else").await;
                assert_eq!(shown(&app, &ada, &session).await["title"], expected, "the first one stays");
            }
        }
    }

    async fn a_prompt_of_blanks_or_of_images_alone_makes_no_title(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let image = json!([IMAGE]);
        let alone = json!({ "images": image });
        for input in [alone, json!({ "prompt": "", "images": image }), json!({ "prompt": " \n" })] {
            let session = open(&app, &ada, json!({})).await;
            let mut body = prompt("openai:echo", "");
            body["input"] = input;
            assert_eq!(ask(&app, &ada, &session, body).await.status, 200);
            let shown = shown(&app, &ada, &session).await;
            assert_eq!((&shown["title"], &shown["message_count"]), (&Value::Null, &json!(1)));
        }
    }

    async fn state_tokens_are_handed_back_and_remembered(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let first = json!({ "cursor": "a", "deep": [1, 2.5, null] });
        for (given, expected) in [
            (Value::Null, Value::Null),
            (first.clone(), first.clone()),
            (Value::Null, first.clone()),
            (json!({ "cursor": "b" }), json!({ "cursor": "b" })),
            (Value::Null, json!({ "cursor": "b" })),
            (json!({}), json!({})),
            (Value::Null, json!({})),
        ] {
            for stream in [false, true] {
                let mut body = prompt("openai:echo", "Hello");
                body["state_tokens"] = given.clone();
                let told = if stream {
                    heard(ask(&app, &ada, &session, streamed(body)).await).await.1["state_tokens"].take()
                } else {
                    ask(&app, &ada, &session, body).await.json().await["state_tokens"].take()
                };
                assert_eq!(told, expected);
            }
        }
        let read = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
        let kept: Vec<Option<Value>> =
            stored(&app, &ada, &session).await.into_iter().step_by(2).map(|one| one.state_tokens.map(read)).collect();
        let (second, last) = (json!({ "cursor": "b" }), json!({}));
        let given = [first.clone(), first, second.clone(), second, last.clone(), last];
        assert_eq!(kept, [vec![None], given.map(Some).to_vec()].concat());
    }

    async fn images_are_kept_with_the_prompt_and_not_sent_again(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let other = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD";
        let mut body = prompt("openai:sees-images", "What is this?");
        body["input"]["images"] = json!([IMAGE, other]);
        let reply = ask(&app, &ada, &session, body.clone()).await.json().await;
        assert_eq!(reply["output"]["text"], "images: 2 image/png image/jpeg");
        body["input"] = json!({ "prompt": null, "images": [IMAGE] });
        let reply = heard(ask(&app, &ada, &session, streamed(body)).await).await.0;
        assert_eq!(reply, "images: 1 image/png", "those of before are not sent again");
        assert_eq!(say(&app, &ada, &session, "openai:sees-images", "And now?").await["output"]["text"], "images: 0");

        let shown = shown(&app, &ada, &session).await;
        let seen = |index: usize| {
            let message = &shown["messages"][index];
            json!([message["role"], message["content"], message["images"]])
        };
        assert_eq!([0, 1, 2, 3, 4].map(seen), [
            json!(["user", "What is this?", [IMAGE, other]]),
            json!(["assistant", "images: 2 image/png image/jpeg", null]),
            json!(["user", "", [IMAGE]]),
            json!(["assistant", "images: 1 image/png", null]),
            json!(["user", "And now?", null]),
        ]);
    }

    async fn what_failed_is_not_kept(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        let mut body = prompt("", "Hello");
        body["state_tokens"] = json!({ "turn": 1 });
        for (model, status) in [
            ("refuses", 400), ("rate-limited", 429), ("no-quota", 429), ("fails", 502), ("overloaded", 502),
            ("html", 502), ("bad-json", 502), ("redirect", 502), ("dies", 502), ("no-such-model", 404),
            ("rejects-key", 424),
        ] {
            body["model"] = format!("openai:{model}").into();
            assert_eq!(ask(&app, &ada, &session, body.clone()).await.status, status, "{model}");
        }
        let shown = shown(&app, &ada, &session).await;
        assert_eq!((&shown["messages"], &shown["message_count"]), (&json!([]), &json!(0)));
        assert_eq!(shown["title"], Value::Null);
        let reply = say(&app, &ada, &session, "openai:counts", "Is anybody there?").await;
        assert_eq!(reply["output"]["text"], "turns: 1 user");
        assert_eq!(reply["state_tokens"], Value::Null);
    }

    async fn who_stood_in_is_named_beside_the_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.provider.serve_also("gpt-4o-mini");
        let session = open(&app, &ada, json!({})).await;
        let reply = say(&app, &ada, &session, "openai:rate-limited", "Hello").await;
        assert_eq!(reply["selection"]["fallback_reason"], "rate_limited_tier");
        heard(ask(&app, &ada, &session, streamed(prompt("openai:rate-limited", "Hello"))).await).await;
        let shown = shown(&app, &ada, &session).await;
        for reply in [1, 3] {
            assert_eq!(shown["messages"][reply]["model_name"], "gpt-4o-mini");
            assert_eq!(shown["messages"][reply]["content"], "You said: Hello");
        }
    }

    async fn the_usage_row_names_the_session(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        say(&app, &ada, &session, "openai:echo", "Hello").await;
        let request = stored(&app, &ada, &session).await[0].request;
        let row = crate::usage_rows::row_with(&app, &ada, request).await;
        assert_eq!((row.endpoint.as_str(), row.usage.total_tokens), ("generate", Some(18)));
        let reply = app.post(&path(&session, "/regenerate"), &ada.token, json!({})).await;
        let row = crate::usage_rows::row_behind(&app, &ada, &reply).await;
        assert_eq!((row.endpoint.as_str(), row.usage.total_tokens), ("regenerate", Some(18)));
    }

    async fn a_bad_request_is_refused_before_the_session_is_touched(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let session = open(&app, &ada, json!({})).await;
        for (body, status, code) in [
            (json!({}), 422, "validation_error"),
            (json!({ "modality": "text", "input": {} }), 422, "validation_error"),
            (json!({ "modality": "text", "input": { "prompt": null, "images": [] } }), 422, "validation_error"),
            (json!({ "modality": "smell", "input": { "prompt": "Hello" } }), 422, "validation_error"),
            (json!({ "modality": "3d", "input": { "prompt": "Hello" } }), 400, "unsupported_modality"),
            (prompt("groq:echo", "Hello"), 400, "provider_not_configured"),
            (prompt("never-heard-of", "Hello"), 404, "model_not_found"),
        ] {
            for body in [body.clone(), streamed(body)] {
                let (told, word, _) = refused(ask(&app, &ada, &session, body).await).await;
                assert_eq!((told, word.as_str()), (status, code));
            }
        }
        assert_eq!(shown(&app, &ada, &session).await["message_count"], 0);
    }
}
