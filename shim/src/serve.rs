//! The server: one accept loop with timers and limits, and an orderly end.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use llm_api::api;
use llm_api_app::{AppState, Config, finish, open};
use llm_api_domain::Clock;
use llm_api_storage::OpenMode;
use llm_api_web::{Edge, PeerAddress};
use sd_notify::NotifyState;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};
use tower::Service as _;

use crate::{exit::Exit, welcome};

/// For a request's header, and for the first request of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_BYTES: usize = 32 * 1024;
const HTTP2_PING: Duration = Duration::from_secs(20);
/// Open connections; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 8192;
/// For streams to write their last event, once they were asked to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config, under_systemd: bool) -> Result<(), Exit> {
    let config = Arc::new(config);
    let (stop_streams, stop) = watch::channel(false);
    // Before the port opens: what cannot work must not look as if it did.
    let state = open(Arc::clone(&config), OpenMode::Server, Clock::system(), stop).await?;
    let listener = listener(&config).await?;
    let address = listener.local_addr().map_err(Exit::failed)?;
    let mut signals = Signals::new().map_err(Exit::failed)?;

    let (router, _) = api::all();
    let edge = finish(router, state.clone());
    let store = state.auth.store.clone();
    tracing::info!(%address, database = store.kind(), version = config.app_version, "listening");
    welcome::greet(&state, address, under_systemd).await?;
    notify(NotifyState::Ready);

    let graceful = GracefulShutdown::new();
    accept_until_signal(&listener, &edge, &graceful, &mut signals).await;
    drop(listener);
    notify(NotifyState::Stopping);
    drain(graceful, &state, &stop_streams).await;
    state.relay.close().await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The socket that systemd passes on, else one of our own.
async fn listener(config: &Config) -> Result<TcpListener, Exit> {
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

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn accept_until_signal(listener: &TcpListener, edge: &Edge, graceful: &GracefulShutdown, signals: &mut Signals) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let builder = connection_builder();
    loop {
        let accepted = tokio::select! {
            accepted = accept(listener, &places) => accepted,
            () = signals.next() => return,
        };
        match accepted {
            Ok((stream, peer, place)) => serve_connection(stream, peer, place, edge.clone(), &builder, graceful),
            // Out of file descriptors, or a peer that was gone already: give others time to finish.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
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

fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    edge: Edge,
    builder: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
) {
    let begun = Arc::new(AtomicBool::new(false));
    let first_request = Arc::clone(&begun);
    let service = service_fn(move |mut request: Request<Incoming>| {
        first_request.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(PeerAddress(peer.ip()));
        edge.clone().call(request)
    });
    let watcher = graceful.watcher();
    let builder = builder.clone();
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

/// Waits for what is running: requests for a while, streams for longer, and then asks those to end.
async fn drain(graceful: GracefulShutdown, state: &AppState, stop_streams: &watch::Sender<bool>) {
    let config = &state.config;
    tracing::info!(connections = graceful.count(), "draining");
    let begun = Instant::now();
    let mut finished = std::pin::pin!(graceful.shutdown());
    if timeout(config.shutdown_request, &mut finished).await.is_ok() {
        return;
    }
    let streams = state.relay.open_streams();
    if streams > 0 && timeout_at(begun + config.shutdown_stream, &mut finished).await.is_ok() {
        return;
    }
    tracing::warn!(streams = state.relay.open_streams(), "asking streams to end");
    stop_streams.send_replace(true);
    if timeout(LAST_WORDS, finished).await.is_err() {
        tracing::warn!("connections were cut");
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
