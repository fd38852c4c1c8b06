//! The server: from its start to its orderly end, or to the process that takes over.

mod accept;
mod handover;
mod unread;
mod watchdog;

use std::{future::pending, io, os::fd::AsFd as _, pin::Pin, pin::pin, sync::Arc, time::Duration};

use llm_api::api;
use llm_api_app::{AppState, Config, Inheritance, finish, open, succeed};
use llm_api_domain::{Clock, Timestamp};
use llm_api_storage::{OpenMode, Store};
use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use crate::{exit::Exit, welcome};
use accept::{Connections, Doorman};
use handover::{Estate, Predecessor, Program, Successor};
use watchdog::{Watchdog, notify};

/// For streams to write their last event, once they were asked to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Runs until SIGTERM or SIGINT, or until another process has taken over at SIGHUP.
pub(crate) async fn run(config: Config, under_systemd: bool) -> Result<(), Exit> {
    let program = Arc::new(Program::of_process());
    let mut predecessor = Predecessor::of_process().map_err(Exit::failed)?;
    let config = Arc::new(config);
    let (stop_streams, stop) = watch::channel(false);
    // Before the port opens: what cannot work must not look as if it did.
    let (state, listener) = match &mut predecessor {
        None => {
            let state = open(Arc::clone(&config), OpenMode::Server, Clock::system(), stop).await?;
            (state, accept::listener(&config).await?)
        }
        Some(predecessor) => {
            let inheritance = Inheritance { lock: predecessor.take_lock() };
            let state = succeed(Arc::clone(&config), Clock::system(), stop, inheritance).await?;
            (state, predecessor.take_listener().map_err(Exit::failed)?)
        }
    };
    let address = listener.local_addr().map_err(Exit::failed)?;
    let mut signals = Signals::new().map_err(Exit::failed)?;

    let (router, _) = api::all();
    let edge = finish(router, state.clone());
    let store = state.auth.store.clone();
    match &mut predecessor {
        None => welcome::greet(&state, address, under_systemd).await?,
        Some(predecessor) => {
            let relieved = tokio::select! {
                relieved = predecessor.relieve() => relieved,
                () = signals.stop() => false,
            };
            if !relieved {
                store.close().await;
                return Err(Exit::failed("the process before this one did not hand over"));
            }
            notify(&[NotifyState::MainPid(std::process::id())]);
        }
    }
    tracing::info!(%address, database = store.kind(), version = config.app_version, "listening");
    notify(&[NotifyState::Ready]);

    let since = state.auth.clock.now();
    let life = Life { doorman: Doorman::new(listener, edge), program, store: store.clone(), predecessor, since };
    let mut watchdog = Watchdog::of_process();
    let (connections, mut successor) = life.run(&mut signals, &mut watchdog).await;
    let ended = match &mut successor {
        None => {
            notify(&[NotifyState::Stopping]);
            tokio::select! {
                () = drain(connections, &state, &stop_streams) => Ok(()),
                () = watchdog.keep_beating() => Ok(()),
            }
        }
        Some(successor) => drain_beside(successor, connections, &state, &stop_streams).await,
    };
    state.relay.close().await;
    store.close().await;
    tracing::info!("stopped");
    // Only now may the successor believe that it is alone.
    drop(successor);
    ended
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    has_terminal: bool,
}

enum Wish {
    Stop,
    HandOver,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            has_terminal: handover::has_terminal(),
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            // A terminal that is closed takes its programs along.
            _ = self.hang_up.recv() => if self.has_terminal { Wish::Stop } else { Wish::HandOver },
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Wish::Stop) {}
    }
}

/// What serves until somebody asks for the end, or another process is ready to take over.
struct Life {
    doorman: Doorman,
    program: Arc<Program>,
    store: Store,
    /// Until it has ended.
    predecessor: Option<Predecessor>,
    /// When this process began to serve.
    since: Timestamp,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Successor, String>> + Send>>;

impl Life {
    async fn run(mut self, signals: &mut Signals, watchdog: &mut Watchdog) -> (Connections, Option<Successor>) {
        let mut attempt: Option<Attempt> = None;
        loop {
            tokio::select! {
                accepted = self.doorman.accept() => self.doorman.serve(accepted).await,
                () = watchdog.beat() => {}
                wish = signals.next() => match wish {
                    Wish::Stop => return (self.doorman.leave(), None),
                    Wish::HandOver if attempt.is_some() => tracing::info!("a process that takes over is starting already"),
                    Wish::HandOver => attempt = self.hand_over(),
                },
                started = outcome(&mut attempt) => {
                    attempt = None;
                    match self.let_go(started).await {
                        Some(successor) => return (self.doorman.leave(), Some(successor)),
                        None => self.stay(),
                    }
                }
                () = gone(&mut self.predecessor) => {
                    self.predecessor = None;
                    if attempt.is_none() {
                        self.store.be_alone();
                    }
                    self.settle_predecessor();
                }
            }
        }
    }

    fn hand_over(&self) -> Option<Attempt> {
        if let Some(reason) = self.program.is_bound() {
            tracing::error!("no other process can take over from this one: {reason}");
            return None;
        }
        let estate = match self.estate() {
            Ok(estate) => estate,
            Err(error) => {
                tracing::error!(%error, "nothing can be handed over, so this process goes on serving");
                return None;
            }
        };
        tracing::info!("starting the process that takes over");
        // It may write before it serves.
        self.store.be_beside();
        let program = Arc::clone(&self.program);
        Some(Box::pin(async move { Successor::start(&program, estate).await }))
    }

    fn estate(&self) -> io::Result<Estate> {
        Ok(Estate {
            listener: self.doorman.listener().as_fd().try_clone_to_owned()?,
            lock: self.store.share_lock()?,
            lifelines: self.predecessor.as_ref().map_or(Ok(Vec::new()), Predecessor::lifelines)?,
        })
    }

    async fn let_go(&self, started: Result<Successor, String>) -> Option<Successor> {
        let reason = match started {
            Ok(mut successor) => match successor.go().await {
                Ok(()) => return Some(successor),
                Err(reason) => reason,
            },
            Err(reason) => reason,
        };
        tracing::error!("no other process took over, so this one goes on serving: {reason}");
        notify(&[NotifyState::Status(&format!("The last reload failed, and nothing changed: {reason}"))]);
        None
    }

    /// The one that was to take over is gone.
    fn stay(&self) {
        if self.predecessor.is_none() {
            self.store.be_alone();
        }
    }

    fn settle_predecessor(&self) {
        let (store, since) = (self.store.clone(), self.since);
        #[expect(
            clippy::disallowed_methods,
            reason = "new requests do not wait for it; the next start would do the same"
        )]
        tokio::spawn(async move {
            if let Err(error) = store.settle_predecessor(since).await {
                tracing::warn!(%error, "what the process before this one left open is not settled yet");
            }
        });
    }
}

/// Waits for ever where there is no attempt.
async fn outcome(attempt: &mut Option<Attempt>) -> Result<Successor, String> {
    match attempt {
        Some(attempt) => attempt.await,
        None => pending().await,
    }
}

async fn gone(predecessor: &mut Option<Predecessor>) {
    match predecessor {
        Some(predecessor) => predecessor.gone().await,
        None => pending().await,
    }
}

/// The end of a process whose place is taken. Its successor is watched: nobody else does so yet.
async fn drain_beside(
    successor: &mut Successor,
    connections: Connections,
    state: &AppState,
    stop_streams: &watch::Sender<bool>,
) -> Result<(), Exit> {
    tracing::info!("handed over");
    let mut drained = pin!(drain(connections, state, stop_streams));
    let reason = tokio::select! {
        () = &mut drained => return Ok(()),
        reason = successor.failed() => reason,
    };
    // Then the service manager starts the service again.
    notify(&[NotifyState::MainPid(std::process::id())]);
    stop_streams.send_replace(true);
    let _ = timeout(LAST_WORDS, drained).await;
    Err(Exit::failed(format!("the process that had taken over failed: {reason}")))
}

/// Waits for what is running: requests for a while, streams for longer, and then asks those to end.
async fn drain(connections: Connections, state: &AppState, stop_streams: &watch::Sender<bool>) {
    let config = &state.config;
    tracing::info!(connections = connections.count(), "draining");
    let begun = Instant::now();
    let mut finished = pin!(async {
        connections.end().await;
        // Whoever has left by now may have left something behind that goes on.
        state.background.idle().await;
    });
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
