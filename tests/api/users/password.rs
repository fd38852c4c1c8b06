//! Changing the password.

use std::time::Duration;

use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::json;

use crate::accounts::{BEHIND_A_PROXY, Calling as _, invalid, is_good, personal_token, sentence, text, throttled};

const NEW_PASSWORD: &str = "quite another sentence";
const WRONG: &str = "The password was not changed: the current password is wrong";

async fn change(app: &TestApp, token: &str, current: &str, new: &str) -> HttpReply {
    let body = json!({ "current_password": current, "new_password": new });
    app.post("/v1/users/change-password", token, body).await
}

async fn second_login(app: &TestApp, person: &Person) -> String {
    text(&app.login(&person.username, &person.password).await.json().await["token"])
}

each_db! {
    async fn a_new_password_ends_every_other_login(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        let phone = second_login(&app, &ada).await;
        let program = personal_token(&app, &ada.token, json!({})).await;

        let reply = change(&app, &ada.token, &ada.password, NEW_PASSWORD).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json().await, json!({ "changed": true }));
        assert!(is_good(&app, &ada.token).await, "the login that did it goes on");
        assert!(!is_good(&app, &phone).await);
        assert!(is_good(&app, &program).await, "personal tokens go on");
        assert!(is_good(&app, &eve.token).await);

        let old = app.login("ada", &ada.password).await;
        assert_eq!(sentence(old, 401, "unauthenticated").await, "Invalid credentials");
        assert_eq!(app.login("ada", NEW_PASSWORD).await.status, 200);
    }

    async fn a_personal_token_that_changes_the_password_ends_all_logins(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let program = personal_token(&app, &ada.token, json!({})).await;
        assert_eq!(change(&app, &program, &ada.password, NEW_PASSWORD).await.status, 200);
        assert!(!is_good(&app, &ada.token).await);
        assert!(is_good(&app, &program).await);
    }

    async fn the_current_password_must_be_right_and_the_new_one_good(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada-lovelace").await;
        let phone = second_login(&app, &ada).await;
        let wrong = change(&app, &ada.token, "not the password", NEW_PASSWORD).await;
        assert_eq!(sentence(wrong, 400, "bad_request").await, WRONG);
        for weak in ["eleven char", "password1234", "Ada-Lovelace"] {
            invalid(change(&app, &ada.token, &ada.password, weak).await, "new_password").await;
        }
        for missing in ["current_password", "new_password"] {
            let mut body = json!({ "current_password": ada.password, "new_password": NEW_PASSWORD });
            body[missing] = json!(null);
            invalid(app.post("/v1/users/change-password", &ada.token, body).await, missing).await;
        }
        assert!(is_good(&app, &phone).await, "nothing happened");
        assert_eq!(app.login("ada-lovelace", &ada.password).await.status, 200);
    }

    async fn a_stolen_token_is_no_good_for_guessing_the_password(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let ada = app.person("ada").await;
        let guess = async |address: &str, current: &str| {
            let body = json!({ "current_password": current, "new_password": NEW_PASSWORD });
            let request = app.http().post("/v1/users/change-password").calling_from(address);
            request.bearer(&ada.token).json(body).send().await
        };
        for index in 0..10 {
            assert_eq!(guess(&format!("198.51.100.{index}"), "a guess").await.status, 400);
        }
        assert_eq!(throttled(guess("203.0.113.9", &ada.password).await).await, 60);
        assert_eq!(throttled(app.login("ada", &ada.password).await).await, 60, "they count with failed logins");
        app.advance(Duration::from_mins(1));
        assert_eq!(guess("203.0.113.9", &ada.password).await.status, 200);
    }

    async fn two_changes_at_once_leave_one_password(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let phone = second_login(&app, &ada).await;
        let both = futures_util::future::join(
            change(&app, &ada.token, &ada.password, "the first new password"),
            change(&app, &phone, &ada.password, "the second new password"),
        );
        let (first, second) = both.await;
        let won = if first.status == 200 { "the first new password" } else { "the second new password" };
        assert!((first.status == 200) != (second.status == 200), "{} {}", first.status, second.status);
        assert_eq!(app.login("ada", won).await.status, 200);
        assert_ne!(is_good(&app, &ada.token).await, is_good(&app, &phone).await, "one of them ended the other");
    }
}
