//! Leaves a provider alone for a while after it failed several times in a row, so that nobody waits for what is down.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use llm_api_domain::Timestamp;
use llm_api_upstream::UpstreamError;

use crate::credits::Account;

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long a provider is left alone first; each failed try after that doubles it.
const REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(120);
/// How long the one request that tries again keeps the others waiting, should nothing be heard of it.
const TRIAL: Duration = Duration::from_secs(30);
const MAX_ENTRIES: usize = 10_000;

/// The accounts that fail, by provider and key.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    failing: Mutex<HashMap<Account, Failing>>,
    /// How many there are: mostly none, and then nobody waits for the lock.
    count: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    in_a_row: u32,
    rests_until: Option<Timestamp>,
}

impl Breakers {
    /// Whether the account may be asked now; else how long it rests. After a rest one request goes through, the others
    /// wait for what becomes of it.
    pub(crate) fn admit(&self, account: Account, now: Timestamp) -> Result<(), Duration> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = failing.get_mut(&account) else { return Ok(()) };
        match entry.rests_until {
            Some(until) if until > now => Err(until.since(now)),
            Some(_) => {
                entry.rests_until = Some(now + TRIAL);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes how a call ended.
    pub(crate) fn note(&self, account: Account, error: Option<&UpstreamError>, now: Timestamp) {
        let is_down = error.is_some_and(is_down);
        if !is_down && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if is_down {
            if failing.len() >= MAX_ENTRIES {
                failing.retain(|_, entry| entry.rests_until.is_some_and(|until| until > now));
            }
            let entry = failing.entry(account).or_default();
            entry.in_a_row = entry.in_a_row.saturating_add(1);
            if let Some(more) = entry.in_a_row.checked_sub(FAILURES) {
                entry.rests_until = Some(now + LONGEST_REST.min(REST * 2_u32.saturating_pow(more.min(8))));
            }
        } else {
            failing.remove(&account);
        }
        self.count.store(failing.len(), Ordering::Relaxed);
    }
}

/// Whether the provider itself is at fault, whoever asks it for whatever.
fn is_down(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::Unreachable { .. } | UpstreamError::Timeout { .. } => true,
        UpstreamError::Failed { status, .. } => *status >= 500,
        UpstreamError::RateLimited { .. }
        | UpstreamError::KeyRejected { .. }
        | UpstreamError::Refused { .. }
        | UpstreamError::BadResponse { .. }
        | UpstreamError::Died { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use llm_api_domain::ProviderId;
    use llm_api_upstream::{Detail, TimeoutPhase};

    use super::*;

    const ACCOUNT: Account = (ProviderId::Openai, None);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn fail(breakers: &Breakers, times: u32, now: Timestamp) {
        for _ in 0..times {
            breakers.note(ACCOUNT, Some(&UpstreamError::Timeout { phase: TimeoutPhase::Connect }), now);
        }
    }

    #[test]
    fn it_rests_after_failures_in_a_row_and_lets_one_try() {
        let breakers = Breakers::default();
        fail(&breakers, FAILURES - 1, at(0));
        assert_eq!(breakers.admit(ACCOUNT, at(0)), Ok(()));
        fail(&breakers, 1, at(0));
        assert_eq!(breakers.admit(ACCOUNT, at(4)), Err(Duration::from_secs(6)));
        assert_eq!(breakers.admit((ProviderId::Groq, None), at(4)), Ok(()));
        assert_eq!(breakers.admit(ACCOUNT, at(10)), Ok(()), "one tries");
        assert_eq!(breakers.admit(ACCOUNT, at(10)), Err(TRIAL), "the others wait for it");
        fail(&breakers, 1, at(11));
        assert_eq!(breakers.admit(ACCOUNT, at(11)), Err(REST * 2));
        breakers.note(ACCOUNT, None, at(40));
        assert_eq!(breakers.admit(ACCOUNT, at(40)), Ok(()));
    }

    #[test]
    fn a_refusal_shows_that_the_provider_is_there() {
        let breakers = Breakers::default();
        fail(&breakers, FAILURES - 1, at(0));
        let refused = UpstreamError::Refused { status: 400, detail: Detail::default() };
        breakers.note(ACCOUNT, Some(&refused), at(0));
        fail(&breakers, FAILURES - 1, at(0));
        assert_eq!(breakers.admit(ACCOUNT, at(0)), Ok(()));
    }
}
