//! Health, version, features, providers, and the caches of the old runtime.

use llm_api_testkit::{TestApp, each_db};

use super::talk::Talk;

each_db! {
    async fn anybody_may_ask_whether_the_service_is_there(database: Database) {
        let app = TestApp::start_with(database, &[("APP_VERSION", "2026.11")]).await;
        let mut talk = Talk::of_a_stranger(&app);
        for path in ["/health", "/ready", "/version"] {
            talk.get(path).await;
        }
        app.stop_streams();
        for path in ["/health", "/ready"] {
            talk.get(path).await;
        }
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /health
            200
            {"status":"ok"}

            > GET /ready
            200
            {"status":"ready"}

            > GET /version
            200
            {"version":"2026.11"}

            > GET /health
            200
            {"status":"ok"}

            > GET /ready
            503
            {"status":"not_ready"}
            "##); }
    }

    async fn features_and_providers_are_for_users(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "groq", "gsk-adas-own-key").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/features").await;
        talk.get("/v1/providers").await;
        talk.go_on_as("");
        talk.get("/v1/features").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/features
            200
            {"huggingface_hosted_3d_supported":false,"local_models_enabled":true}

            > GET /v1/providers
            200
            {
              "providers": [
                {"configured":false,"name":"openai","supported_modalities":["text","image"]},
                {"configured":false,"name":"anthropic","supported_modalities":["text"]},
                {"configured":false,"name":"google","supported_modalities":["text"]},
                {"configured":false,"name":"azure","supported_modalities":["text"]},
                {"configured":false,"name":"xai","supported_modalities":["text"]},
                {"configured":false,"name":"deepseek","supported_modalities":["text"]},
                {"configured":true,"name":"groq","supported_modalities":["text"]},
                {"configured":false,"name":"huggingface","supported_modalities":["text","image"]},
                {"configured":false,"name":"openrouter","supported_modalities":["text"]},
                {"configured":false,"name":"mistral","supported_modalities":["text"]},
                {"configured":false,"name":"together","supported_modalities":["text"]},
                {"configured":false,"name":"fireworks","supported_modalities":["text"]},
                {"configured":false,"name":"bedrock","supported_modalities":["text"]},
                {"configured":false,"name":"custom","supported_modalities":["text"]},
                {"configured":true,"name":"local","supported_modalities":["text"]}
              ]
            }

            > GET /v1/features
            401
            {"code":"unauthenticated","detail":"Missing authentication","request_id":"[id 1]"}
            "##); }
    }

    async fn without_local_models_neither_says_that_there_are_any(database: Database) {
        let app = TestApp::start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/features").await;
        let providers = talk.get("/v1/providers").await;
        let names: Vec<_> = providers["providers"].as_array().into_iter().flatten().map(|one| &one["name"]).collect();
        assert_eq!(names[..8], ["openai", "anthropic", "google", "azure", "xai", "deepseek", "groq", "huggingface"]);
        assert!(names.iter().all(|name| *name != "local"), "{names:?}");
    }

    async fn the_caches_of_the_old_runtime_are_empty(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/runtime-cache").await;
        talk.delete("/v1/runtime-cache").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/runtime-cache
            200
            {
              "diffusion": {"currsize":0,"hits":0,"maxsize":0,"misses":0},
              "hf_text": {"currsize":0,"hits":0,"maxsize":0,"misses":0},
              "llama_cpp": {"currsize":0,"hits":0,"maxsize":0,"misses":0},
              "shap_e": {"currsize":0,"hits":0,"maxsize":0,"misses":0}
            }

            > DELETE /v1/runtime-cache
            200
            {
              "cleared": {"diffusion":0,"hf_text":0,"llama_cpp":0,"shap_e":0},
              "message": "No weights are held here; lists of models read with your keys and now forgotten: 0"
            }
            "##); }
    }
}
