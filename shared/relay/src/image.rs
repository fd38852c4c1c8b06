//! Images: made by OpenAI's images API or by Hugging Face; the small ones stand in the reply, the large ones are files.

use async_stream::stream;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::Stream;
use llm_api_domain::{ArtifactId, ExchangeStatus, ProviderId, RequestStatus, TokenUsage};
use llm_api_telemetry::Operation;
use llm_api_upstream::{Image, ImageApi, ImageCall};
use serde_json::{Map, Value, json};

use crate::{
    ArtifactLink, GenerateCall, GenerateEvent, Generated, Output, Relay, RelayError, Served, Target,
    limits::StreamPlace,
    meter::{Entry, Meter},
    target::Selection,
    transcript::{Ending, Transcript},
    watch::{Waited, Watch},
};

/// What artifacts of an image are called.
const KIND: &str = "image";

/// A request for images on its way. No stand-in is asked: another model makes another picture.
struct Painting {
    call: GenerateCall,
    target: Target,
    api: ImageApi,
    /// Why the model is not the one that was asked for.
    fallback_reason: Option<&'static str>,
}

impl Painting {
    fn served(&self) -> Served {
        self.target.served(self.call.modality, self.fallback_reason)
    }
}

/// Where the images went.
#[derive(Default)]
struct Placed {
    output: Output,
    /// What the session keeps of them.
    kept: Kept,
    warnings: Vec<String>,
}

#[derive(Default)]
struct Kept {
    images: Vec<String>,
    artifacts: Vec<Value>,
}

impl Kept {
    /// As it stands in the column.
    fn column(self) -> Map<String, Value> {
        let list = |list: Vec<Value>| if list.is_empty() { Value::Null } else { Value::Array(list) };
        let images = list(self.images.into_iter().map(Value::String).collect());
        Map::from_iter([
            ("images".to_owned(), images),
            ("mesh".to_owned(), Value::Null),
            ("artifacts".to_owned(), list(self.artifacts)),
        ])
    }
}

/// The files that an exchange's column tells of.
fn files_in(column: &str) -> Vec<ArtifactId> {
    let column: Value = serde_json::from_str(column).unwrap_or_default();
    let files = column["artifacts"].as_array().into_iter().flatten();
    files.filter_map(|file| file["id"].as_str()?.parse().ok()).collect()
}

/// The images API of a provider that has one.
fn api_of(provider: ProviderId) -> Result<ImageApi, RelayError> {
    match provider {
        ProviderId::Openai => Ok(ImageApi::Openai),
        ProviderId::Huggingface => Ok(ImageApi::HuggingFace),
        ProviderId::Anthropic
        | ProviderId::Google
        | ProviderId::Azure
        | ProviderId::Xai
        | ProviderId::Deepseek
        | ProviderId::Groq
        | ProviderId::Openrouter
        | ProviderId::Mistral
        | ProviderId::Together
        | ProviderId::Fireworks
        | ProviderId::Custom
        | ProviderId::Local
        | ProviderId::Bedrock
        | ProviderId::Other => Err(RelayError::NoImages(provider)),
    }
}

/// What no provider of images could answer as it was meant.
fn check(call: &GenerateCall) -> Result<(), RelayError> {
    let wrong = |parameter: &str, message: &str| {
        Err(RelayError::InvalidParameter { parameter: parameter.to_owned(), message: message.to_owned() })
    };
    if !call.images.is_empty() {
        return wrong("input.images", "images are not made from other images here; describe what you want");
    }
    if call.prompt.trim().is_empty() {
        return wrong("input.prompt", "an image needs a prompt");
    }
    Ok(())
}

impl Relay {
    pub(crate) async fn generate_image(&self, call: GenerateCall) -> Result<Generated, RelayError> {
        let watch = self.watch(call.subject);
        let painting = Box::pin(self.prepare_image(call)).await?;
        let mut meter = self.admit_image(&painting, false).await?;
        match watch.until_done(self.paint(&painting)).await {
            Ok(images) => {
                meter.first_byte();
                Ok(self.finish_image(&painting, meter, images).await)
            }
            Err(error) => Err(self.fail_with(painting.call.subject, &painting.target, meter, error).await),
        }
    }

    pub(crate) async fn stream_image(
        &self,
        call: GenerateCall,
    ) -> Result<impl Stream<Item = GenerateEvent> + Send + use<>, RelayError> {
        let place = self.stream_place(call.subject.user).await?;
        let watch = self.watch(call.subject);
        let painting = Box::pin(self.prepare_image(call)).await?;
        let meter = self.admit_image(&painting, true).await?;
        Ok(self.clone().image_events(painting, meter, place, watch))
    }

    /// Chooses the model. What was said in the session plays no part.
    async fn prepare_image(&self, mut call: GenerateCall) -> Result<Painting, RelayError> {
        check(&call)?;
        if let Some(id) = call.session {
            let session = self.open_session(call.subject.user, id).await?;
            let last = || session.state_tokens.as_deref().and_then(|text| serde_json::from_str(text).ok());
            call.state_tokens = call.state_tokens.or_else(last);
        }
        let Selection { target, fallback_reason } = self.select(&call).await?;
        let api = api_of(target.provider)?;
        Ok(Painting { call, target, api, fallback_reason })
    }

    async fn admit_image(&self, painting: &Painting, streamed: bool) -> Result<Meter, RelayError> {
        let Painting { call, target, fallback_reason, .. } = painting;
        let entry = Entry { endpoint: call.endpoint, streamed, session: call.session, operation: Operation::Images };
        let mut meter = self.open_meter(call.subject, target, entry).await?;
        meter.served_by(target, *fallback_reason);
        Ok(meter)
    }

    async fn paint(&self, painting: &Painting) -> Result<Vec<Image>, RelayError> {
        let Painting { call, target, .. } = painting;
        let images = self.0.config.client.images(ImageCall {
            endpoint: &target.endpoint,
            api: painting.api,
            model: &target.model,
            auth: target.auth.as_ref(),
            prompt: &call.prompt,
            parameters: call.parameters.clone(),
        });
        images.await.map_err(|error| RelayError::Upstream { provider: target.provider, error })
    }

    fn image_events(
        self,
        painting: Painting,
        mut meter: Meter,
        place: StreamPlace,
        mut watch: Watch,
    ) -> impl Stream<Item = GenerateEvent> + Send + use<> {
        stream! {
            let _place = place;
            yield GenerateEvent::Heartbeat;
            yield GenerateEvent::Selected(painting.served());
            let images = {
                let mut running = std::pin::pin!(self.paint(&painting));
                loop {
                    match watch.wait(&mut running).await {
                        Waited::Ready(images) => break images,
                        Waited::Idle => yield GenerateEvent::Heartbeat,
                        Waited::Over(error) => break Err(error),
                    }
                }
            };
            match images {
                Ok(images) => {
                    meter.first_byte();
                    let generated = self.finish_image(&painting, meter, images).await;
                    // Who has read the last event finds that the request runs no more.
                    drop(watch);
                    yield GenerateEvent::Complete(Box::new(generated));
                }
                Err(error) => {
                    let error = self.fail_with(painting.call.subject, &painting.target, meter, error).await;
                    drop(watch);
                    yield GenerateEvent::Failed(error);
                }
            }
        }
    }

    /// Stores what was made, and settles.
    async fn finish_image(&self, painting: &Painting, meter: Meter, images: Vec<Image>) -> Generated {
        let Painting { call, target, .. } = painting;
        self.note_success(call.subject.user, target).await;
        let Placed { output, kept, mut warnings } = self.place(call, images).await;
        let mut transcript = Transcript::new(self, call, target, call.session);
        transcript.output(&kept.column());
        let ending = Ending { status: ExchangeStatus::Completed, finish_reason: None, error_code: None };
        let replaced = self.files_replaced_by(call).await;
        let trouble = transcript.store(ending).await;
        if trouble.is_none() {
            self.delete_replaced(call, &replaced).await;
        }
        warnings.extend(trouble);
        meter.settle(RequestStatus::Completed, None).await;
        Generated {
            request: call.subject.request,
            modality: call.modality,
            session: call.session,
            state_tokens: call.state_tokens.clone().map(Value::Object),
            served: painting.served(),
            credits: self.credits_of(target),
            output,
            usage: TokenUsage::default(),
            finish_reason: None,
            warnings,
        }
    }

    /// The files of the exchange that this call takes the place of.
    async fn files_replaced_by(&self, call: &GenerateCall) -> Vec<ArtifactId> {
        let (Some(session), Some(replaced)) = (call.session, call.replaces) else { return Vec::new() };
        let last = self.0.config.store.exchanges().last(call.subject.user, session).await.ok().flatten();
        let output = last.filter(|last| last.id == replaced.exchange).and_then(|last| last.output);
        output.map(|column| files_in(&column)).unwrap_or_default()
    }

    /// Nothing leads to them any more. Those that stay go with their session.
    async fn delete_replaced(&self, call: &GenerateCall, files: &[ArtifactId]) {
        if let Err(error) = self.0.config.artifacts.delete(call.subject.user, files).await {
            tracing::warn!(%error, "the files of a replaced exchange could not be deleted");
        }
    }

    /// Puts each image into the reply or into a file. One that cannot be stored is paid for all the same: it goes into
    /// the reply, however large it is.
    async fn place(&self, call: &GenerateCall, images: Vec<Image>) -> Placed {
        let artifacts = &self.0.config.artifacts;
        let mut placed = Placed::default();
        for Image { bytes, content_type } in images {
            if artifacts.is_inline(bytes.len()) {
                let text = BASE64_STANDARD.encode(&bytes);
                placed.kept.images.push(text.clone());
                placed.output.images.push(text);
                continue;
            }
            match artifacts.save(call.subject.user, call.session, bytes.clone(), content_type).await {
                Ok(link) => {
                    placed.kept.artifacts.push(json!({ "id": link.id, "type": KIND }));
                    let (id, path, expires_at) = (link.id, link.path, link.expires_at);
                    placed.output.artifacts.push(ArtifactLink { id, kind: KIND, path, expires_at });
                }
                Err(error) => {
                    tracing::warn!(%error, bytes = bytes.len(), "an image could not be stored");
                    placed.output.images.push(BASE64_STANDARD.encode(&bytes));
                    let warning = "An image could not be stored as a file: it is in this reply and is not kept";
                    placed.warnings.push(warning.to_owned());
                }
            }
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_keeps_of_images_has_every_member() {
        let column = |kept: Kept| Value::Object(kept.column());
        assert_eq!(column(Kept::default()), json!({ "images": null, "mesh": null, "artifacts": null }));
        let id = "0193a5d0-ac96-774b-bcce-b302099a8057";
        let artifact = json!({ "id": id, "type": "image" });
        let kept = column(Kept { images: vec!["iVBORw==".to_owned()], artifacts: vec![artifact.clone()] });
        assert_eq!(kept, json!({ "images": ["iVBORw=="], "mesh": null, "artifacts": [artifact] }));
        assert_eq!(files_in(&kept.to_string()), [id.parse().expect("an id")]);
        assert!(files_in(&column(Kept::default()).to_string()).is_empty() && files_in("no JSON").is_empty());
    }

    #[test]
    fn two_providers_make_images() {
        let makers: Vec<_> = ProviderId::ALL.into_iter().filter(|provider| api_of(*provider).is_ok()).collect();
        assert_eq!(makers, [ProviderId::Openai, ProviderId::Huggingface]);
        let refusal = api_of(ProviderId::Anthropic).expect_err("none").to_string();
        assert_eq!(refusal, "anthropic makes no images here; use openai or huggingface");
    }
}
