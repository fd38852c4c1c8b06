//! Running requests: how far they are, and how they are ended from outside.

use std::time::Duration;

use crate::{Relay, RelayError};
use llm_api_domain::{RequestId, RequestStatus, Timestamp, UserId};

/// Another process writes the row of a running request about a second after its start.
const ROW_DUE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What a cancellation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Whether the request was still running, and is ended now or within a second.
    pub cancelled: bool,
    pub status: RequestStatus,
}

impl Relay {
    /// How far the user's request is; `None` when there is none with that id.
    pub async fn request_status(&self, user: UserId, id: RequestId) -> Result<Option<RequestStatus>, RelayError> {
        let store = &self.0.config.store;
        let mut patience = Patience::default();
        loop {
            if store.recorder().is_running_here(user, id) {
                return Ok(Some(RequestStatus::Running));
            }
            let found = store.requests().get(user, id).await?;
            if found.is_some() || !patience.is_worth_another_look(id, self.0.config.clock.now()).await {
                return Ok(found.map(|request| request.status));
            }
        }
    }

    /// Ends the user's request, whichever process it runs in; `None` when there is none with that id.
    pub async fn cancel(&self, user: UserId, id: RequestId) -> Result<Option<Cancellation>, RelayError> {
        let store = &self.0.config.store;
        let mut patience = Patience::default();
        loop {
            if store.recorder().cancel_here(user, id) {
                return Ok(Some(Cancellation { cancelled: true, status: RequestStatus::Cancelled }));
            }
            let found = store.requests().request_cancel(user, id, self.0.config.clock.now()).await?;
            if found.is_some() || !patience.is_worth_another_look(id, self.0.config.clock.now()).await {
                return Ok(found.map(|status| match status {
                    RequestStatus::Running => Cancellation { cancelled: true, status: RequestStatus::Cancelled },
                    status => Cancellation { cancelled: false, status },
                }));
            }
        }
    }
}

/// The row of a request that has just begun in another process may not be written yet.
#[derive(Debug, Default)]
struct Patience {
    looks: u32,
}

impl Patience {
    async fn is_worth_another_look(&mut self, id: RequestId, now: Timestamp) -> bool {
        let is_young = made_at(id).is_some_and(|made| now.since(made) < ROW_DUE);
        let goes_on = is_young && LOOK_AGAIN * self.looks < ROW_DUE;
        if goes_on {
            self.looks += 1;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        goes_on
    }
}

/// When an id of ours was made; nothing for one that a client made up.
fn made_at(id: RequestId) -> Option<Timestamp> {
    let (seconds, nanos) = id.as_uuid().get_timestamp()?.to_unix();
    let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
    Some(Timestamp::from_micros(micros + i64::from(nanos / 1000)))
}
