//! Who is calling: which credential counts, and what a bad one gets.

use http::Method;
use llm_api_testkit::{HttpReply, TestApp, each_db};
use serde_json::json;

use crate::accounts::{invite, personal_token, refusal, sentence};

const STATIC_KEY: &str = "the-operators-static-key";
const ME: &str = "/v1/users/me";
const KEYS: &str = "/v1/users/provider-keys";

async fn refused(reply: HttpReply, told: &str) {
    assert!(!reply.headers.contains_key("www-authenticate"), "browsers would open their own window");
    assert_eq!(sentence(reply, 401, "unauthenticated").await, told);
}

each_db! {
    async fn the_api_key_header_wins_over_a_bearer(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let eve = app.person("eve").await;
        let both = async |key: &str, bearer: &str| {
            app.http().get(ME).header("x-api-key", key).bearer(bearer).send().await
        };
        refused(both("lap_bad", &ada.token).await, "Invalid API key").await;
        let reply = both(&eve.token, &ada.token).await;
        assert_eq!(reply.json().await["username"], "eve");
        assert_eq!(both(&eve.token, "junk").await.status, 200);
        assert_eq!(both("", &ada.token).await.json().await["username"], "ada", "an empty one counts as none");
        refused(both("", "junk").await, "Invalid or expired token").await;
    }

    async fn tokens_of_both_kinds_work_in_both_headers(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let personal = personal_token(&app, &ada.token, json!({})).await;
        for token in [&ada.token, &personal] {
            assert_eq!(app.http().get(ME).header("x-api-key", token).send().await.status, 200);
            for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
                let reply = app.http().get(ME).header("authorization", &format!("{scheme} {token}")).send().await;
                assert_eq!(reply.status, 200, "{scheme}");
            }
        }
    }

    async fn what_is_no_credential_is_missing_authentication(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        refused(app.http().get(ME).send().await, "Missing authentication").await;
        for value in ["Basic YWRhOnNlY3JldA==", "Bearer", "Bearer ", "", &ada.token, &format!("Token {}", ada.token)] {
            refused(app.http().get(ME).header("authorization", value).send().await, "Missing authentication").await;
        }
    }

    async fn junk_is_refused(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let invite = invite(&app, &root, json!({})).await;
        let (head, last) = root.token.split_at(root.token.len() - 1);
        let mistyped = format!("{head}{}", if last == "0" { "1" } else { "0" });
        let other_kind = root.token.replacen("las_", "lap_", 1);
        let imported_look = "A".repeat(43);
        let long = "x".repeat(8000);
        for junk in [
            "junk", "las_", "null", "0", "' OR 1=1 --", &invite, &mistyped, &other_kind, &imported_look, &long, head,
        ] {
            refused(app.get(ME, junk).await, "Invalid or expired token").await;
            refused(app.http().get(ME).header("x-api-key", junk).send().await, "Invalid API key").await;
        }
        assert_eq!(app.get(ME, &root.token).await.status, 200);
    }

    async fn the_static_key_works_in_both_headers_and_is_no_administrator(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let ada = app.person("ada").await;
        app.store_key(&ada.token, "openai", "sk-of-ada-0001").await;
        app.store_key(STATIC_KEY, "groq", "gsk-of-the-service-0001").await;
        for reply in [
            app.get(KEYS, STATIC_KEY).await,
            app.http().get(KEYS).header("x-api-key", STATIC_KEY).send().await,
        ] {
            assert_eq!(reply.status, 200);
            let keys = reply.json().await;
            let providers: Vec<_> = keys.as_array().into_iter().flatten().map(|key| &key["provider"]).collect();
            assert_eq!(providers, ["groq"], "its own alone");
        }
        let reply = app.get("/v1/users/invites", STATIC_KEY).await;
        assert_eq!(sentence(reply, 403, "forbidden").await, "Admin privileges required");
        refused(app.get(KEYS, &format!("{STATIC_KEY}x")).await, "Invalid or expired token").await;
        refused(app.get(KEYS, &STATIC_KEY.to_uppercase()).await, "Invalid or expired token").await;
    }

    async fn without_a_static_key_there_is_none_to_guess(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", "")]).await;
        refused(app.get(KEYS, STATIC_KEY).await, "Invalid or expired token").await;
        refused(app.http().get(KEYS).header("x-api-key", "").send().await, "Missing authentication").await;
    }

    async fn nothing_of_anybodys_is_open(database: Database) {
        let app = TestApp::start(database).await;
        for (method, path) in [
            (Method::GET, ME),
            (Method::PATCH, ME),
            (Method::PUT, ME),
            (Method::POST, "/v1/users/logout"),
            (Method::POST, "/v1/users/change-password"),
            (Method::GET, "/v1/users/tokens"),
            (Method::POST, "/v1/users/tokens"),
            (Method::DELETE, "/v1/users/tokens/1"),
            (Method::GET, "/v1/users/invites"),
            (Method::POST, "/v1/users/invites"),
            (Method::DELETE, "/v1/users/invites/1"),
            (Method::GET, KEYS),
            (Method::POST, KEYS),
            (Method::DELETE, "/v1/users/provider-keys/openai"),
            (Method::POST, "/v1/generate"),
        ] {
            refused(app.http().request(method, path).json(json!({})).send().await, "Missing authentication").await;
        }
        for (method, path) in [
            (Method::GET, "/v1/models"),
            (Method::GET, "/v1/models/openai:echo"),
            (Method::POST, "/v1/chat/completions"),
        ] {
            assert_eq!(app.http().request(method, path).json(json!({})).send().await.status, 401, "{path}");
        }
        for path in ["/health", "/ready", "/version", "/openapi.json"] {
            assert_eq!(app.http().get(path).send().await.status, 200, "{path}");
        }
    }

    async fn every_error_names_its_request(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let http = app.http();
        let no_invite = json!({ "username": "a", "password": "a sentence of one's own" });
        let mut ids = Vec::new();
        for (request, status, code) in [
            (http.get(ME), 401, "unauthenticated"),
            (http.get("/v1/users/invites").bearer(&ada.token), 403, "forbidden"),
            (http.get("/v1/users/nothing/here").bearer(&ada.token), 404, "not_found"),
            (http.delete("/v1/users/login"), 405, "method_not_allowed"),
            (http.post("/v1/users/register").json(no_invite), 400, "bad_request"),
            (http.post("/v1/users/login").body("{"), 422, "validation_error"),
            (http.post("/v1/users/login").body(""), 422, "validation_error"),
            (http.post("/v1/users/login").json(json!([])), 422, "validation_error"),
            (http.delete("/v1/users/tokens/none").bearer(&ada.token), 404, "not_found"),
            (http.get(ME).header("x-request-id", "chosen-by-the-client"), 401, "unauthenticated"),
        ] {
            ids.push(refusal(request.send().await, status, code).await["request_id"].clone());
        }
        let all = ids.len();
        assert!(!ids.contains(&json!("chosen-by-the-client")), "nobody can write another's id into the log");
        ids.sort_by_key(ToString::to_string);
        ids.dedup();
        assert_eq!(ids.len(), all, "each has its own");
    }
}
