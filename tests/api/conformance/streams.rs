//! The grammar of streams, each as it goes over the line.

use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use super::talk::Talk;

async fn start(database: llm_api_testkit::Database) -> (TestApp, Person) {
    let app = TestApp::start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

fn streamed(model: &str) -> Value {
    json!({ "model": model, "modality": "text", "input": { "prompt": "big world" }, "stream": true })
}

each_db! {
    async fn a_text_comes_word_by_word(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        talk.post("/v1/generate", streamed("openai:echo")).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"text","model":"openai:echo","stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"echo","model_name":"echo","provider":"openai","request_id":"[id 1]"}

            data: {"choices":[{"delta":{"content":"You "}}]}

            data: {"choices":[{"delta":{"content":"said: "}}]}

            data: {"choices":[{"delta":{"content":"big "}}]}

            data: {"choices":[{"delta":{"content":"world"}}]}

            data: {"credits_status":{"provider":"openai","remaining":null,"reset_at":null,"status":"available"},"event":"completed","finish_reason":"stop","request_id":"[id 1]","session_id":null,"state_tokens":null,"usage":{"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},"warnings":null}

            data: [DONE]
            "##); }
    }

    async fn a_text_in_a_session_says_so_at_its_end(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        let session = talk.post("/v1/sessions", json!({})).await;
        let path = format!("/v1/sessions/{}", session["id"].as_str().expect("an id"));
        talk.post(&format!("{path}/generate"), streamed("openai:echo")).await;
        talk.post(&format!("{path}/regenerate"), json!({ "stream": true })).await;
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

            > POST /v1/sessions/[id 1]/generate {"input":{"prompt":"big world"},"modality":"text","model":"openai:echo","stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"echo","model_name":"echo","provider":"openai","request_id":"[id 2]"}

            data: {"choices":[{"delta":{"content":"You "}}]}

            data: {"choices":[{"delta":{"content":"said: "}}]}

            data: {"choices":[{"delta":{"content":"big "}}]}

            data: {"choices":[{"delta":{"content":"world"}}]}

            data: {"credits_status":{"provider":"openai","remaining":null,"reset_at":null,"status":"available"},"event":"completed","finish_reason":"stop","request_id":"[id 2]","session_id":"[id 1]","state_tokens":null,"usage":{"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},"warnings":null}

            data: [DONE]

            > POST /v1/sessions/[id 1]/regenerate {"stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"echo","model_name":"echo","provider":"openai","request_id":"[id 3]"}

            data: {"choices":[{"delta":{"content":"You "}}]}

            data: {"choices":[{"delta":{"content":"said: "}}]}

            data: {"choices":[{"delta":{"content":"big "}}]}

            data: {"choices":[{"delta":{"content":"world"}}]}

            data: {"credits_status":{"provider":"openai","remaining":null,"reset_at":null,"status":"available"},"event":"completed","finish_reason":"stop","request_id":"[id 3]","session_id":"[id 1]","state_tokens":null,"usage":{"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},"warnings":null}

            data: [DONE]
            "##); }
    }

    async fn a_stream_that_fails_or_breaks_off_says_so_and_is_done(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        for model in ["fails", "dies", "rejects-key"] {
            talk.post("/v1/generate", streamed(&format!("openai:{model}"))).await;
        }
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"text","model":"openai:fails","stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"fails","model_name":"fails","provider":"openai","request_id":"[id 1]"}

            data: {"error":{"code":"upstream_error","message":"openai: the provider failed (500): The server had an error while processing your request."},"request_id":"[id 1]"}

            data: [DONE]

            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"text","model":"openai:dies","stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"dies","model_name":"dies","provider":"openai","request_id":"[id 2]"}

            data: {"choices":[{"delta":{"content":"You "}}]}

            data: {"choices":[{"delta":{"content":"said: "}}]}

            data: {"error":{"code":"upstream_interrupted","message":"openai: the provider's answer broke off: the connection closed before its end"},"request_id":"[id 2]"}

            data: [DONE]

            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"text","model":"openai:rejects-key","stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"rejects-key","model_name":"rejects-key","provider":"openai","request_id":"[id 3]"}

            data: {"error":{"code":"provider_key_rejected","message":"openai: the provider rejected the key (401): Incorrect API key provided: Bearer [redacted]. You can find your API key in your account settings."},"request_id":"[id 3]"}

            data: [DONE]
            "##); }
    }

    async fn another_model_is_named_before_it_speaks(database: Database) {
        let (app, ada) = start(database).await;
        app.provider.serve_also("gpt-4o-mini");
        let mut talk = Talk::new(&app, &ada);
        talk.post("/v1/generate", streamed("openai:rate-limited")).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"text","model":"openai:rate-limited","stream":true}
            200
            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"text","model":"rate-limited","model_name":"rate-limited","provider":"openai","request_id":"[id 1]"}

            data: {"event":"model_selected","fallback_reason":"rate_limited_tier","fallback_used":true,"modality":"text","model":"gpt-4o-mini","model_name":"gpt-4o-mini","provider":"openai","request_id":"[id 1]"}

            data: {"choices":[{"delta":{"content":"You "}}]}

            data: {"choices":[{"delta":{"content":"said: "}}]}

            data: {"choices":[{"delta":{"content":"big "}}]}

            data: {"choices":[{"delta":{"content":"world"}}]}

            data: {"credits_status":{"provider":"openai","remaining":null,"reset_at":null,"status":"available"},"event":"completed","finish_reason":"stop","request_id":"[id 1]","session_id":null,"state_tokens":null,"usage":{"completion_tokens":7,"prompt_tokens":11,"total_tokens":18},"warnings":null}

            data: [DONE]
            "##); }
    }

    async fn an_image_comes_as_one_whole_reply(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        let mut body = streamed("openai:gpt-image-1");
        body["modality"] = "image".into();
        talk.post("/v1/generate", body).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"image","model":"openai:gpt-image-1","stream":true}
            200
            : heartbeat

            data: {"event":"model_selected","fallback_reason":null,"fallback_used":false,"modality":"image","model":"gpt-image-1","model_name":"gpt-image-1","provider":"openai","request_id":"[id 1]"}

            data: {"credits_status":{"provider":"openai","remaining":null,"reset_at":null,"status":"available"},"finish_reason":null,"modality":"image","model":"gpt-image-1","output":{"artifacts":null,"images":["iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP438AAAAQBAYD718vxAAAAAElFTkSuQmCC"],"mesh":null,"text":null},"request_id":"[id 1]","selection":{"fallback_reason":null,"fallback_used":false,"selected_model":"gpt-image-1","selected_provider":"openai"},"session_id":null,"state_tokens":null,"usage":{"completion_tokens":0,"prompt_tokens":0,"total_tokens":0},"warnings":null}

            data: [DONE]
            "##); }
    }

    async fn before_a_model_is_chosen_failures_are_plain_replies(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        talk.post("/v1/generate", streamed("no-such-model")).await;
        talk.post("/v1/generate", json!({ "stream": true })).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"big world"},"modality":"text","model":"no-such-model","stream":true}
            404
            {"code":"model_not_found","detail":"Model not found: no-such-model","request_id":"[id 1]"}

            > POST /v1/generate {"stream":true}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","modality"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 2]"
            }
            "##); }
    }
}
