//! The counters of `/metrics`, and what happened between two readings.

use std::{collections::BTreeMap, time::Duration};

use super::server::{ServerFigures, ServerInterval};

/// Counters, as Prometheus reads them. All but the server's stand in the database, so they outlive a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    requests: f64,
    errors: f64,
    fallbacks: f64,
    latency_ms: f64,
    by_provider: BTreeMap<String, f64>,
    server: ServerFigures,
}

/// What was added to the counters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) time: Duration,
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// Of the requests, from 0 to 1; as are the others. 0 when there were none.
    pub(super) errors: f64,
    pub(super) fallbacks: f64,
    /// `None` when there were no requests.
    pub(super) mean_ms: Option<f64>,
    pub(super) by_provider: BTreeMap<String, f64>,
    /// `None` when another process answered than before.
    pub(super) server: Option<ServerInterval>,
}

impl Figures {
    /// `None` when the text has no counter of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut figures = Self::default();
        let mut is_ours = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            // A label may hold blanks; a value holds none.
            let Some((name, value)) = line.trim_end().rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            match name.trim_end() {
                "llm_api_request_count" => (figures.requests, is_ours) = (value, true),
                "llm_api_error_count" => figures.errors = value,
                "llm_api_fallback_count" => figures.fallbacks = value,
                "llm_api_latency_ms_sum" => figures.latency_ms = value,
                name => {
                    if let Some(provider) = provider_of(name) {
                        figures.by_provider.insert(provider.to_owned(), value);
                    } else {
                        figures.server.take(name, value);
                    }
                }
            }
        }
        is_ours.then_some(figures)
    }

    /// `None` when the counters began anew: another database stands behind the address.
    pub(super) fn since(&self, earlier: &Self, time: Duration) -> Option<Interval> {
        let requests = self.requests - earlier.requests;
        if requests < 0.0 || self.latency_ms < earlier.latency_ms {
            return None;
        }
        let share = |count: f64| if requests > 0.0 { (count / requests).clamp(0.0, 1.0) } else { 0.0 };
        let added = |(provider, count): (&String, &f64)| {
            let added = count - earlier.by_provider.get(provider).copied().unwrap_or_default();
            (added > 0.0).then(|| (provider.clone(), share(added)))
        };
        Some(Interval {
            time,
            requests,
            per_second: requests / time.as_secs_f64().max(0.001),
            errors: share(self.errors - earlier.errors),
            fallbacks: share(self.fallbacks - earlier.fallbacks),
            mean_ms: (requests > 0.0).then(|| (self.latency_ms - earlier.latency_ms) / requests),
            by_provider: self.by_provider.iter().filter_map(added).collect(),
            server: self.server.since(&earlier.server),
        })
    }
}

fn provider_of(name: &str) -> Option<&str> {
    name.strip_prefix("llm_api_requests_by_provider{provider=\"")?.strip_suffix("\"}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "# HELP llm_api_request_count Requests\n# TYPE llm_api_request_count counter\n\
        llm_api_request_count 10\nllm_api_error_count 1\nllm_api_fallback_count 0\nllm_api_latency_ms_count 10\n\
        llm_api_latency_ms_sum 5000\nllm_api_requests_by_provider{provider=\"openai\"} 10\n";
    const SECOND: &str = "llm_api_request_count 18\nllm_api_error_count 3\nllm_api_fallback_count 1\n\
        llm_api_latency_ms_sum 6600\nllm_api_requests_by_provider{provider=\"groq\"} 2\n\
        llm_api_requests_by_provider{provider=\"openai\"} 16\n";

    #[test]
    fn the_difference_of_two_readings_is_told() {
        let (first, second) = (Figures::parse(FIRST).expect("ours"), Figures::parse(SECOND).expect("ours"));
        let interval = second.since(&first, Duration::from_secs(4)).expect("they grew");
        assert_eq!((interval.requests, interval.per_second), (8.0, 2.0));
        assert_eq!((interval.errors, interval.fallbacks, interval.mean_ms), (0.25, 0.125, Some(200.0)));
        let shares = BTreeMap::from([("groq".to_owned(), 0.25), ("openai".to_owned(), 0.75)]);
        assert_eq!(interval.by_provider, shares);

        let quiet = second.since(&second, Duration::from_secs(4)).expect("nothing");
        assert_eq!((quiet.requests, quiet.errors, quiet.mean_ms), (0.0, 0.0, None));
        assert!(quiet.by_provider.is_empty());
        assert_eq!(first.since(&second, Duration::from_secs(4)), None, "another database");
    }

    #[test]
    fn a_page_of_something_else_has_no_figures() {
        for text in ["", "<html>\n<body>Welcome</body>", "go_goroutines 8\n"] {
            assert_eq!(Figures::parse(text), None, "{text}");
        }
    }
}
