//! The profile: `GET`, `PATCH` and `PUT /v1/users/me`.

use http::Method;
use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use crate::accounts::{invalid, sentence};

each_db! {
    async fn ada_reads_her_profile(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada@example.org").await;
        let reply = app.get("/v1/users/me", &ada.token).await;
        assert_eq!(reply.status, 200);
        let profile = reply.json().await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(profile, { ".id" => "[id]" }, @r#"
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "display_name": "ada@example.org",
              "email": "ada@example.org",
              "id": "[id]",
              "is_admin": false,
              "preferences": {},
              "preferred_model": null,
              "username": "ada@example.org"
            }
            "#);
        }
    }

    async fn ada_changes_her_profile_by_patch_and_by_put(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for method in [Method::PATCH, Method::PUT] {
            let change = async |body: Value| {
                let request = app.http().request(method.clone(), "/v1/users/me").bearer(&ada.token);
                let reply = request.json(body).send().await;
                assert_eq!(reply.status, 200);
                let answered = reply.json().await;
                let read = app.get("/v1/users/me", &ada.token).await.json().await;
                assert_eq!(answered, read, "the new values are answered");
                answered
            };
            let all = json!({
                "display_name": "Ada", "preferred_model": "openai:gpt-4o",
                "preferences": { "theme": "dark", "n": [1, null] },
            });
            let changed = change(all.clone()).await;
            assert_eq!(changed["display_name"], "Ada");
            assert_eq!(changed["preferred_model"], "openai:gpt-4o");
            assert_eq!(changed["preferences"], all["preferences"]);

            // Null and missing leave a field as it is.
            let nulls = json!({ "display_name": null, "preferred_model": null, "preferences": null });
            assert_eq!(change(nulls).await, changed);
            assert_eq!(change(json!({})).await, changed);
            let named = change(json!({ "display_name": "Countess", "is_admin": true, "username": "root" })).await;
            assert_eq!(named["display_name"], "Countess");
            assert_eq!((&named["is_admin"], &named["username"]), (&json!(false), &json!("ada")), "ignored");

            // Preferences are replaced whole.
            let replaced = change(json!({ "preferences": { "font": "große" } })).await;
            assert_eq!(replaced["preferences"], json!({ "font": "große" }));
            assert_eq!(replaced["display_name"], "Countess");
            assert_eq!(change(json!({ "preferences": {} })).await["preferences"], json!({}));
        }
    }

    async fn a_profile_that_cannot_be_is_refused(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let change = async |body: Value| app.http().patch("/v1/users/me").bearer(&ada.token).json(body).send().await;
        invalid(change(json!({ "preferences": ["dark"] })).await, "preferences").await;
        invalid(change(json!({ "display_name": 7 })).await, "display_name").await;
        let long = "ä".repeat(256);
        for field in ["display_name", "preferred_model"] {
            assert_eq!(invalid(change(json!({ field: long })).await, field).await, "at most 255 characters");
        }
        assert_eq!(app.get("/v1/users/me", &ada.token).await.json().await["display_name"], "ada");
    }

    async fn ada_changes_only_her_own_profile(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        let reply = app.http().put("/v1/users/me").bearer(&ada.token)
            .json(json!({ "display_name": "Countess", "id": eve.id })).send().await;
        assert_eq!(reply.status, 200);
        assert_eq!(app.get("/v1/users/me", &eve.token).await.json().await["display_name"], "eve");
    }

    async fn the_static_key_is_no_person(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", "the-operators-static-key")]).await;
        for method in [Method::GET, Method::PATCH, Method::PUT] {
            let reply = app.http().request(method, "/v1/users/me").bearer("the-operators-static-key")
                .json(json!({ "display_name": "Somebody" })).send().await;
            assert_eq!(sentence(reply, 404, "not_found").await, "User not found");
        }
    }
}
