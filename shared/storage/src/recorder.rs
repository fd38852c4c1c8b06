//! Usage rows in batches: one task takes whatever has queued up and writes it in one transaction.
//!
//! A request waits for its own row before its last byte goes out, so an acknowledged reply is never without its row;
//! while one batch commits the next one gathers, which keeps the cost of a row small under load. A request that is
//! still running after [`HOLD_OPEN`] gets a `running` row; a faster one is written once.

mod rows;
mod running;
mod tally;
mod writer;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use llm_api_domain::{Clock, ProviderId, RequestId, RequestStatus, SessionId, Timestamp, TokenId, TokenUsage, UserId};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

pub(crate) use rows::{CLAIM, bind_row};
pub use running::Running;
pub(crate) use writer::Sink;

use crate::{OpenMode, StoreError};
use running::Registry;
use writer::Writer;

/// How long a request may run before its row is written as `running`.
const HOLD_OPEN: Duration = Duration::from_secs(1);

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
    /// Why another model than the chosen one answered.
    pub fallback_reason: Option<&'static str>,
    /// The session it belongs to.
    pub session: Option<SessionId>,
    pub usage: TokenUsage,
    pub started_at: Timestamp,
    pub first_byte_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

impl RequestRecord {
    fn key(&self) -> (UserId, RequestId) {
        (self.user, self.id)
    }

    fn is_running(&self) -> bool {
        self.status == RequestStatus::Running
    }
}

enum Event {
    Settled(Box<RequestRecord>, Option<oneshot::Sender<Result<(), StoreError>>>),
    Used(TokenId, Timestamp),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// The queue to the batch writer, and the requests that run in this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::UnboundedSender<Event>,
    opened: Opened,
    registry: Registry,
    waiting: Arc<AtomicUsize>,
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
    pub(crate) fn start(sink: Sink, clock: Clock, mode: OpenMode) -> Self {
        // Unbounded: the limit on requests in flight bounds it, and a row must never be refused.
        let (queue, events) = mpsc::unbounded_channel();
        let opened = Opened::default();
        let registry = Registry::default();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(sink, clock, opened.clone(), registry.clone(), Arc::clone(&waiting), mode);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the queue; requests wait for it inside their response"
        )]
        tokio::spawn(writer.run(events));
        Self { queue, opened, registry, waiting }
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

    /// Makes a request known as one that runs here and can be cancelled, until the guard is dropped.
    pub fn running(&self, user: UserId, id: RequestId) -> Running {
        self.registry.enter((user, id))
    }

    /// Cancels a request that runs in this process; false when it does not.
    pub fn cancel_here(&self, user: UserId, id: RequestId) -> bool {
        self.registry.cancel((user, id))
    }

    pub fn is_running_here(&self, user: UserId, id: RequestId) -> bool {
        self.registry.is_running((user, id))
    }

    /// Rows that could not be written, and wait for the database or a thaw.
    pub fn rows_waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Notes that a token was used.
    pub(crate) fn token_used(&self, token: TokenId, now: Timestamp) {
        self.send(Event::Used(token, now));
    }

    /// Looks after a row that is about to be inserted as `running` by somebody else than the writer.
    pub(crate) fn claiming<'r>(&'r self, record: &'r RequestRecord) -> Claiming<'r> {
        Claiming { recorder: self, record, inserted: false }
    }

    /// Writes everything that is queued, the sums of the statistics included, and waits for it.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.send(Event::Flush(done));
        // The writer may have ended: then everything is written already.
        let _ = flushed.await;
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

/// A claim that is given up while it commits may have made a row that nobody would end.
pub(crate) struct Claiming<'r> {
    recorder: &'r Recorder,
    record: &'r RequestRecord,
    inserted: bool,
}

impl Claiming<'_> {
    /// The row is there if the transaction commits.
    pub(crate) fn inserted(&mut self) {
        self.inserted = true;
    }

    /// The transaction has ended in order.
    pub(crate) fn done(mut self) {
        if std::mem::take(&mut self.inserted) {
            self.recorder.registry.row_claimed(self.record.key());
        }
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        if self.inserted {
            let cancelled = RequestRecord { status: RequestStatus::Cancelled, ..self.record.clone() };
            self.recorder.settle_detached(cancelled);
        }
    }
}
