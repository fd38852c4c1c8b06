//! The meter of one request: whatever happens to it, its usage row gets written once.

use llm_api_domain::{Clock, RequestStatus, TokenUsage};
use llm_api_storage::{Recorder, RequestRecord};

/// Settles as cancelled when dropped: the client has left.
#[derive(Debug)]
pub(crate) struct Meter {
    recorder: Recorder,
    clock: Clock,
    record: Option<RequestRecord>,
}

impl Meter {
    pub(crate) fn start(recorder: Recorder, clock: Clock, record: RequestRecord) -> Self {
        recorder.opened(record.clone());
        Self { recorder, clock, record: Some(record) }
    }

    /// Notes when the provider's answer began; only the first call counts.
    pub(crate) fn first_byte(&mut self) {
        let now = self.clock.now();
        if let Some(record) = &mut self.record {
            record.first_byte_at.get_or_insert(now);
        }
    }

    /// Notes the provider's counts; the last ones it gives are the final ones.
    pub(crate) fn usage(&mut self, usage: TokenUsage) {
        if let Some(record) = &mut self.record {
            record.usage = usage;
        }
    }

    /// Whether anything of the answer has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.first_byte_at.is_some())
    }

    /// Writes the row and waits for it. A row that cannot be written now is kept by the recorder, so the reply goes on.
    pub(crate) async fn settle(mut self, status: RequestStatus, error_code: Option<&'static str>) {
        if let Some(record) = self.finish(status, error_code)
            && let Err(error) = self.recorder.settle(record).await
        {
            tracing::debug!(%error, "the usage row waits for the database");
        }
    }

    fn finish(&mut self, status: RequestStatus, error_code: Option<&'static str>) -> Option<RequestRecord> {
        let mut record = self.record.take()?;
        record.status = status;
        record.error_code = error_code;
        record.finished_at = Some(self.clock.now());
        Some(record)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(record) = self.finish(RequestStatus::Cancelled, Some("client_left")) {
            self.recorder.settle_detached(record);
        }
    }
}
