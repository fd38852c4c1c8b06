//! Tokens and invites.

use std::time::Duration;

use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use super::talk::Talk;

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

each_db! {
    async fn a_person_makes_and_revokes_tokens(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        let wishes = json!({ "name": "laptop", "scopes": ["generate"], "expires_days": 30 });
        app.advance(Duration::from_secs(1));
        let made = talk.post("/v1/users/tokens", wishes).await;
        // When a token was used is written behind.
        app.state.auth.store.recorder().flush().await;
        talk.get("/v1/users/tokens").await;
        talk.post_nothing("/v1/users/tokens").await;
        talk.post("/v1/users/tokens", json!({ "expires_days": -1 })).await;
        talk.post("/v1/users/tokens", json!({ "scopes": ["root"] })).await;
        let path = format!("/v1/users/tokens/{}", text(&made["id"]));
        talk.delete(&path).await;
        talk.delete(&path).await;
        talk.delete("/v1/users/tokens/nothing").await;
        talk.go_on_as(text(&made["token"]));
        talk.get("/v1/users/tokens").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/tokens {"expires_days":30,"name":"laptop","scopes":["generate"]}
            201
            {
              "created_at": "2026-11-22T12:00:01.000000Z",
              "expires_at": "2026-12-22T12:00:01.000000Z",
              "id": "[id 1]",
              "info": {
                "created_at": "2026-11-22T12:00:01.000000Z",
                "expires_at": "2026-12-22T12:00:01.000000Z",
                "id": "[id 1]",
                "last_used_at": null,
                "name": "laptop",
                "on_disconnect": "cancel",
                "scopes": ["generate"]
              },
              "last_used_at": null,
              "name": "laptop",
              "on_disconnect": "cancel",
              "scopes": ["generate"],
              "token": "[lap 2]"
            }

            > GET /v1/users/tokens
            200
            [
              {
                "created_at": "2026-11-22T12:00:00.000000Z",
                "expires_at": "2026-11-29T12:00:00.000000Z",
                "id": "[id 3]",
                "last_used_at": "2026-11-22T12:00:01.000000Z",
                "name": "session",
                "on_disconnect": "cancel",
                "scopes": []
              },
              {
                "created_at": "2026-11-22T12:00:01.000000Z",
                "expires_at": "2026-12-22T12:00:01.000000Z",
                "id": "[id 1]",
                "last_used_at": null,
                "name": "laptop",
                "on_disconnect": "cancel",
                "scopes": ["generate"]
              }
            ]

            > POST /v1/users/tokens
            201
            {
              "created_at": "2026-11-22T12:00:01.000000Z",
              "expires_at": null,
              "id": "[id 4]",
              "info": {
                "created_at": "2026-11-22T12:00:01.000000Z",
                "expires_at": null,
                "id": "[id 4]",
                "last_used_at": null,
                "name": null,
                "on_disconnect": "cancel",
                "scopes": []
              },
              "last_used_at": null,
              "name": null,
              "on_disconnect": "cancel",
              "scopes": [],
              "token": "[lap 5]"
            }

            > POST /v1/users/tokens {"expires_days":-1}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","expires_days"],"msg":"must be from 0 to 36500","type":"value_error"}],
              "request_id": "[id 6]"
            }

            > POST /v1/users/tokens {"scopes":["root"]}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","scopes"],"msg":"must be of generate, provider_keys, account, admin","type":"value_error"}],
              "request_id": "[id 7]"
            }

            > DELETE /v1/users/tokens/[id 1]
            200
            {"revoked":true}

            > DELETE /v1/users/tokens/[id 1]
            200
            {"revoked":true}

            > DELETE /v1/users/tokens/nothing
            404
            {"code":"not_found","detail":"Token not found","request_id":"[id 8]"}

            > GET /v1/users/tokens
            401
            {"code":"unauthenticated","detail":"Invalid or expired token","request_id":"[id 9]"}
            "##); }
    }

    async fn a_token_that_lacks_a_scope_is_told_so(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        let made = talk.post("/v1/users/tokens", json!({ "scopes": ["account"] })).await;
        talk.go_on_as(text(&made["token"]));
        talk.get("/v1/models").await;
        talk.get("/v1/users/provider-keys").await;
        talk.post("/v1/users/tokens", json!({ "scopes": ["generate"] })).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/tokens {"scopes":["account"]}
            201
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "expires_at": null,
              "id": "[id 1]",
              "info": {
                "created_at": "2026-11-22T12:00:00.000000Z",
                "expires_at": null,
                "id": "[id 1]",
                "last_used_at": null,
                "name": null,
                "on_disconnect": "cancel",
                "scopes": ["account"]
              },
              "last_used_at": null,
              "name": null,
              "on_disconnect": "cancel",
              "scopes": ["account"],
              "token": "[lap 2]"
            }

            > GET /v1/models
            403
            {
              "code": "forbidden",
              "detail": "This token lacks the scope `generate`",
              "error": {
                "code": "forbidden",
                "message": "This token lacks the scope `generate`",
                "param": null,
                "type": "permission_error"
              },
              "request_id": "[id 3]"
            }

            > GET /v1/users/provider-keys
            403
            {"code":"forbidden","detail":"This token lacks the scope `provider_keys`","request_id":"[id 4]"}

            > POST /v1/users/tokens {"scopes":["generate"]}
            403
            {"code":"forbidden","detail":"A token cannot make one with more scopes than its own","request_id":"[id 5]"}
            "##); }
    }

    async fn administrators_invite(database: Database) {
        let app = TestApp::start(database).await;
        let (root, ada) = (app.admin("root").await, app.person("ada").await);
        let mut talk = Talk::new(&app, &root);
        let made = talk.post("/v1/users/invites", json!({ "max_uses": 2, "expires_days": 1 })).await;
        talk.post("/v1/users/invites", json!({ "max_uses": 0 })).await;
        talk.get("/v1/users/invites").await;
        let path = format!("/v1/users/invites/{}", text(&made["id"]));
        talk.delete(&path).await;
        talk.delete(&path).await;
        talk.delete("/v1/users/invites/nothing").await;
        talk.go_on_as(&ada.token);
        talk.post("/v1/users/invites", json!({})).await;
        talk.get("/v1/users/invites").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/invites {"expires_days":1,"max_uses":2}
            201
            {
              "expires_at": "2026-11-23T12:00:00.000000Z",
              "grants_admin": false,
              "id": "[id 1]",
              "invite_token": "[lai 2]",
              "max_uses": 2
            }

            > POST /v1/users/invites {"max_uses":0}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","max_uses"],"msg":"must be from 1 to 1000","type":"value_error"}],
              "request_id": "[id 3]"
            }

            > GET /v1/users/invites
            200
            [
              {
                "created_at": "2026-11-22T12:00:00.000000Z",
                "created_by": "[id 4]",
                "expires_at": "2026-11-23T12:00:00.000000Z",
                "grants_admin": false,
                "id": "[id 1]",
                "max_uses": 2,
                "revoked_at": null,
                "used_by": null,
                "uses": 0
              }
            ]

            > DELETE /v1/users/invites/[id 1]
            200
            {"revoked":true}

            > DELETE /v1/users/invites/[id 1]
            200
            {"revoked":true}

            > DELETE /v1/users/invites/nothing
            404
            {"code":"not_found","detail":"Invite not found","request_id":"[id 5]"}

            > POST /v1/users/invites {}
            403
            {"code":"forbidden","detail":"Admin privileges required","request_id":"[id 6]"}

            > GET /v1/users/invites
            403
            {"code":"forbidden","detail":"Admin privileges required","request_id":"[id 7]"}
            "##); }
    }
}
