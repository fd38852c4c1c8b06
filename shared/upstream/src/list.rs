//! What a provider lists.

use http::Method;
use llm_api_domain::WireFamily;

use crate::{
    Auth, Client, Endpoint, ListedModel, UpstreamError, address,
    client::Due,
    request::Request,
    wire::models::{self, Page},
};

/// A list this long is no list of models.
const MAX_PAGES: usize = 5;

impl Client {
    /// The models a provider lists; at most 10 seconds. Azure's deployments cannot be listed with a key: the call
    /// proves the key, and the list is empty.
    pub async fn models(
        &self,
        endpoint: &Endpoint,
        family: WireFamily,
        auth: Option<&Auth>,
    ) -> Result<Vec<ListedModel>, UpstreamError> {
        // Amazon lists models at another host than the one that the key was stored for.
        if family == WireFamily::AmazonBedrock {
            return Ok(Vec::new());
        }
        let due = Due::soon();
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let url = address::models(endpoint, family, after.as_deref(), &self.config().azure_api_version)?;
            let request = Request::new(Method::GET, url, family, auth)?;
            let (_, body) = self.ask_json(endpoint, &request, due).await?;
            let page = page(family, &body).ok_or_else(|| UpstreamError::bad("it is no list of models"))?;
            found.extend(page.models);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

fn page(family: WireFamily, body: &[u8]) -> Option<Page> {
    match family {
        WireFamily::OpenaiChat => models::parse(body).map(Page::only),
        WireFamily::AzureOpenai => models::parse(body).map(|_| Page::only(Vec::new())),
        WireFamily::AnthropicMessages => models::anthropic(body),
        WireFamily::GoogleGemini => models::gemini(body),
        WireFamily::AmazonBedrock | WireFamily::Unsupported => None,
    }
}
