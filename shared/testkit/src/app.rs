//! The whole API in this process: a real database, the real router behind a real socket, a hand-moved clock.

use std::{path::Path, sync::Arc, time::Duration};

use http::Request;
use hyper::body::Incoming;
use llm_api::api;
use llm_api_app::{AppState, Config, Sources, finish, open};
use llm_api_domain::{Clock, Timestamp};
use llm_api_storage::OpenMode;
use llm_api_web::{Edge, PeerAddress};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tower::Service as _;

use crate::{Cluster, FakeProvider, Http, HttpReply, TempDir};

/// Where a test's data lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Makes one test for each database out of `async fn name(database: Database)`.
#[macro_export]
macro_rules! each_db {
    ($($(#[$attribute:meta])* async fn $name:ident($database:ident: Database) $body:block)+) => {
        $(
            $(#[$attribute])*
            mod $name {
                #[allow(unused_imports, reason = "not every story needs all of its module's names")]
                use super::*;

                async fn story($database: $crate::Database) $body

                // Snapshots of JSON have members by name: replies have them in an order of their own.
                async fn in_order(story: impl Future<Output = ()>) {
                    let mut settings = insta::Settings::clone_current();
                    settings.set_sort_maps(true);
                    settings.bind_async(story).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    in_order(story($crate::Database::Sqlite)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    in_order(story($crate::Database::Postgres)).await;
                }
            }
        )+
    };
}

/// An encryption key for tests that share one database.
pub const ENCRYPTION_KEY: &str = "q83vEjRWeJDerb7vASNFZ4mrze/+3LqYdlQyEAFko9c=";

/// Noon of the day on which the clock of every test stands at first.
const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

/// One server; ends when dropped.
#[derive(Debug)]
pub struct TestApp {
    pub state: AppState,
    pub clock: Clock,
    /// What `openai` and every other provider's name leads to, and the origin that users may name as `custom`.
    pub provider: FakeProvider,
    http: Http,
    database_url: Option<String>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    dir: TempDir,
}

/// The settings of every test server: all providers' names lead to the scripted one.
fn sources(dir: &TempDir, provider: &FakeProvider) -> Sources {
    let mut sources = Sources::new(dir.path().to_owned())
        .with("LLM_API_DATA_DIR", dir.path())
        .with("LLM_API_BASE_URL_ALLOW", provider.origin())
        // Nothing listens on the discard port: a test that wants a local server names its own.
        .with("LLM_API_LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
        .with("LLM_API_DATABASE_MAX_CONNECTIONS", "3")
        .with("LLM_API_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .with("LLM_API_ANTHROPIC_BASE_URL", provider.anthropic_base_url())
        .with("LLM_API_GOOGLE_BASE_URL", provider.google_base_url())
        .with("LLM_API_HF_BASE_URL", provider.huggingface_base_url())
        .with("LLM_API_HF_HUB_URL", provider.origin());
    for name in ["OPENAI", "XAI", "DEEPSEEK", "GROQ", "OPENROUTER", "MISTRAL", "TOGETHER", "FIREWORKS"] {
        sources = sources.with(format!("LLM_API_{name}_BASE_URL"), provider.base_url());
    }
    sources
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Someone with an account, signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub username: String,
    pub password: String,
    pub token: String,
}

impl TestApp {
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// `settings` are names without the prefix, such as `("MAX_STREAMS_PER_USER", "1")`.
    pub async fn start_with(database: Database, settings: &[(&str, &str)]) -> Self {
        let database_url = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(Cluster::shared().await.create_database().await.url),
        };
        Self::open(FakeProvider::start().await, Clock::manual(START), database_url, settings).await
    }

    /// One more process on the same Postgres, with the same clock.
    pub async fn start_beside(&self) -> Self {
        self.start_beside_with(&[]).await
    }

    /// The same with settings of its own.
    pub async fn start_beside_with(&self, settings: &[(&str, &str)]) -> Self {
        let url = self.database_url.clone().expect("SQLite serves one process");
        Self::open(FakeProvider::start().await, self.clock.clone(), Some(url), settings).await
    }

    async fn open(
        provider: FakeProvider,
        clock: Clock,
        database_url: Option<String>,
        settings: &[(&str, &str)],
    ) -> Self {
        let dir = TempDir::new();
        let mut sources = sources(&dir, &provider);
        if let Some(url) = &database_url {
            sources = sources.with("LLM_API_DATABASE_URL", url);
        }
        for (name, value) in settings {
            sources = sources.with(format!("LLM_API_{name}"), value);
        }
        let (config, warnings) = Config::load(&sources).expect("good settings");
        assert!(warnings.is_empty(), "{warnings:?}");

        let (stop, stopping) = watch::channel(false);
        let state = open(Arc::new(config), OpenMode::Server, clock.clone(), stopping).await.expect("the app opens");
        let edge = finish(api::all().0, state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let http = Http::new(format!("http://{}", listener.local_addr().expect("bound")));
        let server = tokio::spawn(serve(listener, edge));
        Self { state, clock, provider, http, database_url, stop, server, dir }
    }

    /// The folder of this server's own data.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Asks running streams to end, as a stopping server does.
    pub fn stop_streams(&self) {
        self.stop.send_replace(true);
    }

    pub fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// An administrator, made by the operator.
    pub async fn admin(&self, username: &str) -> Person {
        self.create(username, true).await
    }

    /// A person without rights of their own, made by the operator.
    pub async fn person(&self, username: &str) -> Person {
        self.create(username, false).await
    }

    async fn create(&self, username: &str, is_admin: bool) -> Person {
        use llm_api_domain::UserId;
        use llm_api_storage::{AuditContext, NewUser};
        let password = format!("the-password-of-{username}");
        let hash = self.state.passwords.hash(&password.as_str().into()).await.expect("hashes");
        let context = AuditContext::operator(self.clock.now());
        let user = NewUser {
            id: UserId::new(context.now),
            username: username.to_owned(),
            password_hash: hash,
            display_name: Some(username.to_owned()),
            is_admin,
        };
        assert!(self.state.auth.store.users().create(&user, &context).await.expect("stores"), "{username} is new");
        let reply = self.login(username, &password).await.json().await;
        Person {
            id: user.id.to_string(),
            username: username.to_owned(),
            password,
            token: reply["token"].as_str().expect("a token").to_owned(),
        }
    }

    pub async fn login(&self, username: &str, password: &str) -> HttpReply {
        self.http.post("/v1/users/login").json(json!({ "username": username, "password": password })).send().await
    }

    pub async fn get(&self, path: &str, token: &str) -> HttpReply {
        self.http.get(path).bearer(token).send().await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> HttpReply {
        self.http.post(path).bearer(token).json(body).send().await
    }

    pub async fn delete(&self, path: &str, token: &str) -> HttpReply {
        self.http.delete(path).bearer(token).send().await
    }

    /// Stores a key for `provider`; returns the reply's body.
    pub async fn store_key(&self, token: &str, provider: &str, api_key: &str) -> Value {
        let reply =
            self.post("/v1/users/provider-keys", token, json!({ "provider": provider, "api_key": api_key })).await;
        assert_eq!(reply.status, 201);
        reply.json().await
    }
}

async fn serve(listener: TcpListener, edge: Edge) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        let edge = edge.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddress(peer.ip()));
            edge.clone().call(request)
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
    }
}
