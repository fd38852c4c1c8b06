//! What every request asks for, kept in memory by the one server of an SQLite file.
//!
//! Exact, not merely fresh: every write of this process raises the epoch, and an entry of another epoch is not used.
//! Every write of an operator's command beside it makes the lock file longer, which is looked at every millisecond. On
//! Postgres other processes write, too, so there nothing is kept; nor is it while a server and its successor are both
//! alive (see `docs/adr/0024-handover.md`). The short life is for hands that edit the file with other tools.

use std::{
    collections::HashMap,
    fs::File,
    hash::Hash,
    io::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use llm_api_crypto::TokenHash;
use llm_api_domain::{ProviderId, Timestamp, UserId};

use crate::{Alias, AuthenticatedToken, SealedKey};

/// Microseconds.
const LOOK_EVERY: u64 = 1000;
/// Microseconds: longer than the busy timeout of a connection.
const LONGEST_COMMIT: u64 = 10_000_000;
const LIFE: Duration = Duration::from_secs(2);
/// Entries of one kind; beyond that all are dropped, which costs a read each.
const MAX_ENTRIES: usize = 10_000;

/// What a write tells, and to whom.
#[derive(Clone, Debug)]
pub(crate) enum Changes {
    /// Our own cache: this process is the server.
    Own(Arc<Cache>),
    /// The server beside this command, through the lock file.
    Beside(Arc<File>),
    /// Nobody keeps anything.
    Nobody,
}

/// Tells that something was written, however the write ended.
pub(crate) struct Changing<'c> {
    changes: &'c Changes,
    committing: bool,
}

impl Changing<'_> {
    /// From here on it takes an answer to know whether the write happened.
    pub(crate) fn committing(&mut self) {
        self.committing = true;
    }

    /// The write has happened, and nothing of it is still under way.
    pub(crate) fn committed(mut self) {
        self.committing = false;
    }
}

impl Changes {
    pub(crate) fn changing(&self) -> Changing<'_> {
        Changing { changes: self, committing: false }
    }

    /// The cache with its present epoch; `None` where nothing may be kept.
    pub(crate) fn cache(&self) -> Option<(&Cache, Epoch)> {
        match self {
            Self::Own(cache) if cache.is_alone() && !cache.is_suspended() => Some((cache, cache.epoch())),
            Self::Own(_) | Self::Beside(_) | Self::Nobody => None,
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        match self.changes {
            Changes::Own(cache) => {
                if self.committing {
                    cache.suspend();
                }
                cache.epoch.fetch_add(1, Ordering::Release);
            }
            Changes::Beside(file) => {
                if let Err(error) = (&**file).write_all(b".") {
                    tracing::warn!(%error, "a running server learns of this change only after a moment");
                }
            }
            Changes::Nobody => {}
        }
    }
}

/// What the database had.
#[derive(Clone, Debug)]
pub(crate) struct Found(pub(crate) Option<SealedKey>);

/// Moves with every write: ours, and those of commands beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64, u64);

#[derive(Debug)]
pub(crate) struct Cache {
    epoch: AtomicU64,
    lock: Arc<File>,
    /// The lock file's length, and when it was read: in microseconds since `started`.
    length: AtomicU64,
    read_at: AtomicU64,
    started: Instant,
    /// Nothing is kept until then, in microseconds since `started`: a write was given up half-way (its client left), and
    /// the database may still commit it.
    suspended_until: AtomicU64,
    /// False while another server writes, too.
    alone: AtomicBool,
    tokens: Kept<[u8; 32], AuthenticatedToken>,
    /// Empty for a user who stored none for that provider.
    keys: Kept<(UserId, ProviderId), Found>,
    aliases: KeptAliases,
}

/// What holds for a user, sorted by name.
pub(crate) type KeptAliases = Kept<UserId, Arc<[Alias]>>;

impl Cache {
    pub(crate) fn new(lock: Arc<File>, alone: bool) -> Self {
        let length = AtomicU64::new(u64::MAX);
        Self {
            epoch: AtomicU64::new(0),
            lock,
            length,
            read_at: AtomicU64::new(0),
            started: Instant::now(),
            suspended_until: AtomicU64::new(0),
            alone: AtomicBool::new(alone),
            tokens: Kept::default(),
            keys: Kept::default(),
            aliases: Kept::default(),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn suspend(&self) {
        self.suspended_until.fetch_max(self.micros().saturating_add(LONGEST_COMMIT), Ordering::AcqRel);
    }

    fn is_suspended(&self) -> bool {
        let until = self.suspended_until.load(Ordering::Acquire);
        until > 0 && until > self.micros()
    }

    /// From here on nothing is kept, or again something is. What was kept before is not used in either case.
    pub(crate) fn set_alone(&self, alone: bool) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.alone.store(alone, Ordering::Release);
    }

    fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Acquire)
    }

    /// To be taken before the database is read.
    fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire), self.beside())
    }

    fn beside(&self) -> u64 {
        let now = self.micros();
        let length = self.length.load(Ordering::Acquire);
        if length != u64::MAX && now.saturating_sub(self.read_at.load(Ordering::Acquire)) < LOOK_EVERY {
            return length;
        }
        let length = self.lock.metadata().map_or(0, |metadata| metadata.len());
        self.read_at.store(now, Ordering::Release);
        self.length.store(length, Ordering::Release);
        length
    }

    pub(crate) fn token(&self, epoch: Epoch, hash: &TokenHash) -> Option<AuthenticatedToken> {
        self.tokens.get(epoch, hash.as_bytes())
    }

    pub(crate) fn keep_token(&self, epoch: Epoch, hash: &TokenHash, token: &AuthenticatedToken) {
        self.tokens.put(epoch, *hash.as_bytes(), token.clone());
    }

    /// Notes a use that the recorder is about to write, so that it is not told again with every request.
    pub(crate) fn token_used(&self, hash: &TokenHash, now: Timestamp) {
        self.tokens.change(hash.as_bytes(), |token| token.last_used_at = Some(now));
    }

    pub(crate) fn key(&self, epoch: Epoch, user: UserId, provider: ProviderId) -> Option<Found> {
        self.keys.get(epoch, &(user, provider))
    }

    pub(crate) fn aliases(&self) -> &KeptAliases {
        &self.aliases
    }

    pub(crate) fn keep_key(&self, epoch: Epoch, user: UserId, provider: ProviderId, key: Option<&SealedKey>) {
        self.keys.put(epoch, (user, provider), Found(key.cloned()));
    }
}

/// Aliases where other processes write, too: two seconds old at most, and never older than our own last change.
#[derive(Debug, Default)]
pub(crate) struct FleetingAliases {
    changes: AtomicU64,
    kept: KeptAliases,
}

impl FleetingAliases {
    /// To be taken before the database is read.
    pub(crate) fn now(&self) -> (&KeptAliases, Epoch) {
        (&self.kept, Epoch(self.changes.load(Ordering::Acquire), 0))
    }

    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

#[derive(Debug)]
pub(crate) struct Kept<K, V>(Mutex<HashMap<K, Entry<V>>>);

#[derive(Debug)]
struct Entry<V> {
    epoch: Epoch,
    good_until: Instant,
    value: V,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    pub(crate) fn get(&self, epoch: Epoch, key: &K) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = kept.get(key).filter(|entry| entry.epoch == epoch && entry.good_until > Instant::now())?;
        Some(entry.value.clone())
    }

    fn change(&self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some(entry) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            change(&mut entry.value);
        }
    }

    pub(crate) fn put(&self, epoch: Epoch, key: K, value: V) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_ENTRIES {
            kept.clear();
        }
        kept.insert(key, Entry { epoch, good_until: Instant::now() + LIFE, value });
    }
}
