//! The operator's freeze: nothing is written while the data moves.
//!
//! Two steps. While it is draining, servers take nothing new, and what runs is still written to its end. Once it is
//! frozen, triggers in the database refuse every write, whoever it comes from.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use llm_api_domain::Timestamp;
use tokio::time::timeout;

use crate::{Action, AuditContext, Store, StoreError, audit::audit, dialect::DbTime, store::Backend};

/// How old the knowledge of a process may get: a freeze is seen everywhere within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A request waits no longer for that: a database that is away costs it enough time by itself.
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// What the operator has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    pub reason: Option<String>,
    pub since: Timestamp,
    /// What runs is still written to its end.
    pub is_draining: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    state: String,
    reason: Option<String>,
    since: Option<DbTime>,
}

impl Row {
    fn into_freeze(self) -> Option<Freeze> {
        let is_draining = match self.state.as_str() {
            "draining" => true,
            "frozen" => false,
            _ => return None,
        };
        let since = self.since.map_or_else(|| Timestamp::from_micros(0), Timestamp::from);
        Some(Freeze { reason: self.reason, since, is_draining })
    }
}

/// The `maintenance` table.
#[derive(Debug)]
pub struct Freezes<'s>(pub(crate) &'s Store);

impl Freezes<'_> {
    /// What the database says now.
    pub async fn current(&self) -> Result<Option<Freeze>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as("SELECT state, reason, since FROM maintenance")).await?
        });
        Ok(row.and_then(Row::into_freeze))
    }

    /// What the database said at most half a second ago; while it does not answer, what it said last. Asks it only for
    /// somebody who wants to know, so a process at rest asks nothing.
    pub async fn recent(&self) -> Option<Arc<Freeze>> {
        let watch = &self.0.freeze;
        if !watch.is_fresh()
            && let Some(asking) = watch.ask()
        {
            // Boxed: see `Tokens::authenticate`.
            Box::pin(self.look()).await;
            drop(asking);
        }
        watch.last()
    }

    async fn look(&self) {
        match timeout(LONGEST_LOOK, self.current()).await {
            Ok(Ok(freeze)) => self.0.freeze.learn(freeze.map(Arc::new)),
            // The request finds out by itself, and a frozen database refuses what it would write.
            Ok(Err(_)) | Err(_) => self.0.freeze.keep(),
        }
    }

    /// Servers take nothing new from now on. Gives the freeze that there is already, which goes on as it is.
    pub async fn drain(&self, reason: Option<&str>, context: &AuditContext) -> Result<Option<Freeze>, StoreError> {
        Ok(on_write!(self.0, db => {
            let row: Option<Row> = db.optional(sqlx::query_as("SELECT state, reason, since FROM maintenance")).await?;
            if let Some(freeze) = row.and_then(Row::into_freeze) {
                return Ok(Some(freeze));
            }
            db.execute(sqlx::query("UPDATE maintenance SET state = 'draining', reason = $1, since = $2")
                .bind(reason).bind(DbTime(context.now))).await?;
            audit!(db, context, Action::Frozen, None::<uuid::Uuid>);
            None
        }))
    }

    /// Nothing is written any more once this returns: it waits for every transaction that was let in before. False when
    /// nobody drains, because of a thaw meanwhile.
    pub async fn close(&self) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            if matches!(self.0.backend, Backend::Postgres(_)) {
                db.execute(sqlx::query("LOCK TABLE maintenance IN EXCLUSIVE MODE")).await?;
            }
            db.execute(sqlx::query("UPDATE maintenance SET state = 'frozen' WHERE state IN ('draining', 'frozen')")).await? > 0
        }))
    }

    /// Lets writing go on. False when nothing was frozen.
    pub async fn thaw(&self, context: &AuditContext) -> Result<bool, StoreError> {
        Ok(on_write!(self.0, db => {
            let thawed = db.execute(sqlx::query(
                "UPDATE maintenance SET state = 'open', reason = NULL, since = NULL WHERE state <> 'open'")).await? > 0;
            if thawed {
                audit!(db, context, Action::Thawed, None::<uuid::Uuid>);
            }
            thawed
        }))
    }

    /// Requests that run, in whatever process; those of the last second may be missing.
    pub async fn running(&self) -> Result<i64, StoreError> {
        let count = on_read!(self.0, db => {
            db.scalar(sqlx::query_scalar("SELECT COUNT(*) FROM requests WHERE status = 'running'")).await?
        });
        Ok(count.unwrap_or_default())
    }

    /// Asks for the end of all that runs; each process sees it within half a second.
    pub async fn cancel_running(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE requests SET cancel_requested_at = $1 WHERE status = 'running' AND cancel_requested_at IS NULL")
                .bind(DbTime(now))).await?
        }))
    }
}

/// What this process knows of the freeze.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    /// In microseconds since `started`; 0 when nothing is known yet.
    good_until: AtomicU64,
    is_frozen: AtomicBool,
    freeze: Mutex<Option<Arc<Freeze>>>,
    is_asking: AtomicBool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            good_until: AtomicU64::new(0),
            is_frozen: AtomicBool::new(false),
            freeze: Mutex::new(None),
            is_asking: AtomicBool::new(false),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn is_fresh(&self) -> bool {
        self.micros() < self.good_until.load(Ordering::Acquire)
    }

    fn last(&self) -> Option<Arc<Freeze>> {
        if !self.is_frozen.load(Ordering::Acquire) {
            return None;
        }
        self.freeze.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One asks while the others go by what was known; as long as nothing is, everybody asks.
    fn ask(&self) -> Option<Asking<'_>> {
        let was_asking = self.is_asking.swap(true, Ordering::AcqRel);
        (!was_asking || self.good_until.load(Ordering::Acquire) == 0).then_some(Asking(self))
    }

    fn learn(&self, freeze: Option<Arc<Freeze>>) {
        let is_frozen = freeze.is_some();
        *self.freeze.lock().unwrap_or_else(PoisonError::into_inner) = freeze;
        self.is_frozen.store(is_frozen, Ordering::Release);
        self.keep();
    }

    /// What is known is good for a while.
    fn keep(&self) {
        let life = u64::try_from(LOOK_EVERY.as_micros()).unwrap_or(u64::MAX);
        self.good_until.store(self.micros().saturating_add(life), Ordering::Release);
    }
}

/// Whoever asks may leave before the answer comes; then the next one asks.
struct Asking<'w>(&'w Watch);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.is_asking.store(false, Ordering::Release);
    }
}
