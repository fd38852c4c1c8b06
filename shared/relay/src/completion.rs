//! Replies for clients that speak a vendor's own format: what provider and caller share passes through as bytes, what
//! they do not share is translated.

mod ask;
mod asked;
mod chain;
mod headers;
mod reader;

use std::pin::Pin;

use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use llm_api_domain::{ProviderId, RequestStatus};
use llm_api_translate::{Format, OnUnsupported};
use llm_api_upstream::{
    Answer, UpstreamError, Whole,
    convert::model_named_in,
    sse,
    wire::{Closing, PassingStream, RequestBody},
};

use self::{ask::Answered, chain::Chain, reader::Reader};
use crate::{
    Relay, RelayError, Subject,
    limits::StreamPlace,
    pump::{Pump, Pumped},
};

/// A request in a vendor's format, as the client sent it.
#[derive(Clone, Debug)]
pub struct CompletionCall {
    pub subject: Subject,
    /// Which of our endpoints it came by, for example `chat_completions`.
    pub endpoint: &'static str,
    pub body: RequestBody,
    /// What to do with members that the provider cannot be given.
    pub on_unsupported: OnUnsupported,
    /// Headers that a provider of the same format is to see.
    pub pass_on: HeaderMap,
}

/// The answer, and who gave it.
pub struct CompletionReply<S> {
    /// `None` for a stream that began before anybody answered, where it is open who will.
    pub served: Option<ServedBy>,
    pub content: S,
}

/// Who answered a caller of a vendor's format.
#[derive(Clone, Debug)]
pub struct ServedBy {
    pub provider: ProviderId,
    /// The provider's name of the model.
    pub model: String,
    /// Why it is not the first choice.
    pub fallback_reason: Option<&'static str>,
    /// Members of the request that the provider was not given, by the caller's names.
    pub dropped: Vec<String>,
    /// What the provider told of its limits, in the caller's names.
    pub headers: HeaderMap,
}

/// One piece of a streamed reply.
#[derive(Debug)]
pub enum CompletionEvent {
    /// Whole events, in the caller's format.
    Events(Bytes),
    Heartbeat,
    /// The stream is over, and is not complete.
    Failed {
        error: RelayError,
        closing: Closing,
    },
}

impl<S> std::fmt::Debug for CompletionReply<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompletionReply").field("served", &self.served).finish_non_exhaustive()
    }
}

/// A call on its way to whoever will answer it.
type Asking = Pin<Box<dyn Future<Output = Result<Box<Answered>, RelayError>> + Send>>;

impl Relay {
    /// Answers in one piece.
    pub async fn complete(&self, call: CompletionCall) -> Result<CompletionReply<Bytes>, RelayError> {
        let chain = self.chain(call.subject.user, call.body.model()).await?;
        self.complete_by(chain, call).await
    }

    /// Counts the tokens of a prompt; `None` where the model's provider does not count.
    pub async fn count_tokens(&self, call: CompletionCall) -> Result<Option<CompletionReply<Bytes>>, RelayError> {
        let chain = self.chain(call.subject.user, call.body.model()).await?;
        if !chain.counts_tokens() {
            return Ok(None);
        }
        self.complete_by(chain, call).await.map(Some)
    }

    async fn complete_by(&self, chain: Chain, call: CompletionCall) -> Result<CompletionReply<Bytes>, RelayError> {
        let answered = Box::pin(self.clone().ask(call, chain)).await?;
        let Answered { call, answer, asked, target, fallback_reason, mut meter, .. } = *answered;
        let secret = target.auth.as_ref().map(|auth| &auth.secret);
        let read = match answer {
            Answer::Whole(Whole { headers, body }) => {
                asked.read(&call, &target, body, secret, self.0.config.clock.now()).map(|reply| (headers, reply))
            }
            Answer::Stream(_) => {
                let reason = "it streamed although one piece was asked for".to_owned();
                Err(UpstreamError::BadResponse { reason })
            }
        };
        let (headers, reply) = match read {
            Ok(read) => read,
            Err(error) => return Err(self.fail(call.subject, &target, meter, error).await),
        };
        self.note_success(call.subject.user, &target).await;
        meter.first_byte();
        meter.answered_by(|| reply.outline.model);
        meter.usage(reply.outline.usage.unwrap_or_default());
        meter.settle(RequestStatus::Completed, None).await;
        let headers = headers::told(&headers, asked.format(), call.body.format(), self.0.config.clock.now());
        let mut dropped = asked.into_dropped();
        dropped.extend(reply.dropped);
        let served = ServedBy { provider: target.provider, model: target.model, fallback_reason, dropped, headers };
        Ok(CompletionReply { served: Some(served), content: reply.body })
    }

    /// Answers with a stream. An error that shows before its first piece is an error of the request.
    pub async fn complete_stream(
        &self,
        call: CompletionCall,
    ) -> Result<CompletionReply<impl Stream<Item = CompletionEvent> + Send + use<>>, RelayError> {
        let place = self.stream_place(call.subject.user).await?;
        let (subject, format) = (call.subject, call.body.format());
        let chain = self.chain(subject.user, call.body.model()).await?;
        let only = chain.only().map(|target| ServedBy {
            provider: target.provider,
            model: target.model.clone(),
            fallback_reason: None,
            dropped: Vec::new(),
            headers: HeaderMap::new(),
        });
        let mut asking: Asking = Box::pin(self.clone().ask(call, chain));
        // A client that waits longer than one heartbeat must hear something.
        let begun = tokio::select! {
            biased;
            answered = &mut asking => Some(answered?),
            () = tokio::time::sleep(self.0.config.heartbeat) => None,
        };
        let served = match &begun {
            Some(answered) => Some(answered.served(format, self.0.config.clock.now())),
            None => only,
        };
        let content = self.clone().completion_events(subject, format, place, begun, asking);
        Ok(CompletionReply { served, content })
    }

    fn completion_events(
        self,
        subject: Subject,
        format: Format,
        place: StreamPlace,
        begun: Option<Box<Answered>>,
        mut asking: Asking,
    ) -> impl Stream<Item = CompletionEvent> + Send + use<> {
        stream! {
            let _place = place;
            let answered = match begun {
                Some(answered) => Ok(answered),
                None => loop {
                    tokio::select! {
                        biased;
                        answered = &mut asking => break answered,
                        () = tokio::time::sleep(self.0.config.heartbeat) => yield CompletionEvent::Heartbeat,
                    }
                },
            };
            drop(asking);
            let answered = match answered {
                Ok(answered) => answered,
                Err(error) => {
                    yield CompletionEvent::Failed { error, closing: Closing::Passing(PassingStream::new(format)) };
                    return;
                }
            };
            let Answered { call, answer, asked, target, mut meter, watch, .. } = *answered;
            let mut reader = Reader::new(&asked, &call, &target, self.0.config.clock.now());
            let mut pump = match Pump::of_answer(target.provider, answer, watch) {
                Ok(pump) => pump,
                Err(error) => {
                    let error = self.fail_with(subject, &target, meter, error).await;
                    yield CompletionEvent::Failed { error, closing: reader.closing() };
                    return;
                }
            };
            let error = loop {
                match pump.next().await {
                    Pumped::Idle => yield CompletionEvent::Heartbeat,
                    Pumped::Event(event) => {
                        meter.first_byte();
                        meter.answered_by(|| model_named_in(&sse::data(&event)?));
                        let taken = match reader.take(event) {
                            Ok(taken) => taken,
                            Err(error) => break RelayError::Upstream { provider: target.provider, error },
                        };
                        if let Some(usage) = taken.usage {
                            meter.usage(usage);
                        }
                        if taken.is_last {
                            // The row is committed before the client learns that the reply is complete.
                            self.note_success(subject.user, &target).await;
                            meter.settle(RequestStatus::Completed, None).await;
                            pump.drain().await;
                            // Who has read the last event finds that the request runs no more.
                            drop(pump);
                            yield taken.event();
                            return;
                        }
                        if !taken.is_hidden {
                            yield taken.event();
                        }
                    }
                    Pumped::End => {
                        let Some(last) = reader.end() else {
                            let reason = "the stream ended without its final event".to_owned();
                            let error = UpstreamError::Died { reason };
                            break RelayError::Upstream { provider: target.provider, error };
                        };
                        self.note_success(subject.user, &target).await;
                        if let Some(usage) = last.usage {
                            meter.usage(usage);
                        }
                        meter.settle(RequestStatus::Completed, None).await;
                        drop(pump);
                        yield last.event();
                        return;
                    }
                    Pumped::Failed(error) => break error,
                }
            };
            let error = self.fail_with(subject, &target, meter, error).await;
            drop(pump);
            yield CompletionEvent::Failed { error, closing: reader.closing() };
        }
    }
}
