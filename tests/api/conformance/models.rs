//! The catalogue.

use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::json;

use super::talk::Talk;

pub(super) async fn start(database: llm_api_testkit::Database) -> (TestApp, Person) {
    let app = TestApp::start(database).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

each_db! {
    async fn models_are_listed_page_by_page(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/models?limit=1").await;
        talk.get("/v1/models?modality=text&limit=1&cursor=1").await;
        talk.get("/v1/models?cursor=abc").await;
        talk.get("/v1/models?modality=smell").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/models?limit=1
            200
            {
              "data": [
                {
                  "availability": {"access":"available","credits_status":null,"provider":"openai"},
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
              ],
              "models": [
                {
                  "availability": {"access":"available","credits_status":null,"provider":"openai"},
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
              ],
              "next_cursor": "1",
              "object": "list"
            }

            > GET /v1/models?modality=text&limit=1&cursor=1
            200
            {
              "data": [
                {
                  "availability": {"access":"available","credits_status":null,"provider":"openai"},
                  "capabilities": null,
                  "created": 1700000000,
                  "id": "unicode",
                  "is_default": false,
                  "last_used_at": null,
                  "local_path": null,
                  "modality": "text",
                  "name": "unicode",
                  "object": "model",
                  "owned_by": "fake",
                  "pricing": null,
                  "provider": "openai",
                  "size_bytes": null,
                  "source": null,
                  "status": "available",
                  "version": "latest"
                }
              ],
              "models": [
                {
                  "availability": {"access":"available","credits_status":null,"provider":"openai"},
                  "capabilities": null,
                  "created": 1700000000,
                  "id": "unicode",
                  "is_default": false,
                  "last_used_at": null,
                  "local_path": null,
                  "modality": "text",
                  "name": "unicode",
                  "object": "model",
                  "owned_by": "fake",
                  "pricing": null,
                  "provider": "openai",
                  "size_bytes": null,
                  "source": null,
                  "status": "available",
                  "version": "latest"
                }
              ],
              "next_cursor": "2",
              "object": "list"
            }

            > GET /v1/models?cursor=abc
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["query","cursor"],"msg":"invalid digit found in string","type":"value_error"}],
              "error": {
                "code": "validation_error",
                "message": "query.cursor: invalid digit found in string",
                "param": "cursor",
                "type": "invalid_request_error"
              },
              "request_id": "[id 1]"
            }

            > GET /v1/models?modality=smell
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["query","modality"],
                  "msg": "unknown variant `smell`, expected one of `text`, `image`, `3d`",
                  "type": "value_error"
                }
              ],
              "error": {
                "code": "validation_error",
                "message": "query.modality: unknown variant `smell`, expected one of `text`, `image`, `3d`",
                "param": "modality",
                "type": "invalid_request_error"
              },
              "request_id": "[id 2]"
            }
            "##); }
    }

    async fn sdks_of_anthropic_get_the_list_in_their_form(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        let request = app.http().get("/v1/models?limit=1").header("x-api-key", &ada.token);
        let reply = request.header("anthropic-version", "2023-06-01").send().await;
        talk.tell("GET /v1/models?limit=1 with anthropic-version", reply).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/models?limit=1 with anthropic-version
            200
            {
              "data": [{"created_at":"2023-11-14T22:13:20.000000Z","display_name":"echo","id":"echo","type":"model"}],
              "first_id": "echo",
              "has_more": true,
              "last_id": "echo"
            }
            "##); }
    }

    async fn a_model_is_found_by_its_id(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/models/openai:echo").await;
        talk.get("/v1/models/deepseek-chat").await;
        talk.get("/v1/models/echo/status").await;
        for path in ["/v1/models/org/nothing", "/v1/models/org%2Fnothing/status"] {
            talk.get(path).await;
        }
        talk.post("/v1/models/org/nothing/default", json!({})).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/models/openai:echo
            200
            {
              "availability": {"access":"available","credits_status":null,"provider":"openai"},
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

            > GET /v1/models/deepseek-chat
            200
            {
              "availability": {"access":"locked","credits_status":null,"provider":"deepseek"},
              "capabilities": {
                "hardware_requirements": null,
                "image_input_formats": null,
                "image_input_max_edge": null,
                "image_input_max_pixels": null,
                "max_context_tokens": 131072,
                "max_output_tokens": 8192,
                "output_formats": null,
                "tools": true,
                "vision": null
              },
              "created": 0,
              "id": "deepseek-chat",
              "is_default": false,
              "last_used_at": null,
              "local_path": null,
              "modality": "text",
              "name": "deepseek-chat",
              "object": "model",
              "owned_by": "deepseek",
              "pricing": {
                "cached_micros_per_million_tokens": 28000,
                "currency": "USD",
                "input_micros_per_million_tokens": 280000,
                "output_micros_per_million_tokens": 420000
              },
              "provider": "deepseek",
              "size_bytes": null,
              "source": null,
              "status": "available",
              "version": "latest"
            }

            > GET /v1/models/echo/status
            200
            {"model_id":"echo","queue_depth":0,"runtime_status":"loaded"}

            > GET /v1/models/org/nothing
            404
            {
              "code": "not_found",
              "detail": "Model 'org/nothing' not found",
              "error": {"code":"not_found","message":"Model 'org/nothing' not found","param":null,"type":"invalid_request_error"},
              "request_id": "[id 1]"
            }

            > GET /v1/models/org%2Fnothing/status
            404
            {
              "code": "not_found",
              "detail": "Model 'org/nothing' not found",
              "error": {"code":"not_found","message":"Model 'org/nothing' not found","param":null,"type":"invalid_request_error"},
              "request_id": "[id 2]"
            }

            > POST /v1/models/org/nothing/default {}
            404
            {
              "code": "not_found",
              "detail": "Model 'org/nothing' not found",
              "error": {"code":"not_found","message":"Model 'org/nothing' not found","param":null,"type":"invalid_request_error"},
              "request_id": "[id 3]"
            }
            "##); }
    }

    async fn everybody_has_a_default_and_administrators_set_that_of_all(database: Database) {
        let (app, ada) = start(database).await;
        let root = app.admin("root").await;
        app.store_key(&root.token, "openai", "sk-the-key-of-root").await;
        let mut talk = Talk::new(&app, &ada);
        talk.post("/v1/models/echo/default", json!({ "scope": "global" })).await;
        talk.post("/v1/models/echo/default", json!({ "scope": "everybody" })).await;
        talk.go_on_as(&root.token);
        let set = talk.post("/v1/models/unicode/default", json!({ "scope": "global" })).await;
        assert_eq!(set["is_default"], true);
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/models/echo/default {"scope":"global"}
            403
            {
              "code": "forbidden",
              "detail": "Admin privileges required",
              "error": {"code":"forbidden","message":"Admin privileges required","param":null,"type":"permission_error"},
              "request_id": "[id 1]"
            }

            > POST /v1/models/echo/default {"scope":"everybody"}
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["body","scope"],
                  "msg": "unknown variant `everybody`, expected `user` or `global`",
                  "type": "value_error"
                }
              ],
              "error": {
                "code": "validation_error",
                "message": "body.scope: unknown variant `everybody`, expected `user` or `global`",
                "param": "scope",
                "type": "invalid_request_error"
              },
              "request_id": "[id 2]"
            }

            > POST /v1/models/unicode/default {"scope":"global"}
            200
            {
              "availability": {"access":"available","credits_status":null,"provider":"openai"},
              "capabilities": null,
              "created": 1700000000,
              "id": "unicode",
              "is_default": true,
              "last_used_at": null,
              "local_path": null,
              "modality": "text",
              "name": "unicode",
              "object": "model",
              "owned_by": "fake",
              "pricing": null,
              "provider": "openai",
              "size_bytes": null,
              "source": null,
              "status": "available",
              "version": "latest"
            }
            "##); }
    }
}
