//! The downloads that run in this process: one for each model at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use llm_api_domain::{JobId, UserId};
use tokio_util::sync::CancellationToken;

use super::book::full_name;

/// By full names. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulls(Arc<Mutex<HashMap<String, Running>>>);

/// A download that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) job: JobId,
    pub(super) user: UserId,
    pub(super) progress_pct: f64,
    cancelled: CancellationToken,
}

/// The right to download a model; given back when dropped.
#[derive(Debug)]
pub(super) struct Pull {
    pulls: Pulls,
    name: String,
    job: JobId,
    cancelled: CancellationToken,
}

impl Pulls {
    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the model for one job, or tells which download of it runs already. One that was cancelled is about to end
    /// and does not count.
    pub(super) fn begin(&self, name: &str, user: UserId, job: JobId) -> Result<Pull, Running> {
        let name = full_name(name).into_owned();
        let mut all = self.running();
        if let Some(running) = all.get(&name).filter(|running| !running.cancelled.is_cancelled()) {
            return Err(running.clone());
        }
        let cancelled = CancellationToken::new();
        let running = Running { job, user, progress_pct: 0.0, cancelled: cancelled.clone() };
        all.insert(name.clone(), running);
        Ok(Pull { pulls: self.clone(), name, job, cancelled })
    }

    /// Ends a job's download at once, where it runs here.
    pub(super) fn cancel(&self, job: JobId) {
        // Those who wait are woken after the lock is given back.
        let token = self.running().values().find(|running| running.job == job).map(|running| running.cancelled.clone());
        if let Some(token) = token {
            token.cancel();
        }
    }
}

impl Pull {
    pub(super) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    pub(super) fn set_progress(&self, progress_pct: f64) {
        if let Some(running) = self.pulls.running().get_mut(&self.name).filter(|running| running.job == self.job) {
            running.progress_pct = progress_pct;
        }
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        let mut all = self.pulls.running();
        if all.get(&self.name).is_some_and(|running| running.job == self.job) {
            all.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use llm_api_domain::Timestamp;

    use super::*;

    #[test]
    fn a_model_is_downloaded_once_at_a_time() {
        let now = Timestamp::from_micros(1_795_348_800_000_000);
        let (ada, bob) = (UserId::new(now), UserId::new(now));
        let [first, second, third] = [(); 3].map(|()| JobId::new(now));
        let pulls = Pulls::default();
        let pull = pulls.begin("tiny", ada, first).expect("nobody downloads it");
        pull.set_progress(25.0);
        let running = pulls.begin("tiny:latest", bob, second).expect_err("it runs");
        assert_eq!((running.job, running.user, running.progress_pct.to_string()), (first, ada, "25".to_owned()));
        assert!(pulls.begin("tiny:1b", bob, third).is_ok(), "another model");

        pulls.cancel(first);
        let again = pulls.begin("tiny", bob, second).expect("the first is about to end");
        drop(pull);
        assert_eq!(pulls.begin("tiny", ada, third).expect_err("it runs").job, second);
        drop(again);
        assert!(pulls.begin("tiny", ada, third).is_ok());
    }
}
