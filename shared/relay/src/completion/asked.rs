//! A request as its provider is asked it.

use bytes::Bytes;
use llm_api_domain::{ProviderId, Timestamp, WireFamily};
use llm_api_translate::{
    Format, Losses, Request, Stamp, embeddings, read_reply, read_request, write_reply, write_request,
};
use llm_api_upstream::{
    Api, Endpoint, UpstreamError,
    convert::totals,
    wire::{Outline, Wanted, outline},
};
use secrecy::SecretString;

use super::CompletionCall;
use crate::{Relay, RelayError, Target};

/// The body for one target.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(super) api: Api,
    pub(super) body: Bytes,
    /// What was asked, where that is translated; `None` where it passes through.
    pub(super) request: Option<Box<Request>>,
    /// Whether token counts were asked for that the caller did not want to see.
    pub(super) hides_usage: bool,
    dropped: Vec<String>,
}

/// A whole answer in the caller's format.
pub(super) struct Read {
    pub(super) body: Bytes,
    pub(super) outline: Outline,
    /// What of it the caller's format has no place for.
    pub(super) dropped: Vec<String>,
}

/// Models of OpenAI's that answer by the Responses API alone, by the beginnings of their names
/// (<https://platform.openai.com/docs/models>, each model's list of endpoints).
const RESPONSES_ONLY: [&str; 6] =
    ["o1-pro", "o3-pro", "o3-deep-research", "o4-mini-deep-research", "gpt-5-pro", "codex-"];

impl Asked {
    /// # Errors
    /// [`RelayError::InvalidParameter`] where the provider cannot be asked this.
    pub(super) fn new(call: &CompletionCall, target: &Target, is_ollama: bool) -> Result<Self, RelayError> {
        match call.body.wanted() {
            Wanted::Reply(caller) => Self::reply(caller, call, target, is_ollama),
            Wanted::Embeddings => Self::embeddings(call, target),
            Wanted::TokenCount => Self::token_count(call, target),
        }
    }

    /// The same bytes, but for the model.
    fn passing(api: Api, call: &CompletionCall, target: &Target) -> Self {
        // The provider's counts only come when asked for; a client that did not ask does not see them.
        let hides_usage =
            call.body.stream() && !call.body.wants_usage() && target.provider.counts_in_streams_on_request();
        let body = call.body.to_provider(&target.model, hides_usage);
        Self { api, body, request: None, hides_usage, dropped: Vec::new() }
    }

    fn reply(caller: Format, call: &CompletionCall, target: &Target, is_ollama: bool) -> Result<Self, RelayError> {
        let format = format_of(caller, target, is_ollama);
        if format == caller {
            return Ok(Self::passing(Api::Reply(format), call, target));
        }
        let request = read_request(caller, call.body.bytes()).map_err(|malformed| RelayError::InvalidParameter {
            parameter: malformed.param.unwrap_or_else(|| "body".to_owned()),
            message: malformed.message,
        })?;
        let mut losses = Losses::new(format, call.on_unsupported);
        let body = write_request(format, request.clone(), &target.model, &mut losses)
            .map_err(|error| RelayError::InvalidParameter { parameter: error.param, message: error.message })?;
        // Names, numbers and texts always have a JSON form.
        let body = serde_json::to_vec(&body).unwrap_or_default().into();
        let dropped = losses.dropped().to_vec();
        Ok(Self { api: Api::Reply(format), body, request: Some(Box::new(request)), hides_usage: false, dropped })
    }

    fn token_count(call: &CompletionCall, target: &Target) -> Result<Self, RelayError> {
        if target.family == WireFamily::AnthropicMessages {
            return Ok(Self::passing(Api::CountTokens, call, target));
        }
        let message = format!("{} does not count the tokens of a prompt", target.provider);
        Err(RelayError::InvalidParameter { parameter: "model".to_owned(), message })
    }

    fn embeddings(call: &CompletionCall, target: &Target) -> Result<Self, RelayError> {
        match target.family {
            WireFamily::OpenaiChat | WireFamily::AzureOpenai => Ok(Self::passing(Api::Embeddings, call, target)),
            WireFamily::GoogleGemini => {
                let body = embeddings::to_google(call.body.bytes(), &target.model)
                    .map_err(|error| RelayError::InvalidParameter { parameter: error.param, message: error.message })?;
                let body = serde_json::to_vec(&body).unwrap_or_default().into();
                let api = Api::BatchEmbedContents;
                Ok(Self { api, body, request: None, hides_usage: false, dropped: Vec::new() })
            }
            WireFamily::AnthropicMessages | WireFamily::AmazonBedrock | WireFamily::Unsupported => {
                let message =
                    format!("{} makes no embeddings here; choose a model of another provider", target.provider);
                Err(RelayError::InvalidParameter { parameter: "model".to_owned(), message })
            }
        }
    }

    /// The format that the provider answers in.
    pub(super) fn format(&self) -> Format {
        match self.api {
            Api::Reply(format) => format,
            Api::CountTokens => Format::AnthropicMessages,
            Api::Embeddings => Format::OpenaiChat,
            Api::BatchEmbedContents => Format::GoogleGemini,
        }
    }

    pub(super) fn dropped(&self) -> &[String] {
        &self.dropped
    }

    pub(super) fn into_dropped(self) -> Vec<String> {
        self.dropped
    }

    /// Reads a whole answer, and writes it in the caller's format.
    pub(super) fn read(
        &self,
        call: &CompletionCall,
        target: &Target,
        body: Bytes,
        secret: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<Read, UpstreamError> {
        if self.api == Api::BatchEmbedContents {
            let (reply, outline) = embeddings::from_google(&body, call.body.bytes(), &target.model)
                .map(|reply| (reply, Outline::default()))
                .map_err(|error| UpstreamError::unreadable(error, &body, secret))?;
            let body = serde_json::to_vec(&reply).unwrap_or_default().into();
            return Ok(Read { body, outline, dropped: Vec::new() });
        }
        let Some(request) = &self.request else {
            let outline = outline(self.api, &body, secret)?;
            return Ok(Read { body, outline, dropped: Vec::new() });
        };
        let reply =
            read_reply(self.format(), &body).map_err(|error| UpstreamError::unreadable(error, &body, secret))?;
        let outline = Outline { usage: Some(totals(&reply.usage)), model: reply.model.clone() };
        let written = write_reply(call.body.format(), reply, request, &stamp(call, target, now));
        let body = serde_json::to_vec(&written.body).unwrap_or_default().into();
        Ok(Read { body, outline, dropped: written.dropped })
    }
}

/// What a reply is called that we write ourselves.
pub(super) fn stamp(call: &CompletionCall, target: &Target, now: Timestamp) -> Stamp {
    Stamp {
        id: call.subject.request.as_uuid().simple().to_string(),
        created: now.as_secs(),
        model: target.model.clone(),
    }
}

/// The format to ask in: the caller's own where the provider speaks it.
fn format_of(caller: Format, target: &Target, is_ollama: bool) -> Format {
    if target.format != Format::OpenaiChat {
        return target.format;
    }
    let wants_responses = caller == Format::OpenaiResponses;
    let only_responses = || RESPONSES_ONLY.iter().any(|prefix| target.model.starts_with(prefix));
    // Azure has it at its newer address alone.
    let speaks_responses = target.provider.speaks_responses()
        && (target.family != WireFamily::AzureOpenai || target.endpoint.is_azure_v1());
    if speaks_responses && (wants_responses || only_responses()) {
        return Format::OpenaiResponses;
    }
    if is_ollama { Format::OllamaChat } else { Format::OpenaiChat }
}

impl Relay {
    /// The request as `target` is asked it.
    pub(super) async fn asked(&self, call: &CompletionCall, target: &Target) -> Result<Asked, RelayError> {
        // Ollama's own members have no place in the API that it offers beside its own.
        let has_own = || ["options", "keep_alive", "think"].iter().any(|name| call.body.member(name).is_some());
        let is_ollama =
            target.provider == ProviderId::Local && has_own() && Box::pin(self.is_ollama(&target.endpoint)).await;
        Asked::new(call, target, is_ollama)
    }

    async fn is_ollama(&self, endpoint: &Endpoint) -> bool {
        // One that does not answer is asked as if it were: then it is told that it does not.
        !matches!(self.0.config.client.ollama_version(endpoint).await, Ok(None))
    }
}
