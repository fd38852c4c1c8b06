//! What the service manager is told.

use std::{future::pending, io, os::unix::net::UnixDatagram};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// The same without ever waiting: a service manager that does not listen must not hold up the thread.
#[expect(clippy::disallowed_methods, reason = "the protocol's variable, and no setting")]
fn sign_of_life() -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    socket.send(NotifyState::Watchdog.to_string().as_bytes())?;
    Ok(())
}

/// Signs of life, twice in the time that systemd waits for one. None without systemd.
pub(super) struct Watchdog(Option<Interval>);

impl Watchdog {
    pub(super) fn of_process() -> Self {
        Self(sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()).map(|patience| {
            let mut beats = interval(patience / 2);
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beats
        }))
    }

    /// Gives one sign when it is due. Whoever waits for it proves that the caller's loop turns; the sign itself is
    /// given by one of the threads that answer requests, so it does not come while all of them are stuck.
    pub(super) async fn beat(&mut self) {
        let Some(beats) = &mut self.0 else { return pending().await };
        beats.tick().await;
        #[expect(clippy::disallowed_methods, reason = "it shows that tasks run; nothing depends on its end")]
        tokio::spawn(async {
            if let Err(error) = sign_of_life() {
                tracing::debug!(%error, "systemd could not be told of life");
            }
        });
    }

    pub(super) async fn keep_beating(&mut self) {
        loop {
            self.beat().await;
        }
    }
}
