//! One entry that native clients and OpenAI SDKs both read.

use llm_api_domain::{Modality, ProviderId, Timestamp};
use llm_api_relay::CatalogueEntry;
use serde::Serialize;
use utoipa::ToSchema;

/// A model the caller can use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelInfo {
    #[schema(example = "gpt-4o-mini")]
    pub(crate) id: String,
    #[schema(example = "model")]
    object: &'static str,
    /// Unix seconds; 0 when the provider does not tell.
    created: i64,
    owned_by: String,
    pub(crate) name: String,
    version: &'static str,
    #[schema(value_type = String, example = "text")]
    pub(crate) modality: Modality,
    #[schema(value_type = String, example = "openai")]
    provider: ProviderId,
    capabilities: Option<Capabilities>,
    #[schema(value_type = Option<Object>)]
    source: Option<()>,
    size_bytes: Option<i64>,
    local_path: Option<String>,
    #[schema(value_type = Option<String>)]
    last_used_at: Option<Timestamp>,
    is_default: bool,
    #[schema(example = "available")]
    status: &'static str,
    availability: Availability,
}

#[derive(Debug, Serialize, ToSchema)]
struct Capabilities {
    max_context_tokens: Option<i64>,
    output_formats: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    hardware_requirements: Option<()>,
    image_input_max_edge: Option<i64>,
    image_input_max_pixels: Option<i64>,
    image_input_formats: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Availability {
    #[schema(value_type = String)]
    provider: ProviderId,
    #[schema(example = "available")]
    access: &'static str,
    #[schema(value_type = Option<Object>)]
    credits_status: Option<()>,
}

impl ModelInfo {
    pub(crate) fn new(entry: CatalogueEntry, default_model: &str) -> Self {
        let id = entry.id();
        let model = entry.model;
        let provider = entry.provider;
        Self {
            is_default: id == default_model || model.id == default_model,
            object: "model",
            created: model.created.unwrap_or(0),
            owned_by: model.owned_by.unwrap_or_else(|| provider.to_string()),
            name: model.name.unwrap_or(model.id),
            id,
            version: "latest",
            modality: Modality::Text,
            provider,
            capabilities: model.context_length.map(|tokens| Capabilities {
                max_context_tokens: Some(tokens),
                output_formats: None,
                hardware_requirements: None,
                image_input_max_edge: None,
                image_input_max_pixels: None,
                image_input_formats: None,
            }),
            source: None,
            size_bytes: None,
            local_path: None,
            last_used_at: None,
            status: "available",
            availability: Availability { provider, access: "available", credits_status: None },
        }
    }

    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_micros(self.created.saturating_mul(1_000_000))
    }
}
