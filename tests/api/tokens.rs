//! Personal tokens for programs.

mod limits;

use std::time::Duration;

use llm_api_testkit::{TestApp, each_db};
use serde_json::{Value, json};

use crate::accounts::{invalid, is_good, personal_token, sentence, text};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|token| token["name"].as_str().unwrap_or("-")).collect()
}

each_db! {
    async fn a_token_is_shown_once_flat_and_under_info(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let wishes = json!({ "name": "laptop", "scopes": ["generate", "account"], "expires_days": 30 });
        let reply = app.post("/v1/users/tokens", &ada.token, wishes).await;
        assert_eq!(reply.status, 201);
        let mut created = reply.json().await;
        created.sort_all_objects();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(created, {
                ".id" => "[id]", ".info.id" => "[id]", ".token" => "[token]",
            }, @r#"
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "expires_at": "2026-12-22T12:00:00.000000Z",
              "id": "[id]",
              "info": {
                "created_at": "2026-11-22T12:00:00.000000Z",
                "expires_at": "2026-12-22T12:00:00.000000Z",
                "id": "[id]",
                "last_used_at": null,
                "name": "laptop",
                "on_disconnect": "cancel",
                "scopes": [
                  "generate",
                  "account"
                ]
              },
              "last_used_at": null,
              "name": "laptop",
              "on_disconnect": "cancel",
              "scopes": [
                "generate",
                "account"
              ],
              "token": "[token]"
            }
            "#);
        }
        assert_eq!(created["id"], created["info"]["id"]);
        let secret = text(&created["token"]);
        assert!(secret.starts_with("lap_") && secret.len() == 42, "prefix, 32 letters, 6 of checksum");

        let list = app.get("/v1/users/tokens", &secret).await.text().await;
        assert!(list.contains("laptop") && !list.contains(&secret), "the list never shows it");
    }

    async fn a_token_can_be_made_with_no_wishes_at_all(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let request = || app.http().post("/v1/users/tokens").bearer(&ada.token);
        let nulls = json!({ "name": null, "scopes": null, "expires_days": null });
        for request in [
            request(),
            request().header("content-type", "application/json"),
            request().json(json!({})),
            request().json(nulls),
            request().json(json!({ "scopes": [], "unknown": "ignored" })),
        ] {
            let reply = request.send().await;
            assert_eq!(reply.status, 201);
            let created = reply.json().await;
            assert_eq!(
                (&created["name"], &created["scopes"], &created["expires_at"], &created["last_used_at"]),
                (&json!(null), &json!([]), &json!(null), &json!(null)),
            );
            assert!(is_good(&app, &text(&created["token"])).await);
        }
    }

    async fn a_token_lives_as_long_as_asked(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for (days, expires_at) in [
            (json!(0), json!(null)),
            (json!(null), json!(null)),
            (json!(0.0), json!(null)),
            (json!(1), json!("2026-11-23T12:00:00.000000Z")),
            (json!(87.0), json!("2027-02-17T12:00:00.000000Z")),
            (json!(36500), json!("2126-10-29T12:00:00.000000Z")),
        ] {
            let reply = app.post("/v1/users/tokens", &ada.token, json!({ "expires_days": days })).await;
            assert_eq!(reply.status, 201);
            let created = reply.json().await;
            assert_eq!((&created["expires_at"], &created["info"]["expires_at"]), (&expires_at, &expires_at), "{days}");
        }
        for days in [
            json!(-1), json!(36501), json!(40000), json!("x"), json!("30"), json!(1.5), json!(1e300), json!([]),
        ] {
            let reply = app.post("/v1/users/tokens", &ada.token, json!({ "expires_days": days })).await;
            invalid(reply, "expires_days").await;
        }
        for name in [json!(7), json!("n".repeat(256))] {
            invalid(app.post("/v1/users/tokens", &ada.token, json!({ "name": name })).await, "name").await;
        }
    }

    async fn an_expired_token_is_refused_but_still_listed(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.advance(Duration::from_secs(1));
        let token = personal_token(&app, &ada.token, json!({ "name": "short", "expires_days": 1 })).await;
        app.advance(Duration::from_hours(24) - Duration::from_secs(1));
        assert!(is_good(&app, &token).await);
        app.advance(Duration::from_secs(1));
        assert!(!is_good(&app, &token).await);
        let list = app.get("/v1/users/tokens", &ada.token).await.json().await;
        assert_eq!(names(&list), ["session", "short"]);
    }

    async fn ada_lists_what_is_hers_and_not_revoked(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        personal_token(&app, &eve.token, json!({ "name": "eve's" })).await;
        for name in ["first", "second", "third"] {
            app.advance(Duration::from_secs(1));
            personal_token(&app, &ada.token, json!({ "name": name })).await;
        }
        let list = app.get("/v1/users/tokens", &ada.token).await.json().await;
        assert_eq!(names(&list), ["session", "first", "second", "third"], "bare, oldest first, with logins");
        let path = format!("/v1/users/tokens/{}", text(&list[2]["id"]));
        assert_eq!(app.delete(&path, &ada.token).await.status, 200);
        let list = app.get("/v1/users/tokens", &ada.token).await.json().await;
        assert_eq!(names(&list), ["session", "first", "third"]);
        let mut first = list[1].clone();
        first.sort_all_objects();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(first, { ".id" => "[id]" }, @r#"
            {
              "created_at": "2026-11-22T12:00:01.000000Z",
              "expires_at": null,
              "id": "[id]",
              "last_used_at": null,
              "name": "first",
              "on_disconnect": "cancel",
              "scopes": []
            }
            "#);
        }
    }

    async fn a_token_says_what_becomes_of_its_requests(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.advance(Duration::from_secs(1));
        let made = app.post("/v1/users/tokens", &ada.token, json!({ "on_disconnect": "drain" })).await.json().await;
        assert_eq!((&made["on_disconnect"], &made["info"]["on_disconnect"]), (&json!("drain"), &json!("drain")));
        let list = app.get("/v1/users/tokens", &ada.token).await.json().await;
        assert_eq!((&list[0]["on_disconnect"], &list[1]["on_disconnect"]), (&json!("cancel"), &json!("drain")));
        for odd in [json!("maybe"), json!("Drain"), json!(true)] {
            let refused = app.post("/v1/users/tokens", &ada.token, json!({ "on_disconnect": odd })).await;
            assert_eq!(refused.status, 422, "{odd}");
        }
    }

    async fn revoking_works_at_once_and_twice(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let created = app.post("/v1/users/tokens", &ada.token, json!({})).await.json().await;
        let (secret, path) = (text(&created["token"]), format!("/v1/users/tokens/{}", text(&created["id"])));
        assert!(is_good(&app, &secret).await);
        for _ in 0..2 {
            let reply = app.delete(&path, &ada.token).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.json().await, json!({ "revoked": true }));
            assert!(!is_good(&app, &secret).await);
        }
        // A token may also end itself.
        let created = app.post("/v1/users/tokens", &ada.token, json!({})).await.json().await;
        let (secret, path) = (text(&created["token"]), format!("/v1/users/tokens/{}", text(&created["id"])));
        assert_eq!(app.delete(&path, &secret).await.status, 200);
        assert!(!is_good(&app, &secret).await);
        assert!(is_good(&app, &ada.token).await);
    }

    async fn other_peoples_tokens_and_no_tokens_are_the_same_404(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.admin("eve").await;
        let created = app.post("/v1/users/tokens", &ada.token, json!({})).await.json().await;
        let adas = text(&created["id"]);
        for id in [adas.as_str(), "0193a6c1-0000-7000-8000-000000000000", "not-an-id", "%2e%2e", "7"] {
            let reply = app.delete(&format!("/v1/users/tokens/{id}"), &eve.token).await;
            assert_eq!(sentence(reply, 404, "not_found").await, "Token not found", "{id}");
        }
        assert!(is_good(&app, &text(&created["token"])).await);
    }

    async fn the_last_use_is_written_at_most_once_a_minute(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-of-ada-0001").await;
        app.advance(Duration::from_secs(1));
        let program = personal_token(&app, &ada.token, json!({ "name": "program" })).await;
        let use_it = async || {
            assert!(is_good(&app, &program).await);
            // The usage row of a later request is committed no earlier than what was queued before it.
            let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "hello" }] });
            assert_eq!(app.post("/v1/chat/completions", &ada.token, chat).await.status, 200);
            let list = app.get("/v1/users/tokens", &ada.token).await.json().await;
            assert_eq!(list[1]["name"], "program");
            list[1]["last_used_at"].clone()
        };
        app.advance(Duration::from_secs(4));
        assert_eq!(use_it().await, "2026-11-22T12:00:05.000000Z");
        app.advance(Duration::from_secs(59));
        assert_eq!(use_it().await, "2026-11-22T12:00:05.000000Z");
        app.advance(Duration::from_secs(1));
        assert_eq!(use_it().await, "2026-11-22T12:01:05.000000Z");
    }
}
