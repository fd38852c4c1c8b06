//! Asks one target after the other until one begins to answer.

use std::time::Duration;

use llm_api_domain::Timestamp;
use llm_api_telemetry::Operation;
use llm_api_translate::Format;
use llm_api_upstream::{Answer, Call, UpstreamError, wire::Wanted};

use super::{CompletionCall, ServedBy, asked::Asked, chain::Chain, headers};
use crate::{
    Relay, RelayError, Target,
    meter::{Entry, Meter},
    watch::Watch,
};

/// How often a provider is asked once more that says that it cannot answer now.
const MAX_RETRIES: u32 = 2;
/// Who asks to wait longer is not waited for: the client is told instead.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Before the second try, where the provider names no time; doubled before the third.
const BACKOFF: Duration = Duration::from_millis(250);

/// An answer that began, and all that belongs to it.
pub(crate) struct Answered {
    pub(super) call: CompletionCall,
    pub(super) answer: Answer,
    pub(super) asked: Asked,
    pub(super) target: Target,
    pub(super) fallback_reason: Option<&'static str>,
    pub(super) meter: Meter,
    pub(super) watch: Watch,
}

impl Answered {
    pub(super) fn served(&self, caller: Format, now: Timestamp) -> ServedBy {
        let told = match &self.answer {
            Answer::Stream(stream) => stream.headers(),
            Answer::Whole(whole) => &whole.headers,
        };
        ServedBy {
            provider: self.target.provider,
            model: self.target.model.clone(),
            fallback_reason: self.fallback_reason,
            dropped: self.asked.dropped().to_vec(),
            headers: headers::told(told, self.asked.format(), caller, now),
        }
    }
}

/// What the first target said, which is what is told when nobody stands in for it.
struct Refusal {
    error: RelayError,
    target: Target,
}

impl Relay {
    /// Asks until somebody answers. Whatever happens, the request's row is settled.
    pub(super) async fn ask(self, call: CompletionCall, mut chain: Chain) -> Result<Box<Answered>, RelayError> {
        let subject = call.subject;
        let mut target = chain.take_first().ok_or_else(|| RelayError::ModelNotFound(call.body.model().to_owned()))?;
        let mut fallback_reason = chain.skipped;
        let mut asked = self.asked(&call, &target).await?;
        let mut watch = self.watch(subject);
        let mut meter = self.open_meter(subject, &target, entry(&call)).await?;
        let mut first: Option<Refusal> = None;
        let mut retries = 0;
        loop {
            let error = match watch.until_over(self.ask_once(&call, &target, &asked)).await {
                Ok(Ok(answer)) => {
                    meter.served_by(&target, fallback_reason);
                    return Ok(Box::new(Answered { call, answer, asked, target, fallback_reason, meter, watch }));
                }
                Ok(Err(error)) => error,
                Err(over) => return Err(self.fail_with(subject, &target, meter, over).await),
            };
            if let RelayError::Upstream { error, .. } = &error {
                meter.call_failed(error);
                self.note_failure(subject.user, &target, error).await;
            }
            let wait = wait_before_retry(&error, retries);
            if let Some((next, asked_next, reason)) = self.stand_in(&call, &mut chain, &target, &error).await {
                tracing::debug!(%error, next = %next.provider, "a provider did not answer");
                self.telemetry().stands_in_for(target.provider);
                self.note_down(&target, &error);
                let failed = std::mem::replace(&mut target, next);
                first.get_or_insert(Refusal { error, target: failed });
                (asked, fallback_reason, retries) = (asked_next, Some(reason), 0);
            } else if let Some(wait) = wait {
                retries += 1;
                if let Err(over) = watch.until_over(tokio::time::sleep(wait)).await {
                    return Err(self.fail_with(subject, &target, meter, over).await);
                }
            } else {
                self.note_down(&target, &error);
                let Refusal { error, target } = first.unwrap_or(Refusal { error, target });
                return Err(self.fail_with(subject, &target, meter, error).await);
            }
            meter.asks_again(&self, subject, &target);
        }
    }

    /// The next target that can be asked this.
    async fn stand_in(
        &self,
        call: &CompletionCall,
        chain: &mut Chain,
        failed: &Target,
        error: &RelayError,
    ) -> Option<(Target, Asked, &'static str)> {
        loop {
            let (target, reason) = Box::pin(chain.next(self, failed, error)).await?;
            if let Ok(asked) = self.asked(call, &target).await {
                return Some((target, asked, reason));
            }
        }
    }

    async fn ask_once(&self, call: &CompletionCall, target: &Target, asked: &Asked) -> Result<Answer, RelayError> {
        let config = &self.0.config;
        let provider = target.provider;
        let account = target.account();
        if let Err(retry_after) = self.0.breakers.admit(account, config.clock.now()) {
            return Err(RelayError::Resting { provider, retry_after });
        }
        let passes_on = asked.request.is_none() && !call.pass_on.is_empty();
        let outbound = Call {
            endpoint: &target.endpoint,
            family: target.family,
            api: asked.api,
            model: &target.model,
            auth: target.auth.as_ref(),
            body: asked.body.clone(),
            accept_stream: call.body.stream(),
            pass_on: passes_on.then_some(&call.pass_on),
        };
        let answer = config.client.exchange(outbound).await;
        if answer.is_ok() {
            self.0.breakers.note(account, None, config.clock.now());
        }
        answer.map_err(|error| RelayError::Upstream { provider, error })
    }

    /// Notes for the breaker that a target was given up: a request counts once, however often it was tried.
    fn note_down(&self, target: &Target, error: &RelayError) {
        if let RelayError::Upstream { error, .. } = error {
            self.0.breakers.note(target.account(), Some(error), self.0.config.clock.now());
        }
    }
}

fn entry(call: &CompletionCall) -> Entry {
    let operation = match call.body.wanted() {
        Wanted::Reply(_) | Wanted::TokenCount => Operation::Chat,
        Wanted::Embeddings => Operation::Embeddings,
    };
    Entry { endpoint: call.endpoint, streamed: call.body.stream(), session: None, operation }
}

/// How long to wait before the same provider is asked again; `None` where that would not help, or takes too long.
fn wait_before_retry(error: &RelayError, retries: u32) -> Option<Duration> {
    if retries >= MAX_RETRIES {
        return None;
    }
    let RelayError::Upstream { error, .. } = error else { return None };
    let backoff = BACKOFF * 2_u32.pow(retries);
    match error {
        UpstreamError::RateLimited { retry_after: Some(wait), insufficient_quota: false, .. } => Some(*wait),
        UpstreamError::Failed { status: 502..=504 | 529, .. } => Some(backoff),
        _ => None,
    }
    .filter(|wait| *wait <= LONGEST_WAIT)
}
