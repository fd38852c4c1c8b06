//! What the last calls told of each key's credit, so that a model is not chosen where it cannot answer.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use llm_api_domain::{ProviderId, ProviderKeyId, Timestamp};
use llm_api_upstream::UpstreamError;

use crate::Target;

/// How long an account without credit is left alone.
const EXHAUSTED_FOR: Duration = Duration::from_secs(3600);
/// How long a limit on requests is taken to last where the provider names no time.
const LIMITED_FOR: Duration = Duration::from_secs(60);
const MAX_ENTRIES: usize = 10_000;

/// A stored key, or `None` for the operator's.
pub(crate) type Account = (ProviderId, Option<ProviderKeyId>);

/// Whether an account can pay for another request, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditState {
    Available,
    Exhausted,
    RateLimited,
    Unknown,
}

/// What a reply tells of the account that paid for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Credits {
    pub provider: ProviderId,
    pub state: CreditState,
    /// In the account's own currency; clients read a bare number.
    pub remaining: Option<f64>,
    /// When an exhausted or limited account is tried again.
    pub reset_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(crate) struct CreditBook(Mutex<HashMap<Account, Entry>>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: CreditState,
    /// `None` for what stays true until the next call.
    until: Option<Timestamp>,
    remaining: Option<f64>,
}

impl CreditBook {
    pub(crate) fn of(&self, account: Account, now: Timestamp) -> Credits {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&account).copied();
        let kept = kept.filter(|entry| entry.until.is_none_or(|until| until > now));
        let entry = kept.unwrap_or(Entry { state: CreditState::Unknown, until: None, remaining: None });
        Credits { provider: account.0, state: entry.state, remaining: entry.remaining, reset_at: entry.until }
    }

    pub(crate) fn is_exhausted(&self, account: Account, now: Timestamp) -> bool {
        self.of(account, now).state == CreditState::Exhausted
    }

    /// The account has just paid for a request. Nothing is written where that is no news: this is the hot path.
    pub(crate) fn paid(&self, account: Account) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = book.get_mut(&account) {
            entry.state = CreditState::Available;
            entry.until = None;
        } else {
            let entry = Entry { state: CreditState::Available, until: None, remaining: None };
            Self::keep(&mut book, account, entry);
        }
    }

    /// Notes what an error tells of the account.
    pub(crate) fn failed(&self, account: Account, error: &UpstreamError, now: Timestamp) {
        let UpstreamError::RateLimited { retry_after, insufficient_quota, .. } = error else { return };
        let (state, span) = match insufficient_quota {
            true => (CreditState::Exhausted, EXHAUSTED_FOR),
            false => (CreditState::RateLimited, retry_after.unwrap_or(LIMITED_FOR)),
        };
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Self::keep(&mut book, account, Entry { state, until: Some(now + span), remaining: None });
    }

    /// Notes what the provider itself says of the balance.
    pub(crate) fn balance(&self, account: Account, is_available: bool, remaining: Option<f64>, now: Timestamp) {
        let entry = match is_available {
            true => Entry { state: CreditState::Available, until: None, remaining },
            false => Entry { state: CreditState::Exhausted, until: Some(now + EXHAUSTED_FOR), remaining },
        };
        Self::keep(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), account, entry);
    }

    fn keep(book: &mut HashMap<Account, Entry>, account: Account, entry: Entry) {
        if book.len() >= MAX_ENTRIES {
            // Only what is known to be bad must not be forgotten before its time.
            book.retain(|_, entry| entry.until.is_some());
        }
        book.insert(account, entry);
    }
}

impl Target {
    /// Who pays.
    pub(crate) fn account(&self) -> Account {
        (self.provider, self.key.map(|(id, _)| id))
    }
}

#[cfg(test)]
mod tests {
    use llm_api_upstream::Detail;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);
    const ACCOUNT: Account = (ProviderId::Openai, None);

    fn limited(insufficient_quota: bool, retry_after: Option<Duration>) -> UpstreamError {
        UpstreamError::RateLimited { retry_after, insufficient_quota, detail: Detail::default() }
    }

    #[test]
    fn an_account_without_credit_is_left_alone_for_an_hour_unless_it_pays_before() {
        let book = CreditBook::default();
        assert_eq!(book.of(ACCOUNT, NOW).state, CreditState::Unknown);
        book.failed(ACCOUNT, &limited(true, None), NOW);
        assert!(book.is_exhausted(ACCOUNT, NOW + Duration::from_secs(3599)));
        assert!(!book.is_exhausted(ACCOUNT, NOW + Duration::from_secs(3600)));
        book.paid(ACCOUNT);
        assert_eq!(book.of(ACCOUNT, NOW).state, CreditState::Available);
    }

    #[test]
    fn a_limit_lasts_as_long_as_the_provider_says() {
        let book = CreditBook::default();
        book.failed(ACCOUNT, &limited(false, Some(Duration::from_secs(7))), NOW);
        let credits = book.of(ACCOUNT, NOW);
        assert_eq!((credits.state, credits.reset_at), (CreditState::RateLimited, Some(NOW + Duration::from_secs(7))));
        assert!(!book.is_exhausted(ACCOUNT, NOW));
    }
}
