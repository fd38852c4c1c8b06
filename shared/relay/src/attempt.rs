//! Asks one provider after the other until one begins to answer.

use bytes::Bytes;
use llm_api_storage::KeyStatus;
use llm_api_upstream::{
    Api, Call, Reply, UpstreamError,
    convert::{Conversation, Turn, to_wire},
};

use crate::{
    GenerateCall, Relay, RelayError, Target, fallback::Fallback, history::SessionHistory, meter::Meter,
    target::Selection,
};

/// A request for text on its way: what is asked, and who is asked now.
pub(crate) struct Attempt {
    pub(crate) call: GenerateCall,
    pub(crate) target: Target,
    pub(crate) fallback_reason: Option<&'static str>,
    pub(crate) history: Option<SessionHistory>,
    pub(crate) streamed: bool,
    /// For the first provider; made before anything is promised to the client.
    first_body: Option<Bytes>,
    fallback: Fallback,
}

/// What the provider said that was chosen, and who that was.
struct Refusal {
    error: RelayError,
    target: Target,
    fallback_reason: Option<&'static str>,
}

impl Attempt {
    /// Fails where the provider's format has no way to say what is asked.
    pub(crate) fn new(
        call: GenerateCall,
        selection: Selection,
        history: Option<SessionHistory>,
        streamed: bool,
    ) -> Result<Self, RelayError> {
        let fallback = Fallback::new(&call, streamed);
        let Selection { target, fallback_reason } = selection;
        let mut attempt = Self { call, target, fallback_reason, history, streamed, first_body: None, fallback };
        attempt.first_body = Some(attempt.body()?);
        Ok(attempt)
    }

    /// What the reply should tell beside its text.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.history.as_ref().and_then(SessionHistory::warning).into_iter().collect()
    }

    /// The body for the provider that is asked now.
    fn body(&self) -> Result<Bytes, RelayError> {
        let call = &self.call;
        let session = self.history.as_ref().map(|history| &history.session);
        let system = call.system_prompt.as_deref().or_else(|| session?.system_prompt.as_deref());
        let mut turns = Vec::new();
        for turn in self.history.iter().flat_map(SessionHistory::turns) {
            let texts = [&turn.prompt, &turn.reply].map(|text| text.as_deref().filter(|text| !text.is_empty()));
            let [prompt, reply] = texts;
            turns.extend(prompt.map(|text| Turn::User { text: text.into(), images: Vec::new() }));
            turns.extend(reply.map(|text| Turn::Assistant { text: text.into() }));
        }
        let images = call.images.iter().map(|image| image.as_str().into()).collect();
        turns.push(Turn::User { text: call.prompt.as_str().into(), images });
        let conversation = Conversation {
            model: &self.target.model,
            system: system.filter(|text| !text.is_empty()).map(Into::into),
            turns,
            parameters: call.parameters.clone(),
            stream: self.streamed,
            include_usage: self.streamed && self.target.provider.counts_in_streams_on_request(),
        };
        to_wire(self.target.family, conversation)
            .map_err(|error| RelayError::InvalidParameter { parameter: error.parameter, message: error.message })
    }

    /// Asks until somebody answers. The first refusal is the one that is told: what a stand-in says explains nothing.
    pub(crate) async fn run(&mut self, relay: &Relay, meter: &mut Meter) -> Result<Reply, RelayError> {
        let mut first: Option<Refusal> = None;
        loop {
            let body = match self.first_body.take() {
                Some(body) => Ok(body),
                None => self.body(),
            };
            let error = match body {
                Ok(body) => match relay.call(&self.target, body, self.streamed).await {
                    Ok(reply) => return Ok(reply),
                    Err(error) => error,
                },
                Err(error) => return Err(first.map_or(error, |first| self.give_up(first))),
            };
            meter.call_failed(&error);
            relay.note_failure(self.call.subject.user, &self.target, &error).await;
            if error.is_context_length() && self.history.as_mut().is_some_and(SessionHistory::shrink) {
                meter.asks_again(relay, self.call.subject, &self.target);
                continue;
            }
            let next = Box::pin(self.fallback.next(relay, &self.target, &error)).await;
            let error = RelayError::Upstream { provider: self.target.provider, error };
            tracing::debug!(%error, stand_in = next.is_some(), "a provider did not answer");
            let first_one = first.take().unwrap_or_else(|| Refusal {
                error,
                target: self.target.clone(),
                fallback_reason: self.fallback_reason,
            });
            let Some((target, reason)) = next else { return Err(self.give_up(first_one)) };
            first = Some(first_one);
            relay.telemetry().stands_in_for(self.target.provider);
            self.target = target;
            self.fallback_reason = Some(reason);
            meter.asks_again(relay, self.call.subject, &self.target);
        }
    }

    /// Nobody stood in: the request is the first one's again, and so is its error.
    fn give_up(&mut self, first: Refusal) -> RelayError {
        self.target = first.target;
        self.fallback_reason = first.fallback_reason;
        first.error
    }
}

impl Relay {
    pub(crate) async fn call(&self, target: &Target, body: Bytes, accept_stream: bool) -> Result<Reply, UpstreamError> {
        let call = Call {
            endpoint: &target.endpoint,
            family: target.family,
            api: Api::Reply(target.format),
            model: &target.model,
            auth: target.auth.as_ref(),
            body,
            accept_stream,
            pass_on: None,
        };
        self.0.config.client.chat(call).await
    }

    /// Notes what an error tells of the account and of the key.
    pub(crate) async fn note_failure(&self, user: llm_api_domain::UserId, target: &Target, error: &UpstreamError) {
        self.0.credits.failed(target.account(), error, self.0.config.clock.now());
        if let UpstreamError::KeyRejected { .. } = error {
            self.note_key(user, target, KeyStatus::Rejected).await;
        }
    }

    /// Notes that the key and its account are good.
    pub(crate) async fn note_success(&self, user: llm_api_domain::UserId, target: &Target) {
        self.0.credits.paid(target.account());
        self.note_key(user, target, KeyStatus::Valid).await;
    }
}
