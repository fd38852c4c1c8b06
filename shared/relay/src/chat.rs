//! Chat completions for clients that speak them: the provider's own bytes pass through.

use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use llm_api_domain::{ProviderId, RequestStatus, WireFamily};
use llm_api_upstream::{
    Complete, Reply, UpstreamError,
    convert::model_named_in,
    sse,
    wire::openai::{self, ChatBody},
};

use crate::{
    Relay, RelayError, Subject, Target,
    limits::StreamPlace,
    meter::{Entry, Meter},
    pump::{PendingReply, Pump, Pumped},
};

/// A chat completion as the client asked for it.
#[derive(Debug)]
pub struct ChatCall {
    pub subject: Subject,
    pub body: ChatBody,
}

/// One piece of a streamed reply.
#[derive(Debug)]
pub enum ChatEvent {
    /// Whole events, as the provider wrote them.
    Events(Bytes),
    Heartbeat,
    /// The stream is over, and is not complete.
    Failed(RelayError),
}

/// The answer, and who gave it.
pub struct ChatReply<S> {
    pub provider: ProviderId,
    /// The provider's name of the model.
    pub model: String,
    pub content: S,
}

impl<S> std::fmt::Debug for ChatReply<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatReply")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Answers in one piece.
    pub async fn chat(&self, call: ChatCall) -> Result<ChatReply<Bytes>, RelayError> {
        let ChatCall { subject, body } = call;
        let target = self.chat_target(subject, &body).await?;
        let watch = self.watch(subject);
        let mut meter = self.open_meter(subject, &target, Entry::chat(false)).await?;
        let body = body.to_provider(&target.model, false);
        match watch.until_done(self.call_whole(&target, body)).await {
            Ok(complete) => {
                self.note_success(subject.user, &target).await;
                meter.first_byte();
                meter.answered_by(|| model_named_in(&complete.body));
                meter.usage(complete.usage.unwrap_or_default());
                meter.settle(RequestStatus::Completed, None).await;
                Ok(ChatReply { provider: target.provider, model: target.model, content: complete.body })
            }
            Err(error) => Err(self.fail_with(subject, &target, meter, error).await),
        }
    }

    /// Answers with a stream. An error that shows before its first piece is an error of the request.
    pub async fn chat_stream(
        &self,
        call: ChatCall,
    ) -> Result<ChatReply<impl Stream<Item = ChatEvent> + Send + use<>>, RelayError> {
        let ChatCall { subject, body } = call;
        let place = self.stream_place(subject.user).await?;
        let target = self.chat_target(subject, &body).await?;
        let watch = self.watch(subject);
        let meter = self.open_meter(subject, &target, Entry::chat(true)).await?;
        // The provider's counts only come when asked for; a client that did not ask does not see them.
        let ask_usage = !body.wants_usage() && target.provider.counts_in_streams_on_request();
        let reply = self.pending(&target, body.to_provider(&target.model, ask_usage), true);
        let pump = match Pump::start(target.provider, reply, watch).await {
            Ok(pump) => pump,
            Err(error) => return Err(self.fail_with(subject, &target, meter, error).await),
        };
        let (provider, model) = (target.provider, target.model.clone());
        let content = self.clone().pass_through(subject, target, meter, place, pump, ask_usage);
        Ok(ChatReply { provider, model, content })
    }

    fn pass_through(
        self,
        subject: Subject,
        target: Target,
        mut meter: Meter,
        place: StreamPlace,
        mut pump: Pump,
        hide_usage: bool,
    ) -> impl Stream<Item = ChatEvent> + Send + use<> {
        stream! {
            let _place = place;
            loop {
                match pump.next().await {
                    Pumped::Idle => yield ChatEvent::Heartbeat,
                    Pumped::Event(event) => {
                        meter.first_byte();
                        let Some(data) = sse::data(&event) else {
                            yield ChatEvent::Events(event);
                            continue;
                        };
                        meter.answered_by(|| model_named_in(&data));
                        if openai::is_done(&data) {
                            // The row is committed before the client learns that the reply is complete.
                            self.note_success(subject.user, &target).await;
                            meter.settle(RequestStatus::Completed, None).await;
                            pump.drain().await;
                            // Who has read the last event finds that the request runs no more.
                            drop(pump);
                            yield ChatEvent::Events(event);
                            return;
                        }
                        if openai::is_error(&data) {
                            let secret = target.auth.as_ref().map(|auth| &auth.secret);
                            let error = UpstreamError::from_error_body(&data, secret);
                            let error = self.fail(subject, &target, meter, error).await;
                            drop(pump);
                            yield ChatEvent::Failed(error);
                            return;
                        }
                        if let Some(usage) = openai::usage_of_chunk(&data) {
                            meter.usage(usage);
                            if hide_usage && openai::is_usage_only(&data) {
                                continue;
                            }
                        }
                        yield ChatEvent::Events(event);
                    }
                    Pumped::End => {
                        let reason = "the stream ended without its final event".to_owned();
                        let error = self.fail(subject, &target, meter, UpstreamError::Died { reason }).await;
                        drop(pump);
                        yield ChatEvent::Failed(error);
                        return;
                    }
                    Pumped::Failed(error) => {
                        let error = self.fail_with(subject, &target, meter, error).await;
                        drop(pump);
                        yield ChatEvent::Failed(error);
                        return;
                    }
                }
            }
        }
    }

    /// A call whose answer comes in one piece.
    async fn call_whole(&self, target: &Target, body: Bytes) -> Result<Complete, RelayError> {
        let error = match self.call(target, body, false).await {
            Ok(Reply::Complete(complete)) => return Ok(complete),
            Ok(Reply::Stream(_)) => {
                let reason = "it streamed although one piece was asked for".to_owned();
                UpstreamError::BadResponse { reason }
            }
            Err(error) => error,
        };
        Err(RelayError::Upstream { provider: target.provider, error })
    }

    /// Where a chat completion goes; its bytes pass through, so only to a provider that speaks the same.
    async fn chat_target(&self, subject: Subject, body: &ChatBody) -> Result<Target, RelayError> {
        let target = self.route_named(subject.user, body.model(), None).await?;
        match target.family {
            WireFamily::OpenaiChat | WireFamily::AzureOpenai => Ok(target),
            WireFamily::AnthropicMessages | WireFamily::GoogleGemini | WireFamily::Unsupported => {
                Err(RelayError::OtherFamily(target.provider))
            }
        }
    }

    /// The same call as a value that outlives the handler.
    fn pending(&self, target: &Target, body: Bytes, accept_stream: bool) -> PendingReply {
        let (relay, target) = (self.clone(), target.clone());
        Box::pin(async move { relay.call(&target, body, accept_stream).await })
    }
}
