use axum::extract::State;
use llm_api_domain::{Clock, Timestamp};
use llm_api_storage::{Bucket, Store};
use llm_api_web::{ApiError, Caller, Json, Operator, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::average::average_ms;

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// `1d` in quarters of an hour, `7d` in hours or `30d` in six hours each; anything else is `1d`.
    #[param(example = "7d")]
    range: Option<String>,
}

/// How far back, and in what steps. Microseconds.
struct Range {
    name: &'static str,
    span: i64,
    step: i64,
}

impl Range {
    fn named(name: Option<&str>) -> Self {
        match name {
            Some("30d") => Self { name: "30d", span: 30 * DAY, step: 6 * HOUR },
            Some("7d") => Self { name: "7d", span: 7 * DAY, step: HOUR },
            _ => Self { name: "1d", span: DAY, step: 15 * MINUTE },
        }
    }

    /// The beginning of the step, counted in UTC, that holds `at`.
    fn floor(&self, at: Timestamp) -> Timestamp {
        let micros = at.as_micros();
        Timestamp::from_micros(micros - micros.rem_euclid(self.step))
    }

    /// The first step is told whole, so the range begins up to a step early.
    fn start(&self, now: Timestamp) -> Timestamp {
        self.floor(Timestamp::from_micros(now.as_micros() - self.span))
    }

    /// Adds quarters of an hour, which are in order, up to steps; empty ones are left out.
    fn steps(&self, quarters: &[Bucket]) -> Vec<Bucket> {
        let mut steps: Vec<Bucket> = Vec::new();
        for quarter in quarters {
            let start = self.floor(quarter.start);
            match steps.last_mut() {
                Some(step) if step.start == start => add(step, quarter),
                _ => steps.push(Bucket { start, ..quarter.clone() }),
            }
        }
        steps
    }
}

fn add(sum: &mut Bucket, more: &Bucket) {
    sum.requests += more.requests;
    sum.errors += more.errors;
    sum.fallbacks += more.fallbacks;
    sum.latency_ms_total += more.latency_ms_total;
}

/// What was asked over a time.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Sums {
    requests: i64,
    errors: i64,
    fallbacks: i64,
    avg_latency_ms: f64,
}

impl From<&Bucket> for Sums {
    fn from(bucket: &Bucket) -> Self {
        Self {
            requests: bucket.requests,
            errors: bucket.errors,
            fallbacks: bucket.fallbacks,
            avg_latency_ms: average_ms(bucket.latency_ms_total, bucket.requests),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    ts: Timestamp,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    #[schema(example = "1d")]
    range: &'static str,
    /// Oldest first; only those in which something was asked.
    buckets: Vec<Step>,
    totals: Sums,
}

impl History {
    fn new(range: &Range, quarters: &[Bucket]) -> Self {
        let steps = range.steps(quarters);
        let totals = steps.iter().cloned().reduce(|mut sum, step| {
            add(&mut sum, &step);
            sum
        });
        Self {
            range: range.name,
            buckets: steps.iter().map(|step| Step { ts: step.start, sums: step.into() }).collect(),
            totals: totals.as_ref().map(Sums::from).unwrap_or_default(),
        }
    }
}

/// How much was asked over time, by all processes of this database.
#[utoipa::path(get, path = "/v1/history", tag = "admin", params(HistoryQuery),
    responses((status = 200, body = History), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody)))]
pub(crate) async fn history(
    State(store): State<Store>,
    State(clock): State<Clock>,
    _: Caller<Operator>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let range = Range::named(query.range.as_deref());
    let quarters = store.usage_buckets().since(range.start(clock.now())).await?;
    Ok(Json(History::new(&range, &quarters)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        serde_json::from_value(text.into()).expect("a time")
    }

    fn quarter(start: &str, requests: i64, latency_ms_total: i64) -> Bucket {
        Bucket { start: at(start), requests, errors: requests / 2, fallbacks: requests / 3, latency_ms_total }
    }

    fn told(range: &str, quarters: &[Bucket]) -> serde_json::Value {
        serde_json::to_value(History::new(&Range::named(Some(range)), quarters)).expect("JSON")
    }

    #[test]
    fn a_range_begins_with_a_whole_step() {
        let now = at("2026-11-22T13:07:41.5Z");
        let start = |range: Option<&str>| {
            let range = Range::named(range);
            (range.name, range.start(now))
        };
        assert_eq!(start(Some("1d")), ("1d", at("2026-11-21T13:00:00Z")));
        assert_eq!(start(Some("7d")), ("7d", at("2026-11-15T13:00:00Z")));
        assert_eq!(start(Some("30d")), ("30d", at("2026-10-23T12:00:00Z")));
        for unknown in [None, Some(""), Some("2d"), Some("7D")] {
            assert_eq!(start(unknown), start(Some("1d")));
        }
    }

    #[test]
    fn steps_add_up_what_lies_in_them_and_leave_out_what_is_empty() {
        let quarters = [
            quarter("2026-11-22T05:45:00Z", 6, 60),
            quarter("2026-11-22T06:00:00Z", 2, 10),
            quarter("2026-11-22T06:45:00Z", 1, 25),
            quarter("2026-11-22T11:45:00Z", 1, 100),
            quarter("2026-11-22T18:00:00Z", 4, 0),
        ];
        let starts = |range: &str| {
            let told = told(range, &quarters);
            let buckets = told["buckets"].as_array().expect("buckets").iter();
            let shown =
                buckets.map(|bucket| (bucket["ts"].to_string(), bucket["requests"].as_i64().expect("a number")));
            shown.map(|(ts, requests)| (ts.trim_matches('"')[11..16].to_owned(), requests)).collect::<Vec<_>>()
        };
        let expected = |list: &[(&str, i64)]| list.iter().map(|(at, n)| ((*at).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(starts("1d"), expected(&[("05:45", 6), ("06:00", 2), ("06:45", 1), ("11:45", 1), ("18:00", 4)]));
        assert_eq!(starts("7d"), expected(&[("05:00", 6), ("06:00", 3), ("11:00", 1), ("18:00", 4)]));
        assert_eq!(starts("30d"), expected(&[("00:00", 6), ("06:00", 4), ("18:00", 4)]));
    }

    #[test]
    fn averages_are_over_requests_not_over_buckets() {
        let quarters = [quarter("2026-11-22T06:00:00Z", 2, 10), quarter("2026-11-22T06:15:00Z", 1, 25)];
        assert_eq!(
            told("7d", &quarters),
            serde_json::json!({
                "range": "7d",
                "buckets": [{
                    "ts": "2026-11-22T06:00:00.000000Z", "requests": 3, "errors": 1, "fallbacks": 0, "avg_latency_ms": 11.7,
                }],
                "totals": { "requests": 3, "errors": 1, "fallbacks": 0, "avg_latency_ms": 11.7 },
            })
        );
        assert_eq!(
            told("1d", &[]),
            serde_json::json!({
                "range": "1d", "buckets": [],
                "totals": { "requests": 0, "errors": 0, "fallbacks": 0, "avg_latency_ms": 0.0 },
            })
        );
    }
}
