//! The requests that run in this process, so that another request can cancel them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use llm_api_domain::{RequestId, UserId};
use tokio_util::sync::CancellationToken;

type Key = (UserId, RequestId);

#[derive(Clone, Debug, Default)]
pub(super) struct Registry(Arc<Mutex<HashMap<Key, Entry>>>);

#[derive(Debug, Default)]
struct Entry {
    token: CancellationToken,
    /// Zero for a request that has claimed its id and is about to run.
    guards: u32,
    /// Whether its `running` row is in the database, where another process can ask for its end.
    has_row: bool,
}

impl Entry {
    fn is_cancellable(&self) -> bool {
        self.guards > 0 && !self.token.is_cancelled()
    }
}

impl Registry {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, key: Key) -> Running {
        let mut entries = self.entries();
        let entry = entries.entry(key).or_default();
        entry.guards += 1;
        Running { registry: self.clone(), key, token: entry.token.clone() }
    }

    fn leave(&self, key: &Key) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(key) {
            entry.guards -= 1;
            if entry.guards == 0 {
                entries.remove(key);
            }
        }
    }

    pub(super) fn is_running(&self, key: Key) -> bool {
        self.entries().get(&key).is_some_and(|entry| entry.guards > 0)
    }

    /// False when it does not run here.
    pub(super) fn cancel(&self, key: Key) -> bool {
        // Those who wait are woken after the lock is given back.
        let token = self.entries().get(&key).filter(|entry| entry.guards > 0).map(|entry| entry.token.clone());
        token.as_ref().map(CancellationToken::cancel).is_some()
    }

    /// A claim has written the row, perhaps before the request is known to run.
    pub(super) fn row_claimed(&self, key: Key) {
        self.entries().entry(key).or_default().has_row = true;
    }

    /// The writer has written the rows.
    pub(super) fn rows_written(&self, keys: impl Iterator<Item = Key>) {
        let mut entries = self.entries();
        for key in keys {
            if let Some(entry) = entries.get_mut(&key) {
                entry.has_row = true;
            }
        }
    }

    /// The outcome of the requests is on its way: what was claimed and never ran is not waited for any more.
    pub(super) fn settled(&self, keys: impl Iterator<Item = Key>) {
        let mut entries = self.entries();
        for key in keys {
            if entries.get(&key).is_some_and(|entry| entry.guards == 0) {
                entries.remove(&key);
            }
        }
    }

    /// Whether the database may hold somebody's wish to cancel a request that runs here.
    pub(super) fn may_be_cancelled_elsewhere(&self) -> bool {
        self.entries().values().any(|entry| entry.has_row && entry.is_cancellable())
    }
}

/// A request that runs in this process and can be cancelled. It is unknown again when this is dropped.
#[derive(Debug)]
#[must_use = "the request is known to run only as long as this lives"]
pub struct Running {
    registry: Registry,
    key: Key,
    token: CancellationToken,
}

impl Running {
    /// Waits until somebody cancels the request, at once when that has happened before. Can be given up and called
    /// again without missing anything.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.registry.leave(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use llm_api_domain::Timestamp;

    use super::*;

    fn key() -> Key {
        let now = Timestamp::from_micros(1_795_348_800_000_000);
        (UserId::new(now), RequestId::new(now))
    }

    #[test]
    fn a_request_can_be_cancelled_while_it_runs() {
        let registry = Registry::default();
        let (ada, bob) = (key(), key());
        let running = registry.enter(ada);
        assert!(registry.is_running(ada) && !registry.is_running(bob));
        assert!(!registry.cancel(bob));
        assert!(!running.is_cancelled());
        assert!(registry.cancel(ada));
        assert!(running.is_cancelled());
        drop(running);
        assert!(!registry.is_running(ada) && !registry.cancel(ada));
        assert!(!registry.enter(ada).is_cancelled(), "nothing of the earlier one is left");
    }

    #[test]
    fn the_database_is_asked_only_about_rows_that_run_here() {
        let registry = Registry::default();
        let (claimed, held, elsewhere) = (key(), key(), key());
        registry.rows_written([elsewhere].into_iter());
        registry.row_claimed(claimed);
        let held_running = registry.enter(held);
        assert!(!registry.may_be_cancelled_elsewhere());
        registry.rows_written([held].into_iter());
        assert!(registry.may_be_cancelled_elsewhere());
        drop(held_running);
        assert!(!registry.may_be_cancelled_elsewhere());
        let running = registry.enter(claimed);
        assert!(registry.may_be_cancelled_elsewhere());
        registry.settled([claimed].into_iter());
        assert!(registry.is_running(claimed));
        assert!(registry.cancel(claimed));
        assert!(!registry.may_be_cancelled_elsewhere(), "it is cancelled already");
        drop(running);
        registry.row_claimed(claimed);
        registry.settled([claimed].into_iter());
        assert!(registry.entries().is_empty());
    }
}
