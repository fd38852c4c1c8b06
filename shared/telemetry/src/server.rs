//! Requests that we answer, by route.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};

use crate::{
    histogram::{Histogram, REQUEST_BOUNDS},
    text::{Kind, Page},
};

/// What stands for a path that no route takes, for a refusal before routing, and for a browser's question of CORS.
const UNMATCHED: &str = "unmatched";
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", OTHER];
/// Clients may make up methods; the figures do not grow by them.
pub(crate) const OTHER: &str = "_OTHER";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// By the pattern of the route: only the router makes those, so there are not many.
#[derive(Debug, Default)]
pub(crate) struct Routes(RwLock<HashMap<Box<str>, Arc<Route>>>);

/// One for each of [`METHODS`].
#[derive(Debug, Default)]
struct Route([OnceLock<Box<Answers>>; METHODS.len()]);

#[derive(Debug)]
struct Answers {
    by_class: [AtomicU64; CLASSES.len()],
    times: Histogram,
}

impl Answers {
    fn new() -> Self {
        Self { by_class: Default::default(), times: Histogram::new(REQUEST_BOUNDS) }
    }
}

/// The method as labels have it, and its place.
pub(crate) fn known_method(method: &Method) -> (usize, &'static str) {
    let found = METHODS.iter().position(|known| *known == method.as_str());
    let place = found.unwrap_or(METHODS.len() - 1);
    (place, METHODS[place])
}

impl Routes {
    /// Takes a lock to read, and makes nothing new but for the first request of a route.
    pub(crate) fn note(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let route = self.route(route.unwrap_or(UNMATCHED));
        let (place, _) = known_method(method);
        let answers = route.0[place].get_or_init(|| Box::new(Answers::new()));
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        answers.by_class[class].fetch_add(1, Ordering::Relaxed);
        answers.times.note(took);
    }

    fn route(&self, pattern: &str) -> Arc<Route> {
        if let Some(route) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(pattern) {
            return Arc::clone(route);
        }
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(pattern.into()).or_default())
    }

    /// Sorted, so that two pages can be compared.
    fn sorted(&self) -> Vec<(Box<str>, Arc<Route>)> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut routes: Vec<_> = routes.iter().map(|(name, route)| (name.clone(), Arc::clone(route))).collect();
        routes.sort_by(|(a, _), (b, _)| a.cmp(b));
        routes
    }

    pub(crate) fn write(&self, page: &mut Page) {
        let routes = self.sorted();
        let answers = || {
            routes.iter().flat_map(|(name, route)| {
                let by_method = METHODS.iter().zip(&route.0);
                by_method.filter_map(move |(method, answers)| Some((&**name, *method, answers.get()?)))
            })
        };
        let name = "llm_api_http_requests_total";
        page.family(name, Kind::Counter, "Requests answered by this process, by route and by class of the status");
        for (route, method, answers) in answers() {
            for (class, count) in CLASSES.iter().zip(&answers.by_class) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    page.sample(name, &[("method", method), ("route", route), ("status", class)], count);
                }
            }
        }
        let name = "llm_api_http_request_duration_seconds";
        let help = "Time until the head of the answer; a stream goes on after it";
        page.family(name, Kind::Histogram, help);
        for (route, method, answers) in answers() {
            page.histogram(name, &[("method", method), ("route", route)], &answers.times);
        }
    }
}
