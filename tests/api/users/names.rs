//! What may be a name and what a password, and which field they come in.

use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

use crate::accounts::{invalid, invite, register, text};

const PASSWORD: &str = "a sentence of one's own";

each_db! {
    async fn weak_passwords_are_refused_with_the_reason(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({})).await;
        let long = "ä".repeat(513);
        for (password, reason) in [
            ("eleven char", "at least 12 characters"),
            ("PassWord1234", "common passwords"),
            ("ADA.Lovelace@example.org", "must not be the username"),
            (long.as_str(), "at most 1,024 bytes"),
        ] {
            let body = json!({ "username": "ada.lovelace@example.org", "password": password, "invite_token": invite });
            let sentence = invalid(register(&app, body).await, "password").await;
            assert!(sentence.contains(reason), "{sentence}");
        }
        // None of that used up the invite, or counted as a failure.
        let longest = "ä".repeat(512);
        let body = json!({ "username": "ada", "password": longest, "invite_token": invite });
        assert_eq!(register(&app, body).await.status, 201);
        assert_eq!(app.login("ada", &longest).await.status, 200);
    }

    async fn the_username_wins_over_the_email_and_is_trimmed(database: Database) {
        let app = TestApp::start_with(database, &[("INVITE_REQUIRED", "false")]).await;
        let both = json!({ "username": "  ada ", "email": "other@example.org", "password": PASSWORD });
        let body = register(&app, both.clone()).await.json().await;
        assert_eq!((&body["username"], &body["email"]), (&json!("ada"), &json!("ada")));
        let only_email = json!({ "username": "", "email": " grace@example.org ", "password": PASSWORD });
        let body = register(&app, only_email.clone()).await.json().await;
        assert_eq!((&body["username"], &body["email"]), (&json!("grace@example.org"), &json!("grace@example.org")));

        // Signing in reads the same two fields.
        for (wishes, name) in [(both, "ada"), (only_email, "grace@example.org")] {
            let reply = app.http().post("/v1/users/login").json(wishes).send().await;
            assert_eq!(reply.status, 200);
            assert_eq!(text(&reply.json().await["user"]["username"]), name);
        }
    }

    async fn a_name_and_a_password_are_needed(database: Database) {
        let app = TestApp::start_with(database, &[("INVITE_REQUIRED", "false")]).await;
        for path in ["/v1/users/register", "/v1/users/login"] {
            for body in [
                json!({ "password": PASSWORD }),
                json!({ "username": null, "email": null, "password": PASSWORD }),
                json!({ "username": "", "email": "  ", "password": PASSWORD }),
            ] {
                let reply = app.http().post(path).json(body).send().await;
                assert_eq!(invalid(reply, "username").await, "username or email is required");
            }
            for body in [json!({ "username": "ada" }), json!({ "username": "ada", "password": null })] {
                invalid(app.http().post(path).json(body).send().await, "password").await;
            }
        }
    }

    async fn names_that_no_screen_can_show_are_refused(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "max_uses": 2 })).await;
        let come = async |username: &str, display_name: &str| {
            let body = json!({
                "username": username, "display_name": display_name, "password": PASSWORD, "invite_token": invite,
            });
            register(&app, body).await
        };
        let too_long = "ä".repeat(256);
        let longest = "ä".repeat(255);
        for name in ["ada\u{7}", "ada\nroot", "ada\u{9f}"] {
            assert_eq!(invalid(come(name, "Ada").await, "username").await, "control characters are not allowed");
        }
        assert_eq!(invalid(come(&too_long, "Ada").await, "username").await, "at most 255 characters");
        assert_eq!(invalid(come("ada", &too_long).await, "display_name").await, "at most 255 characters");
        // U+0000 is refused before anybody asks which field it stands in.
        assert_eq!(come("ada\0", "Ada").await.status, 422);
        assert_eq!(come("ada", "A\0da").await.status, 422);
        assert_eq!(come(&longest, &longest).await.status, 201);
        assert_eq!(come("Ädà 🦀", "Ada").await.status, 201);
    }
}
