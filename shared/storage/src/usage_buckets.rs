//! Statistics over quarters of an hour. The recorder adds to them, a few seconds behind the requests.

use std::time::Duration;

use llm_api_domain::Timestamp;

use crate::{Store, StoreError, dialect::DbTime};

/// The length of a bucket; each begins at a whole quarter of an hour.
pub(crate) const BUCKET: Duration = Duration::from_secs(900);
/// Buckets that begin earlier than this before the newest one are deleted.
pub(crate) const KEEP: Duration = Duration::from_secs(400 * 24 * 3600);
/// `recent_latency_ms` is over at least so many requests, where there are as many.
const RECENT: i64 = 100;

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    pub requests: i64,
    /// Failed, incomplete and interrupted ones; a client that left is no error.
    pub errors: i64,
    pub fallbacks: i64,
    /// What all requests took together.
    pub latency_ms_total: i64,
    /// Requests by provider, in the order of the names.
    pub by_provider: Vec<(String, i64)>,
    /// The mean over the newest buckets that have 100 requests together; `None` when there were no requests.
    pub recent_latency_ms: Option<f64>,
}

/// A quarter of an hour, all providers together.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Bucket {
    #[sqlx(try_from = "DbTime")]
    pub start: Timestamp,
    pub requests: i64,
    pub errors: i64,
    pub fallbacks: i64,
    pub latency_ms_total: i64,
}

/// The `usage_buckets` table.
#[derive(Debug)]
pub struct UsageBuckets<'s>(pub(crate) &'s Store);

impl UsageBuckets<'_> {
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let (providers, recent) = on_read!(self.0, db => {
            let providers: Vec<(String, i64, i64, i64, i64)> = db.all(sqlx::query_as(
                "SELECT provider, CAST(SUM(requests) AS BIGINT), CAST(SUM(errors) AS BIGINT),
                    CAST(SUM(fallbacks) AS BIGINT), CAST(SUM(latency_ms_total) AS BIGINT)
                 FROM usage_buckets GROUP BY provider ORDER BY provider")).await?;
            // A row stands for one request at least.
            let recent: Vec<(i64, i64)> = db.all(sqlx::query_as(
                "SELECT CAST(SUM(requests) AS BIGINT), CAST(SUM(latency_ms_total) AS BIGINT)
                 FROM usage_buckets GROUP BY bucket_start ORDER BY bucket_start DESC LIMIT $1").bind(RECENT)).await?;
            (providers, recent)
        });
        let mut totals = Totals { recent_latency_ms: mean(&recent), ..Totals::default() };
        for (provider, requests, errors, fallbacks, latency_ms) in providers {
            totals.requests += requests;
            totals.errors += errors;
            totals.fallbacks += fallbacks;
            totals.latency_ms_total += latency_ms;
            totals.by_provider.push((provider, requests));
        }
        Ok(totals)
    }

    /// The buckets that begin at `from` or later, in order; there is none where nothing was asked.
    pub async fn since(&self, from: Timestamp) -> Result<Vec<Bucket>, StoreError> {
        Ok(on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT bucket_start AS start, CAST(SUM(requests) AS BIGINT) AS requests,
                    CAST(SUM(errors) AS BIGINT) AS errors, CAST(SUM(fallbacks) AS BIGINT) AS fallbacks,
                    CAST(SUM(latency_ms_total) AS BIGINT) AS latency_ms_total
                 FROM usage_buckets WHERE bucket_start >= $1 GROUP BY bucket_start ORDER BY bucket_start")
                .bind(DbTime(from))).await?
        }))
    }
}

/// The mean latency over `buckets` of (requests, milliseconds), newest first.
fn mean(buckets: &[(i64, i64)]) -> Option<f64> {
    let (mut requests, mut millis) = (0, 0);
    for (more, latency) in buckets {
        if requests >= RECENT {
            break;
        }
        requests += more;
        millis += latency;
    }
    #[expect(clippy::cast_precision_loss, reason = "sums of a few buckets are far below 2^53")]
    let mean = (requests > 0).then(|| millis as f64 / requests as f64);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_means_the_newest_buckets_with_a_hundred_requests() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[(2, 30)]), Some(15.0));
        assert_eq!(mean(&[(60, 600), (40, 900), (1, 1_000_000)]), Some(15.0));
        assert_eq!(mean(&[(99, 99), (1, 101), (1, 1_000_000)]), Some(2.0));
    }
}
