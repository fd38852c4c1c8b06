//! Generating, and asking for what was generated.

use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use super::talk::Talk;

pub(super) const GENERATE: &str = "/v1/generate";

pub(super) fn hello(model: &str) -> Value {
    json!({ "model": model, "modality": "text", "input": { "prompt": "Hello" } })
}

pub(super) async fn start(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let settings = [&[("ENABLE_LOCAL_MODELS", "false")], settings].concat();
    let app = TestApp::start_with(database, &settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

each_db! {
    async fn a_text_is_generated(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        let mut body = hello("openai:echo");
        body["state_tokens"] = json!({ "turn": 1 });
        let reply = talk.post(GENERATE, body).await;
        let id = reply["request_id"].as_str().expect("an id");
        talk.get(&format!("/v1/requests/{id}/status")).await;
        talk.post_nothing(&format!("/v1/requests/{id}/cancel")).await;
        talk.get("/v1/requests/nothing/status").await;
        talk.post_nothing("/v1/requests/0190a000-0000-7000-8000-000000000000/cancel").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","state_tokens":{"turn":1}}
            200
            {
              "credits_status": {"provider":"openai","remaining":null,"reset_at":null,"status":"available"},
              "finish_reason": "stop",
              "modality": "text",
              "model": "echo",
              "output": {"artifacts":null,"images":null,"mesh":null,"text":"You said: Hello"},
              "request_id": "[id 1]",
              "selection": {"fallback_reason":null,"fallback_used":false,"selected_model":"echo","selected_provider":"openai"},
              "session_id": null,
              "state_tokens": {"turn":1},
              "usage": {"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},
              "warnings": null
            }

            > GET /v1/requests/[id 1]/status
            200
            {"queue_position":null,"request_id":"[id 1]","status":"completed"}

            > POST /v1/requests/[id 1]/cancel
            200
            {"cancelled":false,"request_id":"[id 1]","status":"completed"}

            > GET /v1/requests/nothing/status
            404
            {"code":"not_found","detail":"Request not found","request_id":"[id 2]"}

            > POST /v1/requests/[id 3]/cancel
            404
            {"code":"not_found","detail":"Request not found","request_id":"[id 4]"}
            "##); }
    }

    async fn a_reply_is_asked_for_once_more(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        let session = talk.post("/v1/sessions", json!({ "title": "Greetings" })).await;
        let path = format!("/v1/sessions/{}", session["id"].as_str().expect("an id"));
        talk.post(&format!("{path}/generate"), hello("openai:echo")).await;
        talk.post(&format!("{path}/regenerate"), json!({ "model": "openai:counts" })).await;
        talk.get(&path).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/sessions {"title":"Greetings"}
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "id": "[id 1]",
              "last_used_at": "2026-11-22T12:00:00.000000Z",
              "message_count": 0,
              "messages": null,
              "status": "active",
              "system_prompt": null,
              "title": "Greetings"
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

            > POST /v1/sessions/[id 1]/regenerate {"model":"openai:counts"}
            200
            {
              "credits_status": {"provider":"openai","remaining":null,"reset_at":null,"status":"available"},
              "finish_reason": "stop",
              "modality": "text",
              "model": "counts",
              "output": {"artifacts":null,"images":null,"mesh":null,"text":"turns: 1 user"},
              "request_id": "[id 3]",
              "selection": {"fallback_reason":null,"fallback_used":false,"selected_model":"counts","selected_provider":"openai"},
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
                  "id": "[id 4]",
                  "images": null,
                  "model_name": null,
                  "provider": null,
                  "role": "user",
                  "status": "completed"
                },
                {
                  "artifact_urls": null,
                  "content": "turns: 1 user",
                  "created_at": "2026-11-22T12:00:00.000000Z",
                  "id": "[id 4]",
                  "images": null,
                  "model_name": "counts",
                  "provider": "openai",
                  "role": "assistant",
                  "status": "completed"
                }
              ],
              "status": "active",
              "system_prompt": null,
              "title": "Greetings"
            }
            "##); }
    }

    async fn an_image_comes_in_the_reply(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        let body = json!({ "model": "openai:gpt-image-1", "modality": "image", "input": { "prompt": "a pixel" } });
        talk.post(GENERATE, body).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"a pixel"},"modality":"image","model":"openai:gpt-image-1"}
            200
            {
              "credits_status": {"provider":"openai","remaining":null,"reset_at":null,"status":"available"},
              "finish_reason": null,
              "modality": "image",
              "model": "gpt-image-1",
              "output": {
                "artifacts": null,
                "images": ["iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP438AAAAQBAYD718vxAAAAAElFTkSuQmCC"],
                "mesh": null,
                "text": null
              },
              "request_id": "[id 1]",
              "selection": {"fallback_reason":null,"fallback_used":false,"selected_model":"gpt-image-1","selected_provider":"openai"},
              "session_id": null,
              "state_tokens": null,
              "usage": {"completion_tokens":0,"prompt_tokens":0,"total_tokens":0},
              "warnings": null
            }
            "##); }
    }

    async fn a_large_image_comes_as_a_link(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        let body = json!({ "model": "openai:big-image", "modality": "image", "input": { "prompt": "a pixel" } });
        talk.post(GENERATE, body).await;
        talk.get("/v1/artifacts/0190a000-0000-7000-8000-000000000000").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"a pixel"},"modality":"image","model":"openai:big-image"}
            200
            {
              "credits_status": {"provider":"openai","remaining":null,"reset_at":null,"status":"available"},
              "finish_reason": null,
              "modality": "image",
              "model": "big-image",
              "output": {
                "artifacts": [
                  {
                    "expires_at": "2026-11-22T13:00:00.000000Z",
                    "id": "[id 1]",
                    "type": "image",
                    "url": "http://127.0.0.1:[port]/v1/artifacts/[id 1]?expires=1795352400&signature=[signature]"
                  }
                ],
                "images": null,
                "mesh": null,
                "text": null
              },
              "request_id": "[id 2]",
              "selection": {"fallback_reason":null,"fallback_used":false,"selected_model":"big-image","selected_provider":"openai"},
              "session_id": null,
              "state_tokens": null,
              "usage": {"completion_tokens":0,"prompt_tokens":0,"total_tokens":0},
              "warnings": null
            }

            > GET /v1/artifacts/[id 3]
            404
            {"code":"not_found","detail":"Artifact not found","request_id":"[id 4]"}
            "##); }
    }

    async fn an_id_is_used_once(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        let mut body = hello("openai:echo");
        body["request_id"] = "3f0c1b7a-8a55-4f0e-9d3b-0d6f2a6f9c11".into();
        talk.post(GENERATE, body.clone()).await;
        talk.post(GENERATE, body).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","request_id":"[id 1]"}
            200
            {
              "credits_status": {"provider":"openai","remaining":null,"reset_at":null,"status":"available"},
              "finish_reason": "stop",
              "modality": "text",
              "model": "echo",
              "output": {"artifacts":null,"images":null,"mesh":null,"text":"You said: Hello"},
              "request_id": "[id 1]",
              "selection": {"fallback_reason":null,"fallback_used":false,"selected_model":"echo","selected_provider":"openai"},
              "session_id": null,
              "state_tokens": null,
              "usage": {"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},
              "warnings": null
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","request_id":"[id 1]"}
            409
            {
              "code": "request_id_in_use",
              "detail": {"code":"request_id_in_use","message":"The request id was used before; every request needs one of its own"},
              "request_id": "[id 2]"
            }
            "##); }
    }
}
