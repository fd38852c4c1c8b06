//! The forms of errors that belong to no single endpoint.

use http::Method;
use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

use super::talk::Talk;

each_db! {
    async fn paths_methods_and_credentials(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::of_a_stranger(&app);
        talk.get("/nowhere").await;
        talk.get("/v1/chat/nowhere").await;
        talk.delete("/v1/users/me").await;
        talk.get("/v1/chat/completions").await;
        talk.get("/v1/sessions").await;
        let request = app.http().get("/v1/sessions").header("x-api-key", "junk").bearer(&ada.token);
        talk.tell("GET /v1/sessions with a bad X-API-Key and a good token", request.send().await).await;
        talk.go_on_as("junk");
        talk.get("/v1/sessions").await;
        talk.get("/v1/models").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /nowhere
            404
            {"code":"not_found","detail":"Not Found","request_id":"[id 1]"}

            > GET /v1/chat/nowhere
            404
            {
              "code": "not_found",
              "error": {"code":"not_found","message":"Not Found","param":null,"type":"invalid_request_error"},
              "request_id": "[id 2]"
            }

            > DELETE /v1/users/me
            405
            {"code":"method_not_allowed","detail":"Method Not Allowed","request_id":"[id 3]"}

            > GET /v1/chat/completions
            405
            {
              "code": "method_not_allowed",
              "error": {"code":"method_not_allowed","message":"Method Not Allowed","param":null,"type":"invalid_request_error"},
              "request_id": "[id 4]"
            }

            > GET /v1/sessions
            401
            {"code":"unauthenticated","detail":"Missing authentication","request_id":"[id 5]"}

            > GET /v1/sessions with a bad X-API-Key and a good token
            401
            {"code":"unauthenticated","detail":"Invalid API key","request_id":"[id 6]"}

            > GET /v1/sessions
            401
            {"code":"unauthenticated","detail":"Invalid or expired token","request_id":"[id 7]"}

            > GET /v1/models
            401
            {
              "code": "unauthenticated",
              "detail": "Invalid or expired token",
              "error": {"code":"invalid_api_key","message":"Invalid or expired token","param":null,"type":"invalid_request_error"},
              "request_id": "[id 8]"
            }
            "##); }
    }

    async fn bodies_that_are_no_json(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        for body in ["", "{", "{} x", "[]", r#"{"title":"\u0000"}"#, &"[".repeat(200)] {
            let asked = format!("PUT /v1/sessions/x {}", body.get(..40).unwrap_or(body));
            let request = app.http().put("/v1/sessions/x").bearer(&ada.token).body(body.to_owned());
            talk.tell(&asked, request.send().await).await;
        }
        let request = app.http().put("/v1/sessions/x").bearer(&ada.token).header("content-encoding", "gzip");
        talk.tell("PUT /v1/sessions/x with gzip", request.send().await).await;
        let request = app.http().put("/v1/sessions/x").bearer(&ada.token).body("x".repeat(1024 * 1024 + 1));
        talk.tell("PUT /v1/sessions/x with more than 1 MiB", request.send().await).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > PUT /v1/sessions/x
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 1]"
            }

            > PUT /v1/sessions/x {
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body"],"msg":"JSON decode error at line 1 column 1","type":"json_invalid"}],
              "request_id": "[id 2]"
            }

            > PUT /v1/sessions/x {} x
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body"],"msg":"JSON decode error at line 1 column 4","type":"json_invalid"}],
              "request_id": "[id 3]"
            }

            > PUT /v1/sessions/x []
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body"],"msg":"must be a JSON object","type":"value_error"}],
              "request_id": "[id 4]"
            }

            > PUT /v1/sessions/x {"title":"\u0000"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body"],"msg":"text must not contain the character U+0000","type":"value_error"}],
              "request_id": "[id 5]"
            }

            > PUT /v1/sessions/x [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body"],"msg":"the JSON is nested deeper than 128 levels","type":"value_error"}],
              "request_id": "[id 6]"
            }

            > PUT /v1/sessions/x with gzip
            415
            {
              "code": "unsupported_media_type",
              "detail": "Compressed request bodies are not accepted; send the body without Content-Encoding",
              "request_id": "[id 7]"
            }

            > PUT /v1/sessions/x with more than 1 MiB
            413
            {"code":"payload_too_large","detail":"The request body is larger than 1 MiB","request_id":"[id 8]"}
            "##); }
    }

    async fn every_problem_of_a_body_has_type_loc_and_msg(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.send(Method::PUT, "/v1/users/me", json!({ "display_name": 7 })).await;
        talk.post("/v1/generate", json!({ "modality": "text", "input": { "images": [7] } })).await;
        talk.post("/v1/generate", json!({ "modality": 7, "input": {} })).await;
        talk.get("/v1/models?limit=0").await;
        talk.post("/v1/chat/completions", json!({ "messages": [] })).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > PUT /v1/users/me {"display_name":7}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","display_name"],"msg":"invalid type: integer `7`, expected a string","type":"value_error"}],
              "request_id": "[id 1]"
            }

            > POST /v1/generate {"input":{"images":[7]},"modality":"text"}
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["body","input","images[0]"],
                  "msg": "invalid type: integer `7`, expected a string",
                  "type": "value_error"
                }
              ],
              "request_id": "[id 2]"
            }

            > POST /v1/generate {"input":{},"modality":7}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","modality"],"msg":"wrong type","type":"value_error"}],
              "request_id": "[id 3]"
            }

            > GET /v1/models?limit=0
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["query","limit"],
                  "msg": "invalid value: integer `0`, expected a nonzero usize",
                  "type": "value_error"
                }
              ],
              "error": {
                "code": "validation_error",
                "message": "query.limit: invalid value: integer `0`, expected a nonzero usize",
                "param": "limit",
                "type": "invalid_request_error"
              },
              "request_id": "[id 4]"
            }

            > POST /v1/chat/completions {"messages":[]}
            400
            {
              "code": "invalid_request",
              "error": {
                "code": "invalid_request",
                "message": "The member \"model\" is missing.",
                "param": "model",
                "type": "invalid_request_error"
              },
              "request_id": "[id 5]"
            }
            "##); }
    }
}
