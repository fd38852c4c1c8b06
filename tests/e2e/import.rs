//! A file of the Python service comes over: every row arrives or is told, and its people go on as before.

mod refusals;

use std::collections::BTreeSet;
use std::path::PathBuf;

use llm_api_testkit::{Database, Finished, Http, each_db, run};
use serde_json::{Value, json};

use crate::support::{Site, chat, get};

const PASSPHRASE: &str = "legacy-secret";
const TABLES: [&str; 9] = [
    "users",
    "user_tokens",
    "provider_keys",
    "invite_tokens",
    "sessions",
    "exchanges",
    "default_models",
    "vault_canaries",
    "audit_events",
];

/// The id of a row in the made file: `kind` is the table's number.
pub(crate) fn id(kind: u32, number: u32) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

/// An installation, and a file of the old service beside it.
pub(crate) struct Old {
    pub(crate) site: Site,
    pub(crate) file: PathBuf,
    pub(crate) passphrase: PathBuf,
    /// Tokens and invites in clear, by their numbers.
    secrets: Value,
}

impl Old {
    pub(crate) async fn new(database: Database, layout: &str) -> Self {
        Self::made(Site::new(database).await, layout, PASSPHRASE).await
    }

    async fn made(site: Site, layout: &str, key: &str) -> Self {
        let folder = site.dir.path().join("old");
        std::fs::create_dir(&folder).expect("a folder");
        let (file, passphrase) = (folder.join("llm_api.db"), folder.join("passphrase"));
        std::fs::write(&passphrase, format!("{PASSPHRASE}\n")).expect("a file");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/legacy/make.py");
        let args = [script, &file.display().to_string(), layout, key];
        let made = run("python3".as_ref(), &folder, &args, &[], "").await.expect(0);
        let secrets = serde_json::from_str(&made.stdout).expect("JSON");
        Self { site, file, passphrase, secrets }
    }

    async fn import(&self, more: &[&str]) -> Finished {
        let passphrase = self.passphrase.display().to_string();
        self.import_with(&[&["--legacy-passphrase-file", &passphrase], more].concat()).await
    }

    async fn import_with(&self, more: &[&str]) -> Finished {
        let file = self.file.display().to_string();
        self.site.run(&[&["import", "--source", &file], more].concat(), "").await
    }

    async fn report(&self, more: &[&str]) -> Value {
        let done = self.import(&[&["--json"], more].concat()).await.expect(0);
        assert_eq!(done.stderr, "");
        serde_json::from_str(&done.stdout).expect("JSON")
    }

    pub(crate) fn token(&self, number: u32) -> &str {
        self.secrets["tokens"][number.to_string()].as_str().expect("a token")
    }

    fn invite(&self, number: u32) -> &str {
        self.secrets["invites"][number.to_string()].as_str().expect("an invite")
    }

    /// All that the database holds, for comparing.
    async fn content(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in TABLES {
            rows.extend(self.site.sql(&format!("SELECT '{table}', t.* FROM {table} t ORDER BY 2")).await);
        }
        rows
    }

    /// What became of a row: its outcome and the reason; nothing for one that came over as it was.
    fn told(report: &Value, table: &str, id: &str) -> String {
        let rows = report["rows"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["table"] == table && row["id"] == id);
        row.map_or_else(String::new, |row| format!("{}: {}", row["outcome"], row["reason"]).replace('"', ""))
    }
}

/// `read = imported + skipped`, and every changed or skipped row is told once.
fn assert_counts(report: &Value, expected: &[(&str, [u64; 4])]) {
    let tables = report["tables"].as_object().expect("tables");
    for (table, counts) in tables {
        let count = |name: &str| counts[name].as_u64().expect(name);
        assert_eq!(count("read"), count("imported") + count("skipped"), "{table}: {counts}");
        assert!(count("changed") + count("already_there") <= count("imported"), "{table}: {counts}");
        let rows: Vec<&Value> =
            report["rows"].as_array().expect("rows").iter().filter(|row| row["table"] == *table).collect();
        for outcome in ["changed", "skipped"] {
            let told: BTreeSet<&str> =
                rows.iter().filter(|row| row["outcome"] == outcome).filter_map(|row| row["id"].as_str()).collect();
            assert_eq!(told.len() as u64, count(outcome), "{table}: {told:?}");
        }
    }
    for (table, expected) in expected {
        let counts = &tables[*table];
        let found = ["read", "imported", "changed", "skipped"].map(|name| counts[name].as_u64().expect(name));
        assert_eq!(found, *expected, "{table}: {counts}");
    }
}

pub(crate) async fn log_in(http: &Http, name: &str, password: &str) -> (u16, Value) {
    let reply = http.post("/v1/users/login").json(json!({ "username": name, "password": password })).send().await;
    (reply.status.into(), reply.json().await)
}

pub(crate) async fn messages(http: &Http, token: &str, session: &str) -> Vec<(String, String)> {
    let session = get(http, token, &format!("/v1/sessions/{session}")).await.json().await;
    let messages = session["messages"].as_array().unwrap_or_else(|| panic!("{session}"));
    let text = |message: &Value, name: &str| message[name].as_str().expect(name).to_owned();
    messages.iter().map(|message| (text(message, "role"), text(message, "content"))).collect()
}

each_db! {
    async fn every_row_of_an_old_file_arrives_or_is_told(database: Database) {
        let old = Old::new(database, "new").await;
        let before = std::fs::read(&old.file).expect("a file");
        let kept = old.site.dir.path().join("report.json");
        let report = old.report(&["--report", &kept.display().to_string()]).await;
        assert_counts(&report, &[
            ("users", [21, 21, 15, 0]),
            ("user_tokens", [15, 10, 5, 5]),
            ("provider_keys", [16, 8, 5, 8]),
            ("invite_tokens", [6, 5, 2, 1]),
            ("sessions", [5, 5, 2, 0]),
            ("session_messages", [12, 11, 7, 1]),
            ("default_models", [5, 3, 1, 2]),
            ("models", [2, 0, 0, 2]),
            ("llm_metrics_buckets", [0, 0, 0, 0]),
        ]);
        for (table, row, expected) in [
            ("users", id(1, 1), ""),
            ("users", id(1, 3), ""),
            ("users", id(1, 4), "changed: email: blanks around it were removed"),
            ("users", id(1, 5), "changed: email: empty, became user-00000005"),
            ("users", id(1, 6), ""),
            ("users", id(1, 7), "changed: email: somebody else has this name here, so it became service-00000007"),
            ("users", id(1, 8), "changed: email: U+0000 became U+FFFD"),
            ("users", id(1, 11), "changed: password_hash: not one of the old service, left empty"),
            ("users", id(1, 12), "changed: is_admin: neither 0 nor 1, read as 0; is_active: neither 0 nor 1, read as 0"),
            ("users", id(1, 14), "changed: preferences: no JSON, left empty"),
            ("users", id(1, 15), "changed: preferences: JSON, but no object, left empty"),
            ("users", id(1, 17), ""),
            ("users", id(1, 18), ""),
            ("users", id(1, 20), "changed: display_name: bytes that are no UTF-8 became U+FFFD"),
            ("users", "user-one".to_owned(), "changed: id: no UUID of its own, became "),
            ("user_tokens", id(2, 2), "changed: scopes: dropped"),
            ("user_tokens", id(2, 6), "changed: user_id: dev-user became the service account"),
            ("user_tokens", id(2, 7), "skipped: it belongs to jwt-user"),
            ("user_tokens", id(2, 8), "skipped: its user is not in the file"),
            ("user_tokens", id(2, 9), "skipped: token_hash is no SHA-256 in hex"),
            ("user_tokens", id(2, 10), "skipped: token_hash is no SHA-256 in hex"),
            ("user_tokens", id(2, 11), "skipped: another row has the same token"),
            ("user_tokens", id(2, 13), "changed: expires_at: no time, set to the time it was made"),
            ("provider_keys", id(3, 3), "skipped: its owner has deleted it"),
            ("provider_keys", id(3, 4), "skipped: owner ada, provider openai: 00000003-0000-4000-8000-000000000001 is"),
            ("provider_keys", id(3, 5), "changed: provider: none that is known here, became other"),
            ("provider_keys", id(3, 7), "changed: provider: became google"),
            ("provider_keys", id(3, 8), "skipped: owner grace, provider openai: it does not open with the old key"),
            ("provider_keys", id(3, 9), "skipped: owner grace, provider groq: it opens, but holds no credential"),
            ("provider_keys", id(3, 10), "skipped: owner grace, provider xai: it opens, but its secret is empty"),
            ("provider_keys", id(3, 11), "changed: encrypted_key: http://10.0.0.7:8000 cannot be called until"),
            ("provider_keys", id(3, 12), ""),
            ("provider_keys", id(3, 13), "changed: credential_type: not known, became oauth_token"),
            ("invite_tokens", id(4, 4), "skipped: token_hash"),
            ("invite_tokens", id(4, 5), "changed: created_by: not in the file"),
            ("invite_tokens", id(4, 6), "changed: expires_at: no time, set to seven days after it was made"),
            ("sessions", id(5, 3), "changed: status: neither active nor closed, read as active; title: U+0000"),
            ("sessions", id(5, 4), ""),
            ("sessions", id(5, 5), "changed: user_id: not in the file"),
            ("session_messages", id(6, 2), ""),
            ("session_messages", id(6, 3), "changed: sequence: 2 was taken, became 3"),
            ("session_messages", id(6, 4), "changed: sequence: 3 was taken, became 4"),
            ("session_messages", id(6, 6), "changed: output_data: its files are gone"),
            ("session_messages", id(6, 8), "changed: input_data: images that are no text were dropped"),
            ("session_messages", id(6, 12), "skipped: its session is not there"),
            ("default_models", "audio".to_owned(), "skipped: no modality of ours"),
            ("models", "gpt-4o".to_owned(), "skipped: "),
        ] {
            let told = Old::told(&report, table, &row);
            assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty(), "{table} {row}: {told}");
        }
        let text = report.to_string();
        let secrets = ["sk-old", "azk-", "sk-second", "co-old", "ya29", "gsk-", "short", PASSPHRASE, old.token(1), old.invite(1)];
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        assert_eq!(report["notes"][0], "users: these names differ by case alone, and stay apart: Ada, ada");
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(kept).expect("a report")).expect("JSON");
        assert_eq!(kept, report);

        // The source is as it was, and nothing has appeared beside it.
        assert_eq!(std::fs::read(&old.file).expect("a file"), before);
        let folder = std::fs::read_dir(old.file.parent().expect("a folder")).expect("a folder");
        let names: BTreeSet<String> = folder.map(|file| file.expect("a file").file_name().display().to_string()).collect();
        assert_eq!(names, BTreeSet::from(["llm_api.db".to_owned(), "passphrase".to_owned()]));
        assert_eq!(old.site.sql("SELECT action FROM audit_events").await, ["data.imported"]);
    }

    async fn people_go_on_as_before(database: Database) {
        let old = Old::new(database, "new").await;
        old.report(&[]).await;
        let server = old.site.start().await;
        assert_eq!(server.stdout(), "", "no welcome: there are people");
        let http = server.http();

        // The old password is good, however short, and its hash is one of ours from then on.
        let hash = "SELECT password_hash FROM users WHERE username = 'ada'";
        assert!(old.site.sql(hash).await[0].starts_with("00112233445566778899aabbccddeeff:"));
        assert_eq!(log_in(&http, "ada", "shorter").await.0, 401);
        let (status, login) = log_in(&http, "ada", "short").await;
        assert_eq!((status, &login["user"]["id"], &login["user"]["is_admin"]), (200, &json!(id(1, 1)), &json!(true)));
        let new_hash = old.site.sql(hash).await.remove(0);
        assert!(new_hash.starts_with("$argon2id$"), "{new_hash}");
        assert_eq!(log_in(&http, "ada", "short").await.0, 200);
        assert_eq!(old.site.sql(hash).await, [new_hash], "replaced once");
        assert_eq!(log_in(&http, "grace", "pässwörd-ünïcode").await.0, 200);
        for (name, status) in [("blank", 200), ("odd-id", 200), ("linus", 401), ("odd-hash", 401)] {
            assert_eq!(log_in(&http, name, "short").await.0, status, "{name}");
        }

        // Tokens, in both headers.
        for (number, status) in [(1, 200), (2, 200), (3, 401), (4, 401), (5, 401), (7, 401), (8, 401), (12, 200), (13, 401), (15, 200)] {
            let token = old.token(number);
            assert_eq!(get(&http, token, "/v1/users/me").await.status, status, "token {number}");
            assert_eq!(http.get("/v1/users/me").header("x-api-key", token).send().await.status, status, "token {number}");
        }
        assert_eq!(get(&http, old.token(6), "/v1/models").await.status, 200, "the service account's");

        // The old provider key generates.
        let reply = chat(&http, old.token(2), "echo", false).await;
        assert_eq!(reply.status, 200);
        assert_eq!(old.site.provider.requests().last().expect("a request").header("authorization"), "Bearer sk-old-ada-0001");
        let keys = get(&http, old.token(1), "/v1/users/provider-keys").await.json().await;
        let masked: Vec<_> = keys.as_array().expect("keys").iter()
            .map(|key| format!("{} {} {}", key["provider"], key["credential_type"], key["masked_key"]).replace('"', "")).collect();
        assert_eq!(masked, ["azure endpoint_key azk...ada", "google oauth_token ya2...old", "openai api_key sk-...001",
            "other api_key co-...old"]);

        // Invites.
        for (number, status) in [(1, 201), (5, 201), (1, 400), (2, 400), (3, 400)] {
            let body = json!({ "username": format!("new-{number}-{status}"), "password": "a long new password", "invite_token": old.invite(number) });
            assert_eq!(http.post("/v1/users/register").json(body).send().await.status, status, "invite {number}");
        }

        let me = get(&http, old.token(1), "/v1/users/me").await.json().await;
        assert_eq!((&me["display_name"], &me["preferences"]), (&json!("Ada 🦆"), &json!({ "theme": "dark", "list": [1, null, "é"] })));
    }

    async fn odd_people_arrive_as_it_is_told(database: Database) {
        let old = Old::new(database, "new").await;
        old.report(&[]).await;
        let server = old.site.start().await;
        let http = server.http();
        for (name, status) in [("Ada", 200), ("user-00000005", 200), ("odd-flags", 401), ("service", 401)] {
            assert_eq!(log_in(&http, name, "short").await.0, status, "{name}");
        }
        let profile = async |name: &str| {
            let token = log_in(&http, name, "short").await.1["token"].as_str().expect("a token").to_owned();
            get(&http, &token, "/v1/users/me").await.json().await["preferences"].clone()
        };
        assert_eq!(profile("odd-json").await, json!({ "a": null, "b": "\u{fffd}", "c": 123_456_789_012_345_678_901_234_567_890_f64, "keep": "me" }));
        assert_eq!(profile("deep-json").await["keep"], "me");
        assert_eq!(profile("json-null").await, json!({}));
    }

    async fn conversations_are_their_owners_own(database: Database) {
        let old = Old::new(database, "new").await;
        let report = old.report(&["--session-owner", "odd-id"]).await;
        assert_eq!(report["notes"][1], "sessions: 4 that belonged to nobody were given to odd-id");
        let server = old.site.start().await;
        let (http, owner) = (server.http(), old.token(15));
        let said = messages(&http, owner, &id(5, 1)).await;
        let said: Vec<(&str, &str)> = said.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
        assert_eq!(said, [("user", "Hello there"), ("assistant", "General remarks"), ("user", "Draw a duck"),
            ("user", "The same place, later"), ("assistant", "yes"), ("user", "And pushed on"), ("assistant", "indeed")]);
        for (number, expected) in [
            (1, json!(["active", "First talk", "Be brief.", 4])),
            (2, json!(["closed", "Closed", null, 4])),
            (3, json!(["active", "nul\u{fffd} and half an emoji", null, 3])),
            (5, json!(["active", "", null, 0])),
        ] {
            let session = get(&http, owner, &format!("/v1/sessions/{}", id(5, number))).await.json().await;
            let found = json!([session["status"], session["title"], session["system_prompt"], session["message_count"]]);
            assert_eq!(found, expected, "session {number}");
            assert_eq!(get(&http, old.token(1), &format!("/v1/sessions/{}", id(5, number))).await.status, 404, "not ada's");
        }
        assert_eq!(messages(&http, owner, &id(5, 3)).await.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
            ["half \u{fffd}", "nul\u{fffd}", "42", "no number", "at the end"]);
        let images = old.site.sql("SELECT modality, input, output FROM exchanges
            WHERE session_id = (SELECT id FROM sessions WHERE title = 'Closed') ORDER BY sequence").await;
        let none = if old.site.database.is_some() { "" } else { "None" };
        assert_eq!(images, [
            format!(r#"image|{none}|{{"images":["iVBORw=="],"mesh":null,"artifacts":null}}"#),
            format!("image|{none}|{none}"),
            format!(r#"3d|{none}|{{"images":null,"mesh":"dmVydGV4","artifacts":null}}"#),
            format!(r#"text|{{"images":["data:image/png;base64,iVBORw=="],"mesh":null}}|{none}"#),
        ]);
        // What hands have given to grace is hers.
        let grace = log_in(&http, "grace", "pässwörd-ünïcode").await.1["token"].as_str().expect("a token").to_owned();
        let hers = get(&http, &grace, "/v1/sessions").await.json().await;
        assert_eq!((&hers["sessions"][0]["id"], hers["sessions"].as_array().map(Vec::len)), (&json!(id(5, 4)), Some(1)));
        let defaults = old.site.sql("SELECT modality, provider, model FROM default_models ORDER BY modality").await;
        assert_eq!(defaults, [format!("3d|{none}|openai/shap-e"), format!("image|{none}|gone/away"), "text|openai|gpt-4o".to_owned()]);
    }

    async fn a_second_run_brings_only_what_is_new(database: Database) {
        let old = Old::new(database, "new").await;
        let first = old.report(&[]).await;
        let content = old.content().await;
        let second = old.report(&[]).await;
        assert_counts(&second, &[]);
        for (table, counts) in second["tables"].as_object().expect("tables") {
            assert_eq!(counts["imported"], first["tables"][table]["imported"], "{table}");
            assert_eq!((&counts["already_there"], &counts["changed"]), (&counts["imported"], &json!(0)), "{table}");
        }
        assert_eq!(old.content().await, content);

        // What happened since stays, and what the old service did since comes.
        let server = old.site.start().await;
        assert_eq!(log_in(&server.http(), "ada", "short").await.0, 200);
        let body = json!({ "modality": "text", "model": "openai:echo", "input": { "prompt": "Said here" } });
        let path = format!("/v1/sessions/{}/generate", id(5, 1));
        assert_eq!(server.http().post(&path).bearer(old.token(1)).json(body).send().await.status, 200);
        drop(server);
        let more = "INSERT INTO session_messages SELECT replace(id, '00000006', '00000009'), session_id, 5, modality, \
            '{\"prompt\": \"Said there\"}', NULL, NULL, created_at FROM session_messages WHERE sequence = 3 AND modality = 'text'";
        crate::support::sqlite(&old.file, old.site.dir.path(), more).await.expect(0);
        let third = old.report(&[]).await;
        assert_counts(&third, &[("session_messages", [13, 12, 1, 1])]);
        let hash = old.site.sql("SELECT password_hash FROM users WHERE username = 'ada'").await;
        assert!(hash[0].starts_with("$argon2id$"), "not set back");
        let server = old.site.start().await;
        let said = messages(&server.http(), old.token(1), &id(5, 1)).await;
        let asked: Vec<&str> = said.iter().filter(|(role, _)| role == "user").map(|(_, text)| text.as_str()).collect();
        assert_eq!(asked, ["Hello there", "Draw a duck", "The same place, later", "And pushed on", "Said here", "Said there"]);
    }

    async fn a_dry_run_says_the_same_and_writes_nothing(database: Database) {
        let old = Old::new(database, "new").await;
        let dry = old.report(&["--dry-run"]).await;
        let files: BTreeSet<_> = std::fs::read_dir(old.site.dir.path()).expect("a folder")
            .map(|file| file.expect("a file").file_name().display().to_string()).collect();
        assert_eq!(files, BTreeSet::from(["old".to_owned()]), "no database, no key");
        if old.site.database.is_some() {
            assert_eq!(old.site.sql("SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()").await, ["0"]);
        }
        old.site.run(&["migrate"], "").await.expect(0);
        let empty = old.content().await;
        let again = old.report(&["--dry-run"]).await;
        assert_eq!(old.content().await, empty);
        let told = old.import(&["--dry-run"]).await.expect(0).stdout;
        assert!(told.starts_with("A dry run: nothing was written."), "{told}");
        let real = old.report(&[]).await;
        for report in [dry, again] {
            assert_eq!(report["dry_run"], true);
            assert_eq!(report["tables"], real["tables"]);
            let ids = |report: &Value| report["rows"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
            assert_eq!(ids(&report), ids(&real));
        }
    }

    async fn with_a_wrong_passphrase_all_but_the_keys_comes(database: Database) {
        let old = Old::new(database, "new").await;
        std::fs::write(&old.passphrase, "something else").expect("a file");
        let report = old.report(&[]).await;
        assert_counts(&report, &[("users", [21, 21, 15, 0]), ("provider_keys", [16, 0, 0, 16]), ("session_messages", [12, 11, 7, 1])]);
        let told = Old::told(&report, "provider_keys", &id(3, 1));
        assert_eq!(told, "skipped: owner ada, provider openai: it does not open with the old key; its owner stores it again");
        assert!(report["notes"].to_string().contains("is it the right one?"), "{report}");
        // The right one brings them later.
        std::fs::write(&old.passphrase, PASSPHRASE).expect("a file");
        assert_counts(&old.report(&[]).await, &[("provider_keys", [16, 8, 5, 8])]);
    }

    async fn a_file_of_an_early_version_comes_with_its_key_file(database: Database) {
        let site = Site::new(database).await;
        let key_file = site.dir.path().join(".llm_api_enc.key").display().to_string();
        let old = Old::made(site, "old", &key_file).await;
        let done = old.import_with(&["--legacy-key-file", &key_file, "--json"]).await.expect(0);
        let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_counts(&report, &[
            ("users", [2, 2, 0, 0]), ("user_tokens", [0, 0, 0, 0]), ("provider_keys", [1, 1, 0, 0]),
            ("sessions", [1, 1, 0, 0]), ("session_messages", [1, 1, 0, 0]),
        ]);
        assert!(report["tables"]["default_models"].is_null(), "the file has no such table");
        let server = old.site.start().await;
        let token = log_in(&server.http(), "ada", "short").await.1["token"].as_str().expect("a token").to_owned();
        assert_eq!(chat(&server.http(), &token, "echo", false).await.status, 200);
        assert_eq!(messages(&server.http(), &token, &id(5, 1)).await.len(), 2);
    }

    async fn without_an_administrator_sessions_wait_for_an_owner(database: Database) {
        let old = Old::new(database, "old").await;
        crate::support::sqlite(&old.file, old.site.dir.path(), "UPDATE users SET is_admin = 0").await.expect(0);
        let report = old.report(&[]).await;
        assert_counts(&report, &[("sessions", [1, 0, 0, 1]), ("session_messages", [1, 0, 0, 1])]);
        assert!(Old::told(&report, "sessions", &id(5, 1)).contains("--session-owner"), "{report}");
        let refused = old.import(&["--session-owner", "nobody"]).await.expect(2);
        assert!(refused.stderr.contains("there is nobody with this name"), "{refused:?}");
        assert_counts(&old.report(&["--session-owner", "grace"]).await, &[("sessions", [1, 1, 0, 0]), ("session_messages", [1, 1, 0, 0])]);
    }
}
