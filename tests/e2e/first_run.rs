//! A newcomer's first minute: start in an empty folder, do what the welcome says, be the administrator.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use llm_api_testkit::{Cluster, ENCRYPTION_KEY, Http, HttpReply, Server, TempDir, each_db, run, target_binary};
use serde_json::{Value, json};

use crate::support::{Site, eventually};

const LAST_LINE: &str = "The reply holds your token.";

/// With no settings but a free port: the data directory is the default, `./data` in the working directory.
async fn start(dir: &TempDir, envs: &[(&str, &str)]) -> Server {
    let envs: Vec<_> = [("LLM_API_DATA_DIR", "")].into_iter().chain(envs.iter().copied()).collect();
    Server::start_in(&target_binary("llm-api"), dir.path(), &envs).await
}

async fn welcome(server: &Server) -> String {
    eventually("the welcome", async || Some(server.stdout()).filter(|text| text.contains(LAST_LINE))).await
}

/// The command in the welcome, taken apart by a shell, as if the newcomer had pasted it.
async fn command(welcome: &str, dir: &Path) -> Vec<String> {
    let begin = welcome.find("curl ").expect("a command");
    let end = welcome.find(LAST_LINE).expect("the last line");
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{}", &welcome[begin..end]);
    let shell = run(Path::new("sh"), dir, &["-c", &script], &[], "").await.expect(0);
    shell.stdout.lines().map(str::to_owned).collect()
}

async fn invite(welcome: &str, dir: &Path) -> String {
    let body: Value = serde_json::from_str(command(welcome, dir).await.last().expect("a body")).expect("JSON");
    body["invite_token"].as_str().expect("an invite").to_owned()
}

async fn register(http: &Http, username: &str, invite: &str) -> HttpReply {
    let body = json!({ "username": username, "password": "my own long password", "invite_token": invite });
    http.post("/v1/users/register").json(body).send().await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

#[tokio::test]
async fn a_newcomer_becomes_the_administrator_by_the_command_in_the_welcome() {
    let dir = TempDir::new();
    let mut server = start(&dir, &[]).await;
    let text = welcome(&server).await;
    let data = dir.path().join("data");
    assert!(text.contains(&format!("Listening on  {}\n", server.base_url())), "{text}");
    assert!(text.contains(&format!("Data in       {} (keys: {})", data.join("llm-api.db").display(), data.display())));

    let command = command(&text, dir.path()).await;
    let [url, header_flag, header, body_flag, body] = command.as_slice() else { panic!("{command:?}") };
    assert_eq!(url, &format!("{}/v1/users/register", server.base_url()));
    assert_eq!((header_flag.as_str(), header.as_str()), ("-H", "content-type: application/json"));
    assert_eq!(body_flag, "-d");
    let mut body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&body["username"], &body["password"]), (&json!("me"), &json!("CHANGE-ME-12-or-more")));
    body["password"] = "my own long password".into();

    let http = server.http();
    let me = http.post("/v1/users/register").json(body.clone()).send().await;
    assert_eq!(me.status, 201);
    let me = me.json().await;
    assert_eq!((&me["username"], &me["user"]["is_admin"]), (&json!("me"), &json!(true)));
    let token = me["token"].as_str().expect("a token");
    assert_eq!(http.get("/v1/users/invites").bearer(token).send().await.status, 200);
    // The invite was good once.
    body["username"] = "somebody else".into();
    assert_eq!(http.post("/v1/users/register").json(body).send().await.status, 400);

    server.terminate().await;
    let mut again = start(&dir, &[]).await;
    assert_eq!(again.http().get("/v1/users/me").bearer(token).send().await.status, 200);
    again.terminate().await;
    assert_eq!(again.stdout(), "");
}

#[tokio::test]
async fn what_the_first_run_makes_is_its_owners_alone() {
    let dir = TempDir::new();
    let server = start(&dir, &[]).await;
    let data = dir.path().join("data");
    assert_eq!(mode(&data), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&data).expect("a folder") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
    }
    for name in ["encryption.key", "llm-api.db", "llm-api.db-wal"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    drop(server);
}

each_db! {
    async fn the_welcome_renews_its_invite_until_somebody_used_it(database: Database) {
        let site = Site::new(database).await;
        let mut first = site.start().await;
        let old = invite(&welcome(&first).await, site.dir.path()).await;
        first.terminate().await;
        if site.database.is_some() {
            // Servers that start together on one database leave the invite that one of them has just printed alone.
            let mut neighbour = site.start().await;
            neighbour.terminate().await;
            assert!(neighbour.stdout().contains("Another process has just printed an invite"), "{}", neighbour.stdout());
            site.sql("UPDATE invite_tokens SET created_at = created_at - interval '2 minutes'").await;
        }

        let second = site.start().await;
        let new = invite(&welcome(&second).await, site.dir.path()).await;
        assert_eq!(register(&second.http(), "late", &old).await.status, 400);
        assert_eq!(register(&second.http(), "me", &new).await.status, 201);
    }
}

#[tokio::test]
async fn under_systemd_no_secret_is_printed() {
    let dir = TempDir::new();
    let mut server = start(&dir, &[("INVOCATION_ID", "0123456789abcdef0123456789abcdef")]).await;
    server.terminate().await;
    assert_eq!(
        server.stdout(),
        "Nobody has an account yet: make the first one with `llm-api user create --username NAME --admin`.\n"
    );
    assert!(!server.stderr().contains("lai_"), "{}", server.stderr());
}

#[tokio::test]
async fn on_postgres_the_welcome_shows_no_address_of_the_database() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let dir = TempDir::new();
    let envs = [("LLM_API_DATABASE_URL", database.url.as_str()), ("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    let mut server = start(&dir, &envs).await;
    let text = welcome(&server).await;
    assert!(text.contains("Data in       the database in LLM_API_DATABASE_URL\n"), "{text}");
    let invite = invite(&text, dir.path()).await;
    assert_eq!(register(&server.http(), "me", &invite).await.status, 201);
    server.terminate().await;
    let printed = format!("{}{}", server.stdout(), server.stderr());
    assert!(!printed.contains(cluster.password()) && !printed.contains(ENCRYPTION_KEY), "{printed}");
    // Nothing of it lies in the working directory.
    assert!(!dir.path().join("data").exists());
}
