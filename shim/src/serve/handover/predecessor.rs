//! The other side: a process that was started to take over.

use std::{
    fs::File,
    io,
    net::TcpListener as StdListener,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream as StdStream,
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
};

use super::{GO, MARK, READY, duplicate, message};

/// The message was sent before this process could look.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process that started this one to be relieved, and those before it that have not ended yet.
pub(crate) struct Predecessor {
    listener: Option<OwnedFd>,
    lock: Option<File>,
    /// The first leads to the process that waits.
    lifelines: Vec<UnixStream>,
}

impl Predecessor {
    /// `None` when this is an ordinary start.
    #[expect(clippy::disallowed_methods, reason = "the mark is no setting: a predecessor sets it, no operator")]
    pub(crate) fn of_process() -> io::Result<Option<Self>> {
        if std::env::var_os(MARK).is_none() {
            return Ok(None);
        }
        let control = StdStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        control.set_read_timeout(Some(PATIENCE))?;
        let Some(handed) = message::receive(&control)? else {
            return Err(io::Error::other("the process before this one handed over in a form that is not known here"));
        };
        let mut lifelines = Vec::new();
        for line in [control].into_iter().chain(handed.lifelines.into_iter().map(StdStream::from)) {
            line.set_nonblocking(true)?;
            lifelines.push(UnixStream::from_std(line)?);
        }
        Ok(Some(Self { listener: Some(handed.listener), lock: handed.lock.map(File::from), lifelines }))
    }

    pub(crate) fn take_lock(&mut self) -> Option<File> {
        self.lock.take()
    }

    pub(crate) fn take_listener(&mut self) -> io::Result<TcpListener> {
        let listener = self.listener.take().ok_or(io::ErrorKind::NotFound)?;
        let listener = StdListener::from(listener);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    /// Says that this process could serve, and waits until it may. False when the other one ended instead, which then
    /// has taken the port with it.
    pub(crate) async fn relieve(&mut self) -> bool {
        let Some(control) = self.lifelines.first_mut() else { return false };
        control.write_u8(READY).await.is_ok() && matches!(control.read_u8().await, Ok(GO))
    }

    /// Waits until all processes before this one have ended.
    pub(crate) async fn gone(&mut self) {
        while let Some(line) = self.lifelines.last_mut() {
            if line.read_u8().await.is_err() {
                self.lifelines.pop();
            }
        }
    }

    /// The same for a process that is started before they have ended.
    pub(crate) fn lifelines(&self) -> io::Result<Vec<OwnedFd>> {
        self.lifelines.iter().map(duplicate).collect()
    }
}
