//! One line: what is, what has happened lately, and what of it is unusual.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use llm_api_domain::Timestamp;
use serde_json::{Value, json};

use super::figures::{Figures, Interval};

pub(super) const HEADER: &str = "  UTC       state        answers   requests   errors  fallback  mean time     4xx     5xx       p95  in flight  streams   providers";

/// `/ready` reads one row.
const SLOW_ANSWER: Duration = Duration::from_secs(1);
/// Of the requests, and of all answers with status 5xx.
const MANY_ERRORS: f64 = 0.05;
const MANY_FALLBACKS: f64 = 0.2;
/// Against the middle of the means before.
const SLOWER: f64 = 3.0;
/// In milliseconds: below that, a multiple says nothing.
const NOTABLE_MEAN: f64 = 1000.0;
/// What is told of is what happened in this time: servers write their sums every five seconds.
const WINDOW: Duration = Duration::from_secs(15);
/// Means that are remembered, and those it takes to know what is usual.
const MEMORY: usize = 60;
const ENOUGH: usize = 5;

/// What `/ready` says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Readiness {
    Ready(Duration),
    Frozen {
        took: Duration,
        reason: Option<String>,
    },
    NotReady(Duration),
    /// Not our answer.
    Other {
        took: Duration,
        status: u16,
    },
    Unreachable(String),
}

impl Readiness {
    pub(super) fn answers(&self) -> bool {
        !matches!(self, Self::Unreachable(_))
    }

    fn took(&self) -> Option<Duration> {
        match self {
            Self::Ready(took) | Self::NotReady(took) | Self::Frozen { took, .. } | Self::Other { took, .. } => {
                Some(*took)
            }
            Self::Unreachable(_) => None,
        }
    }

    fn state(&self) -> &'static str {
        match self {
            Self::Ready(_) => "ready",
            Self::Frozen { .. } => "frozen",
            Self::NotReady(_) => "not_ready",
            Self::Other { .. } => "unknown",
            Self::Unreachable(_) => "unreachable",
        }
    }

    fn unusual(&self) -> Option<String> {
        match self {
            Self::Ready(took) if *took > SLOW_ANSWER => Some("slow to answer".to_owned()),
            Self::Ready(_) => None,
            Self::Frozen { reason: Some(reason), .. } => Some(format!("frozen: {}", printable(reason))),
            Self::Frozen { reason: None, .. } => Some("frozen".to_owned()),
            Self::NotReady(_) => Some("stopping, or its database is away".to_owned()),
            Self::Other { status, .. } => Some(format!("/ready answers {status}")),
            Self::Unreachable(why) => Some(why.clone()),
        }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Within the window, and one before it.
    readings: VecDeque<(Instant, Figures)>,
    means: VecDeque<f64>,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    time: Timestamp,
    readiness: Readiness,
    /// `None` in the first line, and without figures.
    interval: Option<Interval>,
    unusual: Vec<String>,
}

impl Watched {
    pub(super) fn line(&mut self, time: Timestamp, readiness: Readiness, read: Option<(Instant, Figures)>) -> Line {
        let mut unusual: Vec<String> = readiness.unusual().into_iter().collect();
        let mut interval = None;
        // Without figures the last ones stay: what happens meanwhile counts in the next line that has some.
        if let Some((at, figures)) = read {
            while self.readings.get(1).is_some_and(|(next, _)| at.duration_since(*next) >= WINDOW) {
                self.readings.pop_front();
            }
            if let Some((earlier, first)) = self.readings.front() {
                interval = figures.since(first, at.duration_since(*earlier));
                if interval.is_none() {
                    unusual.push("the counters began anew: another database?".to_owned());
                    self.readings.clear();
                }
            }
            self.readings.push_back((at, figures));
        }
        if let Some(interval) = &interval {
            unusual.extend(self.judge(interval));
        }
        Line { time, readiness, interval, unusual }
    }

    fn judge(&mut self, interval: &Interval) -> Vec<String> {
        let mut unusual = Vec::new();
        if interval.errors > MANY_ERRORS {
            unusual.push("many errors".to_owned());
        }
        if interval.fallbacks > MANY_FALLBACKS {
            unusual.push("many answers by other models than asked for".to_owned());
        }
        if interval.server.as_ref().is_some_and(|server| server.share_5xx > MANY_ERRORS) {
            unusual.push("many answers with status 5xx".to_owned());
        }
        let Some(mean) = interval.mean_ms else { return unusual };
        if mean > NOTABLE_MEAN && self.usual().is_some_and(|usual| mean > SLOWER * usual) {
            unusual.push("slower than before".to_owned());
        }
        if self.means.len() == MEMORY {
            self.means.pop_front();
        }
        self.means.push_back(mean);
        unusual
    }

    /// The middle of what was seen.
    fn usual(&self) -> Option<f64> {
        let mut means: Vec<f64> = self.means.iter().copied().collect();
        means.sort_by(f64::total_cmp);
        means.get(means.len() / 2).copied().filter(|_| means.len() >= ENOUGH)
    }
}

impl Line {
    pub(super) fn json(&self) -> Value {
        let interval = self.interval.as_ref();
        let server = interval.and_then(|interval| interval.server.as_ref());
        let reason = match &self.readiness {
            Readiness::Frozen { reason, .. } => reason.as_deref(),
            _ => None,
        };
        json!({
            "time": self.time,
            "window_seconds": interval.map(|interval| interval.time.as_secs_f64()),
            "state": self.readiness.state(),
            "reason": reason,
            "answer_ms": self.readiness.took().map(milliseconds),
            "requests": interval.map(|interval| interval.requests),
            "requests_per_second": interval.map(|interval| interval.per_second),
            "error_share": interval.map(|interval| interval.errors),
            "fallback_share": interval.map(|interval| interval.fallbacks),
            "mean_ms": interval.and_then(|interval| interval.mean_ms),
            "answers": server.map(|server| server.answers),
            "share_4xx": server.map(|server| server.share_4xx),
            "share_5xx": server.map(|server| server.share_5xx),
            "p95_ms": server.and_then(|server| server.p95_ms),
            "in_flight": server.map(|server| server.in_flight),
            "streams_open": server.map(|server| server.streams),
            "providers": interval.map(|interval| &interval.by_provider),
            "unusual": self.unusual,
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A reason comes from over there, and may hold what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time.to_string();
        let mark = if self.unusual.is_empty() { ' ' } else { '!' };
        let took = self.readiness.took().map_or_else(|| "-".to_owned(), |took| format!("{:.0} ms", milliseconds(took)));
        write!(f, "{mark} {}  {:<11} {took:>8}", time.get(11..19).unwrap_or(&time), self.readiness.state())?;
        if let Some(interval) = &self.interval {
            let mean = interval.mean_ms.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.0} ms"));
            let (errors, fallbacks) = (interval.errors * 100.0, interval.fallbacks * 100.0);
            write!(f, "  {:>7.1}/s  {errors:>5.1} %  {fallbacks:>6.1} %  {mean:>9}", interval.per_second)?;
            match &interval.server {
                Some(server) => {
                    let p95 = server.p95_ms.map_or_else(|| "-".to_owned(), |p95| format!("{p95:.0} ms"));
                    let (bad, broken) = (server.share_4xx * 100.0, server.share_5xx * 100.0);
                    let (in_flight, streams) = (server.in_flight, server.streams);
                    write!(f, "  {bad:>4.1} %  {broken:>4.1} %  {p95:>8}  {in_flight:>9}  {streams:>7}")?;
                }
                None => write!(f, "  {:>6}  {:>6}  {:>8}  {:>9}  {:>7}", "-", "-", "-", "-", "-")?,
            }
            let shares = interval.by_provider.iter();
            let shares: Vec<String> =
                shares.map(|(name, share)| format!("{} {:.0} %", printable(name), share * 100.0)).collect();
            if !shares.is_empty() {
                write!(f, "   {}", shares.join(", "))?;
            }
        }
        if self.unusual.is_empty() { Ok(()) } else { write!(f, "   <- {}", self.unusual.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);
    const SOON: Readiness = Readiness::Ready(Duration::from_millis(2));

    fn figures(requests: u32, errors: u32, latency_ms: u32) -> Figures {
        let text = format!(
            "llm_api_request_count {requests}\nllm_api_error_count {errors}\nllm_api_latency_ms_sum {latency_ms}\n\
             llm_api_requests_by_provider{{provider=\"openai\"}} {requests}\n"
        );
        Figures::parse(&text).expect("ours")
    }

    #[test]
    fn errors_and_slowness_are_marked_when_they_come() {
        let (mut watched, start) = (Watched::default(), Instant::now());
        let mut line = |number: u32, figures| watched.line(NOON, SOON, Some((start + WINDOW * number, figures)));
        assert_eq!(line(0, figures(100, 9, 50_000)).to_string(), "  12:00:00  ready           2 ms");
        for number in 1..=6 {
            let usual = line(number, figures(100 + number * 30, 9, 50_000 + number * 12_000));
            assert!(usual.unusual.is_empty(), "{usual}");
        }
        let line = line(7, figures(310, 24, 170_000));
        assert_eq!(line.unusual, ["many errors", "slower than before"]);
        assert_eq!(
            line.to_string(),
            "! 12:00:00  ready           2 ms      2.0/s   50.0 %     0.0 %    1600 ms       -       -         -          -        -   openai \
             100 %   <- many errors; slower than before"
        );
        assert_eq!(line.json()["error_share"], 0.5);
    }

    #[test]
    fn sums_that_come_in_lumps_are_spread() {
        let (mut watched, start) = (Watched::default(), Instant::now());
        let mut requests = 0;
        let mut rates = Vec::new();
        for second in 0..40 {
            // A server writes every five seconds what ten in a second have left.
            requests += if second % 5 == 0 { 50 } else { 0 };
            let read = (start + Duration::from_secs(second), figures(requests, 0, requests));
            rates.push(watched.line(NOON, SOON, Some(read)).json()["requests_per_second"].as_f64().unwrap_or_default());
        }
        assert!(rates[15..].iter().all(|rate| (*rate - 10.0).abs() < 0.01), "{rates:?}");
    }

    #[test]
    fn what_happens_while_it_is_away_counts_afterwards() {
        let (mut watched, start) = (Watched::default(), Instant::now());
        watched.line(NOON, SOON, Some((start, figures(10, 0, 10))));
        let away = watched.line(NOON, Readiness::Unreachable("connection refused".to_owned()), None);
        assert_eq!(away.to_string(), "! 12:00:00  unreachable        -   <- connection refused");
        let back = watched.line(NOON, SOON, Some((start + Duration::from_secs(4), figures(18, 0, 90))));
        assert_eq!(back.json()["requests_per_second"], 2.0);
        let other = watched.line(NOON, SOON, Some((start + Duration::from_secs(6), figures(2, 0, 9))));
        assert_eq!(other.unusual, ["the counters began anew: another database?"]);
    }
}
