//! The reply that native clients read; every optional field is there, as null when empty.

use llm_api_domain::{Modality, ProviderId, RequestId, TokenUsage};
use llm_api_relay::Generated;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GenerateResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The provider's name of the model, without a prefix.
    model: String,
    #[schema(value_type = String, example = "text")]
    modality: Modality,
    session_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    state_tokens: Option<Map<String, Value>>,
    selection: Selection,
    #[schema(value_type = Option<Object>)]
    credits_status: Option<()>,
    output: Output,
    usage: Usage,
    finish_reason: Option<String>,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Selection {
    selected_model: String,
    #[schema(value_type = String)]
    selected_provider: ProviderId,
    fallback_used: bool,
    fallback_reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Output {
    text: String,
    images: Option<Vec<String>>,
    mesh: Option<String>,
    #[schema(value_type = Option<Vec<Object>>)]
    artifacts: Option<Vec<()>>,
}

/// The provider's token counts; 0 where it gave none, because clients expect numbers here.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names that clients read")]
pub(crate) struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
}

impl From<TokenUsage> for Usage {
    fn from(usage: TokenUsage) -> Self {
        let prompt_tokens = usage.prompt_tokens.unwrap_or(0);
        let completion_tokens = usage.completion_tokens.unwrap_or(0);
        let total_tokens = usage.total_tokens.unwrap_or(prompt_tokens + completion_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens }
    }
}

impl GenerateResponse {
    pub(crate) fn new(
        request_id: RequestId,
        modality: Modality,
        state_tokens: Option<Map<String, Value>>,
        generated: Generated,
    ) -> Self {
        let selection = Selection {
            selected_model: generated.model.clone(),
            selected_provider: generated.provider,
            fallback_used: false,
            fallback_reason: None,
        };
        Self {
            request_id,
            model: generated.model,
            modality,
            session_id: None,
            state_tokens,
            selection,
            credits_status: None,
            output: Output { text: generated.text, images: None, mesh: None, artifacts: None },
            usage: generated.usage.into(),
            finish_reason: generated.finish_reason,
            warnings: None,
        }
    }
}
