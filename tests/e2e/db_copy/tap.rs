//! A wire between a command and PostgreSQL that counts what passes, and cuts or holds it at an exact byte.

#![expect(clippy::disallowed_methods, reason = "a wire between two processes is a task of its own")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use llm_api_testkit::Cluster;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens when the limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Both ends see the connection go.
    Cut,
    /// Nothing passes any more, and the connection stays.
    Hold,
}

/// Closes all its connections when dropped.
#[derive(Debug)]
pub(crate) struct Tap {
    port: u16,
    wire: Arc<Wire>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Wire {
    passed: AtomicU64,
    limit: u64,
    then: Then,
    reached: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

impl Tap {
    /// Counts both directions together, over all connections.
    pub(crate) async fn start(limit: u64, then: Then) -> Self {
        let server = Cluster::shared().await.port();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (reached, closed) = (watch::Sender::new(false), watch::Sender::new(false));
        let wire = Arc::new(Wire { passed: AtomicU64::new(0), limit, then, reached, closed });
        let shared = Arc::clone(&wire);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.expect("PostgreSQL");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(Arc::clone(&shared).pass(from_client, to_server));
                tokio::spawn(Arc::clone(&shared).pass(from_server, to_client));
            }
        });
        Self { port, wire, listener }
    }

    /// The same database through the wire.
    pub(crate) async fn address(&self, direct: &str) -> String {
        direct.replace(&format!(":{}/", Cluster::shared().await.port()), &format!(":{}/", self.port))
    }

    pub(crate) fn passed(&self) -> u64 {
        self.wire.passed.load(Ordering::Acquire)
    }

    pub(crate) async fn reached(&self) {
        self.wire.reached.subscribe().wait_for(|reached| *reached).await.expect("a living wire");
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.wire.closed.send_replace(true);
        self.listener.abort();
    }
}

impl Wire {
    /// Ends, and so closes its half of both connections, when either does or all must.
    async fn pass(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut closed = self.closed.subscribe();
        let mut piece = vec![0; 4096];
        loop {
            let read = tokio::select! {
                read = from.read(&mut piece) => read,
                _ = closed.wait_for(|closed| *closed) => return,
            };
            let Ok(count @ 1..) = read else { return };
            let count = u64::try_from(count).expect("small");
            let before = self.passed.fetch_add(count, Ordering::AcqRel);
            let allowed = self.limit.saturating_sub(before).min(count);
            let allowed = usize::try_from(allowed).expect("small");
            if to.write_all(&piece[..allowed]).await.is_err() {
                return;
            }
            if before + count >= self.limit {
                self.reached.send_replace(true);
                if self.then == Then::Cut {
                    self.closed.send_replace(true);
                    return;
                }
                let _ = closed.wait_for(|closed| *closed).await;
                return;
            }
        }
    }
}
