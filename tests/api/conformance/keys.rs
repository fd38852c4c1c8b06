//! The keys of providers.

use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

use super::talk::Talk;

const KEYS: &str = "/v1/users/provider-keys";

each_db! {
    async fn every_kind_of_credential_is_stored_and_masked(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.post(KEYS, json!({ "provider": "openai", "api_key": "sk-adas-own-key" })).await;
        let azure = app.provider.azure_base_url();
        let key = json!({ "provider": "azure", "credential_type": "endpoint_key", "api_key": "azk-1", "endpoint": azure });
        talk.post(KEYS, key).await;
        let key = json!({ "provider": "anthropic", "credential_type": "oauth_token", "oauth_token": "oat-adas-own" });
        talk.post(KEYS, key).await;
        let key = json!({ "provider": "google", "credential_type": "service_account", "service_account_json": "{}" });
        talk.post(KEYS, key).await;
        talk.get(KEYS).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/provider-keys {"api_key":"sk-adas-own-key","provider":"openai"}
            201
            {
              "checked_at": "2026-11-22T12:00:00.000000Z",
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "api_key",
              "endpoint": null,
              "id": "[id 1]",
              "masked_key": "sk-...key",
              "provider": "openai",
              "status": "valid",
              "status_detail": "The provider lists 22 models"
            }

            > POST /v1/users/provider-keys {"api_key":"azk-1","credential_type":"endpoint_key","endpoint":"http://127.0.0.1:[port]","provider":"azure"}
            201
            {
              "checked_at": "2026-11-22T12:00:00.000000Z",
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "endpoint_key",
              "endpoint": "http://127.0.0.1:[port]",
              "id": "[id 2]",
              "masked_key": "***",
              "provider": "azure",
              "status": "valid",
              "status_detail": "The provider accepts the key"
            }

            > POST /v1/users/provider-keys {"credential_type":"oauth_token","oauth_token":"oat-adas-own","provider":"anthropic"}
            201
            {
              "checked_at": "2026-11-22T12:00:00.000000Z",
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "oauth_token",
              "endpoint": null,
              "id": "[id 3]",
              "masked_key": "oat...own",
              "provider": "anthropic",
              "status": "valid",
              "status_detail": "The provider lists 22 models"
            }

            > POST /v1/users/provider-keys {"credential_type":"service_account","provider":"google","service_account_json":"{}"}
            201
            {
              "checked_at": null,
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "service_account",
              "endpoint": null,
              "id": "[id 4]",
              "masked_key": "service_account_json",
              "provider": "google",
              "status": "unchecked",
              "status_detail": "A service account is kept, but cannot be used to generate"
            }

            > GET /v1/users/provider-keys
            200
            [
              {
                "checked_at": "2026-11-22T12:00:00.000000Z",
                "created_at": "2026-11-22T12:00:00.000000Z",
                "credential_type": "oauth_token",
                "endpoint": null,
                "id": "[id 3]",
                "masked_key": "oat...own",
                "provider": "anthropic",
                "status": "valid",
                "status_detail": "The provider lists 22 models"
              },
              {
                "checked_at": "2026-11-22T12:00:00.000000Z",
                "created_at": "2026-11-22T12:00:00.000000Z",
                "credential_type": "endpoint_key",
                "endpoint": "http://127.0.0.1:[port]",
                "id": "[id 2]",
                "masked_key": "***",
                "provider": "azure",
                "status": "valid",
                "status_detail": "The provider accepts the key"
              },
              {
                "checked_at": null,
                "created_at": "2026-11-22T12:00:00.000000Z",
                "credential_type": "service_account",
                "endpoint": null,
                "id": "[id 4]",
                "masked_key": "service_account_json",
                "provider": "google",
                "status": "unchecked",
                "status_detail": "A service account is kept, but cannot be used to generate"
              },
              {
                "checked_at": "2026-11-22T12:00:00.000000Z",
                "created_at": "2026-11-22T12:00:00.000000Z",
                "credential_type": "api_key",
                "endpoint": null,
                "id": "[id 1]",
                "masked_key": "sk-...key",
                "provider": "openai",
                "status": "valid",
                "status_detail": "The provider lists 22 models"
              }
            ]
            "##); }
    }

    async fn a_key_is_replaced_and_deleted(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.post(KEYS, json!({ "provider": "openai", "api_key": "sk-bad-one" })).await;
        talk.post(KEYS, json!({ "provider": "OpenAI", "api_key": "sk-adas-own-key" })).await;
        talk.get(KEYS).await;
        talk.delete(&format!("{KEYS}/openai")).await;
        talk.delete(&format!("{KEYS}/openai")).await;
        talk.delete(&format!("{KEYS}/nobody")).await;
        talk.get(KEYS).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/provider-keys {"api_key":"sk-bad-one","provider":"openai"}
            201
            {
              "checked_at": "2026-11-22T12:00:00.000000Z",
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "api_key",
              "endpoint": null,
              "id": "[id 1]",
              "masked_key": "sk-...one",
              "provider": "openai",
              "status": "rejected",
              "status_detail": "the provider rejected the key (401): Incorrect API key provided: Bearer [redacted]. You can find your API key in your account settings."
            }

            > POST /v1/users/provider-keys {"api_key":"sk-adas-own-key","provider":"OpenAI"}
            201
            {
              "checked_at": "2026-11-22T12:00:00.000000Z",
              "created_at": "2026-11-22T12:00:00.000000Z",
              "credential_type": "api_key",
              "endpoint": null,
              "id": "[id 2]",
              "masked_key": "sk-...key",
              "provider": "openai",
              "status": "valid",
              "status_detail": "The provider lists 22 models"
            }

            > GET /v1/users/provider-keys
            200
            [
              {
                "checked_at": "2026-11-22T12:00:00.000000Z",
                "created_at": "2026-11-22T12:00:00.000000Z",
                "credential_type": "api_key",
                "endpoint": null,
                "id": "[id 2]",
                "masked_key": "sk-...key",
                "provider": "openai",
                "status": "valid",
                "status_detail": "The provider lists 22 models"
              }
            ]

            > DELETE /v1/users/provider-keys/openai
            200
            {"deleted":true}

            > DELETE /v1/users/provider-keys/openai
            404
            {"code":"not_found","detail":"Provider key not found","request_id":"[id 3]"}

            > DELETE /v1/users/provider-keys/nobody
            404
            {"code":"not_found","detail":"Provider key not found","request_id":"[id 4]"}

            > GET /v1/users/provider-keys
            200
            []
            "##); }
    }

    async fn what_is_missing_or_wrong_is_named(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        for wrong in [
            json!({ "provider": "openai" }),
            json!({ "provider": "azure", "credential_type": "endpoint_key", "api_key": "azk-1" }),
            json!({ "provider": "google", "credential_type": "oauth_token", "oauth_token": "" }),
            json!({ "provider": "google", "credential_type": "service_account" }),
            json!({ "provider": "openai", "credential_type": "password" }),
            json!({ "provider": "nobody", "api_key": "sk-adas-own-key" }),
            json!({ "api_key": "sk-adas-own-key" }),
            json!({ "provider": "openai", "api_key": 7 }),
        ] {
            talk.post(KEYS, wrong).await;
        }
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/provider-keys {"provider":"openai"}
            400
            {"code":"bad_request","detail":"api_key is required for this credential_type","request_id":"[id 1]"}

            > POST /v1/users/provider-keys {"api_key":"azk-1","credential_type":"endpoint_key","provider":"azure"}
            400
            {
              "code": "bad_request",
              "detail": "endpoint is required for this provider or credential_type",
              "request_id": "[id 2]"
            }

            > POST /v1/users/provider-keys {"credential_type":"oauth_token","oauth_token":"","provider":"google"}
            400
            {"code":"bad_request","detail":"oauth_token is required for this credential_type","request_id":"[id 3]"}

            > POST /v1/users/provider-keys {"credential_type":"service_account","provider":"google"}
            400
            {
              "code": "bad_request",
              "detail": "service_account_json is required for this credential_type",
              "request_id": "[id 4]"
            }

            > POST /v1/users/provider-keys {"credential_type":"password","provider":"openai"}
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["body","credential_type"],
                  "msg": "must be one of api_key, endpoint_key, oauth_token, service_account",
                  "type": "value_error"
                }
              ],
              "request_id": "[id 5]"
            }

            > POST /v1/users/provider-keys {"api_key":"sk-adas-own-key","provider":"nobody"}
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["body","provider"],
                  "msg": "must be one of openai, anthropic, google, azure, xai, deepseek, groq, huggingface, openrouter, mistral, together, fireworks, bedrock, custom, other",
                  "type": "value_error"
                }
              ],
              "request_id": "[id 6]"
            }

            > POST /v1/users/provider-keys {"api_key":"sk-adas-own-key"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","provider"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 7]"
            }

            > POST /v1/users/provider-keys {"api_key":7,"provider":"openai"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","api_key"],"msg":"invalid type: integer `7`, expected a string","type":"value_error"}],
              "request_id": "[id 8]"
            }
            "##); }
    }
}
