//! What clients ask before they offer anything: parameters, providers, features, caches.

use http::StatusCode;
use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use super::{get, good, list, start, times_asked};
use crate::raw_provider::RawProvider;

fn property_names(schema: &Value) -> Vec<&str> {
    schema["properties"].as_object().expect("an object").keys().map(String::as_str).collect()
}

/// What a form needs of a number: type, least, most, default.
fn range(schema: &Value, name: &str) -> Value {
    let property = &schema["properties"][name];
    json!([property["type"], property["minimum"], property["maximum"], property["default"]])
}

const TEXT: [&str; 4] = ["temperature", "max_tokens", "top_p", "format"];

each_db! {
    async fn a_text_model_takes_these_parameters(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let schema = get(&app, &ada, "/v1/schema?model=echo").await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(schema, @r#"
            {
              "model_id": "echo",
              "properties": {
                "format": {
                  "description": "The form of the reply",
                  "enum": [
                    "text",
                    "json",
                    "markdown"
                  ],
                  "title": "Format",
                  "type": "string"
                },
                "max_tokens": {
                  "default": 4096,
                  "description": "The longest reply, in tokens",
                  "maximum": 128000,
                  "minimum": 1,
                  "title": "Max tokens",
                  "type": "integer"
                },
                "temperature": {
                  "default": 0.7,
                  "description": "How freely the model chooses its words",
                  "maximum": 2.0,
                  "minimum": 0.0,
                  "title": "Temperature",
                  "type": "number"
                },
                "top_p": {
                  "default": 1.0,
                  "description": "Only the likeliest words that together have this probability",
                  "maximum": 1.0,
                  "minimum": 0.0,
                  "title": "Top P",
                  "type": "number"
                }
              },
              "version": "latest"
            }
            "#);
        }
    }

    async fn an_image_model_takes_others(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let schema = get(&app, &ada, "/v1/schema?model=stabilityai/sdxl-turbo").await;
        assert_eq!((&schema["model_id"], &schema["version"]), (&json!("stabilityai/sdxl-turbo"), &json!("latest")));
        for (name, expected) in [
            ("width", json!(["integer", 256, 4096, 512])),
            ("height", json!(["integer", 256, 4096, 512])),
            ("num_inference_steps", json!(["integer", 1, 150, 4])),
            ("guidance_scale", json!(["number", 0.0, 20.0, 0.0])),
            ("negative_prompt", json!(["string", null, null, null])),
            ("seed", json!(["integer", -1, null, -1])),
            ("scheduler", json!(["string", null, null, "euler"])),
            ("clip_skip", json!(["integer", 0, 12, 0])),
            ("num_images", json!(["integer", 1, 4, 1])),
            ("strength", json!(["number", 0.0, 1.0, 0.8])),
            ("eta", json!(["number", 0.0, 1.0, 0.0])),
        ] {
            assert_eq!(range(&schema, name), expected, "{name}");
        }
        assert_eq!(property_names(&schema).len(), 11);
        let schedulers = ["euler", "euler_a", "ddim", "dpm", "dpm++", "lms", "pndm", "heun", "unipc"];
        assert_eq!(schema["properties"]["scheduler"]["enum"], json!(schedulers));
    }

    async fn the_set_follows_from_what_the_model_makes(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"gpt-image-1"},{"id":"org/painter"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let ask = async |model: &str| get(&app, &ada, &format!("/v1/schema?model={model}")).await;
        for image in ["gpt-image-1", "openai:gpt-image-1", "dall-e-3", "stabilityai%2Fsdxl-turbo"] {
            assert!(property_names(&ask(image).await).contains(&"num_inference_steps"), "{image}");
        }
        for text in ["org/painter", "org%2Fpainter", "no-such-model", "llama3:8b"] {
            let schema = ask(text).await;
            assert_eq!(property_names(&schema), TEXT, "{text}");
            assert_eq!(schema["model_id"], text.replace("%2F", "/"), "the id comes back as it was asked for");
        }
        let mesh = ask("openai/shap-e").await;
        assert_eq!(range(&mesh, "num_inference_steps"), json!(["integer", 1, 256, 64]));
        assert_eq!(range(&mesh, "guidance_scale"), json!(["number", 1.0, 100.0, 15.0]));
    }

    async fn without_a_model_every_set_is_told(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let all = get(&app, &ada, "/v1/schema").await;
        assert!(all["description"].is_string(), "{all}");
        for (modality, count) in [("text", 4), ("image", 11), ("3d", 2)] {
            assert_eq!(all["modalities"][modality].as_object().map(serde_json::Map::len), Some(count), "{modality}");
        }
        assert_eq!(get(&app, &ada, "/v1/schema?model=").await, all);
    }

    async fn the_features_tell_whether_there_are_local_models(database: Database) {
        for (setting, enabled) in [("true", true), ("false", false)] {
            let (app, ada) = start(database, &[("ENABLE_LOCAL_MODELS", setting)]).await;
            assert_eq!(get(&app, &ada, "/v1/features").await, json!({
                "local_models_enabled": enabled, "huggingface_hosted_3d_supported": false,
            }));
        }
    }

    async fn the_providers_come_in_the_known_order_with_the_callers_own_keys(database: Database) {
        let app = TestApp::start_with(database, &[("OPENAI_API_KEY", "sk-for-everyone")]).await;
        let (ada, bob) = (app.person("ada").await, app.person("bob").await);
        app.store_key(&ada.token, "groq", "gsk-adas-key").await;
        app.store_key(&ada.token, "anthropic", "bad-key-of-ada").await;
        app.store_key(&bob.token, "xai", "xai-bobs-key").await;
        let line = |provider: &Value| {
            let modalities: Vec<&str> =
                provider["supported_modalities"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(provider.as_object().map(serde_json::Map::len), Some(3), "{provider}");
            format!("{} {} {}", provider["name"].as_str().unwrap_or_default(), provider["configured"], modalities.join("+"))
        };
        let shown = get(&app, &ada, "/v1/providers").await;
        let lines: Vec<String> = shown["providers"].as_array().expect("a list").iter().map(line).collect();
        assert_eq!(lines, [
            "openai false text+image", "anthropic true text", "google false text", "azure false text",
            "xai false text", "deepseek false text", "groq true text", "huggingface false text+image",
            "openrouter false text", "mistral false text", "together false text", "fireworks false text",
            "bedrock false text", "custom false text", "local true text",
        ]);
        let app = TestApp::start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
        let ada = app.person("ada").await;
        let shown = get(&app, &ada, "/v1/providers").await;
        let shown = shown["providers"].as_array().expect("a list");
        assert!(shown.iter().all(|provider| provider["name"] != "local" && provider["configured"] == false));
    }

    async fn the_caches_for_weights_are_empty_and_clearing_forgets_lists(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let counters = json!({ "hits": 0, "misses": 0, "maxsize": 0, "currsize": 0 });
        assert_eq!(get(&app, &ada, "/v1/runtime-cache").await, json!({
            "llama_cpp": counters, "hf_text": counters, "diffusion": counters, "shap_e": counters,
        }));
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        for person in [&ada, &bob] {
            list(&app, person, "").await;
        }
        let before = times_asked(&app);
        let cleared = good(app.delete("/v1/runtime-cache", &ada.token).await).await;
        assert_eq!(cleared["cleared"], json!({ "llama_cpp": 0, "hf_text": 0, "diffusion": 0, "shap_e": 0 }));
        assert!(cleared["message"].is_string(), "{cleared}");
        list(&app, &bob, "").await;
        assert_eq!(times_asked(&app), before, "another's are kept");
        list(&app, &ada, "").await;
        assert_eq!(times_asked(&app), before + 1);
    }

    async fn all_of_this_wants_a_credential(database: Database) {
        let (app, _ada) = start(database, &[]).await;
        for path in ["/v1/schema", "/v1/features", "/v1/providers", "/v1/runtime-cache"] {
            let reply = app.http().get(path).send().await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(reply.json().await["detail"], "Missing authentication", "{path}");
        }
    }
}
