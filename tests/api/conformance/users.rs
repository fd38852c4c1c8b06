//! Accounts.

use http::Method;
use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

use super::talk::Talk;

const STATIC_KEY: &str = "the-operators-static-key";
const PASSWORD: &str = "a-password-of-graces";

each_db! {
    async fn an_account_is_made_with_an_invite(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let mut talk = Talk::new(&app, &root);
        let invite = talk.post_nothing("/v1/users/invites").await;
        talk.go_on_as("");
        let account = json!({ "username": " grace ", "password": PASSWORD, "invite_token": invite["invite_token"] });
        talk.post("/v1/users/register", account).await;
        talk.post("/v1/users/register", json!({ "email": "eve", "password": PASSWORD })).await;
        talk.post("/v1/users/register", json!({ "username": "eve", "password": "short" })).await;
        talk.post("/v1/users/register", json!({ "password": PASSWORD })).await;
        talk.post("/v1/users/register", json!({ "username": "eve" })).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/invites
            201
            {
              "expires_at": "2026-11-29T12:00:00.000000Z",
              "grants_admin": false,
              "id": "[id 1]",
              "invite_token": "[lai 2]",
              "max_uses": 1
            }

            > POST /v1/users/register {"invite_token":"[lai 2]","password":"a-password-of-graces","username":" grace "}
            201
            {
              "access_token": "[las 3]",
              "display_name": "grace",
              "email": "grace",
              "expires_in": 604800,
              "id": "[id 4]",
              "is_admin": false,
              "token": "[las 3]",
              "token_type": "bearer",
              "user": {"display_name":"grace","email":"grace","id":"[id 4]","is_admin":false,"username":"grace"},
              "username": "grace"
            }

            > POST /v1/users/register {"email":"eve","password":"a-password-of-graces"}
            400
            {
              "code": "bad_request",
              "detail": "Registration failed. The invite is missing, unknown, used, revoked or expired.",
              "request_id": "[id 5]"
            }

            > POST /v1/users/register {"password":"short","username":"eve"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","password"],"msg":"The password must have at least 12 characters.","type":"value_error"}],
              "request_id": "[id 6]"
            }

            > POST /v1/users/register {"password":"a-password-of-graces"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","username"],"msg":"username or email is required","type":"value_error"}],
              "request_id": "[id 7]"
            }

            > POST /v1/users/register {"username":"eve"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","password"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 8]"
            }
            "##); }
    }

    async fn a_taken_name_is_refused(database: Database) {
        let app = TestApp::start_with(database, &[("INVITE_REQUIRED", "false")]).await;
        let mut talk = Talk::of_a_stranger(&app);
        let account = json!({ "email": "grace@example.org", "password": PASSWORD, "display_name": null });
        talk.post("/v1/users/register", account.clone()).await;
        talk.post("/v1/users/register", account).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/register {"display_name":null,"email":"grace@example.org","password":"a-password-of-graces"}
            201
            {
              "access_token": "[las 1]",
              "display_name": "grace",
              "email": "grace@example.org",
              "expires_in": 604800,
              "id": "[id 2]",
              "is_admin": false,
              "token": "[las 1]",
              "token_type": "bearer",
              "user": {
                "display_name": "grace",
                "email": "grace@example.org",
                "id": "[id 2]",
                "is_admin": false,
                "username": "grace@example.org"
              },
              "username": "grace@example.org"
            }

            > POST /v1/users/register {"display_name":null,"email":"grace@example.org","password":"a-password-of-graces"}
            400
            {"code":"bad_request","detail":"Registration failed. The name is taken.","request_id":"[id 3]"}
            "##); }
    }

    async fn a_person_signs_in(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::of_a_stranger(&app);
        talk.post("/v1/users/login", json!({ "email": "ada", "password": ada.password })).await;
        talk.post("/v1/users/login", json!({ "username": "ada", "password": "wrong" })).await;
        talk.post("/v1/users/login", json!({ "username": "ada" })).await;
        talk.go_on_as(&ada.token);
        talk.post_nothing("/v1/users/logout").await;
        talk.get("/v1/users/me").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/login {"email":"ada","password":"the-password-of-ada"}
            200
            {
              "access_token": "[las 1]",
              "expires_in": 604800,
              "token": "[las 1]",
              "token_type": "bearer",
              "user": {"display_name":"ada","email":"ada","id":"[id 2]","is_admin":false,"username":"ada"}
            }

            > POST /v1/users/login {"password":"wrong","username":"ada"}
            401
            {"code":"unauthenticated","detail":"Invalid credentials","request_id":"[id 3]"}

            > POST /v1/users/login {"username":"ada"}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","password"],"msg":"Field required","type":"missing"}],
              "request_id": "[id 4]"
            }

            > POST /v1/users/logout
            200
            {"logged_out":true}

            > GET /v1/users/me
            401
            {"code":"unauthenticated","detail":"Invalid or expired token","request_id":"[id 5]"}
            "##); }
    }

    async fn a_person_reads_and_changes_the_profile(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/users/me").await;
        let change = json!({ "display_name": "Ada", "preferred_model": "gpt-4o", "preferences": { "theme": "dark" } });
        talk.send(Method::PATCH, "/v1/users/me", change).await;
        talk.send(Method::PUT, "/v1/users/me", json!({ "preferences": {} })).await;
        talk.send(Method::PATCH, "/v1/users/me", json!({ "preferences": [] })).await;
        talk.go_on_as(STATIC_KEY);
        talk.get("/v1/users/me").await;
        talk.send(Method::PATCH, "/v1/users/me", json!({})).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/users/me
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "display_name": "ada",
              "email": "ada",
              "id": "[id 1]",
              "is_admin": false,
              "preferences": {},
              "preferred_model": null,
              "username": "ada"
            }

            > PATCH /v1/users/me {"display_name":"Ada","preferences":{"theme":"dark"},"preferred_model":"gpt-4o"}
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "display_name": "Ada",
              "email": "ada",
              "id": "[id 1]",
              "is_admin": false,
              "preferences": {"theme":"dark"},
              "preferred_model": "gpt-4o",
              "username": "ada"
            }

            > PUT /v1/users/me {"preferences":{}}
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "display_name": "Ada",
              "email": "ada",
              "id": "[id 1]",
              "is_admin": false,
              "preferences": {},
              "preferred_model": "gpt-4o",
              "username": "ada"
            }

            > PATCH /v1/users/me {"preferences":[]}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","preferences"],"msg":"invalid type: sequence, expected a map","type":"value_error"}],
              "request_id": "[id 2]"
            }

            > GET /v1/users/me
            404
            {"code":"not_found","detail":"User not found","request_id":"[id 3]"}

            > PATCH /v1/users/me {}
            404
            {"code":"not_found","detail":"User not found","request_id":"[id 4]"}
            "##); }
    }

    async fn a_person_changes_the_password(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        let path = "/v1/users/change-password";
        talk.post(path, json!({ "current_password": "wrong", "new_password": "a-longer-password" })).await;
        talk.post(path, json!({ "current_password": ada.password, "new_password": "short" })).await;
        talk.post(path, json!({ "current_password": ada.password, "new_password": "a-longer-password" })).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/users/change-password {"current_password":"wrong","new_password":"a-longer-password"}
            400
            {
              "code": "bad_request",
              "detail": "The password was not changed: the current password is wrong",
              "request_id": "[id 1]"
            }

            > POST /v1/users/change-password {"current_password":"the-password-of-ada","new_password":"short"}
            422
            {
              "code": "validation_error",
              "detail": [
                {
                  "loc": ["body","new_password"],
                  "msg": "The password must have at least 12 characters.",
                  "type": "value_error"
                }
              ],
              "request_id": "[id 2]"
            }

            > POST /v1/users/change-password {"current_password":"the-password-of-ada","new_password":"a-longer-password"}
            200
            {"changed":true}
            "##); }
    }
}
