//! The search for models at Hugging Face's hub.

use llm_api_domain::{Modality, ProviderId};
use llm_api_upstream::{Endpoint, HubPage, HubQuery};

use crate::{Relay, RelayError};

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct HubSearch<'s> {
    pub hub: &'s Endpoint,
    pub query: &'s str,
    pub modality: Option<Modality>,
    pub limit: u32,
    /// From the page before.
    pub cursor: Option<&'s str>,
}

impl Relay {
    /// One page of what the hub finds.
    pub async fn search_hub(&self, search: HubSearch<'_>) -> Result<HubPage, RelayError> {
        let query = HubQuery {
            base_url: search.hub,
            query: search.query,
            pipeline_tag: search.modality.map(pipeline_tag),
            limit: search.limit,
            cursor: search.cursor,
        };
        let page = self.0.config.client.hub_search(query).await;
        page.map_err(|error| RelayError::Upstream { provider: ProviderId::Huggingface, error })
    }
}

fn pipeline_tag(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "text-generation",
        Modality::Image => "text-to-image",
        Modality::ThreeD => "text-to-3d",
    }
}
