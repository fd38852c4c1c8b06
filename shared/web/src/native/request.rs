//! The bodies that native clients send. Explicit nulls stand for missing fields; unknown fields are ignored.

use llm_api_domain::{Modality, RequestId, SessionId};
use llm_api_relay::{GenerateCall, RegenerateCall, SelectionMode, Subject};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::ApiError;

#[derive(Debug, Deserialize, ToSchema)]
pub struct GenerateRequest {
    #[schema(value_type = String, example = "text")]
    pub modality: Modality,
    pub input: Input,
    /// An id, `provider:id` or `auto`.
    #[schema(example = "openai:gpt-4o-mini")]
    pub model: Option<String>,
    pub provider: Option<String>,
    /// `auto`, `free_only`, `commercial_only` or `model`.
    #[schema(value_type = Option<String>, example = "auto")]
    pub selection_mode: Option<SelectionMode>,
    /// Stores the exchange in this session of the caller's, and sends what was said in it before.
    pub session_id: Option<String>,
    /// Handed back, and kept with the session.
    #[schema(value_type = Option<Object>)]
    pub state_tokens: Option<Map<String, Value>>,
    /// Sent on to the provider as they are: `temperature`, `max_tokens`, `top_p`, `seed` and so on.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// In place of the session's own.
    pub system_prompt: Option<String>,
    pub stream: Option<bool>,
    /// A UUID of the client's own, to ask for the request's status or to cancel it by.
    pub request_id: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct Input {
    pub prompt: Option<String>,
    /// Data URLs.
    pub images: Option<Vec<String>>,
}

/// What may be different when the last exchange is asked for once more.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RegenerateRequest {
    /// The model of the first time when not given.
    pub model: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    #[schema(value_type = Option<String>, example = "auto")]
    pub selection_mode: Option<SelectionMode>,
    pub stream: Option<bool>,
    /// A UUID of the client's own, to ask for the request's status or to cancel it by.
    pub request_id: Option<String>,
}

/// The session that a path or a body names; what cannot be an id names nothing.
pub fn session_id(text: &str) -> Result<SessionId, ApiError> {
    text.parse().map_err(|_| ApiError::session_not_found(text))
}

/// Who generates, under the id of the client's choice where it gives one.
fn subject(mut subject: Subject, request_id: Option<&str>) -> Result<Subject, ApiError> {
    let Some(text) = request_id.filter(|text| !text.is_empty()) else { return Ok(subject) };
    let id: RequestId = text.parse().map_err(|_| ApiError::invalid_field("request_id", "must be a UUID"))?;
    subject.request = id;
    subject.chose_id = true;
    Ok(subject)
}

/// Clients send every field they know; null means that it was not set.
fn parameters(given: Option<Map<String, Value>>) -> Map<String, Value> {
    let mut parameters = given.unwrap_or_default();
    parameters.retain(|_, value| !value.is_null());
    parameters
}

impl GenerateRequest {
    pub fn wants_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Checks what the endpoint itself can judge and hands the rest to the relay. A session in the path replaces the
    /// one in the body.
    pub fn into_call(self, caller: Subject, in_session: Option<SessionId>) -> Result<GenerateCall, ApiError> {
        let named = self.session_id.as_deref().filter(|text| !text.is_empty());
        let session = match (in_session, named) {
            (Some(session), _) => Some(session),
            (None, Some(text)) => Some(session_id(text)?),
            (None, None) => None,
        };
        let prompt = self.input.prompt.unwrap_or_default();
        let images = self.input.images.unwrap_or_default();
        if prompt.is_empty() && images.is_empty() {
            return Err(ApiError::invalid_field("input", "a prompt or an image is required"));
        }
        Ok(GenerateCall {
            subject: subject(caller, self.request_id.as_deref())?,
            endpoint: "generate",
            modality: self.modality,
            model: self.model,
            provider: self.provider,
            selection_mode: self.selection_mode.unwrap_or_default(),
            system_prompt: self.system_prompt,
            prompt,
            images,
            parameters: parameters(self.parameters),
            session,
            replaces: None,
            state_tokens: self.state_tokens,
        })
    }
}

impl RegenerateRequest {
    pub fn wants_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub fn into_call(self, caller: Subject, session: SessionId) -> Result<RegenerateCall, ApiError> {
        Ok(RegenerateCall {
            subject: subject(caller, self.request_id.as_deref())?,
            session,
            model: self.model.filter(|model| !model.is_empty()),
            parameters: parameters(self.parameters),
            selection_mode: self.selection_mode,
        })
    }
}
