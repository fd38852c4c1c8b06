use std::sync::Arc;

use axum::extract::State;
use llm_api_app::Config;
use llm_api_domain::{Modality, ProviderId};
use llm_api_storage::Store;
use llm_api_web::{Any, ApiError, Caller, Json};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderList {
    providers: Vec<ProviderView>,
}

/// A provider, and whether the caller has a key for it.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct ProviderView {
    #[schema(value_type = String, example = "openai")]
    name: ProviderId,
    /// Looks at the caller's own keys alone, not at the operator's.
    configured: bool,
    #[schema(value_type = Vec<String>, example = json!(["text"]))]
    supported_modalities: &'static [Modality],
}

/// The providers that can be called.
#[utoipa::path(get, path = "/v1/providers", tag = "models",
    responses((status = 200, body = ProviderList), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn providers(
    State(store): State<Store>,
    State(config): State<Arc<Config>>,
    caller: Caller<Any>,
) -> Result<Json<ProviderList>, ApiError> {
    let keys = store.provider_keys().list(caller.user).await?;
    let stored: Vec<ProviderId> = keys.iter().map(|key| key.provider).collect();
    Ok(Json(ProviderList { providers: views(&stored, config.local_base_url.is_some()) }))
}

/// In the order of [`ProviderId::ALL`], which has the operator's own server behind all others.
fn views(stored: &[ProviderId], has_local: bool) -> Vec<ProviderView> {
    let shown = ProviderId::ALL.into_iter().filter(|provider| match provider {
        ProviderId::Local => has_local,
        ProviderId::Other => false,
        _ => true,
    });
    let view = |name: ProviderId| ProviderView {
        name,
        configured: name == ProviderId::Local || stored.contains(&name),
        supported_modalities: modalities(name),
    };
    shown.map(view).collect()
}

fn modalities(provider: ProviderId) -> &'static [Modality] {
    match provider {
        ProviderId::Openai | ProviderId::Huggingface => &[Modality::Text, Modality::Image],
        _ => &[Modality::Text],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_one_clients_know_and_local_comes_last() {
        let with_local = views(&[ProviderId::Groq], true);
        let names: Vec<&str> = with_local.iter().map(|view| view.name.as_str()).collect();
        let known = ["openai", "anthropic", "google", "azure", "xai", "deepseek", "groq", "huggingface"];
        assert_eq!(names[..8], known);
        assert_eq!(names[8..], ["openrouter", "mistral", "together", "fireworks", "bedrock", "custom", "local"]);
        let configured: Vec<_> = with_local.iter().filter(|view| view.configured).map(|view| view.name).collect();
        assert_eq!(configured, [ProviderId::Groq, ProviderId::Local]);
        let without = views(&[], false);
        assert!(without.iter().all(|view| view.name != ProviderId::Local && !view.configured));
    }
}
