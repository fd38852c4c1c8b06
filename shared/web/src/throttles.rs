//! Limits on guessing: by address and by submitted name, before anything is looked up.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher as _},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use llm_api_domain::{Rate, Timestamp, Verdict};

use crate::ApiError;

/// What is limited, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Throttle {
    /// Every try to sign in or change a password, by address.
    LoginAddress,
    /// Failed tries to sign in, by the name given.
    LoginName,
    /// Registrations that used no good invite, by address (`docs/adr/0005-registration-throttle.md`).
    RegisterAddress,
}

impl Throttle {
    const fn rate(self) -> Rate {
        match self {
            Self::LoginAddress => Rate { burst: 10, interval: Duration::from_secs(6) },
            Self::LoginName => Rate { burst: 10, interval: Duration::from_secs(60) },
            Self::RegisterAddress => Rate { burst: 3, interval: Duration::from_secs(1200) },
        }
    }
}

/// The state of all throttles of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Throttles(Arc<Mutex<HashMap<(Throttle, u64), Timestamp>>>);

/// Entries kept before those that allow a full burst again are swept out.
const SWEEP_AT: usize = 50_000;

impl Throttles {
    /// Counts an attempt, or refuses it.
    pub fn attempt(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) -> Result<(), ApiError> {
        let next = self.judge(throttle, key, now)?;
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= SWEEP_AT {
            states.retain(|_, state| *state > now);
        }
        states.insert((throttle, key.0), next);
        Ok(())
    }

    /// Refuses when an attempt would be too many, without counting it.
    pub fn check(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) -> Result<(), ApiError> {
        self.judge(throttle, key, now).map(|_| ())
    }

    /// Counts a failure after the fact.
    pub fn failed(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) {
        // A burst of parallel failures may pass the check together; counting past the limit is what then stops it.
        let _ = self.attempt(throttle, key, now);
    }

    fn judge(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) -> Result<Timestamp, ApiError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(throttle, key.0)).copied();
        match throttle.rate().check(state, now) {
            Verdict::Allow { next } => Ok(next),
            Verdict::Deny { after } => Err(ApiError::too_many_requests("Too many attempts; try again later", after)),
        }
    }
}

/// Whom a throttle counts for.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleKey(u64);

impl ThrottleKey {
    /// An IPv6 network hands out whole /64s, so they count as one.
    pub fn address(address: Option<IpAddr>) -> Self {
        Self::of(&address.map(|address| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
        }))
    }

    /// A hash: a submitted name may be a password typed into the wrong field, and is not kept.
    pub fn name(name: &str) -> Self {
        Self::of(&name.to_lowercase())
    }

    fn of(value: &impl std::hash::Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}
