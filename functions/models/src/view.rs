//! One entry that native clients and OpenAI SDKs both read.

use llm_api_domain::{Modality, ProviderId, Timestamp};
use llm_api_relay::{Access, CatalogueEntry};
use llm_api_web::native::CreditsStatus;
use serde::Serialize;
use utoipa::ToSchema;

/// A model the caller can use, now or with a key.
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
    pricing: Option<Pricing>,
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

/// Null is unknown.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
struct Capabilities {
    max_context_tokens: Option<i64>,
    max_output_tokens: Option<i64>,
    /// Whether it takes images.
    vision: Option<bool>,
    tools: Option<bool>,
    output_formats: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    hardware_requirements: Option<()>,
    image_input_max_edge: Option<i64>,
    image_input_max_pixels: Option<i64>,
    image_input_formats: Option<Vec<String>>,
}

/// The provider's list prices, in millionths of the currency; null is unknown.
#[derive(Debug, Serialize, ToSchema)]
struct Pricing {
    #[schema(example = "USD")]
    currency: &'static str,
    input_micros_per_million_tokens: Option<i64>,
    output_micros_per_million_tokens: Option<i64>,
    /// For what the provider reads from its cache.
    cached_micros_per_million_tokens: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Availability {
    #[schema(value_type = String)]
    provider: ProviderId,
    /// `available`, or `locked` until a good key for the provider is stored.
    #[schema(example = "available")]
    access: &'static str,
    credits_status: Option<CreditsStatus>,
}

impl ModelInfo {
    pub(crate) fn new(entry: CatalogueEntry) -> Self {
        let (capabilities, pricing) = (capabilities(&entry), pricing(&entry));
        let id = entry.id();
        let CatalogueEntry { provider, model, modality, access, facts: _, is_default, credits } = entry;
        let access = match access {
            Access::Available => "available",
            Access::Locked => "locked",
        };
        Self {
            is_default,
            object: "model",
            created: model.created.unwrap_or(0),
            owned_by: model.owned_by.unwrap_or_else(|| provider.to_string()),
            name: model.name.unwrap_or(model.id),
            id,
            version: "latest",
            modality,
            provider,
            capabilities,
            pricing,
            source: None,
            size_bytes: None,
            local_path: None,
            last_used_at: None,
            status: "available",
            availability: Availability { provider, access, credits_status: credits.map(CreditsStatus::from) },
        }
    }

    /// What a list shows of a model whose plain name leads to another provider: nothing, unless it is the default.
    pub(crate) fn prefixed_if_default(self) -> Option<Self> {
        self.is_default.then(|| Self { id: format!("{}:{}", self.provider, self.id), ..self })
    }

    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_micros(self.created.saturating_mul(1_000_000))
    }
}

/// `None` where nothing at all is known.
fn capabilities(entry: &CatalogueEntry) -> Option<Capabilities> {
    let known = Capabilities {
        max_context_tokens: entry.context_tokens(),
        max_output_tokens: entry.facts.and_then(|facts| facts.max_output_tokens),
        vision: entry.facts.and_then(|facts| facts.vision),
        tools: entry.facts.and_then(|facts| facts.tools),
        ..Capabilities::default()
    };
    (known != Capabilities::default()).then_some(known)
}

fn pricing(entry: &CatalogueEntry) -> Option<Pricing> {
    let facts = entry.facts?;
    let prices = [facts.input_price, facts.output_price, facts.cached_input_price];
    prices.iter().any(Option::is_some).then_some(Pricing {
        currency: "USD",
        input_micros_per_million_tokens: facts.input_price,
        output_micros_per_million_tokens: facts.output_price,
        cached_micros_per_million_tokens: facts.cached_input_price,
    })
}
