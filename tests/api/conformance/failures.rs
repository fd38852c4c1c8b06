//! What may go wrong with generating.

use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use super::{
    generation::{GENERATE, hello, start},
    talk::Talk,
};

each_db! {
    async fn what_cannot_be_asked_is_told_by_a_code(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        let with = |name: &str, value: Value| {
            let mut body = hello("openai:echo");
            body[name] = value;
            body
        };
        let mut no_model = with("selection_mode", json!("model"));
        no_model["model"] = Value::Null;
        for body in [
            no_model,
            with("provider", json!("nobody")),
            with("model", json!("groq:llama-3.1-8b-instant")),
            with("model", json!("no-such-model")),
            with("model", json!("openai:no-such-model")),
            with("modality", json!("3d")),
            with("modality", json!("smell")),
            with("session_id", json!("nothing")),
            with("input", json!({})),
            with("input", json!("Hello")),
            with("request_id", json!("mine")),
            json!({ "input": { "prompt": "Hello" } }),
            json!({ "modality": "text" }),
        ] {
            talk.post(GENERATE, body).await;
        }
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":null,"selection_mode":"model"}
            400
            {
              "code": "model_required",
              "detail": {"code":"model_required","message":"selection_mode 'model' needs a model"},
              "request_id": "[id 1]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","provider":"nobody"}
            400
            {
              "code": "unsupported_provider",
              "detail": {"code":"unsupported_provider","message":"Provider 'nobody' is not supported here"},
              "request_id": "[id 2]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"groq:llama-3.1-8b-instant"}
            400
            {
              "code": "provider_not_configured",
              "detail": {
                "code": "provider_not_configured",
                "message": "No key is stored for groq; store one with POST /v1/users/provider-keys"
              },
              "request_id": "[id 3]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"no-such-model"}
            404
            {"code":"model_not_found","detail":"Model not found: no-such-model","request_id":"[id 4]"}

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:no-such-model"}
            404
            {
              "code": "model_not_found",
              "detail": "Model not found: openai says: The model `no-such-model` does not exist or you do not have access to it.",
              "request_id": "[id 5]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"3d","model":"openai:echo"}
            400
            {
              "code": "unsupported_modality",
              "detail": {"code":"unsupported_modality","message":"Modality '3d' is not supported here"},
              "request_id": "[id 6]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"smell","model":"openai:echo"}
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["body","modality"],
                  "msg": "unknown variant `smell`, expected one of `text`, `image`, `3d`",
                  "type": "value_error"
                }
              ],
              "request_id": "[id 7]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","session_id":"nothing"}
            404
            {"code":"session_not_found","detail":"Session 'nothing' not found","request_id":"[id 8]"}

            > POST /v1/generate {"input":{},"modality":"text","model":"openai:echo"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","input"],"msg":"a prompt or an image is required","type":"value_error"}],
              "request_id": "[id 9]"
            }

            > POST /v1/generate {"input":"Hello","modality":"text","model":"openai:echo"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","input"],"msg":"invalid type: string \"Hello\", expected an object","type":"value_error"}],
              "request_id": "[id 10]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:echo","request_id":"mine"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","request_id"],"msg":"must be a UUID","type":"value_error"}],
              "request_id": "[id 11]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"}}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","modality"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 12]"
            }

            > POST /v1/generate {"modality":"text"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","input"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 13]"
            }
            "##); }
    }

    async fn without_any_model_nothing_is_chosen(database: Database) {
        let app = TestApp::start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        for body in [
            json!({ "modality": "text", "input": { "prompt": "Hello" } }),
            json!({ "modality": "text", "input": { "prompt": "Hello" }, "selection_mode": "free_only" }),
            json!({ "modality": "text", "input": { "prompt": "Hello" }, "model": "auto", "provider": "openai" }),
        ] {
            talk.post(GENERATE, body).await;
        }
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text"}
            404
            {
              "code": "no_model_available",
              "detail": "Model not found: no text model is available; store a provider key or start a local model server",
              "request_id": "[id 1]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","selection_mode":"free_only"}
            404
            {
              "code": "no_model_available",
              "detail": "Model not found: no text model is available; store a provider key or start a local model server",
              "request_id": "[id 2]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"auto","provider":"openai"}
            404
            {
              "code": "no_model_available",
              "detail": "Model not found: no text model is available; store a provider key or start a local model server",
              "request_id": "[id 3]"
            }
            "##); }
    }

    async fn what_a_provider_does_wrong_is_told_by_a_code(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let mut talk = Talk::new(&app, &ada);
        for model in ["rate-limited", "no-quota", "refuses", "fails", "overloaded", "html", "dies", "rejects-key"] {
            talk.post(GENERATE, hello(&format!("openai:{model}"))).await;
        }
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:rate-limited"}
            429, retry after 7 s
            {
              "code": "upstream_rate_limited",
              "detail": {
                "code": "upstream_rate_limited",
                "message": "openai: the provider limits requests: Rate limit reached for requests"
              },
              "request_id": "[id 1]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:no-quota"}
            429
            {
              "code": "insufficient_quota",
              "detail": {
                "code": "insufficient_quota",
                "message": "openai: the provider limits requests: You exceeded your current quota, please check your plan and billing details."
              },
              "request_id": "[id 2]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:refuses"}
            400
            {
              "code": "unsupported_value",
              "detail": {
                "code": "unsupported_value",
                "message": "openai: the provider refused the request (400): Unsupported value: 'temperature' does not support 0.2 with this model."
              },
              "request_id": "[id 3]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:fails"}
            502
            {
              "code": "upstream_error",
              "detail": {
                "code": "upstream_error",
                "message": "openai: the provider failed (500): The server had an error while processing your request."
              },
              "request_id": "[id 4]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:overloaded"}
            502
            {
              "code": "upstream_error",
              "detail": {"code":"upstream_error","message":"openai: the provider failed (503): The engine is currently overloaded."},
              "request_id": "[id 5]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:html"}
            502
            {
              "code": "upstream_bad_response",
              "detail": {
                "code": "upstream_bad_response",
                "message": "openai: the provider's answer cannot be used: its type is text/html, not JSON"
              },
              "request_id": "[id 6]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:dies"}
            502
            {
              "code": "upstream_interrupted",
              "detail": {
                "code": "upstream_interrupted",
                "message": "openai: the provider's answer broke off: the connection closed before its end"
              },
              "request_id": "[id 7]"
            }

            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:rejects-key"}
            424
            {
              "code": "provider_key_rejected",
              "detail": {
                "code": "provider_key_rejected",
                "message": "openai: the provider rejected the key (401): Incorrect API key provided: Bearer [redacted]. You can find your API key in your account settings."
              },
              "request_id": "[id 8]"
            }
            "##); }
    }

    async fn a_provider_that_says_nothing_is_not_waited_for_without_end(database: Database) {
        let (app, ada) = start(database, &[("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "0.2")]).await;
        let mut talk = Talk::new(&app, &ada);
        talk.post(GENERATE, hello("openai:silent")).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/generate {"input":{"prompt":"Hello"},"modality":"text","model":"openai:silent"}
            504
            {
              "code": "upstream_timeout",
              "detail": {
                "code": "upstream_timeout",
                "message": "openai: the provider did not answer in time (waiting for the first byte)"
              },
              "request_id": "[id 1]"
            }
            "##); }
    }
}
