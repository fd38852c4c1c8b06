//! The search at Hugging Face's hub, at an address that the operator sets.

use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{get, refused};

async fn start(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    (app, ada)
}

async fn search(app: &TestApp, person: &Person, query: &str) -> Value {
    get(app, person, &format!("/v1/models/search?{query}")).await
}

fn names(found: &Value) -> Vec<&str> {
    let results = found["results"].as_array().expect("a list");
    results.iter().map(|model| model["name"].as_str().expect("a name")).collect()
}

each_db! {
    async fn models_are_found_by_words(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let found = search(&app, &ada, "query=tiny%20qwen").await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(found["results"][1], @r#"
            {
              "downloads": 500,
              "hf_hosted_supported": null,
              "id": "maker-2/tiny qwen-2b",
              "last_modified": "2026-01-02T00:00:00.000Z",
              "modality_hints": [
                "text"
              ],
              "name": "tiny qwen-2b",
              "tags": [
                "transformers",
                "safetensors",
                "text-generation",
                "license:mit"
              ]
            }
            "#);
        }
        assert_eq!(names(&found), ["tiny qwen-1b", "tiny qwen-2b", "tiny qwen-3b"]);
        let asked = app.provider.last_request();
        assert_eq!(asked.query("search").as_deref(), Some("tiny qwen"));
        assert_eq!(asked.query("limit").as_deref(), Some("20"), "unless the caller says otherwise");
        assert_eq!((asked.query("pipeline_tag"), asked.header("authorization")), (None, ""));
    }

    async fn pages_follow_each_other_by_cursor(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let first = search(&app, &ada, "query=qwen&source=huggingface&limit=3").await;
        assert_eq!(names(&first), ["qwen-1b", "qwen-2b", "qwen-3b"]);
        let cursor = first["next_cursor"].as_str().expect("a second page");
        let second = search(&app, &ada, &format!("query=qwen&source=huggingface&limit=3&cursor={cursor}")).await;
        assert_eq!((names(&second), &second["next_cursor"]), (vec!["qwen-4b", "qwen-5b", "qwen-6b"], &Value::Null));
        assert_eq!(app.provider.last_request().query("cursor").as_deref(), Some(cursor));
        assert_eq!(names(&search(&app, &ada, "query=qwen&limit=1").await), ["qwen-1b"]);
        let dart = search(&app, &ada, "query=qwen&source=&cursor=").await;
        assert_eq!(names(&dart), names(&first), "empty texts are as good as missing ones");
    }

    async fn a_modality_narrows_the_search_and_stands_in_the_hints(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for (modality, tag, hosted) in [
            ("text", "text-generation", Value::Null), ("image", "text-to-image", Value::Null),
            ("3d", "text-to-3d", json!(false)),
        ] {
            let found = search(&app, &ada, &format!("query=any&modality={modality}")).await;
            assert_eq!(app.provider.last_request().query("pipeline_tag").as_deref(), Some(tag));
            let first = &found["results"][0];
            assert_eq!((&first["modality_hints"], &first["hf_hosted_supported"]), (&json!([modality]), &hosted));
        }
    }

    async fn a_search_that_makes_no_sense_reaches_nobody(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let ask = async |query: &str| app.get(&format!("/v1/models/search{query}"), &ada.token).await;
        for source in ["github", "Huggingface", "civitai"] {
            let reply = ask(&format!("?query=qwen&source={source}")).await;
            assert_eq!(refused(reply, 400, "bad_request").await, "Unsupported source");
        }
        for query in ["", "?source=huggingface", "?query=q&limit=0", "?query=q&limit=101", "?query=q&limit=x", "?query=q&modality=smell"] {
            let detail = refused(ask(query).await, 422, "validation_error").await;
            assert_eq!(detail[0]["loc"][0], "query", "{query}");
        }
        assert!(app.provider.requests().is_empty());
    }

    async fn a_hub_that_fails_or_is_away_is_a_502(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let reply = app.get("/v1/models/search?query=fails", &ada.token).await;
        let detail = refused(reply, 502, "upstream_error").await;
        assert!(detail["message"].as_str().is_some_and(|text| text.starts_with("huggingface: ")), "{detail}");

        let (app, ada) = start(database, &[("HF_HUB_URL", "http://127.0.0.1:9")]).await;
        let reply = app.get("/v1/models/search?query=qwen", &ada.token).await;
        refused(reply, 502, "upstream_unreachable").await;
    }
}
