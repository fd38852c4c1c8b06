//! Conversations.

use http::Method;
use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use super::talk::Talk;

fn path_of(session: &Value) -> String {
    format!("/v1/sessions/{}", session["id"].as_str().expect("an id"))
}

fn hello() -> Value {
    json!({ "model": "openai:echo", "modality": "text", "input": { "prompt": "Hello" } })
}

each_db! {
    async fn a_session_is_made_renamed_closed_and_purged(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.post_nothing("/v1/sessions").await;
        let wishes = json!({ "title": "Greetings", "system_prompt": "Be brief." });
        let path = path_of(&talk.post("/v1/sessions", wishes).await);
        talk.send(Method::PUT, &path, json!({ "title": "Farewells" })).await;
        talk.send(Method::PUT, &path, json!({ "title": null })).await;
        talk.send(Method::PUT, &path, json!({ "title": 7 })).await;
        talk.delete(&path).await;
        talk.get(&path).await;
        talk.delete(&format!("{path}?purge=true")).await;
        talk.get(&path).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/sessions
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": null
            }

            > POST /v1/sessions {"system_prompt":"Be brief.","title":"Greetings"}
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 2]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": "Be brief.",
              "title": "Greetings"
            }

            > PUT /v1/sessions/[id 2] {"title":"Farewells"}
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 2]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": "Be brief.",
              "title": "Farewells"
            }

            > PUT /v1/sessions/[id 2] {"title":null}
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 2]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": "Be brief.",
              "title": "Farewells"
            }

            > PUT /v1/sessions/[id 2] {"title":7}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","title"],"msg":"invalid type: integer `7`, expected a string","type":"value_error"}],
              "request_id": "[id 3]"
            }

            > DELETE /v1/sessions/[id 2]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 2]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "closed",
              "system_prompt": "Be brief.",
              "title": "Farewells"
            }

            > GET /v1/sessions/[id 2]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 2]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": [],
              "status": "closed",
              "system_prompt": "Be brief.",
              "title": "Farewells"
            }

            > DELETE /v1/sessions/[id 2]?purge=true
            200
            {"deleted":true,"id":"[id 2]"}

            > GET /v1/sessions/[id 2]
            404
            {"code":"session_not_found","detail":"Session '[id 2]' not found","request_id":"[id 4]"}
            "##); }
    }

    async fn an_exchange_shows_as_two_messages_until_the_session_is_reset(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let mut talk = Talk::new(&app, &ada);
        let path = path_of(&talk.post("/v1/sessions", json!({})).await);
        talk.post(&format!("{path}/generate"), hello()).await;
        talk.get(&path).await;
        talk.get("/v1/sessions").await;
        talk.post_nothing(&format!("{path}/reset")).await;
        talk.get(&path).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/sessions {}
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": null
            }

            > POST /v1/sessions/[id 1]/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo"}
            200
            {
              "credits_status": {"provider":"openai","remaining":null,"reset_at":null,"status":"available"},
              "finish_reason": "stop",
              "modality": "text",
              "model": "echo",
              "output": {"artifacts":null,"images":null,"mesh":null,"text":"You said: Hello"},
              "request_id": "[id 2]",
              "selection": {"fallback_reason":null,"fallback_used":false,"selected_model":"echo","selected_provider":"openai"},
              "session_id": "[id 1]",
              "state_tokens": null,
              "usage": {"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},
              "warnings": null
            }

            > GET /v1/sessions/[id 1]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 1,
              "messages": [
                {
                  "artifact_urls": null,
                  "content": "Hello",
                  "created_at": "2026-11-22T12:00:00.000000Z",
                  "id": "[id 3]",
                  "images": null,
                  "model_name": null,
                  "provider": null,
                  "role": "user",
                  "status": "completed"
                },
                {
                  "artifact_urls": null,
                  "content": "You said: Hello",
                  "created_at": "2026-11-22T12:00:00.000000Z",
                  "id": "[id 3]",
                  "images": null,
                  "model_name": "echo",
                  "provider": "openai",
                  "role": "assistant",
                  "status": "completed"
                }
              ],
              "status": "active",
              "system_prompt": null,
              "title": "Hello"
            }

            > GET /v1/sessions
            200
            {
              "next_cursor": null,
              "sessions": [
                {
                  "created_at": "2026-11-22T12:00:00.000000Z",
                  "id": "[id 1]",
                  "last_used_at": "2026-11-22T12:00:00.000000Z",
                  "message_count": 1,
                  "status": "active",
                  "title": "Hello"
                }
              ]
            }

            > POST /v1/sessions/[id 1]/reset
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": "Hello"
            }

            > GET /v1/sessions/[id 1]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": [],
              "status": "active",
              "system_prompt": null,
              "title": "Hello"
            }
            "##); }
    }

    async fn the_list_goes_page_by_page_for_those_who_ask(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        for title in ["first", "second"] {
            talk.post("/v1/sessions", json!({ "title": title })).await;
            app.advance(std::time::Duration::from_secs(1));
        }
        let page = talk.get("/v1/sessions?limit=1").await;
        talk.get(&format!("/v1/sessions?limit=1&cursor={}", page["next_cursor"].as_str().expect("a cursor"))).await;
        talk.get("/v1/sessions?cursor=abc").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/sessions {"title":"first"}
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": "first"
            }

            > POST /v1/sessions {"title":"second"}
            201
            {
              "created_at": "2026-11-22T12:00:01.000000Z",
              "id": "[id 2]",
              "last_used_at": "2026-11-22T12:00:01.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": "second"
            }

            > GET /v1/sessions?limit=1
            200
            {
              "next_cursor": "1",
              "sessions": [
                {
                  "created_at": "2026-11-22T12:00:01.000000Z",
                  "id": "[id 2]",
                  "last_used_at": "2026-11-22T12:00:01.000000Z",
                  "message_count": 0,
                  "status": "active",
                  "title": "second"
                }
              ]
            }

            > GET /v1/sessions?limit=1&cursor=1
            200
            {
              "next_cursor": null,
              "sessions": [
                {
                  "created_at": "2026-11-22T12:00:00.000000Z",
                  "id": "[id 1]",
                  "last_used_at": "2026-11-22T12:00:00.000000Z",
                  "message_count": 0,
                  "status": "active",
                  "title": "first"
                }
              ]
            }

            > GET /v1/sessions?cursor=abc
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["query","cursor"],"msg":"invalid digit found in string","type":"value_error"}],
              "request_id": "[id 3]"
            }
            "##); }
    }

    async fn a_closed_session_takes_nothing_more(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let mut talk = Talk::new(&app, &ada);
        let path = path_of(&talk.post("/v1/sessions", json!({})).await);
        talk.post_nothing(&format!("{path}/regenerate")).await;
        talk.delete(&path).await;
        talk.post(&format!("{path}/generate"), hello()).await;
        talk.post_nothing(&format!("{path}/regenerate")).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/sessions {}
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": null
            }

            > POST /v1/sessions/[id 1]/regenerate
            400
            {"code":"nothing_to_regenerate","detail":"Session has no messages to regenerate","request_id":"[id 2]"}

            > DELETE /v1/sessions/[id 1]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "closed",
              "system_prompt": null,
              "title": null
            }

            > POST /v1/sessions/[id 1]/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo"}
            400
            {"code":"session_closed","detail":"Session is closed","request_id":"[id 3]"}

            > POST /v1/sessions/[id 1]/regenerate
            400
            {"code":"session_closed","detail":"Session is closed","request_id":"[id 4]"}
            "##); }
    }

    async fn a_session_that_is_not_there_is_named(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let mut talk = Talk::new(&app, &ada);
        let path = "/v1/sessions/0190a000-0000-7000-8000-000000000000";
        talk.get(path).await;
        talk.send(Method::PUT, path, json!({ "title": "x" })).await;
        talk.delete(path).await;
        talk.delete(&format!("{path}?purge=true")).await;
        talk.post_nothing(&format!("{path}/reset")).await;
        talk.post_nothing(&format!("{path}/regenerate")).await;
        talk.post(&format!("{path}/generate"), hello()).await;
        talk.get("/v1/sessions/nothing").await;
        let mut lost = hello();
        lost["session_id"] = "nothing".into();
        talk.post("/v1/generate", lost).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/sessions/[id 1]
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 2]"}

            > PUT /v1/sessions/[id 1] {"title":"x"}
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 3]"}

            > DELETE /v1/sessions/[id 1]
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 4]"}

            > DELETE /v1/sessions/[id 1]?purge=true
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 5]"}

            > POST /v1/sessions/[id 1]/reset
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 6]"}

            > POST /v1/sessions/[id 1]/regenerate
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 7]"}

            > POST /v1/sessions/[id 1]/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo"}
            404
            {"code":"session_not_found","detail":"Session '[id 1]' not found","request_id":"[id 8]"}

            > GET /v1/sessions/nothing
            404
            {"code":"session_not_found","detail":"Session 'nothing' not found","request_id":"[id 9]"}

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","session_id":"nothing"}
            404
            {"code":"session_not_found","detail":"Session 'nothing' not found","request_id":"[id 10]"}
            "##); }
    }
}
