//! Where each provider is reached, and the keys that the operator lends to everyone.

use std::collections::HashMap;

use llm_api_domain::{ProviderId, WireFamily};
use llm_api_upstream::{Auth, AuthScheme, Endpoint, EndpointError, Origin};
use secrecy::SecretString;

/// A key of the operator's, used for callers who stored none.
#[derive(Clone, Debug)]
pub struct ServerKey {
    pub provider: ProviderId,
    pub secret: SecretString,
}

/// The providers as this server is set up.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    endpoints: HashMap<ProviderId, Endpoint>,
    server_keys: HashMap<ProviderId, Auth>,
    /// Origins that users may name although they are not public.
    allow: Vec<Origin>,
}

impl ProviderSettings {
    /// `base_urls` are the operator's, in place of the providers' own; `local` is the operator's own server, when used.
    pub fn new(
        base_urls: &[(ProviderId, String)],
        local: Option<&str>,
        server_keys: Vec<ServerKey>,
        allow: Vec<Origin>,
    ) -> Result<Self, EndpointError> {
        let mut endpoints = HashMap::new();
        for provider in ProviderId::ALL {
            let given = base_urls.iter().find(|(named, _)| *named == provider).map(|(_, url)| url.as_str());
            if let Some(url) = given.or(provider.default_base_url()) {
                endpoints.insert(provider, Endpoint::operator(url)?);
            }
        }
        if let Some(local) = local {
            endpoints.insert(ProviderId::Local, Endpoint::operator(local)?);
        }
        let server_keys = server_keys
            .into_iter()
            .map(|key| (key.provider, Auth { scheme: AuthScheme::Key, secret: key.secret }))
            .collect();
        Ok(Self { endpoints, server_keys, allow })
    }

    /// Where calls go: the provider's own endpoint, or `base_url` where the user names one.
    pub fn endpoint(&self, provider: ProviderId, base_url: Option<&str>) -> Result<Option<Endpoint>, EndpointError> {
        match base_url {
            Some(url) => Endpoint::user(url, &self.allow).map(Some),
            None => Ok(self.endpoints.get(&provider).cloned()),
        }
    }

    pub(crate) fn server_key(&self, provider: ProviderId) -> Option<&Auth> {
        self.server_keys.get(&provider)
    }

    /// Providers that every caller can use without storing anything, as far as we can call them.
    pub(crate) fn shared(&self) -> impl Iterator<Item = ProviderId> + '_ {
        ProviderId::ALL.into_iter().filter(|provider| {
            provider.family() != WireFamily::Unsupported
                && (self.server_keys.contains_key(provider) && self.endpoints.contains_key(provider)
                    || (*provider == ProviderId::Local && self.endpoints.contains_key(provider)))
        })
    }
}
