//! The meter of one request: whatever happens to it, its usage row gets written once.

use llm_api_domain::{Clock, RequestStatus, SessionId, TokenUsage};
use llm_api_storage::{Recorder, RequestRecord};
use llm_api_telemetry::{Operation, Outcome, ProviderCall};
use llm_api_upstream::UpstreamError;

use crate::{Relay, RelayError, Subject, Target, attempt::Attempt, error::code_of};

/// Settles as cancelled when dropped: the client has left.
#[derive(Debug)]
pub(crate) struct Meter {
    recorder: Recorder,
    clock: Clock,
    record: Option<RequestRecord>,
    /// The call to a provider that goes on now.
    call: Option<ProviderCall>,
}

impl Meter {
    pub(crate) fn start(recorder: Recorder, clock: Clock, record: RequestRecord, call: ProviderCall) -> Self {
        recorder.opened(record.clone());
        Self { recorder, clock, record: Some(record), call: Some(call) }
    }

    /// Notes that the same provider, or another one, is asked after a refusal.
    pub(crate) fn asks_again(&mut self, relay: &Relay, subject: Subject, target: &Target) {
        let streamed = self.record.as_ref().is_some_and(|record| record.streamed);
        self.call = Some(relay.watched_call(subject, target, Operation::Chat, streamed));
    }

    /// Notes that the call that goes on failed; the request may not have.
    pub(crate) fn call_failed(&mut self, error: &UpstreamError) {
        if let Some(call) = self.call.take() {
            call.end(Outcome::Failed(code_of(error)));
        }
    }

    /// Notes the name of the model that answers, where a collector is told.
    pub(crate) fn answered_by(&mut self, find: impl FnOnce() -> Option<String>) {
        if let Some(call) = &mut self.call {
            call.answered_by(find);
        }
    }

    /// Notes who answers in the end.
    pub(crate) fn served_by(&mut self, target: &Target, fallback_reason: Option<&'static str>) {
        if let Some(record) = &mut self.record
            && fallback_reason.is_some()
        {
            record.provider = target.provider;
            record.model.clone_from(&target.model);
            record.fallback_reason = fallback_reason;
        }
    }

    /// Notes when the provider's answer began; only the first call counts.
    pub(crate) fn first_byte(&mut self) {
        let now = self.clock.now();
        if let Some(record) = &mut self.record {
            record.first_byte_at.get_or_insert(now);
        }
        if let Some(call) = &mut self.call {
            call.event();
        }
    }

    /// Notes the provider's counts; the last ones it gives are the final ones.
    pub(crate) fn usage(&mut self, usage: TokenUsage) {
        if let Some(record) = &mut self.record {
            record.usage = usage;
        }
        if let Some(call) = &mut self.call {
            call.usage(usage);
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
        if let Some(call) = self.call.take() {
            call.end(match (status, error_code) {
                (RequestStatus::Completed, _) => Outcome::Answered,
                // Not the provider's doing.
                (RequestStatus::Cancelled, _) | (_, None | Some("server_stopping")) => Outcome::Cancelled,
                (_, Some(code)) => Outcome::Failed(code),
            });
        }
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

/// By which endpoint a request came, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) endpoint: &'static str,
    pub(crate) streamed: bool,
    pub(crate) session: Option<SessionId>,
    pub(crate) operation: Operation,
}

impl Relay {
    /// Opens the row of a request whose target is known.
    pub(crate) async fn open_meter(
        &self,
        subject: Subject,
        target: &Target,
        entry: Entry,
    ) -> Result<Meter, RelayError> {
        let config = &self.0.config;
        let record = RequestRecord {
            id: subject.request,
            user: subject.user,
            token: subject.token,
            endpoint: entry.endpoint,
            provider: target.provider,
            model: target.model.clone(),
            streamed: entry.streamed,
            session: entry.session,
            status: RequestStatus::Running,
            error_code: None,
            fallback_reason: None,
            usage: TokenUsage::default(),
            started_at: config.clock.now(),
            first_byte_at: None,
            finished_at: None,
        };
        // An id of the client's own may be an old one: its row must be ours before anything is spent.
        if subject.chose_id && !Box::pin(config.store.requests().claim(&record)).await? {
            return Err(RelayError::RequestIdInUse);
        }
        let call = self.watched_call(subject, target, entry.operation, entry.streamed);
        Ok(Meter::start(config.store.recorder().clone(), config.clock.clone(), record, call))
    }

    fn watched_call(&self, subject: Subject, target: &Target, operation: Operation, streamed: bool) -> ProviderCall {
        self.telemetry().calls(subject.trace, target.provider, &target.model, operation, streamed)
    }

    pub(crate) async fn admit(&self, attempt: &Attempt) -> Result<Meter, RelayError> {
        let call = &attempt.call;
        let (streamed, operation) = (attempt.streamed, Operation::Chat);
        let entry = Entry { endpoint: call.endpoint, streamed, session: call.session, operation };
        let mut meter = self.open_meter(call.subject, &attempt.target, entry).await?;
        meter.served_by(&attempt.target, attempt.fallback_reason);
        Ok(meter)
    }

    pub(crate) async fn fail(
        &self,
        subject: Subject,
        target: &Target,
        meter: Meter,
        error: UpstreamError,
    ) -> RelayError {
        self.fail_with(subject, target, meter, RelayError::Upstream { provider: target.provider, error }).await
    }

    /// Settles a request that did not succeed, and notes what the error tells of key and account.
    pub(crate) async fn fail_with(
        &self,
        subject: Subject,
        target: &Target,
        meter: Meter,
        error: RelayError,
    ) -> RelayError {
        if let RelayError::Upstream { error, .. } = &error {
            self.note_failure(subject.user, target, error).await;
        }
        let status = match error {
            RelayError::Cancelled => RequestStatus::Cancelled,
            _ if meter.has_begun() => RequestStatus::Incomplete,
            _ => RequestStatus::Failed,
        };
        meter.settle(status, Some(error.code())).await;
        error
    }
}
