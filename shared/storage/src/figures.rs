//! What an operator sees of the way to the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Database, Pool};

/// How busy this process keeps its database.
#[derive(Clone, Debug)]
pub struct Figures {
    pub pools: Vec<PoolFigures>,
    /// How often a connection was asked for.
    pub acquired: u64,
    /// How long that took, all together.
    pub waited: Duration,
    /// Who waits for a connection now.
    pub waiting: usize,
    /// Usage rows that could not be written, and are kept.
    pub rows_waiting: usize,
}

/// One pool of connections.
#[derive(Clone, Debug)]
pub struct PoolFigures {
    /// What it is for: `read`, `write` or `all`.
    pub name: &'static str,
    pub in_use: usize,
    pub idle: usize,
    pub most: u32,
}

impl PoolFigures {
    pub(crate) fn of<D: Database>(name: &'static str, pool: &Pool<D>) -> Self {
        let (open, idle) = (usize::try_from(pool.size()).unwrap_or_default(), pool.num_idle());
        // Both are read at different moments.
        Self { name, in_use: open.saturating_sub(idle), idle, most: pool.options().get_max_connections() }
    }
}

/// Counts how long connections were waited for. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Arc<Counts>);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    acquired: AtomicU64,
    micros: AtomicU64,
    waiting: AtomicUsize,
}

/// One wait, until it is dropped. Not a wrapper around what waits: those are large.
pub(crate) struct Waiting<'w> {
    counts: &'w Counts,
    begun: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or_default();
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        self.counts.acquired.fetch_add(1, Ordering::Relaxed);
        self.counts.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Waits {
    /// Keep it until there is a connection.
    pub(crate) fn begin(&self) -> Waiting<'_> {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting { counts: &self.0, begun: Instant::now() }
    }

    pub(crate) fn read(&self) -> (u64, Duration, usize) {
        let micros = self.0.micros.load(Ordering::Relaxed);
        let (acquired, waiting) = (self.0.acquired.load(Ordering::Relaxed), self.0.waiting.load(Ordering::Relaxed));
        (acquired, Duration::from_micros(micros), waiting)
    }
}
