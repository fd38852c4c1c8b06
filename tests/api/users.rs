//! Accounts: registering, signing in, the profile, the password.

use llm_api_testkit::{TestApp, each_db};
use serde_json::json;

each_db! {
    async fn ada_reads_and_changes_her_profile(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada@example.org").await;
        let me = app.get("/v1/users/me", &ada.token).await.json().await;
        assert_eq!(me["username"], "ada@example.org");
        assert_eq!(me["email"], "ada@example.org");
        let changed = app.http().put("/v1/users/me").bearer(&ada.token)
            .json(json!({ "display_name": "Ada", "preferences": { "theme": "dark" } })).send().await;
        assert_eq!(changed.status, 200);
        assert_eq!(changed.json().await["display_name"], "Ada");
    }
}
