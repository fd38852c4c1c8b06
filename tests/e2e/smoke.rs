//! `llm-api smoke` against real servers: what passes, what fails and says why, and that nothing is left behind.

use std::process::Stdio;

use llm_api_testkit::{Database, Finished, Server, each_db, target_binary};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{PASSWORD, Site, eventually, get, sign_in, store_key};

const OPERATORS_KEY: &str = "sk-of-the-operator-0001";
const GIVEN_KEY: &str = "sk-given-for-the-run-0002";

/// Whatever a run makes would show here.
const TABLES: [&str; 8] =
    ["users", "sessions", "provider_keys", "user_tokens", "exchanges", "requests", "user_default_models", "artifacts"];

/// The steps of a run that can do everything, the optional ones left out.
const WHOLE: [&str; 20] = [
    "health",
    "ready",
    "version",
    "given token",
    "invite",
    "register",
    "login",
    "me",
    "token",
    "session create",
    "models",
    "model to use",
    "default model",
    "generate",
    "generate streamed",
    "generate in a session",
    "generate in a session streamed",
    "chat completion",
    "chat completion streamed",
    "session list",
];

/// A deployment with an administrator, whose token lies in `root.token`.
struct Deployment {
    site: Site,
    server: Server,
    root: String,
}

impl Deployment {
    async fn new(database: Database, settings: &[(&str, &str)]) -> Self {
        let site = Site::with(database, settings).await;
        let args = ["user", "create", "--username", "root", "--admin", "--password-stdin"];
        site.run(&args, PASSWORD).await.expect(0);
        let server = site.start().await;
        let root = sign_in(&server.http(), "root").await;
        let deployment = Self { site, server, root };
        deployment.write("root.token", &format!("{}\n", deployment.root));
        deployment.write("key", &format!("{GIVEN_KEY}\n"));
        deployment
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.site.dir.path().join(name), text).expect("a file");
    }

    async fn smoke(&self, args: &[&str], input: &str) -> Finished {
        let args: Vec<&str> = ["smoke", "--url", self.server.base_url()].iter().chain(args).copied().collect();
        let done = self.site.run(&args, input).await;
        for secret in [self.root.as_str(), GIVEN_KEY, OPERATORS_KEY, "las_", "lap_", "lai_", PASSWORD] {
            assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{secret}: {done:?}");
        }
        done
    }

    /// With `--json`; the object.
    async fn told(&self, args: &[&str], code: i32) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.smoke(&args, "").await.expect(code).stdout).expect("JSON")
    }

    async fn rows(&self) -> Vec<String> {
        let counts = TABLES.map(|table| format!("SELECT '{table}', COUNT(*) FROM {table}"));
        self.site.sql(&counts.join(" UNION ALL ")).await
    }
}

fn steps<'r>(report: &'r Value, status: &str) -> Vec<&'r str> {
    let steps = report["steps"].as_array().into_iter().flatten();
    steps.filter(|step| step["status"] == status).filter_map(|step| step["step"].as_str()).collect()
}

fn detail<'r>(report: &'r Value, name: &str) -> &'r str {
    let mut steps = report["steps"].as_array().into_iter().flatten();
    let step = steps.find(|step| step["step"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    step["detail"].as_str().expect("a text")
}

/// The lines without their times.
fn lines(stdout: &str) -> Vec<String> {
    stdout
        .lines()
        .map(|line| {
            line.split_whitespace().filter(|word| !word.starts_with(char::is_numeric)).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

each_db! {
    async fn a_good_deployment_passes_with_the_operators_key_and_is_as_before(database: Database) {
        let settings = [("OPENAI_API_KEY", OPERATORS_KEY), ("DEFAULT_MODEL", "echo")];
        let deployment = Deployment::new(database, &settings).await;
        let before = deployment.rows().await;
        let done = deployment.smoke(&["--token-file", "root.token"], "").await.expect(0);
        let lines = lines(&done.stdout);
        for line in ["ok ms health", "ok ms login", "ok ms generate: tokens", "ok ms model to use: openai:echo",
            "ok ms session get: messages", "ok ms remove the account",
            "skip provider key: needs --provider and --provider-key-file"] {
            assert!(lines.iter().any(|told| told == line), "{line}: {lines:#?}");
        }
        let last = lines.last().map(String::as_str).unwrap_or_default();
        assert!(last.starts_with("All is well at http://127.0.0.1:") && done.stderr.is_empty(), "{done:?}");
        assert_eq!(deployment.rows().await, before);

        let report = deployment.told(&["--token-file", "root.token", "--model", "openai:echo"], 0).await;
        assert_eq!((&report["passed"], &report["frozen"]), (&json!(true), &Value::Null));
        let passed = steps(&report, "ok");
        assert_eq!(passed.get(..WHOLE.len()), Some(&WHOLE[..]));
        assert_eq!(steps(&report, "skip"), ["provider key"]);
        assert_eq!(detail(&report, "session get"), "4 messages");
        assert_eq!(deployment.rows().await, before);
        assert_eq!(deployment.site.sql("SELECT COUNT(*) FROM invite_tokens WHERE uses = 0").await, ["0"]);
        let keys = deployment.site.provider.requests();
        assert!(keys.iter().all(|asked| asked.header("authorization") == format!("Bearer {OPERATORS_KEY}")));
    }

    async fn a_given_key_is_stored_used_and_deleted(database: Database) {
        let deployment = Deployment::new(database, &[]).await;
        let before = deployment.rows().await;
        let url = deployment.site.provider.base_url();
        let key = ["--token-file", "root.token", "--provider-key-file", "key", "--model", "echo", "--provider"];
        for provider in [&["openai"][..], &["custom", "--endpoint", &url]] {
            let args: Vec<&str> = key.iter().chain(provider).copied().collect();
            let report = deployment.told(&args, 0).await;
            assert!(steps(&report, "skip").is_empty(), "{report:#}");
            assert!(detail(&report, "provider key").starts_with(&format!("{}: The provider lists", provider[0])));
            assert!(steps(&report, "ok").contains(&"remove the provider key"));
            assert_eq!(deployment.rows().await, before);
        }
        let asked = deployment.site.provider.requests();
        let generated = asked.iter().filter(|asked| asked.body["model"] == "echo").collect::<Vec<_>>();
        assert_eq!(generated.len(), 12);
        assert!(generated.iter().all(|asked| asked.header("authorization") == format!("Bearer {GIVEN_KEY}")));
    }

    async fn what_fails_is_told_with_what_to_do_and_nothing_is_left(database: Database) {
        let settings = [("OPENAI_API_KEY", OPERATORS_KEY), ("GROQ_API_KEY", OPERATORS_KEY), ("GROQ_BASE_URL", "http://127.0.0.1:9/v1")];
        let deployment = Deployment::new(database, &settings).await;
        let before = deployment.rows().await;
        let done = deployment.smoke(&["--token-file", "root.token", "--model", "groq:echo"], "").await.expect(1);
        let told = "502 upstream_unreachable: groq: the provider could not be reached: connection refused; can the \
            server reach the provider? `llm-api doctor` on it tries";
        assert!(done.stdout.contains(&format!(" ms  generate: {told}\n")), "{done:?}");
        assert!(done.stderr.starts_with("llm-api: 6 of ") && done.stderr.contains("failed: generate, "), "{done:?}");
        assert_eq!(deployment.rows().await, before);

        for (model, failing, word) in [
            ("openai:rejects-key", 6, "provider_key_rejected"),
            ("openai:dies", 6, "upstream_interrupted"),
            ("openai:html", 6, "upstream_bad_response"),
        ] {
            let report = deployment.told(&["--token-file", "root.token", "--model", model], 1).await;
            assert_eq!((steps(&report, "fail").len(), &report["passed"]), (failing, &json!(false)), "{report:#}");
            assert!(detail(&report, "generate").contains(word), "{report:#}");
            assert_eq!(deployment.rows().await, before, "{model}");
        }

        deployment.write("bad", "sk-bad-key-0000001");
        let args = ["--token-file", "root.token", "--provider", "openai", "--provider-key-file", "bad", "--model", "echo"];
        let report = deployment.told(&args, 1).await;
        assert!(detail(&report, "provider key").starts_with("openai rejects the key: "), "{report:#}");
        assert_eq!(deployment.rows().await, before);
    }

    async fn nothing_to_generate_with_is_a_failure_unless_it_is_wanted(database: Database) {
        let deployment = Deployment::new(database, &[]).await;
        let report = deployment.told(&["--token-file", "root.token"], 1).await;
        assert_eq!(steps(&report, "fail"), ["model to use"]);
        assert!(detail(&report, "model to use").contains("add --without-generation"), "{report:#}");
        let report = deployment.told(&["--token-file", "root.token", "--without-generation"], 0).await;
        assert_eq!(steps(&report, "skip"), ["provider key", "model to use"]);
    }

    async fn a_users_token_runs_what_it_may_and_loses_nothing(database: Database) {
        let deployment = Deployment::new(database, &[("DEFAULT_MODEL", "echo")]).await;
        deployment.site.add_user("ada").await;
        let http = deployment.server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-of-ada-0003").await;
        deployment.write("ada.token", &ada);
        let args = ["--token-file", "ada.token", "--provider", "openai", "--provider-key-file", "key"];
        let report = deployment.told(&args, 0).await;
        assert_eq!(steps(&report, "skip"), ["invite", "login", "token", "provider key"]);
        assert!(detail(&report, "provider key").contains("which stays as it is"), "{report:#}");
        let keys = get(&http, &ada, "/v1/users/provider-keys").await.json().await;
        assert_eq!(keys[0]["masked_key"], "sk-...003");
        assert_eq!(get(&http, &ada, "/v1/sessions").await.json().await["sessions"], json!([]));

        let nobody = deployment.told(&[], 0).await;
        assert_eq!((steps(&nobody, "ok").len(), steps(&nobody, "skip")), (3, vec!["everything behind a sign-in"]));
        deployment.write("stranger.token", "lap_0000000000000000000000000000000000000000");
        let stranger = deployment.told(&["--token-file", "stranger.token", "--without-generation"], 1).await;
        assert!(detail(&stranger, "given token").starts_with("401 unauthenticated: "), "{stranger:#}");
    }

    async fn an_invite_alone_is_enough_and_the_account_that_stays_is_named(database: Database) {
        let deployment = Deployment::new(database, &[]).await;
        let invite = deployment.site.run(&["invite", "create"], "").await.expect(0).stdout;
        deployment.write("invite", &invite);
        let args = ["--invite-file", "invite", "--provider", "openai", "--provider-key-file", "key", "--model", "echo"];
        let report = deployment.told(&args, 0).await;
        assert_eq!(steps(&report, "skip"), ["remove the account"]);
        let name = detail(&report, "register");
        let command = format!("user delete --username {name} --confirm {name}");
        assert!(detail(&report, "remove the account").contains(&command), "{report:#}");
        assert_eq!(deployment.site.sql("SELECT COUNT(*) FROM sessions").await, ["0"]);
        assert_eq!(deployment.site.sql("SELECT COUNT(*) FROM provider_keys").await, ["0"]);
        let args: Vec<&str> = command.split(' ').collect();
        deployment.site.run(&args, "").await.expect(0);
        assert_eq!(deployment.site.sql("SELECT username FROM users WHERE kind = 'person'").await, ["root"]);
        let again = deployment.told(&["--invite-file", "invite", "--without-generation"], 1).await;
        assert_eq!(steps(&again, "fail"), ["register"], "{again:#}");
    }

    async fn stopped_half_way_it_still_removes_what_it_made(database: Database) {
        let deployment = Deployment::new(database, &[("OPENAI_API_KEY", OPERATORS_KEY)]).await;
        let before = deployment.rows().await;
        let child = Command::new(target_binary("llm-api"))
            .args(["smoke", "--url", deployment.server.base_url(), "--token-file", "root.token"])
            .args(["--model", "openai:slow-head"])
            .env_clear()
            .current_dir(deployment.site.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the command");
        deployment.site.asked_for("slow-head").await;
        assert_ne!(deployment.rows().await, before);
        let pid = child.id().expect("it runs").to_string();
        let signal = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status().await.expect("sh");
        assert!(signal.success());
        let done = child.wait_with_output().await.expect("its end");
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(String::from_utf8_lossy(&done.stderr).ends_with("llm-api: it was stopped before its end\n"), "{done:?}");
        assert_eq!(deployment.rows().await, before);
    }

    async fn a_frozen_deployment_is_read_and_refuses_every_write(database: Database) {
        let deployment = Deployment::new(database, &[("OPENAI_API_KEY", OPERATORS_KEY)]).await;
        let before = deployment.rows().await;
        deployment.site.run(&["freeze", "--reason", "migration"], "").await.expect(0);
        let done = deployment.smoke(&["--token-file", "root.token"], "").await.expect(0);
        let last = done.stdout.lines().last().unwrap_or_default();
        assert!(last.contains("is frozen (migration): it can be read, and writes are refused as they should be"), "{done:?}");
        let report = deployment.told(&["--token-file", "root.token"], 0).await;
        assert_eq!(report["frozen"]["reason"], "migration");
        assert_eq!(steps(&report, "ok"), ["health", "ready", "version", "read the profile", "read models", "read sessions",
            "read provider keys", "register is refused", "session create is refused", "generate is refused",
            "chat completion is refused"]);
        assert!(detail(&report, "generate is refused").starts_with("503 read_only, Retry-After "), "{report:#}");
        assert_eq!(steps(&deployment.told(&[], 0).await, "skip").len(), 4);
        assert_eq!(deployment.rows().await, before);
        deployment.site.run(&["thaw"], "").await.expect(0);
        let login = json!({ "username": "root", "password": PASSWORD });
        let http = deployment.server.http();
        let signs_in = async || http.post("/v1/users/login").json(login.clone()).send().await.status == 200;
        eventually("the server sees the thaw", async || signs_in().await.then_some(())).await;
        let before = deployment.rows().await;
        let thawed = deployment.told(&["--token-file", "root.token", "--model", "openai:echo"], 0).await;
        assert_eq!((&thawed["frozen"], &thawed["passed"]), (&Value::Null, &json!(true)));
        assert_eq!(deployment.rows().await, before);
    }
}

#[tokio::test]
async fn what_is_no_llm_api_is_told_at_once() {
    let site = Site::new(Database::Sqlite).await;
    let smoke = async |url: &str, code| site.run(&["smoke", "--url", url], "").await.expect(code);
    let nobody = smoke("http://127.0.0.1:9", 1).await;
    assert!(
        nobody.stdout.ends_with(
            "health: it cannot be reached: connection refused; is the server running, and the port right?\n"
        )
    );
    assert_eq!(nobody.stderr, "llm-api: 1 of 1 steps failed: health\n");
    let provider = smoke(&site.provider.base_url(), 1).await;
    assert_eq!(provider.stderr, "llm-api: 1 of 1 steps failed: health\n", "{provider:?}");
    for bad in
        ["llm.example.com", "ftp://llm.example.com", "https://ada:secret@llm.example.com", "https://a/?token=secret"]
    {
        let refused = smoke(bad, 2).await;
        assert!(refused.stderr.starts_with("llm-api: --url: it ") && !refused.stderr.contains("secret"), "{refused:?}");
    }
    let url = ["smoke", "--url", "http://127.0.0.1:9"];
    for more in [&["--token", "lap_x"][..], &["--provider-key-file", "key"], &["--token-file", "a", "--token-stdin"]] {
        let args: Vec<&str> = url.iter().chain(more).copied().collect();
        site.run(&args, "").await.expect(2);
    }
    let missing = site.run(&["smoke", "--url", "http://127.0.0.1:9", "--token-file", "nowhere"], "").await.expect(1);
    assert!(missing.stderr.starts_with("llm-api: cannot read nowhere: "), "{missing:?}");
    let help = site.run(&["smoke", "--help"], "").await.expect(0);
    assert!(help.stdout.contains("Examples:\n") && help.stdout.contains("--without-generation"), "{help:?}");
}
