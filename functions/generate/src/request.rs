//! The body that native clients send. Explicit nulls stand for missing fields; unknown fields are ignored.

use llm_api_domain::Modality;
use llm_api_relay::{GenerateCall, SelectionMode, Subject};
use llm_api_web::ApiError;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct GenerateRequest {
    #[schema(value_type = String, example = "text")]
    pub(crate) modality: Modality,
    pub(crate) input: Input,
    /// An id, `provider:id` or `auto`.
    #[schema(example = "openai:gpt-4o-mini")]
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    /// `auto`, `free_only`, `commercial_only` or `model`.
    #[schema(value_type = Option<String>, example = "auto")]
    pub(crate) selection_mode: Option<SelectionMode>,
    pub(crate) session_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub(crate) state_tokens: Option<Map<String, Value>>,
    /// Sent on to the provider as they are: `temperature`, `max_tokens`, `top_p`, `seed` and so on.
    #[schema(value_type = Option<Object>)]
    pub(crate) parameters: Option<Map<String, Value>>,
    pub(crate) system_prompt: Option<String>,
    pub(crate) stream: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Input {
    pub(crate) prompt: Option<String>,
    /// Data URLs.
    pub(crate) images: Option<Vec<String>>,
}

impl GenerateRequest {
    /// Checks what this endpoint itself can judge and hands the rest to the relay.
    pub(crate) fn into_call(self, subject: Subject) -> Result<GenerateCall, ApiError> {
        if let Some(session) = self.session_id.filter(|session| !session.is_empty()) {
            return Err(ApiError::not_found(&format!("Session '{session}'")));
        }
        let prompt = self.input.prompt.unwrap_or_default();
        let images = self.input.images.unwrap_or_default();
        if prompt.is_empty() && images.is_empty() {
            return Err(ApiError::invalid_field("input", "a prompt or an image is required"));
        }
        let mut parameters = self.parameters.unwrap_or_default();
        // Clients send every field they know; null means that it was not set.
        parameters.retain(|_, value| !value.is_null());
        Ok(GenerateCall {
            subject,
            modality: self.modality,
            model: self.model,
            provider: self.provider,
            selection_mode: self.selection_mode.unwrap_or_default(),
            system_prompt: self.system_prompt,
            prompt,
            images,
            parameters,
        })
    }
}
