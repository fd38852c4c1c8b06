//! The form of the list: three readers, pages, modalities, and what is told of each model.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, MODELS, TestApp, each_db};
use serde_json::{Value, json};

use super::{default_ids, entries, get, id_of, ids, list, open_ids, refused, start};
use crate::raw_provider::RawProvider;

each_db! {
    async fn one_list_serves_openais_sdks_and_native_clients(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let list = list(&app, &ada, "").await;
        assert_eq!((&list["object"], &list["next_cursor"]), (&json!("list"), &Value::Null));
        assert_eq!(list["data"], list["models"]);
        assert_eq!(open_ids(&list), MODELS);
        assert_eq!(ids(&list)[..MODELS.len()], MODELS, "what the caller can use comes first");
        assert!(entries(&list).iter().all(|model| model["object"] == "model" && model["status"] == "available"));
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(list["data"][0], @r#"
            {
              "availability": {
                "access": "available",
                "credits_status": null,
                "provider": "openai"
              },
              "capabilities": null,
              "created": 1700000000,
              "id": "echo",
              "is_default": false,
              "last_used_at": null,
              "local_path": null,
              "modality": "text",
              "name": "echo",
              "object": "model",
              "owned_by": "fake",
              "pricing": null,
              "provider": "openai",
              "size_bytes": null,
              "source": null,
              "status": "available",
              "version": "latest"
            }
            "#);
        }
    }

    async fn what_a_provider_tells_of_a_model_is_shown(database: Database) {
        const LIST: &str =
            r#"{"data":[{"id":"meta-llama/Llama-3-8B","name":"Llama 3","context_length":8192.0},{"no":"id"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let list = list(&app, &ada, "").await;
        assert_eq!(open_ids(&list), ["meta-llama/Llama-3-8B"]);
        let model = &list["models"][0];
        assert_eq!((&model["name"], &model["owned_by"]), (&json!("Llama 3"), &json!("openai")));
        assert_eq!(model["created"], 0, "unknown");
        assert_eq!(model["pricing"], Value::Null);
        assert_eq!(model["capabilities"], json!({
            "max_context_tokens": 8192, "max_output_tokens": null, "vision": null, "tools": null,
            "output_formats": null, "hardware_requirements": null,
            "image_input_max_edge": null, "image_input_max_pixels": null, "image_input_formats": null,
        }));
    }

    async fn what_is_publicly_known_of_a_model_is_shown_with_it(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini","context_length":1000},{"id":"gpt-image-1"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        let list = list(&app, &ada, "").await;
        assert_eq!(open_ids(&list), ["gpt-4o", "gpt-4o-mini", "gpt-image-1"]);
        let [gpt, mini, image, ..] = entries(&list) else { panic!("{list}") };
        assert_eq!(gpt["capabilities"], json!({
            "max_context_tokens": 128_000, "max_output_tokens": 16_384, "vision": true, "tools": true,
            "output_formats": null, "hardware_requirements": null,
            "image_input_max_edge": null, "image_input_max_pixels": null, "image_input_formats": null,
        }));
        assert_eq!(gpt["pricing"], json!({
            "currency": "USD", "input_micros_per_million_tokens": 2_500_000,
            "output_micros_per_million_tokens": 10_000_000, "cached_micros_per_million_tokens": 1_250_000,
        }));
        assert_eq!(mini["capabilities"]["max_context_tokens"], 1000, "the provider knows better");
        assert_eq!(mini["capabilities"]["max_output_tokens"], 16_384);
        assert_eq!((&image["modality"], &image["capabilities"]), (&json!("image"), &Value::Null));
        assert_eq!(image["pricing"]["output_micros_per_million_tokens"], 40_000_000);
        assert_eq!(get(&app, &ada, "/v1/models/gpt-4o").await, *gpt);
    }

    async fn a_list_holds_only_what_can_be_called(database: Database) {
        const LIST: &str = r#"{"data":[{"id":"gpt-4o"},{"id":"whisper-1"},{"id":"tts-1"},{"id":"text-embedding-3-large"},
            {"id":"gpt-4o-audio-preview"},{"id":"dall-e-3"}]}"#;
        let provider = RawProvider::start(LIST, "{}").await;
        let (app, ada) = start(database, &[("OPENAI_BASE_URL", provider.base_url())]).await;
        assert_eq!(open_ids(&list(&app, &ada, "").await), ["gpt-4o", "dall-e-3"]);
    }

    async fn models_of_own_servers_carry_their_prefix(database: Database) {
        let local = FakeProvider::start_open().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
        let ada = app.person("ada").await;
        let only_local = list(&app, &ada, "").await;
        assert_eq!(open_ids(&only_local), MODELS.map(|model| format!("local:{model}")));
        let first = &only_local["data"][0];
        assert_eq!((&first["name"], &first["provider"]), (&json!("echo"), &json!("local")));

        let key = json!({ "provider": "custom", "api_key": "sk-custom", "endpoint": app.provider.base_url() });
        assert_eq!(app.post("/v1/users/provider-keys", &ada.token, key).await.status, StatusCode::CREATED);
        let both = list(&app, &ada, "").await;
        assert_eq!(open_ids(&both).len(), 2 * MODELS.len());
        assert!(open_ids(&both).contains(&"custom:echo") && open_ids(&both).contains(&"local:echo"));
        for id in ["custom:echo", "local:echo"] {
            assert_eq!(get(&app, &ada, &format!("/v1/models/{id}")).await["id"], id);
        }
    }

    async fn without_local_models_none_are_listed(database: Database) {
        let local = FakeProvider::start_open().await;
        let settings = [("LOCAL_BASE_URL", local.base_url()), ("ENABLE_LOCAL_MODELS", "false".to_owned())];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (app, ada) = start(database, &settings).await;
        let list = list(&app, &ada, "").await;
        assert!(entries(&list).iter().all(|model| model["provider"] != "local"));
        assert!(local.requests().is_empty());
    }

    async fn pages_go_by_limit_and_cursor(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let whole = list(&app, &ada, "").await;
        let (mut seen, mut cursors) = (Vec::new(), Vec::new());
        let mut query = "?limit=7".to_owned();
        loop {
            let page = list(&app, &ada, &query).await;
            assert_eq!(page["data"], page["models"]);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            assert_eq!(entries(&page).len(), 7);
            query = format!("?limit=7&cursor={cursor}");
            cursors.push(cursor.to_owned());
        }
        assert_eq!(seen, ids(&whole));
        let expected: Vec<String> = (1..=cursors.len()).map(|page| (7 * page).to_string()).collect();
        assert_eq!(cursors, expected, "decimal offsets, as clients know them");
        assert!(cursors.len() > MODELS.len() / 7);

        let rest = list(&app, &ada, "?cursor=21").await;
        assert_eq!((&rest["next_cursor"], ids(&rest)), (&Value::Null, ids(&whole)[21..].to_vec()), "no limit, no end");
        let exact = list(&app, &ada, &format!("?limit={}", entries(&whole).len())).await;
        assert_eq!((&exact["next_cursor"], &exact["data"]), (&Value::Null, &whole["data"]));
        assert_eq!(list(&app, &ada, "?cursor=1000").await["data"], json!([]), "behind the end");
    }

    async fn a_question_that_makes_no_sense_is_a_422(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for query in ["?cursor=next", "?cursor=-1", "?limit=many", "?limit=0", "?modality=smell", "?limit=1&limit=2"] {
            let reply = app.get(&format!("/v1/models{query}"), &ada.token).await;
            let detail = refused(reply, 422, "validation_error").await;
            assert_eq!(detail[0]["loc"][0], "query", "{query}");
            assert!(detail[0]["type"].is_string() && detail[0]["msg"].is_string(), "{detail}");
        }
    }

    async fn a_modality_narrows_the_list(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let whole = list(&app, &ada, "").await;
        let mut found = 0;
        for modality in ["text", "image", "3d"] {
            let narrow = list(&app, &ada, &format!("?modality={modality}")).await;
            let of_the_whole: Vec<&Value> =
                entries(&whole).iter().filter(|model| model["modality"] == modality).collect();
            assert_eq!(entries(&narrow).iter().collect::<Vec<_>>(), of_the_whole, "{modality}");
            found += of_the_whole.len();
        }
        assert_eq!(found, entries(&whole).len());
        assert_eq!(open_ids(&list(&app, &ada, "?modality=text").await), MODELS);
        let images = list(&app, &ada, "?modality=image").await;
        assert_eq!(ids(&images), ["stabilityai/sdxl-turbo", "stabilityai/stable-diffusion-xl-base-1.0"]);
        assert_eq!(list(&app, &ada, "?modality=3d").await["models"], json!([]), "nothing here makes them");
        let first = list(&app, &ada, "?modality=image&limit=1").await;
        assert_eq!((ids(&first), &first["next_cursor"]), (vec!["stabilityai/sdxl-turbo"], &json!("1")));
    }

    async fn the_default_of_each_modality_is_marked(database: Database) {
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "unicode")]).await;
        assert_eq!(default_ids(&list(&app, &ada, "").await), ["unicode", "stabilityai/sdxl-turbo"]);
        let (app, ada) = start(database, &[("DEFAULT_MODEL", "openai:counts"), ("DEFAULT_IMAGE_MODEL", "dall-e-3")]).await;
        assert_eq!(default_ids(&list(&app, &ada, "").await), ["counts"], "openai lists no image model here");
        let bob = app.person("bob").await;
        assert_eq!(default_ids(&list(&app, &bob, "").await), ["dall-e-3"], "a key would open it");
    }

    async fn anthropics_sdks_get_their_own_form(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let ask = |path: &str| {
            app.http().get(path).header("x-api-key", &ada.token).header("anthropic-version", "2023-06-01")
        };
        let page = ask("/v1/models?limit=2").send().await.json().await;
        let entry = |id: &str| {
            json!({ "type": "model", "id": id, "display_name": id, "created_at": "2023-11-14T22:13:20.000000Z" })
        };
        assert_eq!(page, json!({
            "data": [entry("echo"), entry("unicode")], "has_more": true, "first_id": "echo", "last_id": "unicode",
        }));
        let whole = ask("/v1/models").send().await.json().await;
        assert_eq!(whole["has_more"], false);
        assert_eq!(ids(&whole), ids(&list(&app, &ada, "").await));
    }

    async fn anthropics_sdks_turn_pages_by_the_last_id(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let ask = async |query: &str| {
            let request = app.http().get(&format!("/v1/models?limit=10{query}"));
            request.header("x-api-key", &ada.token).header("anthropic-version", "2023-06-01").send().await.json().await
        };
        let (mut seen, mut query) = (Vec::new(), String::new());
        loop {
            let page = ask(&query).await;
            seen.extend(entries(&page).iter().map(|model| id_of(model).to_owned()));
            if page["has_more"] == false {
                break;
            }
            query = format!("&after_id={}", page["last_id"].as_str().expect("an id"));
            assert!(seen.len() < 1000, "the pages come to an end");
        }
        assert_eq!(seen, ids(&list(&app, &ada, "").await));
        let behind = ask("&after_id=no-such-model").await;
        assert_eq!(behind, json!({ "data": [], "has_more": false, "first_id": null, "last_id": null }));
    }

    async fn a_model_of_two_providers_is_listed_once_unless_the_second_is_the_default(database: Database) {
        let (app, ada) = start(database, &[]).await;
        app.store_key(&ada.token, "mistral", "adas-mistral-key").await;
        let once = list(&app, &ada, "").await;
        assert_eq!(open_ids(&once), MODELS);
        assert_eq!(once["data"][0]["provider"], "mistral", "the one that its plain name leads to");
        let reply = app.post("/v1/models/openai:unicode/default", &ada.token, json!({})).await;
        assert_eq!(reply.status, StatusCode::OK);
        let list = list(&app, &ada, "").await;
        assert_eq!(default_ids(&list), ["openai:unicode", "stabilityai/sdxl-turbo"]);
        assert_eq!(open_ids(&list).len(), MODELS.len() + 1);
    }
}
