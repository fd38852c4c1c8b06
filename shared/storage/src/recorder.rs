//! Usage rows in batches: one task takes whatever has queued up and writes it in one transaction.
//!
//! A request waits for its own row before its last byte goes out, so an acknowledged reply is never without its row;
//! while one batch commits the next one gathers, which keeps the cost of a row small under load. A request that is
//! still running after [`HOLD_OPEN`] gets a `running` row; a faster one is written once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use llm_api_domain::{Clock, ProviderId, RequestId, RequestStatus, Timestamp, TokenId, TokenUsage, UserId};
use sqlx::{Connection as _, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{StoreError, dialect::DbTime, store::PostgresPool};

/// How long a request may run before its row is written as `running`.
const HOLD_OPEN: Duration = Duration::from_secs(1);
/// How often the writer looks at what runs long, and tries again what could not be written.
const TICK: Duration = Duration::from_millis(500);
/// Rows kept in memory while the database is away; beyond that the oldest are dropped, and the log says so.
const MAX_BACKLOG: usize = 10_000;
/// Rows in one transaction.
const MAX_BATCH: usize = 256;
/// How long a row may wait for company while other requests are about to end, too.
const GATHER: Duration = Duration::from_millis(1);

/// What is written of one generating request.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    pub id: RequestId,
    pub user: UserId,
    /// `None` for the static key.
    pub token: Option<TokenId>,
    /// Which of our endpoints it came by, for example `chat_completions`.
    pub endpoint: &'static str,
    pub provider: ProviderId,
    pub model: String,
    pub streamed: bool,
    pub status: RequestStatus,
    pub error_code: Option<&'static str>,
    pub usage: TokenUsage,
    pub started_at: Timestamp,
    pub first_byte_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

enum Event {
    Settled(Box<RequestRecord>, Option<oneshot::Sender<Result<(), StoreError>>>),
    Used(TokenId, Timestamp),
    Close(oneshot::Sender<()>),
}

/// The queue to the batch writer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::UnboundedSender<Event>,
    opened: Opened,
}

/// Requests that have begun since the writer looked last. It is not woken for them: most have ended before it must care.
#[derive(Clone, Debug, Default)]
struct Opened(Arc<Mutex<Vec<(Instant, RequestRecord)>>>);

impl Opened {
    fn push(&self, record: RequestRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now() + HOLD_OPEN, record));
    }

    fn take(&self) -> Vec<(Instant, RequestRecord)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder {
    pub(crate) fn start(sink: Sink, clock: Clock) -> Self {
        // Unbounded: the limit on requests in flight bounds it, and a row must never be refused.
        let (queue, events) = mpsc::unbounded_channel();
        let opened = Opened::default();
        let writer = Writer {
            sink,
            clock,
            opened: opened.clone(),
            held: HashMap::new(),
            due: VecDeque::new(),
            backlog: VecDeque::new(),
            used: HashMap::new(),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the queue; requests wait for it inside their response"
        )]
        tokio::spawn(writer.run(events));
        Self { queue, opened }
    }

    /// Notes that a request runs; written only if it runs long.
    pub fn opened(&self, record: RequestRecord) {
        self.opened.push(record);
    }

    /// Writes the outcome of a request and waits until it is committed.
    ///
    /// # Errors
    /// When it could not be written now: it is kept and tried again, so the caller goes on.
    pub async fn settle(&self, record: RequestRecord) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.send(Event::Settled(Box::new(record), Some(done)));
        written.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same from a place that cannot wait, such as a drop guard.
    pub fn settle_detached(&self, record: RequestRecord) {
        self.send(Event::Settled(Box::new(record), None));
    }

    /// Notes that a token was used.
    pub(crate) fn token_used(&self, token: TokenId, now: Timestamp) {
        self.send(Event::Used(token, now));
    }

    /// Writes everything that is queued, then ends.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.send(Event::Close(done));
        // The writer may have ended before: then everything is written already.
        let _ = closed.await;
    }

    fn send(&self, event: Event) {
        if self.queue.send(event).is_err() {
            tracing::debug!("a usage row came after the store was closed");
        }
    }
}

/// Where the rows go. On SQLite a connection of its own: taking one from a pool and giving it back costs thread switches.
pub(crate) enum Sink {
    Sqlite(Box<SqliteConnection>),
    Postgres(PostgresPool),
}

struct Writer {
    sink: Sink,
    clock: Clock,
    opened: Opened,
    /// Running requests not yet written.
    held: HashMap<RequestId, RequestRecord>,
    /// When each is to be written, in order; those that have ended meanwhile are passed over.
    due: VecDeque<(Instant, RequestId)>,
    /// Rows that could not be written.
    backlog: VecDeque<RequestRecord>,
    used: HashMap<TokenId, Timestamp>,
}

impl Writer {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        let mut buffer = Vec::with_capacity(MAX_BATCH);
        loop {
            let received = tokio::time::timeout(TICK, events.recv_many(&mut buffer, MAX_BATCH)).await;
            if received == Ok(0) {
                return self.end().await;
            }
            self.take_opened();
            self.gather(&mut events, &mut buffer).await;
            // Again: what began and ended while we gathered must be known before it is struck off.
            self.take_opened();
            let mut rows = Vec::new();
            let mut waiting = Vec::new();
            let mut closing = None;
            for event in buffer.drain(..) {
                match event {
                    Event::Settled(record, done) => {
                        self.held.remove(&record.id);
                        rows.push(*record);
                        waiting.extend(done);
                    }
                    Event::Used(token, at) => {
                        self.used.insert(token, at);
                    }
                    Event::Close(done) => closing = Some(done),
                }
            }
            self.take_due(&mut rows);
            self.flush(rows, waiting).await;
            if let Some(done) = closing {
                self.end().await;
                let _ = done.send(());
                return;
            }
        }
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
        if rows.iter().any(|row| row.status == RequestStatus::Running) {
            let is_settled = |row: &RequestRecord| row.status != RequestStatus::Running;
            let settled: HashSet<RequestId> = rows.iter().filter(|row| is_settled(row)).map(|row| row.id).collect();
            rows.retain(|row| is_settled(row) || !settled.contains(&row.id));
        }
    }

    async fn flush(&mut self, rows: Vec<RequestRecord>, waiting: Vec<oneshot::Sender<Result<(), StoreError>>>) {
        if rows.is_empty() && self.used.is_empty() {
            return;
        }
        let used: Vec<(TokenId, Timestamp)> = self.used.drain().collect();
        match self.write(&rows, &used).await {
            Ok(()) => {
                for done in waiting {
                    let _ = done.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::error!(%error, source = std::error::Error::source(&error), rows = rows.len(), "usage rows could not be written");
                let can_retry = matches!(error, StoreError::Unavailable(_) | StoreError::Full(_));
                for done in waiting {
                    let _ = done.send(Err(StoreError::Closed));
                }
                if can_retry {
                    self.keep(rows);
                } else {
                    self.write_one_by_one(rows).await;
                }
            }
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
            if let Err(error) = self.write(std::slice::from_ref(&row), &[]).await {
                tracing::error!(%error, request_id = %row.id, "a usage row was refused by the database");
            }
        }
    }

    async fn write(&mut self, rows: &[RequestRecord], used: &[(TokenId, Timestamp)]) -> Result<(), StoreError> {
        let now = self.clock.now();
        // One statement is a transaction by itself, and each further one would be two more thread switches on SQLite.
        let is_one_statement = rows.len() <= MAX_ROWS && used.is_empty();
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
            }};
        }
        match &mut self.sink {
            Sink::Sqlite(conn) if is_one_statement => {
                statements!(SQLITE_UPSERTS, query => query.execute(&mut **conn).await?);
            }
            Sink::Sqlite(conn) => {
                let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
                statements!(SQLITE_UPSERTS, query => query.execute(&mut *tx).await?);
                tx.commit().await?;
            }
            Sink::Postgres(pool) => {
                let mut db = if is_one_statement { pool.reader().await? } else { pool.writer().await? };
                statements!(POSTGRES_UPSERTS, query => db.execute(query).await?);
                db.finish().await?;
            }
        }
        Ok(())
    }
}

const COLUMNS: usize = 17;
/// Rows in one statement.
const MAX_ROWS: usize = 32;

/// The statement for each number of rows. SQLite looks a numbered parameter up by its name, one after the other, so it
/// gets nameless ones; Postgres knows numbers only.
static SQLITE_UPSERTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| upserts(|_| "?".to_owned()));
static POSTGRES_UPSERTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| upserts(|number| format!("${number}")));

fn upserts(parameter: impl Fn(usize) -> String) -> Vec<&'static str> {
    let row = |index: usize| {
        let first = index * COLUMNS + 1;
        let parameters: Vec<String> = (first..first + COLUMNS).map(&parameter).collect();
        format!("({})", parameters.join(", "))
    };
    let statement = |rows: usize| {
        let values: Vec<String> = (0..rows).map(row).collect();
        // Leaked on purpose: the driver takes statements that live for ever, and their number is fixed.
        &*String::leak(format!("{INSERT} VALUES {} {ON_CONFLICT}", values.join(", ")))
    };
    (0..=MAX_ROWS).map(statement).collect()
}

const INSERT: &str = "
    INSERT INTO requests (id, user_id, token_id, endpoint, provider, model, streamed, status, error_code, prompt_tokens,
        completion_tokens, total_tokens, cached_tokens, reasoning_tokens, started_at, first_byte_at, finished_at)";

/// A `running` row never overwrites an outcome: batches that were retried may come in the other order.
const ON_CONFLICT: &str = "
    ON CONFLICT (user_id, id) DO UPDATE SET provider = excluded.provider, model = excluded.model, status = excluded.status,
        error_code = excluded.error_code, prompt_tokens = excluded.prompt_tokens,
        completion_tokens = excluded.completion_tokens, total_tokens = excluded.total_tokens,
        cached_tokens = excluded.cached_tokens, reasoning_tokens = excluded.reasoning_tokens,
        first_byte_at = excluded.first_byte_at, finished_at = excluded.finished_at
    WHERE requests.status = 'running'";

macro_rules! bind_row {
    ($query:expr, $row:expr, $now:expr) => {{
        let row: &RequestRecord = $row;
        let finished = match row.status {
            RequestStatus::Running => None,
            _ => Some(row.finished_at.unwrap_or($now)),
        };
        $query
            .bind(row.id.as_uuid())
            .bind(row.user.as_uuid())
            .bind(row.token.map(TokenId::as_uuid))
            .bind(row.endpoint)
            .bind(row.provider.as_str())
            .bind(row.model.as_str())
            .bind(row.streamed)
            .bind(row.status.as_str())
            .bind(row.error_code)
            .bind(row.usage.prompt_tokens)
            .bind(row.usage.completion_tokens)
            .bind(row.usage.total_tokens)
            .bind(row.usage.cached_tokens)
            .bind(row.usage.reasoning_tokens)
            .bind(DbTime(row.started_at))
            .bind(row.first_byte_at.map(DbTime))
            .bind(finished.map(DbTime))
    }};
}
use bind_row;
