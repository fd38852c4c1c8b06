//! The task that writes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use llm_api_domain::{Clock, RequestId, Timestamp, TokenId};
use sqlx::{Connection as _, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use super::{
    Event, Opened, RequestRecord, bind_row,
    rows::{MAX_ROWS, POSTGRES_UPSERTS, SQLITE_UPSERTS},
    running::Registry,
    tally::{Due, Tally},
};
use crate::{OpenMode, StoreError, dialect::DbTime, pool::PostgresPool};

/// How often the writer looks at what runs long, asks what other processes want cancelled, and tries again what could
/// not be written.
const TICK: Duration = Duration::from_millis(500);
/// Rows kept in memory while the database is away; beyond that the oldest are dropped, and the log says so.
const MAX_BACKLOG: usize = 10_000;
/// Rows in one transaction.
const MAX_BATCH: usize = 256;
/// How long a row may wait for company while other requests are about to end, too.
const GATHER: Duration = Duration::from_millis(1);

/// Where the rows go. On SQLite a connection of its own: taking one from a pool and giving it back costs thread switches.
pub(crate) enum Sink {
    Sqlite(Box<SqliteConnection>),
    Postgres(PostgresPool),
}

pub(super) struct Writer {
    sink: Sink,
    clock: Clock,
    opened: Opened,
    registry: Registry,
    tally: Tally,
    next_tick: Instant,
    /// Running requests not yet written.
    held: HashMap<RequestId, RequestRecord>,
    /// When each is to be written, in order; those that have ended meanwhile are passed over.
    due: VecDeque<(Instant, RequestId)>,
    /// Rows that could not be written.
    backlog: VecDeque<RequestRecord>,
    /// How many those are, for others to see.
    waiting: Arc<AtomicUsize>,
    used: HashMap<TokenId, Timestamp>,
    /// Whether the last attempt met a freeze.
    is_frozen: bool,
}

/// What one look at the queue brought.
#[derive(Default)]
struct Batch {
    rows: Vec<RequestRecord>,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    flushed: Vec<oneshot::Sender<()>>,
    closing: Option<oneshot::Sender<()>>,
}

impl Writer {
    pub(super) fn new(
        sink: Sink,
        clock: Clock,
        opened: Opened,
        registry: Registry,
        waiting: Arc<AtomicUsize>,
        mode: OpenMode,
    ) -> Self {
        Self {
            sink,
            clock,
            opened,
            registry,
            tally: Tally::new(mode),
            next_tick: Instant::now() + TICK,
            held: HashMap::new(),
            due: VecDeque::new(),
            backlog: VecDeque::new(),
            waiting,
            used: HashMap::new(),
            is_frozen: false,
        }
    }

    pub(super) async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        let mut buffer = Vec::with_capacity(MAX_BATCH);
        loop {
            // Not a fresh wait each time: under load the tick must come, too.
            let received = tokio::time::timeout_at(self.next_tick, events.recv_many(&mut buffer, MAX_BATCH)).await;
            let all_gone = received == Ok(0);
            self.take_opened();
            self.gather(&mut events, &mut buffer).await;
            // Again: what began and ended while we gathered must be known before it is struck off.
            self.take_opened();
            let mut batch = self.sort_out(&mut buffer);
            self.take_due(&mut batch.rows);
            let all = all_gone || batch.closing.is_some() || !batch.flushed.is_empty();
            self.flush(batch.rows, batch.waiting, all).await;
            self.waiting.store(self.backlog.len(), Ordering::Relaxed);
            for done in batch.flushed {
                let _ = done.send(());
            }
            if all_gone || batch.closing.is_some() {
                self.end().await;
                if let Some(done) = batch.closing {
                    let _ = done.send(());
                }
                return;
            }
            if self.next_tick <= Instant::now() {
                self.cancel_what_others_want().await;
                self.next_tick = Instant::now() + TICK;
            }
        }
    }

    fn sort_out(&mut self, events: &mut Vec<Event>) -> Batch {
        let now = self.clock.now();
        let mut batch = Batch::default();
        for event in events.drain(..) {
            match event {
                Event::Settled(record, done) => {
                    self.held.remove(&record.id);
                    self.tally.add(&record, now);
                    batch.rows.push(*record);
                    batch.waiting.extend(done);
                }
                Event::Used(token, at) => {
                    self.used.insert(token, at);
                }
                Event::Flush(done) => batch.flushed.push(done),
                Event::Close(done) => batch.closing = Some(done),
            }
        }
        self.registry.settled(batch.rows.iter().map(RequestRecord::key));
        batch
    }

    fn take_opened(&mut self) {
        for (due, record) in self.opened.take() {
            self.due.push_back((due, record.id));
            self.held.insert(record.id, record);
        }
    }

    /// Closes the connection in order, so that SQLite folds its log into the file.
    async fn end(self) {
        if let Sink::Sqlite(conn) = self.sink
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "the connection for usage rows did not close in order");
        }
    }

    /// Waits until half of the young requests have settled, or a moment has passed: a commit costs the same for one row
    /// and for thirty. A lone request is not held up, and neither is one beside requests that run long.
    async fn gather(&self, events: &mut mpsc::UnboundedReceiver<Event>, buffer: &mut Vec<Event>) {
        // One timer for the whole wait: each new one would wake the driver.
        let mut due = pin!(tokio::time::sleep(GATHER));
        let mut counted = 0;
        let mut settled = 0;
        loop {
            settled += buffer.iter().skip(counted).filter(|event| matches!(event, Event::Settled(..))).count();
            counted = buffer.len();
            let running = self.held.len().saturating_sub(settled);
            if settled == 0 || settled >= running || counted >= MAX_BATCH {
                return;
            }
            let more = tokio::select! {
                more = events.recv_many(buffer, MAX_BATCH) => more,
                () = &mut due => return,
            };
            if more == 0 {
                return;
            }
        }
    }

    /// Adds the requests that have run long enough to be written as running, and the backlog.
    fn take_due(&mut self, rows: &mut Vec<RequestRecord>) {
        rows.splice(0..0, self.backlog.drain(..));
        let now = Instant::now();
        while let Some((due, id)) = self.due.front() {
            if *due > now && self.held.contains_key(id) {
                break;
            }
            rows.extend(self.held.remove(id));
            self.due.pop_front();
        }
        // One statement must not hold an id twice: of a request that has ended since, only the outcome is written.
        if rows.iter().any(RequestRecord::is_running) {
            let settled: HashSet<RequestId> = rows.iter().filter(|row| !row.is_running()).map(|row| row.id).collect();
            rows.retain(|row| !row.is_running() || !settled.contains(&row.id));
        }
    }

    async fn flush(
        &mut self,
        rows: Vec<RequestRecord>,
        waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
        all: bool,
    ) {
        let sums = self.tally.take_due(all);
        if rows.is_empty() && self.used.is_empty() && sums.sums.is_empty() {
            return;
        }
        let mut used: Vec<(TokenId, Timestamp)> = self.used.drain().collect();
        // Several processes may write the same rows, so each does it in the same order.
        used.sort_unstable_by_key(|(token, _)| *token);
        match self.write(&rows, &used, &sums).await {
            Ok(()) => {
                self.is_frozen = false;
                self.tally.written(&sums);
                self.registry.rows_written(rows.iter().filter(|row| row.is_running()).map(RequestRecord::key));
                for done in waiting {
                    let _ = done.send(Ok(()));
                }
            }
            Err(error) => {
                self.tell(&error, rows.len());
                self.tally.put_back(sums);
                for done in waiting {
                    let _ = done.send(Err(StoreError::Closed));
                }
                if error.may_pass() {
                    self.keep(rows);
                } else {
                    self.write_one_by_one(rows).await;
                }
            }
        }
    }

    /// A freeze is no failure: what comes late waits for the thaw, and is told once.
    fn tell(&mut self, error: &StoreError, rows: usize) {
        if !matches!(error, StoreError::ReadOnly) {
            tracing::error!(%error, source = std::error::Error::source(error), rows, "usage rows could not be written");
        } else if rows > 0 && !std::mem::replace(&mut self.is_frozen, true) {
            tracing::warn!(rows, "the database is frozen: usage rows wait for the thaw");
        }
    }

    fn keep(&mut self, rows: Vec<RequestRecord>) {
        self.backlog.extend(rows);
        let excess = self.backlog.len().saturating_sub(MAX_BACKLOG);
        if excess > 0 {
            self.backlog.drain(..excess);
            tracing::error!(rows = excess, "usage rows dropped: the database has been away for too long");
        }
    }

    /// One row that the database refuses must not take its neighbours along.
    async fn write_one_by_one(&mut self, rows: Vec<RequestRecord>) {
        for row in rows {
            if let Err(error) = self.write(std::slice::from_ref(&row), &[], &Due::default()).await {
                tracing::error!(%error, request_id = %row.id, "a usage row was refused by the database");
            }
        }
    }

    /// Cancels the requests of this process whose end was asked for through another one. Asks nobody while none of those
    /// that run here can be seen from elsewhere.
    async fn cancel_what_others_want(&mut self) {
        if !self.registry.may_be_cancelled_elsewhere() {
            return;
        }
        match self.cancellations().await {
            Ok(wanted) => {
                for (user, id) in wanted {
                    self.registry.cancel((user.into(), id.into()));
                }
            }
            Err(error) => tracing::debug!(%error, "cancellations could not be read"),
        }
    }

    async fn cancellations(&mut self) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
        Ok(match &mut self.sink {
            Sink::Sqlite(conn) => sqlx::query_as(CANCELLATIONS).fetch_all(&mut **conn).await?,
            Sink::Postgres(pool) => pool.reader().await?.all(sqlx::query_as(CANCELLATIONS)).await?,
        })
    }

    async fn write(
        &mut self,
        rows: &[RequestRecord],
        used: &[(TokenId, Timestamp)],
        due: &Due,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        // One statement is a transaction by itself, and each further one would be two more thread switches on SQLite.
        let is_one_statement = rows.len() <= MAX_ROWS && used.is_empty() && due.sums.is_empty();
        macro_rules! statements {
            ($upserts:expr, $query:ident => $execute:expr) => {{
                for chunk in rows.chunks(MAX_ROWS) {
                    let Some(upsert) = $upserts.get(chunk.len()) else { continue };
                    let mut $query = sqlx::query(*upsert);
                    for row in chunk {
                        $query = bind_row!($query, row, now);
                    }
                    $execute;
                }
                for (token, at) in used {
                    let $query = sqlx::query("UPDATE user_tokens SET last_used_at = $1 WHERE id = $2");
                    let $query = $query.bind(DbTime(*at)).bind(token.as_uuid());
                    $execute;
                }
                for ((start, provider), sums) in &due.sums {
                    let $query = sqlx::query(ADD_SUMS).bind(DbTime(*start)).bind(provider.as_str());
                    let $query =
                        $query.bind(sums.requests).bind(sums.errors).bind(sums.fallbacks).bind(sums.latency_ms);
                    $execute;
                }
                if let Some(before) = due.delete_before {
                    let $query = sqlx::query("DELETE FROM usage_buckets WHERE bucket_start < $1").bind(DbTime(before));
                    $execute;
                }
            }};
        }
        match &mut self.sink {
            Sink::Sqlite(conn) if is_one_statement => {
                statements!(SQLITE_UPSERTS, query => query.execute(&mut **conn).await?);
            }
            Sink::Sqlite(conn) => {
                // Not the driver's transaction: after a commit that the disk had no space for, it could begin no other.
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut **conn).await?;
                let written: Result<(), sqlx::Error> = async {
                    statements!(SQLITE_UPSERTS, query => query.execute(&mut **conn).await?);
                    sqlx::raw_sql("COMMIT").execute(&mut **conn).await.map(drop)
                }
                .await;
                if written.is_err() {
                    // SQLite may have done so by itself.
                    let _ = sqlx::raw_sql("ROLLBACK").execute(&mut **conn).await;
                }
                written?;
            }
            Sink::Postgres(pool) => {
                let mut db = if is_one_statement { pool.statement().await? } else { pool.writer().await? };
                statements!(POSTGRES_UPSERTS, query => db.execute(query).await?);
                db.finish().await?;
            }
        }
        Ok(())
    }
}

const CANCELLATIONS: &str =
    "SELECT user_id, id FROM requests WHERE status = 'running' AND cancel_requested_at IS NOT NULL";

const ADD_SUMS: &str = "
    INSERT INTO usage_buckets (bucket_start, provider, requests, errors, fallbacks, latency_ms_total)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (bucket_start, provider) DO UPDATE SET requests = usage_buckets.requests + excluded.requests,
        errors = usage_buckets.errors + excluded.errors, fallbacks = usage_buckets.fallbacks + excluded.fallbacks,
        latency_ms_total = usage_buckets.latency_ms_total + excluded.latency_ms_total";
