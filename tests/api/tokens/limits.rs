//! What a token with few scopes may do, and that it cannot get more.

use http::Method;
use llm_api_testkit::{Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::accounts::{invalid, personal_token, sentence, text};

const TOKENS: &str = "/v1/users/tokens";
const KEYS: &str = "/v1/users/provider-keys";

async fn with_scopes(app: &TestApp, person: &Person, scopes: Value) -> String {
    personal_token(app, &person.token, json!({ "scopes": scopes })).await
}

/// What the token gets for each kind of work: generating, keys, account, administration.
async fn statuses(app: &TestApp, token: &str) -> [u16; 4] {
    let mut statuses = [0; 4];
    let paths = ["/v1/models", KEYS, TOKENS, "/v1/users/invites"];
    for (status, path) in statuses.iter_mut().zip(paths) {
        *status = app.get(path, token).await.status.as_u16();
    }
    statuses
}

each_db! {
    async fn each_scope_opens_its_own_door(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        for (scopes, expected) in [
            (json!([]), [200, 200, 200, 200]),
            (json!(["generate"]), [200, 403, 403, 403]),
            (json!(["provider_keys"]), [403, 200, 403, 403]),
            (json!(["account"]), [403, 403, 200, 403]),
            (json!(["admin"]), [403, 403, 403, 200]),
            (json!(["admin", "generate", "generate"]), [200, 403, 403, 200]),
        ] {
            let token = with_scopes(&app, &root, scopes.clone()).await;
            assert_eq!(statuses(&app, &token).await, expected, "{scopes}");
            assert_eq!(app.get("/v1/users/me", &token).await.status, 200, "any token may ask whose it is");
        }
    }

    async fn a_token_for_generating_does_nothing_else(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let token = with_scopes(&app, &ada, json!(["generate"])).await;
        for (method, path, scope) in [
            (Method::GET, KEYS, "provider_keys"),
            (Method::POST, KEYS, "provider_keys"),
            (Method::DELETE, "/v1/users/provider-keys/openai", "provider_keys"),
            (Method::GET, TOKENS, "account"),
            (Method::POST, TOKENS, "account"),
            (Method::DELETE, "/v1/users/tokens/0193a6c1-0000-7000-8000-000000000000", "account"),
            (Method::PATCH, "/v1/users/me", "account"),
            (Method::PUT, "/v1/users/me", "account"),
            (Method::POST, "/v1/users/change-password", "account"),
        ] {
            let reply = app.http().request(method, path).bearer(&token).json(json!({})).send().await;
            let lacks = format!("This token lacks the scope `{scope}`");
            assert_eq!(sentence(reply, 403, "forbidden").await, lacks, "{path}");
        }
        let chat = json!({ "model": "openai:echo", "messages": [] });
        assert_ne!(app.post("/v1/chat/completions", &token, chat).await.status, 403);
    }

    async fn the_scope_admin_makes_nobody_an_administrator(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        let token = with_scopes(&app, &ada, json!(["admin"])).await;
        let reply = app.get("/v1/users/invites", &token).await;
        assert_eq!(sentence(reply, 403, "forbidden").await, "Admin privileges required");
    }

    async fn a_token_cannot_make_a_wider_one(database: Database) {
        let app = TestApp::start(database).await;
        let root = app.admin("root").await;
        let narrow = with_scopes(&app, &root, json!(["account", "generate"])).await;
        for scopes in [json!(["admin"]), json!(["account", "provider_keys"]), json!(["account", "generate", "admin"])] {
            let reply = app.post(TOKENS, &narrow, json!({ "scopes": scopes })).await;
            let told = sentence(reply, 403, "forbidden").await;
            assert_eq!(told, "A token cannot make one with more scopes than its own");
        }
        for (scopes, given) in [
            (json!(["generate"]), json!(["generate"])),
            (json!(["generate", "account"]), json!(["generate", "account"])),
            // No wish means the same as the maker's, which here is not everything.
            (json!([]), json!(["generate", "account"])),
            (json!(null), json!(["generate", "account"])),
        ] {
            let reply = app.post(TOKENS, &narrow, json!({ "scopes": scopes })).await;
            assert_eq!(reply.status, 201);
            let created = reply.json().await;
            assert_eq!(created["scopes"], given);
            assert_eq!(app.get(KEYS, &text(&created["token"])).await.status, 403);
        }
    }

    async fn unknown_scopes_are_refused(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for scopes in [json!(["root"]), json!(["generate", "Generate"]), json!([""])] {
            let told = invalid(app.post(TOKENS, &ada.token, json!({ "scopes": scopes })).await, "scopes").await;
            assert_eq!(told, "must be of generate, provider_keys, account, admin");
        }
        invalid(app.post(TOKENS, &ada.token, json!({ "scopes": "generate" })).await, "scopes").await;
    }
}
