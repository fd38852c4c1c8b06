//! What the stories share: an installation on either database, the people on it, and its data behind its back.

use std::path::Path;
use std::time::{Duration, Instant};

use llm_api_domain::{Clock, UserId};
use llm_api_storage::{DatabaseAddress, OpenMode, OpenOptions, PoolMode, Request, Store};
use llm_api_testkit::{
    Cluster, Database, ENCRYPTION_KEY, FakeProvider, Finished, Http, HttpReply, Server, TempDir, TestDatabase, run,
    target_binary,
};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "a long and quiet afternoon";

/// No story waits longer than this for something that happens in another process.
const PATIENCE: Duration = Duration::from_mins(1);

/// One installation: settings and data that outlive its servers, functions and commands.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    /// What `openai` leads to, and the origin that users may name as `custom`.
    pub(crate) provider: FakeProvider,
    /// `None` on SQLite.
    pub(crate) database: Option<TestDatabase>,
    settings: Vec<(String, String)>,
}

impl Site {
    pub(crate) async fn new(database: Database) -> Self {
        Self::with(database, &[]).await
    }

    /// `settings` are names without the prefix, such as `("MAX_STREAMS", "1")`; they win over the site's own.
    pub(crate) async fn with(database: Database, settings: &[(&str, &str)]) -> Self {
        let dir = TempDir::new();
        let provider = FakeProvider::start().await;
        let database = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(Cluster::shared().await.create_database().await),
        };
        let mut site = Self { dir, provider, database, settings: Vec::new() };
        let path = site.dir.path().display().to_string();
        site.set("DATA_DIR", &path);
        site.set("ENCRYPTION_KEY", ENCRYPTION_KEY);
        // Nothing listens on the discard port: no story meets a model server of the developer.
        site.set("LOCAL_BASE_URL", "http://127.0.0.1:9/v1");
        site.set("OPENAI_BASE_URL", &site.provider.base_url());
        let origin = site.provider.origin().to_owned();
        site.set("BASE_URL_ALLOW", &origin);
        site.set("DATABASE_MAX_CONNECTIONS", "3");
        if let Some(url) = site.database.as_ref().map(|database| database.url.clone()) {
            site.set("DATABASE_URL", &url);
        }
        for (name, value) in settings {
            site.set(name, value);
        }
        site
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((format!("LLM_API_{name}"), value.to_owned()));
    }

    pub(crate) fn envs(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) async fn start(&self) -> Server {
        Server::start_in(&target_binary("llm-api"), self.dir.path(), &self.envs()).await
    }

    /// Runs a command of `llm-api` to its end.
    pub(crate) async fn run(&self, args: &[&str], input: &str) -> Finished {
        run(&target_binary("llm-api"), self.dir.path(), args, &self.envs(), input).await
    }

    /// Makes an account by command; its password is [`PASSWORD`].
    pub(crate) async fn add_user(&self, name: &str) -> UserId {
        let args = ["user", "create", "--username", name, "--password-stdin", "--json"];
        let made = self.run(&args, &format!("{PASSWORD}\n")).await.expect(0);
        let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
        made["id"].as_str().expect("an id").parse().expect("a UUID")
    }

    /// The data, opened as a command does; close it when done.
    pub(crate) async fn store(&self) -> Store {
        let address = match &self.database {
            Some(database) => DatabaseAddress::parse(&database.url, self.dir.path(), None).expect("a good address"),
            None => DatabaseAddress::sqlite(self.sqlite_file()),
        };
        let (migration_address, pool_mode, schema) = (None, PoolMode::Auto, None);
        let (mode, clock) = (OpenMode::Tool, Clock::system());
        let (max_connections, expect_receipt) = (2, None);
        let options =
            OpenOptions { address, migration_address, pool_mode, schema, max_connections, mode, expect_receipt, clock };
        Store::open(options).await.expect("the data can be opened")
    }

    /// All usage rows of one user, newest first.
    pub(crate) async fn rows(&self, user: UserId) -> Vec<Request> {
        let store = self.store().await;
        let rows = store.requests().list(user, 100_000).await.expect("rows");
        store.close().await;
        rows
    }

    /// Runs one statement with the database's own tools; answers the rows, columns parted by `|`.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<String> {
        self.try_sql(statement).await.expect(0).stdout.lines().map(str::to_owned).collect()
    }

    /// The same for a statement that may be refused.
    pub(crate) async fn try_sql(&self, statement: &str) -> Finished {
        match &self.database {
            Some(database) => {
                let args = ["-qAtX", database.url.as_str(), "-c", statement];
                run(Path::new("psql"), self.dir.path(), &args, &[], "").await
            }
            None => sqlite(&self.sqlite_file(), self.dir.path(), statement).await,
        }
    }

    fn sqlite_file(&self) -> std::path::PathBuf {
        self.dir.path().join("llm-api.db")
    }

    /// Waits until the provider has been asked for this model.
    pub(crate) async fn asked_for(&self, model: &str) {
        let asked = || self.provider.requests().iter().any(|request| request.body["model"] == model);
        eventually("the provider is asked", async || asked().then_some(())).await;
    }
}

/// Runs one statement on an SQLite file, by Python's standard library; makes the file when it is missing.
pub(crate) async fn sqlite(file: &Path, dir: &Path, statement: &str) -> Finished {
    const SCRIPT: &str = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
for row in db.execute(sys.argv[2]): print('|'.join(map(str, row)))
db.commit()";
    let file = file.display().to_string();
    run(Path::new("python3"), dir, &["-c", SCRIPT, &file, statement], &[], "").await
}

/// Signs in with [`PASSWORD`]; the token.
pub(crate) async fn sign_in(http: &Http, name: &str) -> String {
    let reply = http.post("/v1/users/login").json(json!({ "username": name, "password": PASSWORD })).send().await;
    assert_eq!(reply.status, 200);
    reply.json().await["token"].as_str().expect("a token").to_owned()
}

/// Stores a key for `openai`, which leads to the fake provider.
pub(crate) async fn store_key(http: &Http, token: &str, key: &str) {
    let body = json!({ "provider": "openai", "api_key": key });
    let reply = http.post("/v1/users/provider-keys").bearer(token).json(body).send().await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.json().await["status"], "valid");
}

pub(crate) fn question(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello there, how are you?" }] })
}

/// Asks the fake provider's model for one piece, or for a stream.
pub(crate) async fn chat(http: &Http, token: &str, model: &str, stream: bool) -> HttpReply {
    let mut body = question(&format!("openai:{model}"));
    if stream {
        body["stream"] = true.into();
    }
    http.post("/v1/chat/completions").bearer(token).json(body).send().await
}

pub(crate) async fn get(http: &Http, token: &str, path: &str) -> HttpReply {
    http.get(path).bearer(token).send().await
}

/// Looks again until there is something; panics when that takes too long.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A certificate that has nothing to do with the server's.
pub(crate) async fn another_authority(dir: &TempDir) -> String {
    let (key, certificate) = (dir.path().join("other.key"), dir.path().join("other.crt"));
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    let args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let args: Vec<&str> =
        args.into_iter().chain(["-subj", "/CN=another authority", "-keyout", &key, "-out", &certificate]).collect();
    run(Path::new("openssl"), dir.path(), &args, &[], "").await.expect(0);
    certificate
}
