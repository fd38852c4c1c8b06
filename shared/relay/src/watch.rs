//! Waiting on a client's behalf: a sign of life while there is nothing, and an end when one is asked for.

use std::time::Duration;

use llm_api_storage::Running;
use tokio::sync::watch;

use crate::{Relay, RelayError, Subject};

/// What came of one wait.
pub(crate) enum Waited<T> {
    Ready(T),
    /// Nothing for as long as a heartbeat.
    Idle,
    /// Cancelled, or the server stops.
    Over(RelayError),
}

/// Watches one running generation.
pub(crate) struct Watch {
    heartbeat: Duration,
    stop: watch::Receiver<bool>,
    running: Running,
}

impl Relay {
    /// Enters the request among those that can be cancelled.
    pub(crate) fn watch(&self, subject: Subject) -> Watch {
        let config = &self.0.config;
        let running = config.store.recorder().running(subject.user, subject.request);
        Watch { heartbeat: config.heartbeat, stop: config.stop.clone(), running }
    }
}

impl Watch {
    /// Waits for `work`, but no longer than one heartbeat. `work` must be safe to drop half-way or be a reference.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Waited<T> {
        if *self.stop.borrow() {
            return Waited::Over(RelayError::Stopping);
        }
        tokio::select! {
            biased;
            done = work => Waited::Ready(done),
            () = self.running.cancelled() => Waited::Over(RelayError::Cancelled),
            Ok(_) = self.stop.wait_for(|stop| *stop) => Waited::Over(RelayError::Stopping),
            () = tokio::time::sleep(self.heartbeat) => Waited::Idle,
        }
    }

    /// Waits until `work` is done, or the request must end.
    pub(crate) async fn until_over<T>(&mut self, work: impl Future<Output = T>) -> Result<T, RelayError> {
        let mut work = std::pin::pin!(work);
        loop {
            match self.wait(&mut work).await {
                Waited::Ready(done) => return Ok(done),
                Waited::Idle => {}
                Waited::Over(error) => return Err(error),
            }
        }
    }

    /// Waits for an answer in one piece; only a cancellation ends it early.
    pub(crate) async fn until_done<T>(
        &self,
        work: impl Future<Output = Result<T, RelayError>>,
    ) -> Result<T, RelayError> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.running.cancelled() => Err(RelayError::Cancelled),
        }
    }
}
