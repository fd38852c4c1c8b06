//! The figures of one process in `/metrics`: its answers by class and how long they took.

use std::collections::BTreeMap;

/// What is asked for figures and health is no traffic.
const OWN_ROUTES: [&str; 4] = ["/metrics", "/ready", "/health", "/version"];

/// The counters of the process that was asked; they begin anew with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ServerFigures {
    /// Tells one process from the next.
    started: f64,
    in_flight: f64,
    streams: f64,
    /// Answers by the first digit of their status.
    by_class: BTreeMap<char, f64>,
    /// Bounds in seconds, in order, and how many answers took no longer.
    up_to: Vec<(f64, f64)>,
}

/// What a process did between two readings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerInterval {
    /// Now, both.
    pub(super) in_flight: f64,
    pub(super) streams: f64,
    pub(super) answers: f64,
    /// Of the answers, from 0 to 1; 0 when there were none.
    pub(super) share_4xx: f64,
    pub(super) share_5xx: f64,
    /// What 95 of 100 answers did not exceed; `None` when there were none.
    pub(super) p95_ms: Option<f64>,
}

impl ServerFigures {
    /// Takes one sample in; what is not ours is passed over.
    pub(super) fn take(&mut self, sample: &str, value: f64) {
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let is_traffic = || label(labels, "route").is_none_or(|route| !OWN_ROUTES.contains(&route));
        match name {
            "process_start_time_seconds" => self.started = value,
            "llm_api_http_requests_in_flight" => self.in_flight = value,
            "llm_api_streams_open" => self.streams = value,
            "llm_api_http_requests_total" if is_traffic() => {
                if let Some(class) = label(labels, "status").and_then(|class| class.chars().next()) {
                    *self.by_class.entry(class).or_default() += value;
                }
            }
            "llm_api_http_request_duration_seconds_bucket" if is_traffic() => {
                // Rust reads "+Inf", too.
                if let Some(bound) = label(labels, "le").and_then(|bound| bound.parse().ok()) {
                    self.add(bound, value);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, bound: f64, count: f64) {
        match self.up_to.binary_search_by(|(known, _)| known.total_cmp(&bound)) {
            Ok(place) => self.up_to[place].1 += count,
            Err(place) => self.up_to.insert(place, (bound, count)),
        }
    }

    /// `None` when another process answered.
    #[expect(clippy::float_cmp, reason = "the same text was read twice")]
    pub(super) fn since(&self, earlier: &Self) -> Option<ServerInterval> {
        if self.started != earlier.started || self.up_to.is_empty() {
            return None;
        }
        let added = |class: char| {
            let count = |figures: &Self| figures.by_class.get(&class).copied().unwrap_or_default();
            (count(self) - count(earlier)).max(0.0)
        };
        let answers: f64 = self.by_class.keys().map(|class| added(*class)).sum();
        let share = |count: f64| if answers > 0.0 { count / answers } else { 0.0 };
        Some(ServerInterval {
            // The page itself is one of those in flight.
            in_flight: (self.in_flight - 1.0).max(0.0),
            streams: self.streams,
            answers,
            share_4xx: share(added('4')),
            share_5xx: share(added('5')),
            p95_ms: self.quantile_since(earlier, 0.95).map(|seconds| seconds * 1000.0),
        })
    }

    /// As Prometheus reckons: evenly spread within a bucket, and never above the last bound.
    fn quantile_since(&self, earlier: &Self, share: f64) -> Option<f64> {
        let before = |bound: f64| {
            let place = earlier.up_to.binary_search_by(|(known, _)| known.total_cmp(&bound));
            place.map_or(0.0, |place| earlier.up_to[place].1)
        };
        let counts = self.up_to.iter().map(|(bound, count)| (*bound, (count - before(*bound)).max(0.0)));
        let wanted = counts.clone().next_back().filter(|(_, all)| *all > 0.0)?.1 * share;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in counts {
            if count >= wanted {
                let is_last = bound.is_infinite() || count <= below;
                return Some(if is_last {
                    lower
                } else {
                    lower + (bound - lower) * (wanted - below) / (count - below)
                });
            }
            (lower, below) = (bound, count);
        }
        None
    }
}

/// A label's value; ours hold no quotes but escaped ones, and those in none of the labels that are looked at.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
    labels[start..].split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(samples: &[(&str, f64)]) -> ServerFigures {
        let mut figures = ServerFigures::default();
        for (sample, value) in samples {
            figures.take(sample, *value);
        }
        figures
    }

    fn bucket(route: &str, bound: &str) -> String {
        format!("llm_api_http_request_duration_seconds_bucket{{method=\"GET\",route=\"{route}\",le=\"{bound}\"}}")
    }

    fn reading(started: f64, [fast, slow, failed]: [f64; 3]) -> ServerFigures {
        let all = fast + slow + failed;
        figures(&[
            ("process_start_time_seconds", started),
            ("llm_api_http_requests_in_flight", 3.0),
            ("llm_api_streams_open", 2.0),
            ("llm_api_http_requests_total{method=\"GET\",route=\"/a\",status=\"2xx\"}", fast),
            ("llm_api_http_requests_total{method=\"GET\",route=\"/b\",status=\"2xx\"}", slow),
            ("llm_api_http_requests_total{method=\"GET\",route=\"/b\",status=\"5xx\"}", failed),
            ("llm_api_http_requests_total{method=\"GET\",route=\"/ready\",status=\"5xx\"}", 99.0 * failed),
            (&bucket("/a", "0.1"), fast),
            (&bucket("/a", "1"), fast),
            (&bucket("/a", "+Inf"), fast),
            (&bucket("/b", "0.1"), 0.0),
            (&bucket("/b", "1"), all - fast),
            (&bucket("/b", "+Inf"), all - fast),
        ])
    }

    #[test]
    fn classes_and_times_are_those_between_two_readings() {
        let (first, second) = (reading(7.0, [100.0, 0.0, 0.0]), reading(7.0, [180.0, 10.0, 10.0]));
        let told = second.since(&first).expect("one process");
        assert_eq!((told.in_flight, told.streams, told.answers), (2.0, 2.0, 100.0));
        assert_eq!((told.share_4xx, told.share_5xx), (0.0, 0.1));
        // 95 of 100: three quarters through the bucket that holds the 81st to the 100th.
        assert!(told.p95_ms.is_some_and(|p95| (p95 - 775.0).abs() < 1e-6), "{told:?}");
        let quiet = second.since(&second).expect("one process");
        assert_eq!((quiet.answers, quiet.share_5xx, quiet.p95_ms), (0.0, 0.0, None));
    }

    #[test]
    fn another_process_counts_from_the_beginning() {
        assert_eq!(reading(8.0, [200.0, 0.0, 0.0]).since(&reading(7.0, [100.0, 0.0, 0.0])), None);
        let earlier_release = figures(&[]);
        assert_eq!(earlier_release.since(&earlier_release), None);
    }
}
