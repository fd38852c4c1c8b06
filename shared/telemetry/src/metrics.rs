use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use llm_api_domain::Clock;

use crate::{process, providers::Providers, server::Routes, text::Page};

/// The figures of this process since its start. They are numbers in memory; only [`write`](Metrics::write) allocates.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) routes: Routes,
    pub(crate) providers: Providers,
    in_flight: AtomicUsize,
    /// Since 1970.
    started: Duration,
}

/// One of the requests in flight; gives its place back when dropped.
#[derive(Debug)]
pub struct Place<'m> {
    in_flight: &'m AtomicUsize,
    before: usize,
}

impl Place<'_> {
    /// How many there were already.
    pub fn before(&self) -> usize {
        self.before
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn new(clock: &Clock) -> Self {
        let started = Duration::from_micros(u64::try_from(clock.now().as_micros()).unwrap_or_default());
        let (routes, providers, in_flight) = (Routes::default(), Providers::default(), AtomicUsize::new(0));
        Self { routes, providers, in_flight, started }
    }

    /// Takes a place among the requests in flight.
    pub fn enter(&self) -> Place<'_> {
        Place { in_flight: &self.in_flight, before: self.in_flight.fetch_add(1, Ordering::Relaxed) }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What this process counted, and the process itself.
    pub fn write(&self, page: &mut Page) {
        self.routes.write(page);
        self.providers.write(page);
        process::write(page, self.started);
    }
}
