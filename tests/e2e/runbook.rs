//! The whole runbook with the real program: a service moves from the Python file to SQLite, to PostgreSQL and back, and
//! nothing that anybody was told is lost on the way.

use std::path::PathBuf;

use llm_api_testkit::{Cluster, Database, ENCRYPTION_KEY, Finished, Http, Server, run, target_binary};
use serde_json::{Value, json};

use crate::{
    import::{Old, id, log_in, messages},
    support::{PASSWORD, chat, eventually, get, question},
};

const SCHEMA: &str = "llm_api";
/// Characters that an address must write in another form.
const ROLE_PASSWORD: &str = "p@ss:w/o#r?d%&=+";
const ROLE_PASSWORD_ENCODED: &str = "p%40ss%3Aw%2Fo%23r%3Fd%25%26%3D%2B";

/// One set of settings for the installation, as an environment file has it.
struct Settings(Vec<(&'static str, String)>);

impl Settings {
    fn envs(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn with(&self, name: &'static str, value: &str) -> Self {
        let mut settings = self.0.clone();
        settings.push((name, value.to_owned()));
        Self(settings)
    }
}

/// The machine: the old file, its data folder, and a database in somebody else's project.
struct Machine {
    old: Old,
    role: String,
    database: String,
    cluster: &'static Cluster,
}

impl Machine {
    async fn new() -> Self {
        let old = Old::new(Database::Sqlite, "new").await;
        let cluster = Cluster::shared().await;
        let database = cluster.create_database().await.name;
        let role = format!("llm_{database}");
        cluster.admin(format!("CREATE ROLE {role} LOGIN NOSUPERUSER PASSWORD '{ROLE_PASSWORD}'")).await;
        let machine = Self { old, role, database, cluster };
        // Another application lives there, with tables of the same names.
        machine
            .in_project(
                "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'theirs');
            CREATE TABLE sessions (user_id int REFERENCES users (id))",
            )
            .await;
        machine
    }

    /// The settings of one of the two installations; they share the folder and the encryption key.
    fn settings(&self, database_url: Option<String>) -> Settings {
        let provider = &self.old.site.provider;
        let mut settings = vec![
            ("LLM_API_DATA_DIR", self.folder().display().to_string()),
            ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY.to_owned()),
            ("LLM_API_LOCAL_BASE_URL", "http://127.0.0.1:9/v1".to_owned()),
            ("LLM_API_OPENAI_BASE_URL", provider.base_url()),
            ("LLM_API_BASE_URL_ALLOW", provider.origin().to_owned()),
        ];
        settings.extend(database_url.map(|url| ("LLM_API_DATABASE_URL", url)));
        Settings(settings)
    }

    fn postgres(&self) -> Settings {
        let (role, database) = (&self.role, &self.database);
        let port = self.cluster.port();
        let ca = self.cluster.ca_path().display().to_string();
        let url = format!(
            "postgresql+psycopg://{role}:{ROLE_PASSWORD_ENCODED}@127.0.0.1:{port}/{database}?sslmode=verify-full"
        );
        self.settings(Some(url)).with("LLM_API_DATABASE_ROOT_CERT", &ca).with("LLM_API_DATABASE_SCHEMA", SCHEMA)
    }

    fn folder(&self) -> PathBuf {
        self.old.site.dir.path().to_owned()
    }

    async fn llm_api(&self, settings: &Settings, args: &[&str]) -> Finished {
        run(&target_binary("llm-api"), &self.folder(), args, &settings.envs(), "").await
    }

    async fn json(&self, settings: &Settings, args: &[&str]) -> Value {
        let done = self.llm_api(settings, &[args, &["--json"]].concat()).await.expect(0);
        serde_json::from_str(&done.stdout).expect("JSON")
    }

    async fn start(&self, settings: &Settings) -> Server {
        Server::start_in(&target_binary("llm-api"), &self.folder(), &settings.envs()).await
    }

    /// Statements of the project's owner.
    async fn in_project(&self, statements: &str) -> Vec<String> {
        let url = self.cluster.admin_url(&self.database);
        let args = ["-qAtX", "-v", "ON_ERROR_STOP=1", url.as_str(), "-c", statements];
        let done = run("psql".as_ref(), &self.folder(), &args, &[], "").await.expect(0);
        done.stdout.lines().map(str::to_owned).collect()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder().join(name);
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    }

    /// The check before and after a switch; `more` names the provider that it generates with.
    async fn smoke(&self, server: &Server, token_file: &str, more: &[&str]) -> Finished {
        let args = ["smoke", "--url", server.base_url(), "--token-file", token_file];
        run(&target_binary("llm-api"), &self.folder(), &[&args, more].concat(), &[], "").await
    }
}

async fn personal_token(http: &Http, login: &str) -> String {
    let made = http.post("/v1/users/tokens").bearer(login).json(json!({ "name": "laptop" })).send().await;
    assert_eq!(made.status, 201);
    made.json().await["token"].as_str().expect("a token").to_owned()
}

async fn ask(http: &Http, token: &str, session: &str, prompt: &str) {
    let body = json!({ "modality": "text", "model": "openai:echo", "input": { "prompt": prompt } });
    let reply = http.post(&format!("/v1/sessions/{session}/generate")).bearer(token).json(body).send().await;
    assert_eq!(reply.status, 200, "{prompt}");
}

async fn prompts(http: &Http, token: &str, session: &str) -> Vec<String> {
    let said = messages(http, token, session).await;
    said.into_iter().filter(|(role, _)| role == "user").map(|(_, text)| text).collect()
}

/// Writing works again; a server sees the thaw within half a second.
async fn thawed(server: &Server, token: &str) {
    eventually("the server sees the thaw", async || {
        let made = server.http().post("/v1/sessions").bearer(token).json(json!({})).send().await;
        (made.status == 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_moves_to_postgres_and_back_and_loses_nothing() {
    let machine = Machine::new().await;
    let (sqlite, postgres) = (machine.settings(None), machine.postgres());
    let talk = id(5, 1);

    // The Python service's file.
    let passphrase = machine.old.passphrase.display().to_string();
    let file = machine.old.file.display().to_string();
    let import = ["import", "--source", &file, "--legacy-passphrase-file", &passphrase, "--session-owner", "ada"];
    machine.llm_api(&sqlite, &import).await.expect(0);
    let server = machine.start(&sqlite).await;
    let (status, login) = log_in(&server.http(), "ada", "short").await;
    assert_eq!(status, 200);
    let token = personal_token(&server.http(), login["token"].as_str().expect("a token")).await;
    let token_file = machine.file("token", &token);
    ask(&server.http(), machine.old.token(1), &talk, "On SQLite").await;

    // The new database: the role may not make the schema, and is told what to ask for.
    let refused = machine.llm_api(&postgres, &["migrate"]).await.expect(78);
    let statement = format!("CREATE SCHEMA \"{SCHEMA}\" AUTHORIZATION \"{}\"", machine.role);
    assert!(refused.stderr.contains(&statement), "{}", refused.stderr);
    machine.in_project(&statement).await;
    let checkup = machine.llm_api(&postgres, &["doctor"]).await;
    assert!(checkup.stdout.contains("schema") && !checkup.stdout.contains(ROLE_PASSWORD), "{}", checkup.stdout);

    // A first copy while the server serves, and writing goes on.
    let source = format!("sqlite://{}", machine.folder().join("llm-api.db").display());
    let copy = ["db", "copy", "--source", &source, "--target", "configured"];
    let replace = [&copy[..], &["--truncate-target", "--confirm-target", &machine.database]].concat();
    assert_eq!(machine.json(&postgres, &[&copy[..], &["--dry-run"]].concat()).await["outcome"], "would_copy");
    assert_eq!(machine.json(&postgres, &copy).await["outcome"], "copied");
    ask(&server.http(), machine.old.token(1), &talk, "After the first copy").await;

    // Cut over, and back before the thaw: nothing of it is lost.
    machine
        .llm_api(&sqlite, &["backup", "--output", &machine.folder().join("before.archive").display().to_string()])
        .await
        .expect(0);
    machine.llm_api(&sqlite, &["freeze", "--reason", "migration"]).await.expect(0);
    assert_eq!(chat(&server.http(), &token, "echo", false).await.status, 503);
    let receipt = machine.json(&postgres, &replace).await["receipt"].as_str().expect("a receipt").to_owned();
    let compare = ["db", "verify", "--source", &source, "--target", "configured"];
    assert_eq!(machine.json(&postgres, &compare).await["equal"], true);
    drop(server);
    let server = machine.start(&postgres.with("LLM_API_EXPECT_RECEIPT", &receipt)).await;
    assert_eq!(chat(&server.http(), &token, "echo", false).await.status, 503);
    drop(server);
    let server = machine.start(&sqlite).await;
    machine.llm_api(&sqlite, &["thaw"]).await.expect(0);
    thawed(&server, &token).await;
    ask(&server.http(), &token, &talk, "Back again").await;

    // Cut over for good.
    machine.llm_api(&sqlite, &["freeze", "--reason", "migration"]).await.expect(0);
    let receipt = machine.json(&postgres, &replace).await["receipt"].as_str().expect("a receipt").to_owned();
    assert_eq!(machine.json(&postgres, &compare).await["equal"], true);
    drop(server);
    let postgres = postgres.with("LLM_API_EXPECT_RECEIPT", &receipt);
    let server = machine.start(&postgres).await;
    let smoke = machine.smoke(&server, &token_file, &[]).await.expect(0);
    assert!(smoke.stdout.contains("frozen"), "{}", smoke.stdout);
    machine.llm_api(&postgres, &["thaw"]).await.expect(0);
    thawed(&server, &token).await;
    let key_file = machine.file("provider-key", "sk-good");
    let provider = ["--provider", "openai", "--provider-key-file", &key_file, "--model", "openai:echo"];
    machine.smoke(&server, &token_file, &provider).await.expect(0);

    // Everybody goes on as before.
    let http = server.http();
    assert_eq!(log_in(&http, "ada", "short").await.0, 200, "the old password");
    assert_eq!(get(&http, machine.old.token(1), "/v1/users/me").await.status, 200, "the old token");
    ask(&http, machine.old.token(1), &talk, "On Postgres").await;
    let asked = machine.old.site.provider.requests();
    assert_eq!(asked.last().expect("a request").header("authorization"), "Bearer sk-old-ada-0001", "the old key");
    let invite = http.post("/v1/users/invites").bearer(&token).json(json!({})).send().await.json().await;
    let newcomer = json!({ "username": "newcomer", "password": PASSWORD, "invite_token": invite["invite_token"] });
    let newcomer = http.post("/v1/users/register").json(newcomer).send().await.json().await;
    let newcomer = newcomer["token"].as_str().unwrap_or_else(|| panic!("{newcomer}")).to_owned();
    let key = json!({ "provider": "openai", "api_key": "sk-newcomer" });
    assert_eq!(http.post("/v1/users/provider-keys").bearer(&newcomer).json(key).send().await.status, 201);
    assert_eq!(machine.in_project("SELECT name FROM public.users").await, ["theirs"]);
    assert_eq!(machine.in_project("SELECT COUNT(*) FROM public.sessions").await, ["0"]);

    // Back after the thaw, into a new file.
    machine.llm_api(&postgres, &["freeze", "--reason", "going back"]).await.expect(0);
    let back = format!("sqlite://{}", machine.folder().join("back.db").display());
    let copied = machine.json(&postgres, &["db", "copy", "--source", "configured", "--target", &back]).await;
    assert_eq!((&copied["outcome"], &copied["frozen"]), (&json!("copied"), &json!(true)));
    let compare = ["db", "verify", "--source", "configured", "--target", &back];
    assert_eq!(machine.json(&postgres, &compare).await["equal"], true);
    drop(server);
    let receipt = copied["receipt"].as_str().expect("a receipt");
    let sqlite = machine.settings(Some(back)).with("LLM_API_EXPECT_RECEIPT", receipt);
    let server = machine.start(&sqlite).await;
    machine.smoke(&server, &token_file, &[]).await.expect(0);
    machine.llm_api(&sqlite, &["thaw"]).await.expect(0);
    thawed(&server, &token).await;
    let http = server.http();
    let said = prompts(&http, &token, &talk).await;
    assert!(
        said.ends_with(&["On SQLite", "After the first copy", "Back again", "On Postgres"].map(str::to_owned)),
        "{said:?}"
    );
    assert_eq!(log_in(&http, "newcomer", PASSWORD).await.0, 200);
    let reply = http.post("/v1/chat/completions").bearer(&newcomer).json(question("openai:echo")).send().await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        machine.old.site.provider.requests().last().expect("a request").header("authorization"),
        "Bearer sk-newcomer"
    );
}
