//! Signing in and out.

use std::time::Duration;

use llm_api_testkit::{HttpReply, TestApp, each_db};
use serde_json::json;

use crate::{
    accounts::{BEHIND_A_PROXY, Calling as _, is_good, personal_token, sentence, text, throttled},
    database::OpenDatabase,
};

/// Everything that a client can see of a reply, but for the request's id and the time of day.
async fn all_to_see(reply: HttpReply) -> String {
    let (status, id, mut headers) = (reply.status, reply.header("x-request-id").to_owned(), reply.headers.clone());
    headers.remove("date");
    headers.remove("x-request-id");
    format!("{status} {headers:?} {}", reply.text().await.replace(&id, "[request id]"))
}

async fn login_from(app: &TestApp, address: &str, name: &str, password: &str) -> HttpReply {
    let body = json!({ "username": name, "password": password });
    app.http().post("/v1/users/login").calling_from(address).json(body).send().await
}

each_db! {
    async fn ada_signs_in(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.admin("ada@example.org").await;
        let reply = app.login(&ada.username, &ada.password).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), "no-store");
        let body = reply.json().await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(body, {
                ".user.id" => "[id]", ".token" => "[token]", ".access_token" => "[token]",
            }, @r#"
            {
              "access_token": "[token]",
              "expires_in": 604800,
              "token": "[token]",
              "token_type": "bearer",
              "user": {
                "display_name": "ada@example.org",
                "email": "ada@example.org",
                "id": "[id]",
                "is_admin": true,
                "username": "ada@example.org"
              }
            }
            "#);
        }
        assert_eq!(body["token"], body["access_token"]);
        assert_eq!(body["user"]["id"], ada.id);
    }

    async fn wrong_unknown_and_disabled_look_alike(database: Database) {
        let open = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[open.setting()]).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        open.change("UPDATE users SET is_active = FALSE WHERE username = 'eve'").await;

        let wrong = app.login("ada", "not the password").await;
        assert_eq!(wrong.status, 401);
        let wrong = all_to_see(wrong).await;
        assert!(wrong.contains(r#""detail":"Invalid credentials""#), "{wrong}");
        assert_eq!(all_to_see(app.login("nobody", "not the password").await).await, wrong);
        assert_eq!(all_to_see(app.login("eve", &eve.password).await).await, wrong);
        // Nor does the account behind the static key have a password.
        assert_eq!(all_to_see(app.login("service", "").await).await, wrong);

        assert!(!is_good(&app, &eve.token).await, "who is disabled is out at once");
        assert!(is_good(&app, &ada.token).await);
    }

    async fn guessing_at_one_name_is_slow_from_wherever_it_comes(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let ada = app.person("ada@example.org").await;
        for index in 0..10 {
            let name = if index % 2 == 0 { "ada@example.org" } else { "ADA@example.org" };
            let reply = login_from(&app, &format!("198.51.100.{index}"), name, "a guess").await;
            assert_eq!(sentence(reply, 401, "unauthenticated").await, "Invalid credentials");
        }
        let elsewhere = "203.0.113.9";
        assert_eq!(throttled(login_from(&app, elsewhere, &ada.username, &ada.password).await).await, 60);
        assert!(is_good(&app, &ada.token).await, "who is signed in notices nothing");
        assert_eq!(login_from(&app, elsewhere, "grace", "a guess").await.status, 401, "other names are free");
        app.advance(Duration::from_mins(1));
        assert_eq!(login_from(&app, elsewhere, &ada.username, &ada.password).await.status, 200);
    }

    async fn signing_in_well_never_uses_up_the_tries_of_a_name(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let ada = app.person("ada").await;
        for index in 0..12 {
            let reply = login_from(&app, &format!("198.51.100.{index}"), &ada.username, &ada.password).await;
            assert_eq!(reply.status, 200);
        }
    }

    async fn guessing_from_one_address_is_slow_whatever_the_name(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let ada = app.person("ada").await;
        for index in 0..10 {
            let reply = login_from(&app, "198.51.100.7", &format!("name-{index}"), "a guess").await;
            assert_eq!(reply.status, 401);
        }
        assert_eq!(throttled(login_from(&app, "198.51.100.7", &ada.username, &ada.password).await).await, 6);
        assert_eq!(login_from(&app, "198.51.100.8", &ada.username, &ada.password).await.status, 200);
        app.advance(Duration::from_secs(6));
        assert_eq!(login_from(&app, "198.51.100.7", &ada.username, &ada.password).await.status, 200);
    }

    async fn one_ipv6_network_is_one_address(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        for index in 0..10 {
            let reply = login_from(&app, &format!("2001:db8:0:1::{index}"), &format!("name-{index}"), "a guess").await;
            assert_eq!(reply.status, 401);
        }
        assert_eq!(throttled(login_from(&app, "2001:db8:0:1:ffff::1", "name", "a guess").await).await, 6);
        assert_eq!(login_from(&app, "2001:db8:0:2::1", "name", "a guess").await.status, 401);
    }

    async fn a_login_ends_after_seven_days(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        app.advance(Duration::from_hours(7 * 24) - Duration::from_secs(1));
        assert!(is_good(&app, &ada.token).await);
        app.advance(Duration::from_secs(1));
        assert!(!is_good(&app, &ada.token).await);
    }

    async fn two_logins_are_two_tokens_and_signing_out_ends_one(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let phone = text(&app.login(&ada.username, &ada.password).await.json().await["token"]);
        let program = personal_token(&app, &ada.token, json!({})).await;
        assert_ne!(phone, ada.token);

        let reply = app.http().post("/v1/users/logout").bearer(&phone).send().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json().await, json!({ "logged_out": true }));
        assert!(!is_good(&app, &phone).await);
        assert!(is_good(&app, &ada.token).await);
        assert!(is_good(&app, &program).await);
        let again = app.http().post("/v1/users/logout").bearer(&phone).send().await;
        assert_eq!(sentence(again, 401, "unauthenticated").await, "Invalid or expired token");
        assert_eq!(app.get("/v1/users/tokens", &ada.token).await.json().await.as_array().map(Vec::len), Some(2));
    }

    async fn the_static_key_cannot_be_signed_out(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", "the-operators-static-key")]).await;
        let reply = app.http().post("/v1/users/logout").bearer("the-operators-static-key").send().await;
        assert_eq!(sentence(reply, 400, "bad_request").await, "The static key cannot be logged out");
    }
}
