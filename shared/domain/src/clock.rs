//! Time comes in as an argument, so tests can move it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::Timestamp;

/// Where `now` comes from: the machine, or a hand-moved clock in tests.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start.as_micros()))))
    }

    pub fn now(&self) -> Timestamp {
        if let Some(manual) = &self.0 {
            return Timestamp::from_micros(manual.load(Ordering::Relaxed));
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one place where time comes in")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    /// Moves a manual clock forward; the machine's clock stays what it is.
    pub fn advance(&self, span: Duration) {
        if let Some(manual) = &self.0 {
            manual.fetch_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }
}
