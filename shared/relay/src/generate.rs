//! Generation for the native endpoints: typed in, typed out.

use async_stream::stream;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use llm_api_domain::{ExchangeStatus, Modality, ProviderId, RequestId, RequestStatus, SessionId, TokenUsage};
use llm_api_upstream::{
    Reply, UpstreamError,
    convert::{Step, StreamReader, model_named_in},
    sse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Credits, Relay, RelayError, Replaced, Subject, Target,
    attempt::Attempt,
    limits::StreamPlace,
    meter::Meter,
    pump::{Pump, Pumped},
    transcript::{Ending, Transcript},
    watch::{Waited, Watch},
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
    /// Which of our endpoints it came by, for example `generate`.
    pub endpoint: &'static str,
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
    pub session: Option<SessionId>,
    /// The exchange of that session whose place the reply takes.
    pub replaces: Option<Replaced>,
    /// Handed back; the session's last ones when not given.
    pub state_tokens: Option<Map<String, Value>>,
}

/// Who answered, as replies tell it.
#[derive(Clone, Debug)]
pub struct Served {
    pub modality: Modality,
    pub provider: ProviderId,
    pub model: String,
    /// Why it is not the model that was asked for.
    pub fallback_reason: Option<&'static str>,
}

/// A file that was made and is fetched by a link.
#[derive(Clone, Debug)]
pub struct ArtifactLink {
    pub id: llm_api_domain::ArtifactId,
    /// `image` or `mesh`.
    pub kind: &'static str,
    /// The path and query; the scheme and host are the ones the client called.
    pub path: String,
    pub expires_at: llm_api_domain::Timestamp,
}

/// What was made.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub text: Option<String>,
    /// Plain base64.
    pub images: Vec<String>,
    pub artifacts: Vec<ArtifactLink>,
}

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Generated {
    pub request: RequestId,
    pub modality: Modality,
    pub session: Option<SessionId>,
    pub state_tokens: Option<Value>,
    pub served: Served,
    pub credits: Option<Credits>,
    pub output: Output,
    pub usage: TokenUsage,
    pub finish_reason: Option<String>,
    pub warnings: Vec<String>,
}

/// One step of a streamed reply.
#[derive(Debug)]
pub enum GenerateEvent {
    Selected(Served),
    Text(String),
    Heartbeat,
    /// The end of a streamed text: the reply as a whole, whose text was told before.
    Finished(Box<Generated>),
    /// The end of anything else: the reply as a whole.
    Complete(Box<Generated>),
    Failed(RelayError),
}

impl Target {
    pub(crate) fn served(&self, modality: Modality, fallback_reason: Option<&'static str>) -> Served {
        Served { modality, provider: self.provider, model: self.model.clone(), fallback_reason }
    }
}

impl Relay {
    /// Answers in one piece.
    pub async fn generate(&self, call: GenerateCall) -> Result<Generated, RelayError> {
        match call.modality {
            Modality::Text => self.generate_text(call).await,
            Modality::Image => self.generate_image(call).await,
            Modality::ThreeD => Err(RelayError::UnsupportedModality(call.modality)),
        }
    }

    /// Answers with a stream. Once the model is chosen everything is told inside it.
    pub async fn generate_stream(&self, call: GenerateCall) -> Result<BoxStream<'static, GenerateEvent>, RelayError> {
        match call.modality {
            Modality::Text => Ok(self.stream_text(call).await?.boxed()),
            Modality::Image => Ok(self.stream_image(call).await?.boxed()),
            Modality::ThreeD => Err(RelayError::UnsupportedModality(call.modality)),
        }
    }

    async fn generate_text(&self, call: GenerateCall) -> Result<Generated, RelayError> {
        let watch = self.watch(call.subject);
        let mut attempt = Box::pin(self.prepare(call, false)).await?;
        let mut meter = self.admit(&attempt).await?;
        let reply = watch.until_done(attempt.run(self, &mut meter)).await;
        meter.served_by(&attempt.target, attempt.fallback_reason);
        let completion = match reply {
            Ok(Reply::Complete(completion)) => Ok(completion),
            Ok(Reply::Stream(_)) => {
                let reason = "it streamed although one piece was asked for".to_owned();
                Err(UpstreamError::BadResponse { reason })
            }
            Err(error) => return Err(self.fail_with(attempt.call.subject, &attempt.target, meter, error).await),
        };
        let completion = match completion {
            Ok(completion) => completion,
            Err(error) => return Err(self.fail(attempt.call.subject, &attempt.target, meter, error).await),
        };
        self.note_success(attempt.call.subject.user, &attempt.target).await;
        meter.first_byte();
        meter.answered_by(|| completion.model.clone());
        meter.usage(completion.usage);
        let mut transcript = self.transcript(&attempt);
        transcript.text.clone_from(&completion.text);
        let ending = Ending {
            status: ExchangeStatus::Completed,
            finish_reason: completion.finish_reason.as_deref(),
            error_code: None,
        };
        let late = transcript.store(ending).await;
        meter.settle(RequestStatus::Completed, None).await;
        let output = Output { text: Some(completion.text), ..Output::default() };
        Ok(self.generated(&attempt, output, completion.usage, completion.finish_reason, late))
    }

    /// Chooses the model and reads the session: what goes wrong here is told before any stream begins.
    async fn prepare(&self, mut call: GenerateCall, streamed: bool) -> Result<Attempt, RelayError> {
        let session = match call.session {
            Some(id) => Some(self.open_session(call.subject.user, id).await?),
            None => None,
        };
        let selection = self.select(&call).await?;
        Self::check_images(&call, &selection.target)?;
        if let Some(session) = &session
            && call.state_tokens.is_none()
        {
            call.state_tokens = session.state_tokens.as_deref().and_then(|text| serde_json::from_str(text).ok());
        }
        let history = match session {
            Some(session) => Some(self.history(&call, &selection.target, session).await?),
            None => None,
        };
        Attempt::new(call, selection, history, streamed)
    }

    /// A model that is known to read no images must not be handed some and answer as if there were none.
    fn check_images(call: &GenerateCall, target: &Target) -> Result<(), RelayError> {
        let blind = !call.images.is_empty() && target.facts().is_some_and(|facts| facts.vision == Some(false));
        match blind {
            false => Ok(()),
            true => Err(RelayError::InvalidParameter {
                parameter: "input.images".to_owned(),
                message: format!("the model {} does not read images; choose one that does", target.model),
            }),
        }
    }

    fn transcript(&self, attempt: &Attempt) -> Transcript {
        Transcript::new(self, &attempt.call, &attempt.target, attempt.call.session)
    }

    /// The reply, with what was noticed on the way.
    fn generated(
        &self,
        attempt: &Attempt,
        output: Output,
        usage: TokenUsage,
        finish_reason: Option<String>,
        late: Option<String>,
    ) -> Generated {
        let mut warnings = attempt.warnings();
        warnings.extend(late);
        Generated {
            request: attempt.call.subject.request,
            modality: attempt.call.modality,
            session: attempt.call.session,
            state_tokens: attempt.call.state_tokens.clone().map(Value::Object),
            served: attempt.target.served(attempt.call.modality, attempt.fallback_reason),
            credits: self.credits_of(&attempt.target),
            output,
            usage,
            finish_reason,
            warnings,
        }
    }

    /// What is known of the account behind a reply; nothing for the operator's own server.
    pub(crate) fn credits_of(&self, target: &Target) -> Option<Credits> {
        let paid = target.provider != ProviderId::Local;
        paid.then(|| self.0.credits.of(target.account(), self.0.config.clock.now()))
    }

    async fn stream_text(
        &self,
        call: GenerateCall,
    ) -> Result<impl Stream<Item = GenerateEvent> + Send + use<>, RelayError> {
        let place = self.stream_place(call.subject.user).await?;
        let watch = self.watch(call.subject);
        let attempt = Box::pin(self.prepare(call, true)).await?;
        let meter = self.admit(&attempt).await?;
        Ok(self.clone().text_events(attempt, meter, place, watch))
    }

    fn text_events(
        self,
        mut attempt: Attempt,
        mut meter: Meter,
        place: StreamPlace,
        mut watch: Watch,
    ) -> impl Stream<Item = GenerateEvent> + Send + use<> {
        stream! {
            let _place = place;
            yield GenerateEvent::Selected(attempt.target.served(attempt.call.modality, attempt.fallback_reason));
            let asked = attempt.fallback_reason;
            let mut transcript = self.transcript(&attempt);
            let reply = {
                let mut running = std::pin::pin!(attempt.run(&self, &mut meter));
                loop {
                    match watch.wait(&mut running).await {
                        Waited::Ready(reply) => break reply,
                        Waited::Idle => yield GenerateEvent::Heartbeat,
                        Waited::Over(error) => break Err(error),
                    }
                }
            };
            let subject = attempt.call.subject;
            meter.served_by(&attempt.target, attempt.fallback_reason);
            let pump = reply.and_then(|reply| Pump::open(attempt.target.provider, reply, watch));
            let mut pump = match pump {
                Ok(pump) => pump,
                Err(error) => {
                    yield GenerateEvent::Failed(self.fail_with(subject, &attempt.target, meter, error).await);
                    return;
                }
            };
            if attempt.fallback_reason != asked {
                transcript.served_by(&attempt.target);
                yield GenerateEvent::Selected(attempt.target.served(attempt.call.modality, attempt.fallback_reason));
            }
            let mut reading = Reading::new(&attempt.target);
            let error = loop {
                match pump.next().await {
                    Pumped::Idle => yield GenerateEvent::Heartbeat,
                    Pumped::Event(event) => {
                        meter.first_byte();
                        meter.answered_by(|| model_named_in(&sse::data(&event)?));
                        match reading.take(&attempt.target, &event) {
                            Ok(text) => {
                                meter.usage(reading.usage);
                                if let Some(text) = text {
                                    transcript.text.push_str(&text);
                                    yield GenerateEvent::Text(text);
                                }
                            }
                            Err(error) => break error,
                        }
                        if reading.is_over {
                            pump.drain().await;
                            break RelayError::Stopping;
                        }
                    }
                    Pumped::End => break reading.ended(attempt.target.provider),
                    Pumped::Failed(error) => break error,
                }
            };
            if !reading.is_over {
                transcript.cut_short(&error).await;
                let error = self.fail_with(subject, &attempt.target, meter, error).await;
                // Who has read the last event finds that the request runs no more.
                drop(pump);
                yield GenerateEvent::Failed(error);
                return;
            }
            self.note_success(subject.user, &attempt.target).await;
            let ending = Ending {
                status: ExchangeStatus::Completed,
                finish_reason: reading.finish_reason.as_deref(),
                error_code: None,
            };
            let late = transcript.store(ending).await;
            meter.settle(RequestStatus::Completed, None).await;
            drop(pump);
            let generated =
                self.generated(&attempt, Output::default(), reading.usage, reading.finish_reason.take(), late);
            yield GenerateEvent::Finished(Box::new(generated));
        }
    }
}

/// What a provider's events have told so far.
struct Reading {
    reader: StreamReader,
    usage: TokenUsage,
    finish_reason: Option<String>,
    /// Whether the reply is whole.
    is_over: bool,
}

impl Reading {
    fn new(target: &Target) -> Self {
        let reader = StreamReader::new(target.format);
        Self { reader, usage: TokenUsage::default(), finish_reason: None, is_over: false }
    }

    /// The text that an event adds.
    fn take(&mut self, target: &Target, event: &[u8]) -> Result<Option<String>, RelayError> {
        let step = self.reader.read(event, target.auth.as_ref());
        let step = step.map_err(|error| RelayError::Upstream { provider: target.provider, error })?;
        Ok(self.add(step))
    }

    fn add(&mut self, step: Step) -> Option<String> {
        let Step { text, finish_reason, usage, is_last } = step;
        if let Some(usage) = usage {
            self.usage = usage;
        }
        self.finish_reason = finish_reason.or(self.finish_reason.take());
        self.is_over = is_last;
        text
    }

    /// The body ended: for some providers that is how a reply ends.
    fn ended(&mut self, provider: ProviderId) -> RelayError {
        if let Some(step) = self.reader.end() {
            self.add(step);
        }
        let reason = "the stream ended without its final event".to_owned();
        RelayError::Upstream { provider, error: UpstreamError::Died { reason } }
    }
}
