//! SIGHUP: another process of this program, perhaps of a newer version, takes over while this one still answers.
//!
//! The two talk over a pair of sockets, one end of which is the new one's standard input. It gets the listener and the
//! lock on the SQLite file, says `ready` when it could serve, and serves after `go`. The end of the pair tells each of
//! the other's end. See `docs/adr/0024-handover.md`.

mod message;
mod predecessor;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use message::Handed;
pub(super) use predecessor::Predecessor;

/// Set for the new process; its value is no secret and no setting.
const MARK: &str = "HANDOVER_SOCKET";
const READY: u8 = b'r';
const GO: u8 = b'g';
/// How long the new process may take to start, its migrations included.
const START_TIME: Duration = Duration::from_secs(30);

/// How this process was started.
pub(super) struct Program {
    path: io::Result<PathBuf>,
    args: Vec<OsString>,
}

impl Program {
    /// To be asked early: after an upgrade the system no longer knows where a running program came from.
    pub(super) fn of_process() -> Self {
        let mut args = std::env::args_os();
        // As it was called, so that a link that leads to another version meanwhile is followed anew.
        let called = args.next().map(PathBuf::from).filter(|path| path.is_absolute());
        Self { path: called.map_or_else(std::env::current_exe, Ok), args: args.collect() }
    }

    /// Whether nobody would look after a successor.
    pub(super) fn is_bound(&self) -> Option<&'static str> {
        if std::process::id() == 1 {
            return Some("it is the first process of its container, which ends with it: restart the container");
        }
        if let Err(error) = &self.path {
            tracing::debug!(%error, "the path of this program is not known");
            return Some("the path of this program is not known: restart it");
        }
        None
    }
}

/// Whether SIGHUP means that somebody closed the terminal.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

/// What the new process gets.
pub(super) struct Estate {
    pub(super) listener: OwnedFd,
    pub(super) lock: Option<File>,
    /// End with earlier processes that have not ended yet.
    pub(super) lifelines: Vec<OwnedFd>,
}

/// The process that takes over.
pub(super) struct Successor {
    child: Child,
    /// Its end tells the successor that this process is gone, so it is kept to the last.
    control: UnixStream,
    serves: bool,
}

impl Drop for Successor {
    /// Nobody waits for one that was given up.
    fn drop(&mut self) {
        if !self.serves {
            let _ = self.child.start_kill();
        }
    }
}

impl Successor {
    /// Starts it and waits until it could serve. In vain: why, and it is gone.
    pub(super) async fn start(program: &Program, estate: Estate) -> Result<Self, String> {
        let mut successor = Self::spawn(program, estate).map_err(|error| error.to_string())?;
        let ready = timeout(START_TIME, successor.control.read_u8()).await;
        match ready {
            Ok(Ok(READY)) => Ok(successor),
            Ok(_) => Err(successor.end().await),
            Err(_) => {
                successor.end().await;
                Err(format!("it was not ready within {} s", START_TIME.as_secs()))
            }
        }
    }

    fn spawn(program: &Program, estate: Estate) -> io::Result<Self> {
        let path = program.path.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut command = Command::new(path);
        command.args(&program.args).env(MARK, "stdin").stdin(Stdio::from(OwnedFd::from(theirs)));
        // These were meant for this process alone; the time between two signs of life stays.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        let child =
            command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        ours.set_nonblocking(true)?;
        let successor = Self { child, control: UnixStream::from_std(ours)?, serves: false };
        // Small enough to be taken at once, whether anybody reads it or not.
        message::send(&successor.control, &Handed::from(estate))?;
        Ok(successor)
    }

    /// Ends it by force, unless it has ended by itself; what became of it.
    async fn end(&mut self) -> String {
        // One that is about to end by itself says more by its code than by a signal.
        let status = match timeout(Duration::from_secs(1), self.child.wait()).await {
            Ok(status) => status,
            Err(_) => match self.child.start_kill() {
                Ok(()) => self.child.wait().await,
                Err(error) => Err(error),
            },
        };
        status.map_or_else(|error| error.to_string(), |status| format!("it ended with {status}"))
    }

    /// Lets it serve. From here on this process must not accept anything, nor keep anything in memory.
    pub(super) async fn go(&mut self) -> Result<(), String> {
        match self.control.write_u8(GO).await {
            Ok(()) => {
                self.serves = true;
                Ok(())
            }
            Err(_) => Err(self.end().await),
        }
    }

    /// Waits until it has failed; for ever when it ends in order.
    pub(super) async fn failed(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) if status.success() => std::future::pending().await,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl From<Estate> for Handed {
    fn from(Estate { listener, lock, lifelines }: Estate) -> Self {
        Self { listener, lock: lock.map(OwnedFd::from), lifelines }
    }
}

fn duplicate(stream: &UnixStream) -> io::Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}
