//! PostgreSQL goes away under a running server, in three ways, and comes back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use llm_api_domain::RequestStatus;
use llm_api_testkit::{Cluster, Database, Server, Tls, free_port};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{Site, chat, eventually, get, sign_in, store_key};

/// The longest that a client waits for the news that the database is away.
const PROMISED: Duration = Duration::from_millis(3500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Connections are reset and new ones refused: the database server was stopped.
    Refusing,
    /// Nothing comes through and nobody is told: a network is broken, or a machine is gone.
    Silent,
}

/// A wire to the cluster that can be cut.
struct Wire {
    port: u16,
    state: watch::Sender<State>,
    _running: JoinSet<()>,
}

impl Wire {
    async fn lay() -> Self {
        // It is bound again later, and nobody else may have taken it.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listener = TcpListener::bind(address).await.expect("a free port");
        let state = watch::Sender::new(State::Up);
        let mut running = JoinSet::new();
        running.spawn(serve(address, listener, state.subscribe()));
        Self { port: address.port(), state, _running: running }
    }
}

async fn serve(address: SocketAddr, first: TcpListener, mut state: watch::Receiver<State>) {
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    loop {
        let Some(open) = listener.take() else {
            state.wait_for(|state| *state != State::Refusing).await.expect("the wire's owner");
            listener = Some(TcpListener::bind(address).await.expect("the port again"));
            continue;
        };
        let mut changes = state.clone();
        tokio::select! {
            _ = changes.wait_for(|state| *state == State::Refusing) => {}
            accepted = open.accept() => {
                let (client, _) = accepted.expect("a connection");
                connections.spawn(carry(client, state.clone()));
                listener = Some(open);
            }
        }
    }
}

/// One connection, until the wire is cut.
async fn carry(mut client: TcpStream, mut state: watch::Receiver<State>) {
    let mut server = TcpStream::connect(("127.0.0.1", Cluster::shared().await.port())).await.expect("PostgreSQL");
    let mut changes = state.clone();
    tokio::select! {
        _ = changes.wait_for(|state| *state != State::Up) => {}
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
    // Silence lasts as long as it lasts; then the other end has forgotten this connection.
    let _ = state.wait_for(|state| *state != State::Silent).await;
}

/// The story, with a way to take the database away and one to bring it back.
async fn outage(site: Site, down: impl AsyncFnOnce(), up: impl AsyncFnOnce()) {
    let ada_id = site.add_user("ada").await;
    let server = site.start().await;
    let http = server.http();
    let ada = sign_in(&http, "ada").await;
    store_key(&http, &ada, "sk-good").await;
    let mut stream = chat(&http, &ada, "slow-stream", true).await;
    assert_eq!(stream.status, 200);
    let first = stream.next_event().await.expect("a stream").expect("an event");

    down().await;
    // With the connections that were lost, and then with those that cannot be made.
    for _ in 0..2 {
        join_all((0..6).map(|number| unavailable(&server, &ada, number))).await;
    }
    assert_eq!(http.get("/health").send().await.status, 200);
    let ready = http.get("/ready").send().await;
    assert_eq!((ready.status.as_u16(), ready.json().await), (503, json!({ "status": "not_ready" })));
    site.provider.release();
    let rest = stream.data().await;
    assert_eq!(rest.last().map(String::as_str), Some("[DONE]"), "{rest:?}");
    assert_eq!(spoken(&first, &rest), "You said: Hello there, how are you?");

    up().await;
    let back = Instant::now();
    eventually("the server is ready", async || (http.get("/ready").send().await.status == 200).then_some(())).await;
    assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);
    assert_eq!(chat(&http, &ada, "echo", false).await.status, 200);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());

    // The row that could not be written when the stream ended.
    let row = eventually("the stream's row", async || {
        let rows = site.rows(ada_id).await;
        rows.into_iter().find(|row| row.model == "slow-stream" && row.status != RequestStatus::Running)
    })
    .await;
    assert_eq!((row.status, row.usage.total_tokens), (RequestStatus::Completed, Some(18)));
}

/// One of three kinds of requests: all of them are told in time that the database is away.
async fn unavailable(server: &Server, token: &str, number: usize) {
    let http = &server.http();
    let asked = Instant::now();
    let reply = match number % 3 {
        0 => get(http, token, "/v1/users/me").await,
        1 => chat(http, token, "echo", false).await,
        _ => {
            let body = json!({ "username": "ada", "password": "whatever it may be" });
            http.post("/v1/users/login").json(body).send().await
        }
    };
    let took = asked.elapsed();
    let (status, retry_after) = (reply.status.as_u16(), reply.header("retry-after").to_owned());
    let body = reply.json().await;
    assert_eq!(
        (status, retry_after.as_str(), body["code"].as_str()),
        (503, "1", Some("db_unavailable")),
        "{}",
        server.stderr()
    );
    assert!(took < PROMISED, "{took:?}");
}

fn spoken(first: &str, rest: &[String]) -> String {
    let events = first.strip_prefix("data: ").into_iter().chain(rest.iter().map(String::as_str));
    let events = events.filter_map(|event| serde_json::from_str::<Value>(event).ok());
    events.filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

async fn outage_on_the_wire(state: State) {
    let cluster = Cluster::shared().await;
    let wire = Wire::lay().await;
    let mut site = Site::new(Database::Postgres).await;
    let name = site.database.as_ref().expect("a database").name.clone();
    let direct = cluster.url(&name, Tls::Off);
    let through_the_wire = direct.replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port));
    assert_ne!(direct, through_the_wire);
    site.set("DATABASE_URL", &through_the_wire);
    let set = async |state| {
        wire.state.send_replace(state);
    };
    outage(site, async || set(state).await, async || set(State::Up).await).await;
}

#[tokio::test]
async fn a_stopped_database_server() {
    outage_on_the_wire(State::Refusing).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything() {
    outage_on_the_wire(State::Silent).await;
}

#[tokio::test]
async fn a_database_that_takes_no_connections() {
    let site = Site::new(Database::Postgres).await;
    let name = site.database.as_ref().expect("a database").name.clone();
    let cluster = Cluster::shared().await;
    let down = async || {
        cluster.admin(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        let sessions = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        cluster.admin(sessions).await;
    };
    let up = async || {
        cluster.admin(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    };
    outage(site, down, up).await;
}
