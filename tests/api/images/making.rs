//! Who makes images, what they are asked, and what becomes of a refusal.

use llm_api_domain::{RequestStatus, TokenUsage};
use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use super::{PNG, image, start};
use crate::{
    asking::{answer, ask, ask_streamed, chosen, generations, refused, with},
    usage_rows::{request_id, row_with, rows_of},
};

each_db! {
    async fn openai_makes_an_image(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for (model, body) in [
            // Without these words it would send an address, and we go nowhere that a provider names.
            ("dall-e-3", json!({ "model": "dall-e-3", "prompt": "A boat", "response_format": "b64_json" })),
            ("gpt-image-1", json!({ "model": "gpt-image-1", "prompt": "A boat" })),
        ] {
            let reply = ask(&app, &ada, image(model)).await;
            let id = request_id(&reply);
            assert_eq!(answer(reply).await, json!({
                "request_id": id.to_string(), "model": model, "modality": "image", "session_id": null,
                "state_tokens": null,
                "selection": {
                    "selected_model": model, "selected_provider": "openai",
                    "fallback_used": false, "fallback_reason": null,
                },
                "credits_status": { "provider": "openai", "status": "available", "remaining": null, "reset_at": null },
                "output": { "text": null, "images": [PNG], "mesh": null, "artifacts": null },
                "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
                "finish_reason": null, "warnings": null,
            }));
            let asked = app.provider.last_request();
            assert_eq!(asked.path, "/v1/images/generations");
            assert_eq!(asked.header("authorization"), "Bearer sk-adas-own-key");
            assert_eq!(asked.body, body);
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.provider.as_str(), row.model.as_str()), ("openai", model));
            assert_eq!((row.status, row.usage), (RequestStatus::Completed, TokenUsage::default()));
        }
    }

    async fn an_image_of_no_named_model_is_hugging_faces(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for model in [None, Some("auto"), Some("stabilityai/sdxl-turbo"), Some("huggingface:stabilityai/sdxl-turbo")] {
            let reply = answer(ask(&app, &ada, image(model)).await).await;
            assert_eq!(chosen(&reply), "huggingface:stabilityai/sdxl-turbo", "{model:?}");
            assert_eq!(reply["output"], json!({ "text": null, "images": [PNG], "mesh": null, "artifacts": null }));
            let asked = app.provider.last_request();
            assert_eq!(asked.path, "/hf-inference/models/stabilityai/sdxl-turbo");
            assert_eq!(asked.header("authorization"), "Bearer hf_adas-own-key");
            assert_eq!(asked.body, json!({ "inputs": "A boat" }));
        }
        let rows = rows_of(&app, &ada).await;
        assert_eq!(rows.len(), 4);
        for row in rows {
            assert_eq!((row.provider.as_str(), row.status), ("huggingface", RequestStatus::Completed));
            assert_eq!(row.usage, TokenUsage::default());
        }
    }

    async fn the_operator_chooses_the_image_model_of_those_who_name_none(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_IMAGE_MODEL", "dall-e-3")]).await;
        assert_eq!(chosen(&answer(ask(&app, &ada, image(None)).await).await), "openai:dall-e-3");
    }

    async fn words_in_a_prompt_never_turn_a_text_into_an_image(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "openai:echo")]).await;
        let body = json!({ "modality": "text", "input": { "prompt": "Draw a picture of a boat" } });
        let reply = answer(ask(&app, &ada, body).await).await;
        assert_eq!((chosen(&reply).as_str(), &reply["modality"]), ("openai:echo", &json!("text")));
    }

    async fn parameters_reach_the_maker_in_its_own_words(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let parameters = json!({ "num_images": 2, "width": 1024, "height": 512, "quality": "hd", "style": null });
        let reply = answer(ask(&app, &ada, with(image("gpt-image-1"), "parameters", parameters)).await).await;
        assert_eq!(reply["output"]["images"], json!([PNG, PNG]));
        assert_eq!(app.provider.last_request().body, json!({
            "model": "gpt-image-1", "prompt": "A boat", "n": 2, "size": "1024x512", "quality": "hd",
        }));

        let parameters = json!({ "num_images": 1, "width": 512, "seed": 7, "negative_prompt": null });
        answer(ask(&app, &ada, with(image(None), "parameters", parameters)).await).await;
        let sent = app.provider.last_request().body;
        assert_eq!(sent, json!({ "inputs": "A boat", "parameters": { "width": 512, "seed": 7 } }));

        let asked = generations(&app.provider).len();
        let several = with(image(None), "parameters", json!({ "num_images": 2 }));
        let (status, code, message) = refused(ask(&app, &ada, several).await).await;
        assert_eq!((status, code.as_str()), (400, "provider_refused_request"));
        assert!(message.contains("one image"), "{message}");
        assert_eq!(generations(&app.provider).len(), asked);
    }

    async fn what_cannot_become_an_image_is_refused_before_anything_is_sent(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "anthropic", "sk-ant-adas-own-key").await;
        let bob = app.person("bob").await;
        let with_picture = json!({ "prompt": "A boat", "images": [format!("data:image/png;base64,{PNG}")] });
        let blank = json!({ "prompt": "  " });
        let three_d = json!({ "modality": "3d", "model": "openai:shap-e", "input": { "prompt": "A boat" } });
        for (person, body, status, code, words) in [
            (&ada, with(image("dall-e-3"), "input", with_picture), 400, "invalid_parameter", "input.images: "),
            (&ada, with(image("dall-e-3"), "input", blank), 400, "invalid_parameter", "input.prompt: "),
            (&ada, image("anthropic:claude-echo"), 400, "unsupported_modality", "anthropic makes no images here"),
            (&ada, three_d, 400, "unsupported_modality", "'3d'"),
            (&ada, with(image(None), "selection_mode", "model"), 400, "model_required", "needs a model"),
            (&bob, image("dall-e-3"), 400, "provider_not_configured", "openai"),
            (&bob, image(None), 404, "no_model_available", "Model not found"),
        ] {
            for reply in [ask(&app, person, body.clone()).await, ask_streamed(&app, person, body.clone()).await] {
                let (got, word, message) = refused(reply).await;
                assert_eq!((got, word.as_str()), (status, code), "{body}: {message}");
                assert!(message.contains(words), "{message}");
            }
        }
        for input in [json!({ "prompt": "" }), json!({}), json!({ "prompt": null, "images": [] })] {
            let reply = ask(&app, &ada, with(image("dall-e-3"), "input", input)).await;
            assert_eq!(reply.status, 422);
            let body = reply.json().await;
            assert_eq!(body["code"], "validation_error");
            assert_eq!(body["detail"][0]["loc"], json!(["body", "input"]));
        }
        assert!(generations(&app.provider).is_empty());
        assert!(rows_of(&app, &ada).await.is_empty() && rows_of(&app, &bob).await.is_empty());
    }

    async fn a_makers_refusal_is_told_and_no_other_is_asked(database: Database) {
        let (app, ada) = start(database, &[]).await;
        // What a text would be handed on to.
        app.provider.serve_also("gpt-4o-mini");
        for (model, status, code) in [
            ("openai:refuses-image", 400, "content_policy_violation"),
            ("huggingface:refuses/image", 400, "provider_refused_request"),
            ("openai:rate-limited", 429, "upstream_rate_limited"),
            ("openai:overloaded", 502, "upstream_error"),
            ("openai:fails", 502, "upstream_error"),
            ("openai:echo", 404, "model_not_found"),
            ("openai:rejects-key", 424, "provider_key_rejected"),
        ] {
            let asked = generations(&app.provider).len();
            let reply = ask(&app, &ada, image(model)).await;
            let (id, wait) = (request_id(&reply), reply.header("retry-after").to_owned());
            let (got, word, message) = refused(reply).await;
            assert_eq!((got, word.as_str()), (status, code), "{model}: {message}");
            assert_eq!(wait, if status == 429 { "7" } else { "" }, "{model}");
            assert!(!message.contains("own-key"), "{message}");
            assert_eq!(generations(&app.provider).len(), asked + 1, "{model}");
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.status, row.fallback_reason), (RequestStatus::Failed, None), "{model}");
        }
        assert_eq!(status_of_key(&app, &ada.token, "openai").await, "rejected");
        answer(ask(&app, &ada, image("dall-e-3")).await).await;
        assert_eq!(status_of_key(&app, &ada.token, "openai").await, "valid", "it works again");
    }
}

async fn status_of_key(app: &TestApp, token: &str, provider: &str) -> Value {
    let keys = answer(app.get("/v1/users/provider-keys", token).await).await;
    let key = keys.as_array().into_iter().flatten().find(|key| key["provider"] == provider);
    key.expect("a key")["status"].clone()
}
