//! The operator's commands: what they do, print and answer, and that they work beside a running server.

use llm_api_testkit::{Server, each_db, target_binary};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, get, sign_in, store_key};

const CREATE: [&str; 5] = ["user", "create", "--password-stdin", "--username", "ada"];

each_db! {
    async fn an_account_made_by_command_can_sign_in(database: Database) {
        let site = Site::new(database).await;
        let made = site.run(&CREATE, &format!("{PASSWORD}\n")).await.expect(0);
        assert_eq!((made.stdout.as_str(), made.stderr.as_str()), ("Created the user ada.\n", ""));
        let server = site.start().await;
        assert_eq!(server.stdout(), "", "no welcome: there is a user");
        let ada = sign_in(&server.http(), "ada").await;
        let me = get(&server.http(), &ada, "/v1/users/me").await.json().await;
        assert_eq!((&me["username"], &me["display_name"], &me["is_admin"]), (&json!("ada"), &json!("ada"), &json!(false)));
        assert_eq!(get(&server.http(), &ada, "/v1/users/invites").await.status, 403);
    }

    async fn accounts_are_made_while_the_server_runs(database: Database) {
        let site = Site::new(database).await;
        let server = site.start().await;
        let args = ["user", "create", "--password-stdin", "--admin", "--json", "--username", " root@example.org ",
            "--display-name", "The operator"];
        let made = site.run(&args, PASSWORD).await.expect(0);
        let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
        assert_eq!((&made["username"], &made["is_admin"]), (&json!("root@example.org"), &json!(true)));

        let root = sign_in(&server.http(), "root@example.org").await;
        let me = get(&server.http(), &root, "/v1/users/me").await.json().await;
        assert_eq!((&me["id"], &me["display_name"]), (&made["id"], &json!("The operator")));
        assert_eq!(get(&server.http(), &root, "/v1/users/invites").await.status, 200);
    }

    async fn an_account_that_cannot_be_made_is_refused_in_a_sentence(database: Database) {
        let site = Site::new(database).await;
        site.run(&CREATE, PASSWORD).await.expect(0);
        let taken = site.run(&CREATE, "another long password").await.expect(1);
        assert_eq!(taken.stderr, "llm-api: the name \"ada\" is taken\n");
        let server = site.start().await;
        sign_in(&server.http(), "ada").await;

        let short = site.run(&["user", "create", "--password-stdin", "--username", "bob"], "short").await.expect(2);
        assert_eq!(short.stderr, "llm-api: The password must have at least 12 characters.\n");
        for name in ["", "   ", "a\tb"] {
            let args = ["user", "create", "--password-stdin", "--username", name];
            let refused = site.run(&args, PASSWORD).await.expect(2);
            assert!(refused.stderr.starts_with("llm-api: --username must have 1 to 255 characters"), "{refused:?}");
        }
        let no_terminal = site.run(&["user", "create", "--username", "bob"], PASSWORD).await.expect(2);
        assert_eq!(no_terminal.stderr, "llm-api: no terminal to ask for the password on; use --password-stdin\n");
        assert_eq!(site.sql("SELECT username FROM users ORDER BY id").await, ["service", "ada"]);
    }

    async fn an_invite_made_by_command_registers(database: Database) {
        let site = Site::new(database).await;
        let server = site.start().await;
        let register = async |name: &str, invite: &str| {
            let body = json!({ "username": name, "password": PASSWORD, "invite_token": invite });
            server.http().post("/v1/users/register").json(body).send().await
        };
        let text = site.run(&["invite", "create"], "").await.expect(0).stdout;
        let invite = text.trim_end();
        assert!(invite.starts_with("lai_") && text.lines().count() == 1, "{text}");
        let ada = register("ada", invite).await;
        assert_eq!(ada.status, 201);
        assert_eq!(ada.json().await["is_admin"], false);
        assert_eq!(register("eve", invite).await.status, 400);

        let args = ["invite", "create", "--admin", "--max-uses", "2", "--expires-days", "1", "--json"];
        let made: Value = serde_json::from_str(&site.run(&args, "").await.expect(0).stdout).expect("JSON");
        assert_eq!((&made["grants_admin"], &made["max_uses"]), (&json!(true), &json!(2)));
        assert!(made["expires_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{made}");
        let invite = made["invite_token"].as_str().expect("an invite");
        for name in ["bob", "cleo"] {
            assert_eq!(register(name, invite).await.json().await["is_admin"], true);
        }
        assert_eq!(register("eve", invite).await.status, 400);
        site.run(&["invite", "create", "--max-uses", "0"], "").await.expect(2);
    }

    async fn migrating_twice_is_as_good_as_once(database: Database) {
        let site = Site::new(database).await;
        let name = if site.database.is_some() { "Postgres" } else { "SQLite" };
        let mut applied = Vec::new();
        for _ in 0..2 {
            let done = site.run(&["migrate"], "").await.expect(0);
            assert_eq!(done.stdout, format!("The {name} database is at this version.\n"));
            applied.push(site.sql("SELECT version, description FROM _sqlx_migrations ORDER BY version").await);
        }
        assert!(!applied[0].is_empty() && applied[0] == applied[1], "{applied:?}");
        site.start().await;
    }

    async fn a_generated_key_seals_what_users_store(database: Database) {
        let mut site = Site::new(database).await;
        let mut keys = Vec::new();
        for _ in 0..2 {
            let made = site.run(&["keys", "generate"], "").await.expect(0);
            assert!(made.stderr.is_empty() && made.stdout.lines().count() == 1, "{made:?}");
            keys.push(made.stdout.trim_end().to_owned());
        }
        assert_ne!(keys[0], keys[1]);
        site.set("ENCRYPTION_KEY", &keys[0]);
        site.add_user("ada").await;
        let server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &ada, "sk-good").await;
    }
}

#[tokio::test]
async fn the_checked_in_openapi_document_is_the_one_of_this_program() {
    let site = Site::new(llm_api_testkit::Database::Sqlite).await;
    let printed = site.run(&["openapi"], "").await.expect(0).stdout;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let checked_in = std::fs::read_to_string(path).expect("docs/openapi.json");
    assert!(printed == checked_in, "docs/openapi.json is behind: cargo run -- openapi > docs/openapi.json");

    let server = Server::start(&target_binary("llm-api"), &[]).await;
    let reply = server.http().get("/openapi.json").send().await;
    assert_eq!(reply.text().await, checked_in);
}

#[tokio::test]
async fn the_settings_are_shown_with_their_sources_and_without_secrets() {
    let mut site = Site::new(llm_api_testkit::Database::Sqlite).await;
    let dir = site.dir.path().to_owned();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    write(".env", "LLM_API_LOG_LEVEL=ERROR\nLLM_API_XAI_API_KEY=hunter2-dotenv\n");
    write("config.yaml", "server:\n  port: 18080\nproviders:\n  groq:\n    api_key: hunter2-yaml\n");
    write("api-key", "hunter2-file\n");
    site.set("DATABASE_URL", "postgres://app:hunter2-url@db.example.com/x");
    site.set("ENCRYPTION_KEY", "hunter2-key");
    site.set("UPSTREAM_PROXY", "http://me:hunter2-proxy@proxy.example.com:3128");
    site.set("API_KEY_FILE", "api-key");
    site.set("MAX_STREAMS", "7");

    // What it shows is also what is wrong: it ends like a start with these settings.
    let table = site.run(&["config"], "").await.expect(0);
    let json = site.run(&["config", "--json"], "").await.expect(0);
    let shown: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let shown = shown.as_array().expect("a list");
    for (name, value, source) in [
        ("LLM_API_HOST", "127.0.0.1", "default"),
        ("LLM_API_PORT", "18080", "config.yaml"),
        ("LLM_API_LOG_LEVEL", "ERROR", ".env"),
        ("LLM_API_MAX_STREAMS", "7", "environment"),
        ("LLM_API_DATABASE_URL", "set", "environment"),
        ("LLM_API_ENCRYPTION_KEY", "set", "environment"),
        ("LLM_API_API_KEY", "set", "file of LLM_API_API_KEY_FILE"),
        ("LLM_API_XAI_API_KEY", "set", ".env"),
        ("LLM_API_GROQ_API_KEY", "set", "config.yaml"),
        ("LLM_API_OPENAI_API_KEY", "not set", "default"),
        ("LLM_API_UPSTREAM_PROXY", "http://***@proxy.example.com:3128", "environment"),
    ] {
        let expected = json!({ "name": name, "value": value, "source": source });
        assert!(shown.contains(&expected), "{expected} in {shown:?}");
        let words = [name, value, source].join(" ");
        let line = table.stdout.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
        assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), words);
    }
    for text in [table.stdout, table.stderr, json.stdout, json.stderr] {
        assert!(!text.contains("hunter2"), "{text}");
    }

    site.set("PORT", "abc");
    let wrong = site.run(&["config"], "").await.expect(78);
    assert!(wrong.stdout.contains("abc") && wrong.stderr.contains("LLM_API_PORT"), "{wrong:?}");
}

#[tokio::test]
async fn every_command_explains_itself() {
    let site = Site::new(llm_api_testkit::Database::Sqlite).await;
    let commands: [&[&str]; 15] = [
        &[],
        &["serve"],
        &["migrate"],
        &["user"],
        &["user", "create"],
        &["invite"],
        &["invite", "create"],
        &["keys"],
        &["keys", "generate"],
        &["db"],
        &["db", "copy"],
        &["db", "verify"],
        &["openapi"],
        &["config"],
        &["help"],
    ];
    for command in commands {
        let args: Vec<_> = command.iter().copied().chain((command != ["help"]).then_some("--help")).collect();
        let help = site.run(&args, "").await.expect(0);
        let usage = format!("Usage: llm-api {}", command.join(" ").replace("help", "[COMMAND]"));
        assert!(help.stdout.contains(usage.trim_end()) && help.stderr.is_empty(), "{args:?}: {help:?}");
    }
    let version = site.run(&["--version"], "").await.expect(0);
    assert_eq!(version.stdout, format!("llm-api {}\n", env!("CARGO_PKG_VERSION")));
    for args in [&["frobnicate"][..], &["user"], &["user", "create"], &["serve", "--fast"]] {
        let refused = site.run(args, "").await.expect(2);
        assert!(refused.stderr.contains("Usage: llm-api") && refused.stdout.is_empty(), "{args:?}: {refused:?}");
    }
    // None of it touched any data.
    assert_eq!(std::fs::read_dir(site.dir.path()).expect("a folder").count(), 0);
}
