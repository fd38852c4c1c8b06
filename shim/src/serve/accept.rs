//! Connections: where they come from, their timers and limits, and an orderly end.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Version, header::CONNECTION};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use llm_api_app::Config;
use llm_api_web::{Edge, PeerAddress};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tower::Service as _;

use super::unread::Unread;
use crate::exit::Exit;

/// For a request's header, and for the first request of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: usize = 32 * 1024;
const HTTP2_PING: Duration = Duration::from_secs(20);
/// Open connections; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 8192;
/// How long connections may go on after the last one was accepted, each until its next reply says that it closes. A
/// connection that is closed without that word may lose a request that is on its way.
const LINGER: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// The socket that systemd passes on, else one of our own.
pub(super) async fn listener(config: &Config) -> Result<TcpListener, Exit> {
    if let Some(passed) = listenfd::ListenFd::from_env().take_tcp_listener(0).map_err(Exit::failed)? {
        passed.set_nonblocking(true).map_err(Exit::failed)?;
        return TcpListener::from_std(passed).map_err(Exit::failed);
    }
    let (host, port) = (config.host.as_str(), config.port);
    TcpListener::bind((host, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Exit::failed(format!("port {port} on {host} is in use: set LLM_API_PORT to another one, or stop its owner"))
        }
        _ => Exit::failed(format!("cannot listen on {host}:{port}: {error}")),
    })
}

pub(super) struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

/// Takes connections in and serves them.
pub(super) struct Doorman {
    listener: TcpListener,
    places: Arc<Semaphore>,
    edge: Edge,
    builder: Builder<TokioExecutor>,
    connections: Connections,
}

impl Doorman {
    pub(super) fn new(listener: TcpListener, edge: Edge) -> Self {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = Connections { graceful: GracefulShutdown::new(), leaving: Arc::default() };
        Self { listener, places, edge, builder: connection_builder(), connections }
    }

    pub(super) fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// Nothing is lost when the result is not waited for.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        Ok(Accepted { stream, peer, place })
    }

    pub(super) async fn serve(&self, accepted: io::Result<Accepted>) {
        match accepted {
            Ok(accepted) => self.serve_connection(accepted),
            // Out of file descriptors, or a peer that was gone already: give others time to finish.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn serve_connection(&self, Accepted { stream, peer, place }: Accepted) {
        let begun = Arc::new(AtomicBool::new(false));
        let first_request = Arc::clone(&begun);
        let (edge, leaving) = (self.edge.clone(), Arc::clone(&self.connections.leaving));
        let service = service_fn(move |mut request: Request<Incoming>| {
            first_request.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(PeerAddress(peer.ip()));
            // In HTTP/2 the connection says so by itself.
            let is_first_http = request.version() <= Version::HTTP_11;
            let (answer, leaving) = (edge.clone().call(Unread::of(request)), Arc::clone(&leaving));
            async move {
                let mut answer = answer.await;
                if let Ok(reply) = &mut answer
                    && is_first_http
                    && leaving.load(Ordering::Relaxed)
                {
                    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
        });
        let watcher = self.connections.graceful.watcher();
        let builder = self.builder.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection is a task; the drain at the end waits for all of them"
        )]
        tokio::spawn(async move {
            let _place = place;
            // Small events must not wait for the peer's acknowledgement of earlier ones.
            let _ = stream.set_nodelay(true);
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            let mut connection = std::pin::pin!(watcher.watch(connection));
            // hyper's own timer starts only once it knows which HTTP the peer speaks.
            let ended = match timeout(HEADER_TIMEOUT, &mut connection).await {
                Ok(ended) => ended,
                Err(_) if begun.load(Ordering::Relaxed) => connection.await,
                Err(_) => return,
            };
            if let Err(error) = ended {
                tracing::debug!(error = error.as_ref(), "a connection ended early");
            }
        });
    }

    /// Lets go of the port; what is connected goes on.
    pub(super) fn leave(self) -> Connections {
        self.connections.leaving.store(true, Ordering::Relaxed);
        self.connections
    }
}

/// What is still connected.
pub(super) struct Connections {
    graceful: GracefulShutdown,
    leaving: Arc<AtomicBool>,
}

impl Connections {
    pub(super) fn count(&self) -> usize {
        self.graceful.count()
    }

    /// Waits until all have ended; idle ones are closed after a moment.
    pub(super) async fn end(self) {
        let all_gone = async {
            while self.count() > 0 {
                sleep(LOOK).await;
            }
        };
        let _ = timeout(LINGER, all_gone).await;
        self.graceful.shutdown().await;
    }
}

fn connection_builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(128);
    builder
}
