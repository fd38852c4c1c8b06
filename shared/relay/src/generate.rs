//! Generation for the native endpoint: typed in, typed out.

use std::borrow::Cow;

use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use llm_api_domain::{Modality, ProviderId, RequestStatus, TokenUsage};
use llm_api_storage::KeyStatus;
use llm_api_upstream::{
    UpstreamError, sse,
    wire::openai::{self, ChatRequest, Chunk, Message},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Relay, RelayError, Subject, Target,
    limits::StreamPlace,
    meter::Meter,
    pump::{Pump, Pumped},
    route::named_provider,
};

/// Which models may be chosen for a request that names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionMode {
    #[default]
    Auto,
    FreeOnly,
    CommercialOnly,
    Model,
}

/// What is asked for.
#[derive(Debug)]
pub struct GenerateCall {
    pub subject: Subject,
    pub modality: Modality,
    /// `None` and `auto` let the server choose.
    pub model: Option<String>,
    pub provider: Option<String>,
    pub selection_mode: SelectionMode,
    pub system_prompt: Option<String>,
    pub prompt: String,
    /// Data URLs.
    pub images: Vec<String>,
    /// Sent on as they are.
    pub parameters: Map<String, Value>,
}

/// A reply in one piece.
#[derive(Debug)]
pub struct Generated {
    pub provider: ProviderId,
    pub model: String,
    pub text: String,
    pub usage: TokenUsage,
    pub finish_reason: Option<String>,
}

/// One step of a streamed reply.
#[derive(Debug)]
pub enum GenerateEvent {
    Selected { provider: ProviderId, model: String },
    Text(String),
    Heartbeat,
    Finished { usage: TokenUsage, finish_reason: Option<String> },
    Failed(RelayError),
}

impl Relay {
    /// Answers in one piece.
    pub async fn generate(&self, call: GenerateCall) -> Result<Generated, RelayError> {
        let subject = call.subject;
        let target = self.select(&call).await?;
        let mut meter = self.meter(subject, &target, "generate", false);
        match self.call_whole(&target, request_body(call, &target, false)).await {
            Ok(complete) => {
                self.note_key(subject.user, &target, KeyStatus::Valid).await;
                let completion = match complete.completion() {
                    Ok(completion) => completion,
                    Err(error) => return Err(self.fail(subject, &target, meter, error).await),
                };
                let usage = completion.usage.unwrap_or_default();
                meter.first_byte();
                meter.usage(usage);
                meter.settle(RequestStatus::Completed, None).await;
                Ok(Generated {
                    provider: target.provider,
                    model: target.model,
                    text: completion.text,
                    usage,
                    finish_reason: completion.finish_reason,
                })
            }
            Err(error) => Err(self.fail(subject, &target, meter, error).await),
        }
    }

    /// Answers with a stream. Once the model is chosen everything is told inside it.
    pub async fn generate_stream(
        &self,
        call: GenerateCall,
    ) -> Result<impl Stream<Item = GenerateEvent> + Send + use<>, RelayError> {
        let subject = call.subject;
        let place = self.0.config.limits.take(subject.user)?;
        let target = self.select(&call).await?;
        let meter = self.meter(subject, &target, "generate", true);
        let reply = self.pending(&target, request_body(call, &target, true), true);
        let config = &self.0.config;
        let pump = Pump::start_later(target.provider, reply, config.heartbeat, config.stop.clone());
        Ok(self.clone().generated(subject, target, meter, place, pump))
    }

    async fn select(&self, call: &GenerateCall) -> Result<Target, RelayError> {
        if call.modality != Modality::Text {
            return Err(RelayError::UnsupportedModality(call.modality));
        }
        let provider = named_provider(call.provider.as_deref())?;
        match call.model.as_deref().map(str::trim).filter(|model| !model.is_empty() && *model != "auto") {
            Some(model) => self.route_named(call.subject.user, model, provider).await,
            None => self.route_auto(call.subject.user, provider, call.selection_mode).await,
        }
    }

    fn generated(
        self,
        subject: Subject,
        target: Target,
        mut meter: Meter,
        place: StreamPlace,
        mut pump: Pump,
    ) -> impl Stream<Item = GenerateEvent> + Send + use<> {
        stream! {
            let _place = place;
            yield GenerateEvent::Selected { provider: target.provider, model: target.model.clone() };
            let mut usage = TokenUsage::default();
            let mut finish_reason = None;
            let error = loop {
                match pump.next().await {
                    Pumped::Idle => yield GenerateEvent::Heartbeat,
                    Pumped::Event(event) => {
                        meter.first_byte();
                        let Some(data) = sse::data(&event) else { continue };
                        if openai::is_done(&data) {
                            self.note_key(subject.user, &target, KeyStatus::Valid).await;
                            meter.settle(RequestStatus::Completed, None).await;
                            pump.drain().await;
                            yield GenerateEvent::Finished { usage, finish_reason };
                            return;
                        }
                        match Chunk::parse(&data) {
                            Ok(chunk) if chunk.error => {
                                let error = UpstreamError::from_error_body(&data, target.secret.as_ref());
                                break RelayError::Upstream { provider: target.provider, error };
                            }
                            Ok(chunk) => {
                                if let Some(counted) = chunk.usage {
                                    usage = counted;
                                    meter.usage(counted);
                                }
                                finish_reason = chunk.finish_reason.map(Cow::into_owned).or(finish_reason);
                                if let Some(text) = chunk.content.filter(|text| !text.is_empty()) {
                                    yield GenerateEvent::Text(text.into_owned());
                                }
                            }
                            Err(_) => {
                                let reason = "an event is no chat completion chunk".to_owned();
                                let error = UpstreamError::BadResponse { reason };
                                break RelayError::Upstream { provider: target.provider, error };
                            }
                        }
                    }
                    Pumped::End => {
                        let reason = "the stream ended without its final event".to_owned();
                        let error = UpstreamError::Died { reason };
                        break RelayError::Upstream { provider: target.provider, error };
                    }
                    Pumped::Failed(error) => break error,
                }
            };
            yield GenerateEvent::Failed(self.fail_with(subject, &target, meter, error).await);
        }
    }
}

fn request_body(call: GenerateCall, target: &Target, stream: bool) -> Bytes {
    let mut request = ChatRequest::new(&target.model).parameters(call.parameters);
    if let Some(system) = call.system_prompt.filter(|text| !text.is_empty()) {
        request = request.message(Message::system(system));
    }
    request = request.message(Message::user(call.prompt, call.images));
    if stream {
        request = request.stream(target.provider.counts_in_streams_on_request());
    }
    request.to_bytes()
}
