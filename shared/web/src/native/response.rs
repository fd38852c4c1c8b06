//! The reply that native clients read; every optional field is there, as null when empty.

use llm_api_domain::{ArtifactId, Modality, ProviderId, RequestId, SessionId, Timestamp, TokenUsage};
use llm_api_relay::{CreditState, Credits, Generated, Served};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::BaseUrl;

#[derive(Debug, Serialize, ToSchema)]
pub struct GenerateResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    /// The provider's name of the model, without a prefix.
    model: String,
    #[schema(value_type = String, example = "text")]
    modality: Modality,
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
    #[schema(value_type = Option<Object>)]
    state_tokens: Option<Value>,
    selection: Selection,
    credits_status: Option<CreditsStatus>,
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
    fallback_reason: Option<&'static str>,
}

/// What is known of the account that paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditsStatus {
    #[schema(value_type = String, example = "openai")]
    provider: ProviderId,
    /// `available`, `exhausted` or `unknown`.
    status: &'static str,
    /// In the account's own currency.
    remaining: Option<f64>,
    #[schema(value_type = Option<String>)]
    reset_at: Option<Timestamp>,
}

impl From<Credits> for CreditsStatus {
    fn from(credits: Credits) -> Self {
        let status = match credits.state {
            CreditState::Available => "available",
            CreditState::Exhausted => "exhausted",
            // The Python client fails on any other word; a limit shows by its `reset_at`.
            CreditState::RateLimited | CreditState::Unknown => "unknown",
        };
        Self { provider: credits.provider, status, remaining: credits.remaining, reset_at: credits.reset_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Output {
    text: Option<String>,
    /// Plain base64.
    images: Option<Vec<String>>,
    mesh: Option<String>,
    artifacts: Option<Vec<Artifact>>,
}

/// A file too large to stand in the reply.
#[derive(Debug, Serialize, ToSchema)]
struct Artifact {
    #[schema(value_type = String)]
    id: ArtifactId,
    #[serde(rename = "type")]
    #[schema(example = "image")]
    kind: &'static str,
    /// Good until `expires_at`, without any credential.
    url: String,
    #[schema(value_type = String)]
    expires_at: Timestamp,
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

impl From<Served> for Selection {
    fn from(served: Served) -> Self {
        Self {
            selected_model: served.model,
            selected_provider: served.provider,
            fallback_used: served.fallback_reason.is_some(),
            fallback_reason: served.fallback_reason,
        }
    }
}

impl GenerateResponse {
    pub fn new(generated: Generated, base: &BaseUrl) -> Self {
        let output = generated.output;
        let artifacts = output.artifacts.into_iter().map(|artifact| Artifact {
            id: artifact.id,
            kind: artifact.kind,
            url: base.join(&artifact.path),
            expires_at: artifact.expires_at,
        });
        Self {
            request_id: generated.request,
            model: generated.served.model.clone(),
            modality: generated.modality,
            session_id: generated.session,
            state_tokens: generated.state_tokens,
            selection: generated.served.into(),
            credits_status: generated.credits.map(CreditsStatus::from),
            output: Output {
                text: output.text,
                images: some(output.images),
                mesh: None,
                artifacts: some(artifacts.collect()),
            },
            usage: generated.usage.into(),
            finish_reason: generated.finish_reason,
            warnings: some(generated.warnings),
        }
    }
}

/// Null in place of an empty list.
pub(crate) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
