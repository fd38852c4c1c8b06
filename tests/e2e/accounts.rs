//! The operator's commands for accounts and invites, beside a running server.

use llm_api_testkit::{Database, each_db};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, chat, get, sign_in, store_key};

const NEW_PASSWORD: &str = "a short and noisy morning";

async fn administrator(site: &Site, name: &str) {
    let args = ["user", "create", "--username", name, "--admin", "--password-stdin"];
    site.run(&args, PASSWORD).await.expect(0);
}

async fn listed(site: &Site) -> Vec<(String, bool, bool)> {
    let list = site.run(&["user", "list", "--json"], "").await.expect(0);
    let list: Vec<Value> = serde_json::from_str(&list.stdout).expect("an array");
    let of = |user: &Value, member: &str| user[member].as_bool().expect("a bool");
    let name = |user: &Value| user["username"].as_str().expect("a name").to_owned();
    list.iter().map(|user| (name(user), of(user, "is_admin"), of(user, "is_active"))).collect()
}

each_db! {
    async fn people_are_kept_out_and_let_in_at_once(database: Database) {
        let site = Site::new(database).await;
        administrator(&site, "root").await;
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        let me = async || get(&http, &ada, "/v1/users/me").await.status.as_u16();
        assert_eq!(me().await, 200);
        for _ in 0..2 {
            let out = site.run(&["user", "disable", "--username", "ada"], "").await.expect(0);
            assert!(out.stdout.starts_with("Disabled \"ada\": "), "{out:?}");
            assert_eq!(me().await, 401);
        }
        let login = json!({ "username": "ada", "password": PASSWORD });
        assert_eq!(http.post("/v1/users/login").json(login).send().await.status, 401);
        assert_eq!(listed(&site).await, [("ada".to_owned(), false, false), ("root".to_owned(), true, true)]);
        let table = site.run(&["user", "list"], "").await.expect(0).stdout;
        assert!(table.lines().any(|line| line.starts_with("ada   user   disabled  20")), "{table}");

        let again = site.run(&["user", "enable", "--username", " ada ", "--json"], "").await.expect(0);
        let again: Value = serde_json::from_str(&again.stdout).expect("JSON");
        assert_eq!((&again["username"], &again["is_active"]), (&json!("ada"), &json!(true)));
        assert_eq!(me().await, 200);

        for verb in ["disable", "enable"] {
            for nobody in ["eve", "service", "Ada"] {
                let unknown = site.run(&["user", verb, "--username", nobody], "").await.expect(1);
                let sentence = format!("llm-api: there is no user \"{nobody}\"; `llm-api user list` shows all\n");
                assert_eq!(unknown.stderr, sentence);
            }
        }
    }

    async fn the_last_administrator_stays_unless_forced(database: Database) {
        let site = Site::new(database).await;
        administrator(&site, "root").await;
        administrator(&site, "deputy").await;
        site.run(&["user", "disable", "--username", "deputy"], "").await.expect(0);
        let disable = ["user", "disable", "--username", "root"];
        let refused = site.run(&disable, "").await.expect(1);
        let sentence = "llm-api: \"root\" is the last active administrator: make another one first, or add --force\n";
        assert_eq!(refused.stderr, sentence);
        let delete = ["user", "delete", "--username", "root", "--confirm", "root"];
        let refused = site.run(&delete, "").await.expect(1);
        assert!(refused.stderr.contains("the last active administrator"), "{refused:?}");
        assert_eq!(listed(&site).await, [("deputy".to_owned(), true, false), ("root".to_owned(), true, true)]);
        site.run(&[&disable[..], &["--force"]].concat(), "").await.expect(0);
        site.run(&["user", "enable", "--username", "deputy"], "").await.expect(0);
        site.run(&delete, "").await.expect(0);
        assert_eq!(listed(&site).await, [("deputy".to_owned(), true, true)]);
    }

    async fn a_new_password_ends_every_login_and_no_personal_token(database: Database) {
        let site = Site::new(database).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        let made = http.post("/v1/users/tokens").bearer(&ada).json(json!({ "name": "laptop" })).send().await;
        let laptop = made.json().await["token"].as_str().expect("a token").to_owned();
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);

        let set = ["user", "set-password", "--username", "ada", "--password-stdin"];
        let done = site.run(&set, &format!("{NEW_PASSWORD}\n")).await.expect(0);
        assert!(done.stdout.starts_with("\"ada\" has a new password.") && done.stderr.is_empty(), "{done:?}");
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 401);
        assert_eq!(get(&http, &laptop, "/v1/users/me").await.status, 200);
        let login = async |password: &str| {
            let body = json!({ "username": "ada", "password": password });
            http.post("/v1/users/login").json(body).send().await.status.as_u16()
        };
        assert_eq!((login(PASSWORD).await, login(NEW_PASSWORD).await), (401, 200));

        // As an import leaves some: with a hash that nobody can meet any more, or with none.
        for hash in ["'00112233445566778899aabbccddeeff:57'", "NULL"] {
            site.sql(&format!("UPDATE users SET password_hash = {hash} WHERE username = 'ada'")).await;
            site.run(&set, PASSWORD).await.expect(0);
            sign_in(&http, "ada").await;
        }
        for (password, sentence) in [
            ("short", "The password must have at least 12 characters."),
            ("password1234", "The password is on the list of common passwords; choose another one."),
        ] {
            let refused = site.run(&set, password).await.expect(2);
            assert_eq!(refused.stderr, format!("llm-api: {sentence}\n"));
        }
        site.run(&["user", "set-password", "--username", "eve", "--password-stdin"], PASSWORD).await.expect(1);
        let no_terminal = site.run(&["user", "set-password", "--username", "ada"], PASSWORD).await.expect(2);
        assert!(no_terminal.stderr.contains("--password-stdin"), "{no_terminal:?}");
        sign_in(&http, "ada").await;
    }

    async fn a_person_is_removed_with_everything(database: Database) {
        let site = Site::new(database).await;
        site.add_user("ada").await;
        site.add_user("bob").await;
        let server = site.start().await;
        let http = server.http();
        let (ada, bob) = (sign_in(&http, "ada").await, sign_in(&http, "bob").await);
        for token in [&ada, &bob] {
            store_key(&http, token, "sk-good").await;
            assert_eq!(chat(&http, token, "echo", false).await.status, 200);
            let body = json!({ "model": "openai:big-image", "modality": "image", "input": { "prompt": "A boat" } });
            assert_eq!(http.post("/v1/generate").bearer(token).json(body).send().await.status, 200);
        }
        let files = || {
            let folders = std::fs::read_dir(site.dir.path().join("artifacts")).expect("a folder").flatten();
            folders.map(|folder| std::fs::read_dir(folder.path()).expect("a folder").count()).sum::<usize>()
        };
        assert_eq!(files(), 2);
        let other = site.run(&["user", "delete", "--username", "ada", "--confirm", "bob"], "").await.expect(2);
        assert_eq!(other.stderr, "llm-api: --confirm must repeat the name that --username says\n");
        site.run(&["user", "delete", "--username", "ada"], "").await.expect(2);
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);

        let done = site.run(&["user", "delete", "--username", "ada", "--confirm", "ada", "--json"], "").await.expect(0);
        let done: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!((&done["username"], &done["deleted"]), (&json!("ada"), &json!(true)));
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 401);
        assert_eq!((listed(&site).await, files()), (vec![("bob".to_owned(), false, true)], 1));
        for table in ["provider_keys", "user_tokens", "artifacts"] {
            assert_eq!(site.sql(&format!("SELECT COUNT(DISTINCT user_id) FROM {table}")).await, ["1"], "{table}");
        }
        assert_eq!(chat(&http, &bob, "echo", false).await.status, 200);
        site.run(&["user", "delete", "--username", "ada", "--confirm", "ada"], "").await.expect(1);
    }

    async fn invites_are_listed_and_revoked(database: Database) {
        let site = Site::new(database).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let mut made = Vec::new();
        for _ in 0..3 {
            let invite = site.run(&["invite", "create", "--json"], "").await.expect(0);
            made.push(serde_json::from_str::<Value>(&invite.stdout).expect("JSON"));
        }
        let id = |place: usize| made[place]["id"].as_str().expect("an id");
        let register = async |name: &str, place: usize| {
            let body = json!({ "username": name, "password": PASSWORD, "invite_token": made[place]["invite_token"] });
            http.post("/v1/users/register").json(body).send().await.status.as_u16()
        };
        assert_eq!(register("bob", 0).await, 201);
        for _ in 0..2 {
            let done = site.run(&["invite", "revoke", "--id", id(1)], "").await.expect(0);
            assert_eq!(done.stdout, format!("Revoked {}.\n", id(1)));
        }
        assert_eq!(register("cleo", 1).await, 400);

        let list = site.run(&["invite", "list", "--json"], "").await.expect(0).stdout;
        let list: Vec<Value> = serde_json::from_str(&list).expect("an array");
        let states: Vec<_> = list.iter().map(|invite| (invite["id"].clone(), invite["state"].clone())).collect();
        assert_eq!(states, [(json!(id(2)), json!("open")), (json!(id(1)), json!("revoked")), (json!(id(0)), json!("used"))]);
        let table = site.run(&["invite", "list"], "").await.expect(0).stdout;
        assert!(table.contains(&format!("{}  used           1/1  user   20", id(0))), "{table}");
        assert!(!table.contains("lai_"), "{table}");
        assert_eq!(register("cleo", 2).await, 201);

        let unknown = site.run(&["invite", "revoke", "--id", "018f0000-0000-7000-8000-000000000000"], "").await.expect(1);
        assert!(unknown.stderr.contains("there is no invite 018f0000-"), "{unknown:?}");
        site.run(&["invite", "revoke", "--id", "one"], "").await.expect(2);
    }

    async fn a_frozen_database_is_told_in_plain_words(database: Database) {
        let site = Site::new(database).await;
        administrator(&site, "root").await;
        site.add_user("ada").await;
        let invite = site.run(&["invite", "create", "--json"], "").await.expect(0).stdout;
        let invite: Value = serde_json::from_str(&invite).expect("JSON");
        site.run(&["freeze"], "").await.expect(0);
        let commands: [&[&str]; 6] = [
            &["user", "disable", "--username", "ada"],
            &["user", "enable", "--username", "ada"],
            &["user", "set-password", "--username", "ada", "--password-stdin"],
            &["user", "delete", "--username", "ada", "--confirm", "ada"],
            &["invite", "create"],
            &["invite", "revoke", "--id", invite["id"].as_str().expect("an id")],
        ];
        for command in commands {
            let refused = site.run(command, PASSWORD).await.expect(1);
            assert!(refused.stderr.starts_with("llm-api: the database is frozen: `llm-api thaw`"), "{refused:?}");
        }
        assert_eq!(listed(&site).await.len(), 2);
    }
}

#[tokio::test]
async fn a_name_that_a_terminal_would_obey_is_shown_harmlessly() {
    let site = Site::new(Database::Sqlite).await;
    site.add_user("ada").await;
    site.sql("UPDATE users SET username = 'a' || char(27) || '[2Jda' WHERE username = 'ada'").await;
    let table = site.run(&["user", "list"], "").await.expect(0).stdout;
    assert!(table.contains("a\u{FFFD}[2Jda") && !table.contains('\u{1b}'), "{table:?}");
}

#[tokio::test]
async fn each_command_is_enough_without_a_page() {
    let site = Site::new(Database::Sqlite).await;
    for command in [
        &["user", "create"][..],
        &["user", "list"],
        &["user", "disable"],
        &["user", "enable"],
        &["user", "set-password"],
        &["user", "delete"],
        &["invite", "create"],
        &["invite", "list"],
        &["invite", "revoke"],
    ] {
        let help = site.run(&[command, &["--help"]].concat(), "").await.expect(0).stdout;
        let words = command.join(" ");
        assert!(help.contains(&format!("Usage: llm-api {words}")), "{help}");
        assert!(help.contains(&format!("Examples:\n  llm-api {words}")) || help.contains("| llm-api user"), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
}
