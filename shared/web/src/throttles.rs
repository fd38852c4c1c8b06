//! Limits on guessing: by address and by submitted name, before anything is looked up.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher as _},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use llm_api_crypto::Signer;
use llm_api_domain::{Rate, Timestamp, Verdict};
use llm_api_storage::Store;

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
    /// In the keys of the database: never change one.
    const fn number(self) -> u8 {
        match self {
            Self::LoginAddress => 1,
            Self::LoginName => 2,
            Self::RegisterAddress => 3,
        }
    }

    const fn rate(self) -> Rate {
        match self {
            Self::LoginAddress => Rate { burst: 10, interval: Duration::from_secs(6) },
            Self::LoginName => Rate { burst: 10, interval: Duration::from_secs(60) },
            Self::RegisterAddress => Rate { burst: 3, interval: Duration::from_secs(1200) },
        }
    }
}

/// The state of all throttles. Cheap to clone.
///
/// What this process knows to be too much is refused at once. Where other processes serve from the same database, what it
/// would allow is asked there.
#[derive(Clone, Debug)]
pub struct Throttles(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    known: Mutex<HashMap<(Throttle, u64), Timestamp>>,
    shared: Option<Shared>,
}

/// The database that other processes count in, too. Its keys are signatures: nobody reads names or addresses out of it.
#[derive(Debug)]
struct Shared {
    store: Store,
    signer: Signer,
    attempts: AtomicU32,
}

/// Entries kept before those that allow a full burst again are swept out.
const SWEEP_AT: usize = 50_000;
/// The same in the database: once for so many attempts.
const SWEEP_EVERY: u32 = 256;
/// Bytes of a key in the database.
const KEY_LEN: usize = 16;

impl Throttles {
    /// `signer` makes the keys in the database.
    pub fn new(store: &Store, signer: Signer) -> Self {
        let shared = store.is_shared().then(|| Shared { store: store.clone(), signer, attempts: AtomicU32::new(0) });
        Self(Arc::new(Inner { known: Mutex::default(), shared }))
    }

    /// Counts an attempt, or refuses it.
    pub async fn attempt(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) -> Result<(), ApiError> {
        let next = judge(throttle, self.known(throttle, key), now)?;
        let Some(shared) = &self.0.shared else {
            self.learn(throttle, key, next, now);
            return Ok(());
        };
        let (counted, state) = shared.attempt(throttle, key, now).await?;
        self.learn(throttle, key, state, now);
        if counted { Ok(()) } else { Err(refusal(throttle, state, now)) }
    }

    /// Refuses when an attempt would be too many, without counting it.
    pub async fn check(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) -> Result<(), ApiError> {
        judge(throttle, self.known(throttle, key), now)?;
        let Some(shared) = &self.0.shared else { return Ok(()) };
        let Some(state) = shared.store.throttles().state(&shared.key(throttle, key)).await? else { return Ok(()) };
        self.learn(throttle, key, state, now);
        judge(throttle, Some(state), now).map(drop)
    }

    /// Counts a failure after the fact.
    pub async fn failed(&self, throttle: Throttle, key: ThrottleKey, now: Timestamp) {
        // A burst of parallel failures may pass the check together; counting past the limit is what then stops it.
        let _ = self.attempt(throttle, key, now).await;
    }

    fn known(&self, throttle: Throttle, key: ThrottleKey) -> Option<Timestamp> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).get(&(throttle, key.0)).copied()
    }

    fn learn(&self, throttle: Throttle, key: ThrottleKey, state: Timestamp, now: Timestamp) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SWEEP_AT {
            known.retain(|_, state| *state > now);
        }
        known.insert((throttle, key.0), state);
    }
}

impl Shared {
    fn key(&self, throttle: Throttle, key: ThrottleKey) -> [u8; KEY_LEN] {
        let mut text = vec![throttle.number()];
        text.extend_from_slice(&key.0.to_be_bytes());
        let signature = self.signer.sign(&text);
        std::array::from_fn(|place| signature[place])
    }

    async fn attempt(
        &self,
        throttle: Throttle,
        key: ThrottleKey,
        now: Timestamp,
    ) -> Result<(bool, Timestamp), ApiError> {
        let throttles = self.store.throttles();
        if self.attempts.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1
            && let Err(error) = throttles.sweep(now).await
        {
            tracing::warn!(%error, "counted attempts of the past could not be deleted yet");
        }
        Ok(throttles.attempt(&self.key(throttle, key), throttle.rate(), now).await?)
    }
}

fn judge(throttle: Throttle, state: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, ApiError> {
    match throttle.rate().check(state, now) {
        Verdict::Allow { next } => Ok(next),
        Verdict::Deny { after } => Err(too_many(after)),
    }
}

/// The database refused the attempt; its state says until when.
fn refusal(throttle: Throttle, state: Timestamp, now: Timestamp) -> ApiError {
    judge(throttle, Some(state), now).err().unwrap_or_else(|| too_many(throttle.rate().interval))
}

fn too_many(after: Duration) -> ApiError {
    ApiError::too_many_requests("Too many attempts; try again later", after)
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
