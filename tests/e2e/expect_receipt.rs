//! `LLM_API_EXPECT_RECEIPT`: only the database that the data was copied to is served, and a copy stays frozen.

use llm_api_testkit::{Database, ENCRYPTION_KEY, TempDir, each_db, run, target_binary};
use serde_json::{Value, json};

use crate::{
    db_copy::{Place, copy},
    support::{Site, sign_in},
};

const OTHER: &str = "01a20370-0409-7905-84c8-506c731c6d85";

each_db! {
    async fn only_the_copy_is_served_and_only_after_the_thaw(database: Database) {
        // From one kind of database to the other.
        let (from, to) = match database {
            Database::Sqlite => (Database::Postgres, Database::Sqlite),
            Database::Postgres => (Database::Sqlite, Database::Postgres),
        };
        let mut site = Site::new(from).await;
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let elsewhere = TempDir::new();
        let (target, empty) = (Place::new(to, &elsewhere, "new.db").await, Place::new(to, &elsewhere, "empty.db").await);
        let args = ["db", "copy", "--source", "configured", "--target", &target.address, "--json"];
        let first: Value = serde_json::from_str(&site.run(&args, "").await.expect(0).stdout).expect("JSON");
        assert_eq!((&first["outcome"], &first["frozen"]), (&json!("copied"), &json!(false)));
        site.run(&["freeze", "--reason", "migration"], "").await.expect(0);
        // The audit trail has one event more: that of the freeze.
        let args = [&args[..], &["--truncate-target", "--confirm-target", &target.name]].concat();
        let last: Value = serde_json::from_str(&site.run(&args, "").await.expect(0).stdout).expect("JSON");
        assert_eq!((&last["outcome"], &last["frozen"]), (&json!("copied"), &json!(true)));
        let again: Value = serde_json::from_str(&site.run(&args, "").await.expect(0).stdout).expect("JSON");
        assert_eq!((&again["outcome"], &again["receipt"]), (&json!("already_done"), &last["receipt"]));

        let receipt = last["receipt"].as_str().expect("an id");
        for (place, receipt) in [(&target, OTHER), (&empty, receipt)] {
            let settings = [
                ("LLM_API_DATABASE_URL", place.address.as_str()),
                ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY),
                ("LLM_API_EXPECT_RECEIPT", receipt),
            ];
            let refused = run(&target_binary("llm-api"), elsewhere.path(), &["serve"], &settings, "").await.expect(78);
            assert!(refused.stderr.contains("LLM_API_EXPECT_RECEIPT") && refused.stderr.contains(receipt));
        }
        match &empty.file {
            Some(file) => assert!(!file.exists()),
            None => assert_eq!(empty.sql("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'").await, ["0"]),
        }

        site.set("DATABASE_URL", &target.address);
        site.set("EXPECT_RECEIPT", receipt);
        let server = site.start().await;
        let ready = server.http().get("/ready").send().await.json().await;
        assert_eq!(ready["frozen"]["reason"], "migration");
        site.run(&["thaw"], "").await.expect(0);
        assert_eq!(server.http().get("/ready").send().await.json().await, json!({ "status": "ready" }));
        // Half a second at most until the server lets people in.
        crate::support::eventually("the server sees the thaw", async || {
            let body = json!({ "username": "ada", "password": crate::support::PASSWORD });
            (server.http().post("/v1/users/login").json(body).send().await.status == 200).then_some(())
        }).await;
        sign_in(&server.http(), "ada").await;
    }

    async fn a_frozen_target_is_replaced_like_any_other(database: Database) {
        let dir = TempDir::new();
        let (source, target) = (Place::file(&dir, "source.db"), Place::new(database, &dir, "target.db").await);
        source.migrate(&dir).await;
        target.migrate(&dir).await;
        let change = "UPDATE users SET display_name = 'old';\nUPDATE maintenance SET state = 'frozen';\nSELECT 1";
        target.sql(change).await;
        copy(&dir, &source, &target, &["--truncate-target", "--confirm-target", &target.name]).await.expect(0);
        let seen = target.sql("SELECT state, display_name FROM maintenance, users").await;
        assert_eq!(seen, ["open|Service"]);
    }
}
