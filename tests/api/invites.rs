//! Invites: made, listed and revoked by administrators.

use std::time::Duration;

use http::Method;
use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use crate::accounts::{invalid, invite, personal_token, refusal, register, sentence, text};

const INVITES: &str = "/v1/users/invites";
const STATIC_KEY: &str = "the-operators-static-key";

each_db! {
    async fn an_invite_is_shown_once(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let reply = app.http().post(INVITES).bearer(&root.token).send().await;
        assert_eq!(reply.status, 201);
        let created = reply.json().await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(created, { ".id" => "[id]", ".invite_token" => "[token]" }, @r#"
            {
              "expires_at": "2026-11-29T12:00:00.000000Z",
              "grants_admin": false,
              "id": "[id]",
              "invite_token": "[token]",
              "max_uses": 1
            }
            "#);
        }
        let secret = text(&created["invite_token"]);
        assert!(secret.starts_with("lai_"));
        let list = app.get(INVITES, &root.token).await.text().await;
        assert!(list.contains(&text(&created["id"])) && !list.contains(&secret), "the list never shows it");
    }

    async fn an_invite_is_made_as_wished(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        for wishes in [json!({}), json!({ "max_uses": null, "expires_days": null, "grants_admin": null })] {
            let created = app.post(INVITES, &root.token, wishes).await.json().await;
            assert_eq!((&created["max_uses"], &created["grants_admin"]), (&json!(1), &json!(false)));
        }
        let wishes = json!({ "max_uses": 1000, "expires_days": 365.0, "grants_admin": true, "note": "ignored" });
        let created = app.post(INVITES, &root.token, wishes).await.json().await;
        assert_eq!((&created["max_uses"], &created["grants_admin"]), (&json!(1000), &json!(true)));
        assert_eq!(created["expires_at"], "2027-11-22T12:00:00.000000Z");
        for (field, values) in [
            ("max_uses", [json!(0), json!(-1), json!(1001), json!("x"), json!(1.5)]),
            ("expires_days", [json!(0), json!(-1), json!(366), json!("x"), json!(1.5)]),
        ] {
            for value in values {
                invalid(app.post(INVITES, &root.token, json!({ field: value })).await, field).await;
            }
        }
        assert_eq!(app.get(INVITES, &root.token).await.json().await.as_array().map(Vec::len), Some(3));
    }

    async fn the_list_tells_what_became_of_each(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let used = invite(&app, &root, json!({ "max_uses": 2 })).await;
        app.advance(Duration::from_secs(1));
        invite(&app, &root, json!({})).await;
        app.advance(Duration::from_secs(1));
        let registered = register(&app, json!({
            "username": "ada", "password": "a sentence of one's own", "invite_token": used,
        })).await.json().await;
        let reply = app.get(INVITES, &root.token).await;
        assert_eq!(reply.status, 200);
        let list = reply.json().await;
        let revoked = app.delete(&format!("{INVITES}/{}", text(&list[0]["id"])), &root.token).await;
        assert_eq!(revoked.json().await, json!({ "revoked": true }));
        let list = app.get(INVITES, &root.token).await.json().await;
        assert_eq!((&list[0]["created_by"], &list[1]["created_by"]), (&json!(root.id), &json!(root.id)));
        assert_eq!(list[1]["used_by"], registered["id"]);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(list, {
                "[].id" => "[id]", "[].created_by" => "[root]", "[1].used_by" => "[ada]",
            }, @r#"
            [
              {
                "created_at": "2026-11-22T12:00:01.000000Z",
                "created_by": "[root]",
                "expires_at": "2026-11-29T12:00:01.000000Z",
                "grants_admin": false,
                "id": "[id]",
                "max_uses": 1,
                "revoked_at": "2026-11-22T12:00:02.000000Z",
                "used_by": null,
                "uses": 0
              },
              {
                "created_at": "2026-11-22T12:00:00.000000Z",
                "created_by": "[root]",
                "expires_at": "2026-11-29T12:00:00.000000Z",
                "grants_admin": false,
                "id": "[id]",
                "max_uses": 2,
                "revoked_at": null,
                "used_by": "[ada]",
                "uses": 1
              }
            ]
            "#);
        }
    }

    async fn revoking_works_at_once_and_twice(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let other = app.admin("other").await;
        let secret = invite(&app, &root, json!({})).await;
        let list = app.get(INVITES, &root.token).await.json().await;
        let path = format!("{INVITES}/{}", text(&list[0]["id"]));
        // Invites belong to the server: any administrator may end one.
        for token in [&root.token, &other.token] {
            let reply = app.delete(&path, token).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.json().await, json!({ "revoked": true }));
        }
        let body = json!({ "username": "ada", "password": "a sentence of one's own", "invite_token": secret });
        refusal(register(&app, body).await, 400, "bad_request").await;
        for id in ["0193a6c1-0000-7000-8000-000000000000", "not-an-id"] {
            let reply = app.delete(&format!("{INVITES}/{id}"), &root.token).await;
            assert_eq!(sentence(reply, 404, "not_found").await, "Invite not found");
        }
    }

    async fn only_administrators_deal_in_invites(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let root = app.admin("root").await;
        let ada = app.person("ada").await;
        let narrow = personal_token(&app, &root.token, json!({ "scopes": ["account"] })).await;
        let one = app.post(INVITES, &root.token, json!({})).await.json().await;
        let path = format!("{INVITES}/{}", text(&one["id"]));
        for (method, path) in [(Method::POST, INVITES), (Method::GET, INVITES), (Method::DELETE, path.as_str())] {
            let ask = async |token: &str| app.http().request(method.clone(), path).bearer(token).send().await;
            for token in [ada.token.as_str(), STATIC_KEY] {
                assert_eq!(sentence(ask(token).await, 403, "forbidden").await, "Admin privileges required");
            }
            assert_eq!(sentence(ask(&narrow).await, 403, "forbidden").await, "This token lacks the scope `admin`");
            let nobody = app.http().request(method.clone(), path).send().await;
            assert_eq!(sentence(nobody, 401, "unauthenticated").await, "Missing authentication");
        }
        let list = app.get(INVITES, &root.token).await.json().await;
        assert_eq!((list.as_array().map(Vec::len), &list[0]["revoked_at"]), (Some(1), &Value::Null));
    }
}
