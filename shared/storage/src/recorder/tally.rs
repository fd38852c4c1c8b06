//! The sums of the statistics, added up in memory and written every few seconds.

use std::{collections::BTreeMap, ops::AddAssign, time::Duration};

use llm_api_domain::{ProviderId, RequestStatus, Timestamp};
use tokio::time::Instant;

use super::RequestRecord;
use crate::{
    OpenMode,
    usage_buckets::{BUCKET, KEEP},
};

/// How often a server writes its sums.
const WRITE_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) requests: i64,
    pub(super) errors: i64,
    pub(super) fallbacks: i64,
    pub(super) latency_ms: i64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.errors += more.errors;
        self.fallbacks += more.fallbacks;
        self.latency_ms += more.latency_ms;
    }
}

/// What is to be written now.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// In the order of their keys: several processes may add to the same rows.
    pub(super) sums: Vec<((Timestamp, ProviderId), Sums)>,
    /// Buckets that begin before this are to go: with a new bucket an old one has come of age.
    pub(super) delete_before: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Tally {
    pending: BTreeMap<(Timestamp, ProviderId), Sums>,
    /// A cloud function may be frozen for ever after its reply: it keeps nothing back.
    write_every: Duration,
    due: Instant,
    newest: Option<Timestamp>,
}

impl Tally {
    pub(super) fn new(mode: OpenMode) -> Self {
        let write_every = match mode {
            OpenMode::Server | OpenMode::Tool | OpenMode::Import => WRITE_EVERY,
            OpenMode::Function => Duration::ZERO,
        };
        Self { pending: BTreeMap::new(), write_every, due: Instant::now() + write_every, newest: None }
    }

    /// Counts a request that has ended.
    pub(super) fn add(&mut self, row: &RequestRecord, now: Timestamp) {
        let finished = row.finished_at.unwrap_or(now);
        let is_error = match row.status {
            RequestStatus::Failed | RequestStatus::Incomplete | RequestStatus::Interrupted => true,
            RequestStatus::Running | RequestStatus::Completed | RequestStatus::Cancelled => false,
        };
        let sums = Sums {
            requests: 1,
            errors: is_error.into(),
            fallbacks: row.fallback_reason.is_some().into(),
            latency_ms: i64::try_from(finished.since(row.started_at).as_millis()).unwrap_or(i64::MAX),
        };
        *self.pending.entry((bucket_start(finished), row.provider)).or_default() += sums;
    }

    /// Takes what is to be written: nothing before its time, unless `all` is wanted.
    pub(super) fn take_due(&mut self, all: bool) -> Due {
        let now = Instant::now();
        if self.pending.is_empty() || !(all || self.due <= now) {
            return Due::default();
        }
        self.due = now + self.write_every;
        let newest =
            self.pending.keys().next_back().map(|(start, _)| *start).filter(|start| Some(*start) > self.newest);
        Due {
            sums: std::mem::take(&mut self.pending).into_iter().collect(),
            delete_before: newest.map(|start| start - KEEP),
        }
    }

    pub(super) fn written(&mut self, due: &Due) {
        self.newest = self.newest.max(due.sums.last().map(|((start, _), _)| *start));
    }

    /// They could not be written: they wait for the next time.
    pub(super) fn put_back(&mut self, due: Due) {
        for (key, sums) in due.sums {
            *self.pending.entry(key).or_default() += sums;
        }
    }
}

fn bucket_start(moment: Timestamp) -> Timestamp {
    let length = i64::try_from(BUCKET.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(moment.as_micros() - moment.as_micros().rem_euclid(length))
}

#[cfg(test)]
mod tests {
    use llm_api_domain::{RequestId, TokenUsage, UserId};

    use super::*;

    /// The begin of a quarter of an hour.
    const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

    fn row(started_at: Timestamp, millis: u64, status: RequestStatus) -> RequestRecord {
        RequestRecord {
            id: RequestId::new(started_at),
            user: UserId::new(started_at),
            token: None,
            endpoint: "test",
            provider: ProviderId::Openai,
            model: "echo".to_owned(),
            streamed: false,
            status,
            error_code: None,
            fallback_reason: None,
            session: None,
            usage: TokenUsage::default(),
            started_at,
            first_byte_at: None,
            finished_at: Some(started_at + Duration::from_millis(millis)),
        }
    }

    #[test]
    fn requests_are_summed_where_they_end() {
        let mut tally = Tally::new(OpenMode::Server);
        let before = START - Duration::from_millis(50);
        tally.add(&row(before, 40, RequestStatus::Completed), START);
        tally.add(&row(before, 60, RequestStatus::Failed), START);
        let fallback = RequestRecord { fallback_reason: Some("test"), ..row(START, 5, RequestStatus::Cancelled) };
        tally.add(&fallback, START);
        assert!(tally.take_due(false).sums.is_empty(), "not yet");
        let due = tally.take_due(true);
        assert_eq!(
            due.sums,
            [
                ((START - BUCKET, ProviderId::Openai), Sums { requests: 1, errors: 0, fallbacks: 0, latency_ms: 40 }),
                ((START, ProviderId::Openai), Sums { requests: 2, errors: 1, fallbacks: 1, latency_ms: 65 }),
            ]
        );
        assert_eq!(due.delete_before, Some(START - KEEP));
        tally.put_back(due);
        tally.add(&row(START, 5, RequestStatus::Interrupted), START);
        let due = tally.take_due(true);
        assert_eq!(due.sums[1].1, Sums { requests: 3, errors: 2, fallbacks: 1, latency_ms: 70 });
        tally.written(&due);
        tally.add(&row(START, 5, RequestStatus::Incomplete), START);
        let same_bucket = tally.take_due(true);
        assert_eq!((same_bucket.sums.len(), same_bucket.delete_before), (1, None));
    }

    #[test]
    fn a_function_keeps_nothing_back() {
        let mut tally = Tally::new(OpenMode::Function);
        tally.add(&row(START, 5, RequestStatus::Completed), START);
        assert_eq!(tally.take_due(false).sums.len(), 1);
    }
}
