//! Registering: what an invite is good for, and how often.

use std::time::Duration;

use futures_util::future::join_all;
use llm_api_testkit::{HttpReply, TestApp, each_db};
use serde_json::{Value, json};

use crate::accounts::{BEHIND_A_PROXY, Calling as _, invite, is_good, refusal, register, sentence, text, throttled};

const PASSWORD: &str = "a sentence of one's own";
const BAD_INVITE: &str = "Registration failed. The invite is missing, unknown, used, revoked or expired.";

fn newcomer(name: &str, invite: &str) -> Value {
    json!({ "username": name, "password": PASSWORD, "invite_token": invite })
}

/// Ten people at once, each from an address of their own, so that no throttle hides a fault.
async fn ten_at_once(app: &TestApp, body: impl Fn(usize) -> Value) -> Vec<HttpReply> {
    let one = |index| {
        let address = format!("198.51.100.{index}");
        app.http().post("/v1/users/register").calling_from(&address).json(body(index)).send()
    };
    join_all((0..10).map(one)).await
}

/// How many were taken in; everybody else must have been told `refused`, or on a slow machine that the queue for
/// hashing passwords is too long.
async fn taken_in(replies: Vec<HttpReply>, refused: &str) -> usize {
    let mut good = 0;
    for reply in replies {
        match reply.status.as_u16() {
            201 => good += 1,
            503 => drop(refusal(reply, 503, "overloaded").await),
            _ => assert_eq!(sentence(reply, 400, "bad_request").await, refused),
        }
    }
    good
}

each_db! {
    async fn an_invite_makes_an_account_that_is_signed_in(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({})).await;

        let reply = register(&app, newcomer("ada@example.org", &invite)).await;
        assert_eq!(reply.status, 201);
        let body = reply.json().await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(body, {
                ".id" => "[id]", ".user.id" => "[id]", ".token" => "[token]", ".access_token" => "[token]",
            }, @r#"
            {
              "access_token": "[token]",
              "display_name": "ada",
              "email": "ada@example.org",
              "expires_in": 604800,
              "id": "[id]",
              "is_admin": false,
              "token": "[token]",
              "token_type": "bearer",
              "user": {
                "display_name": "ada",
                "email": "ada@example.org",
                "id": "[id]",
                "is_admin": false,
                "username": "ada@example.org"
              },
              "username": "ada@example.org"
            }
            "#);
        }
        assert_eq!(body["id"], body["user"]["id"]);
        assert_eq!(body["token"], body["access_token"]);
        let token = text(&body["token"]);
        assert!(token.starts_with("las_"), "a login token");
        assert_eq!(app.get("/v1/users/me", &token).await.json().await["id"], body["id"]);
        assert_eq!(app.login("ada@example.org", PASSWORD).await.status, 200);

        let invites = app.get("/v1/users/invites", &admin.token).await.json().await;
        assert_eq!(invites[0]["uses"], 1);
        assert_eq!(invites[0]["used_by"], body["id"]);
    }

    async fn the_display_name_is_what_the_newcomer_says(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "max_uses": 3 })).await;
        for (name, given, shown) in [
            ("ada@example.org", json!("Ada Lovelace"), "Ada Lovelace"),
            ("grace@example.org", json!("   "), "grace"),
            ("mary", json!(null), "mary"),
        ] {
            let body = json!({ "email": name, "password": PASSWORD, "invite_token": invite, "display_name": given });
            let reply = register(&app, body).await;
            assert_eq!(reply.status, 201);
            assert_eq!(reply.json().await["display_name"], shown);
        }
    }

    async fn an_invite_may_make_an_administrator(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "grants_admin": true })).await;
        let body = register(&app, newcomer("ada", &invite)).await.json().await;
        assert_eq!((&body["is_admin"], &body["user"]["is_admin"]), (&json!(true), &json!(true)));
        assert_eq!(app.get("/v1/users/invites", &text(&body["token"])).await.status, 200);
    }

    async fn every_bad_invite_gets_the_same_answer(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let admin = app.admin("root@example.org").await;
        let used = invite(&app, &admin, json!({})).await;
        assert_eq!(register(&app, newcomer("first", &used)).await.status, 201);
        let revoked = invite(&app, &admin, json!({})).await;
        let invites = app.get("/v1/users/invites", &admin.token).await.json().await;
        for one in invites.as_array().into_iter().flatten().filter(|one| one["uses"] == 0) {
            let path = format!("/v1/users/invites/{}", text(&one["id"]));
            assert_eq!(app.delete(&path, &admin.token).await.status, 200);
        }
        let expired = invite(&app, &admin, json!({ "expires_days": 1 })).await;
        app.advance(Duration::from_hours(24));
        let good = invite(&app, &admin, json!({})).await;
        // The letters stand where the checksum is.
        let unknown = format!("{}AAAAAA", good.split_at(good.len() - 6).0);

        for (index, bad) in [
            json!(null), json!(""), json!(used), json!(revoked), json!(expired), json!(unknown), json!("junk"),
            json!(admin.token),
        ].into_iter().enumerate() {
            let body = json!({ "username": "ada", "password": PASSWORD, "invite_token": bad });
            let address = format!("198.51.100.{index}");
            let reply = app.http().post("/v1/users/register").calling_from(&address).json(body).send().await;
            assert_eq!(sentence(reply, 400, "bad_request").await, BAD_INVITE);
        }
        assert_eq!(register(&app, newcomer("ada", &good)).await.status, 201);
    }

    async fn an_invite_expires_to_the_second(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "expires_days": 1, "max_uses": 2 })).await;
        app.advance(Duration::from_hours(24) - Duration::from_secs(1));
        assert_eq!(register(&app, newcomer("ada", &invite)).await.status, 201);
        app.advance(Duration::from_secs(1));
        let reply = register(&app, newcomer("grace", &invite)).await;
        assert_eq!(sentence(reply, 400, "bad_request").await, BAD_INVITE);
    }

    async fn a_taken_name_does_not_use_up_the_invite(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({})).await;
        let reply = register(&app, newcomer("root@example.org", &invite)).await;
        assert_eq!(sentence(reply, 400, "bad_request").await, "Registration failed. The name is taken.");
        assert_eq!(register(&app, newcomer("ada", &invite)).await.status, 201);
        assert!(is_good(&app, &admin.token).await);
    }

    async fn only_the_holder_of_an_invite_learns_that_a_name_is_taken(database: Database) {
        let app = TestApp::start(database).await;
        app.admin("root@example.org").await;
        let reply = register(&app, json!({ "username": "root@example.org", "password": PASSWORD })).await;
        assert_eq!(sentence(reply, 400, "bad_request").await, BAD_INVITE);
    }

    async fn ten_people_with_one_invite_make_one_account(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({})).await;
        let replies = ten_at_once(&app, |index| newcomer(&format!("person-{index}"), &invite)).await;
        assert_eq!(taken_in(replies, BAD_INVITE).await, 1);
    }

    async fn ten_people_with_an_invite_for_three_make_three_accounts(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "max_uses": 3 })).await;
        let replies = ten_at_once(&app, |index| newcomer(&format!("person-{index}"), &invite)).await;
        assert_eq!(taken_in(replies, BAD_INVITE).await, 3);
        let invites = app.get("/v1/users/invites", &admin.token).await.json().await;
        assert_eq!(invites[0]["uses"], 3);
    }

    async fn ten_people_with_one_name_make_one_account(database: Database) {
        let app = TestApp::start_with(database, &[BEHIND_A_PROXY]).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "max_uses": 10 })).await;
        let replies = ten_at_once(&app, |_| newcomer("ada", &invite)).await;
        assert_eq!(taken_in(replies, "Registration failed. The name is taken.").await, 1);
        let invites = app.get("/v1/users/invites", &admin.token).await.json().await;
        assert_eq!(invites[0]["uses"], 1);
    }

    async fn an_open_server_takes_three_newcomers_an_hour_from_one_address(database: Database) {
        let app = TestApp::start_with(database, &[("INVITE_REQUIRED", "false"), BEHIND_A_PROXY]).await;
        let come = async |name: &str, address: &str| {
            let body = json!({ "username": name, "password": PASSWORD });
            app.http().post("/v1/users/register").calling_from(address).json(body).send().await
        };
        for name in ["first", "second", "third"] {
            assert_eq!(come(name, "198.51.100.7").await.status, 201);
        }
        assert_eq!(throttled(come("fourth", "198.51.100.7").await).await, 1200);
        assert_eq!(come("elsewhere", "198.51.100.8").await.status, 201);
        app.advance(Duration::from_secs(1199));
        assert_eq!(throttled(come("fourth", "198.51.100.7").await).await, 1);
        app.advance(Duration::from_secs(1));
        assert_eq!(come("fourth", "198.51.100.7").await.status, 201);
    }

    async fn an_open_server_still_looks_at_an_invite_that_is_shown(database: Database) {
        let app = TestApp::start_with(database, &[("INVITE_REQUIRED", "false")]).await;
        let reply = register(&app, newcomer("ada", "lai_junk")).await;
        assert_eq!(sentence(reply, 400, "bad_request").await, BAD_INVITE);
    }

    async fn guessing_invites_is_slow(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({})).await;
        for _ in 0..3 {
            refusal(register(&app, newcomer("ada", "lai_guess")).await, 400, "bad_request").await;
        }
        // Even the right one has to wait now, or the answer would tell it from a wrong one.
        assert_eq!(throttled(register(&app, newcomer("ada", &invite)).await).await, 1200);
        app.advance(Duration::from_mins(20));
        assert_eq!(register(&app, newcomer("ada", &invite)).await.status, 201);
    }

    async fn a_class_registers_from_one_room(database: Database) {
        let app = TestApp::start(database).await;
        let admin = app.admin("root@example.org").await;
        let invite = invite(&app, &admin, json!({ "max_uses": 5 })).await;
        for index in 0..5 {
            assert_eq!(register(&app, newcomer(&format!("pupil-{index}"), &invite)).await.status, 201);
        }
    }
}
