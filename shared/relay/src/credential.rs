//! A provider credential: its parts, its masked form, and how it goes into the vault and out again.

use llm_api_crypto::{PROVIDER_KEY, RandomError, SealContext, Vault};
use llm_api_domain::{CredentialType, ProviderId, ProviderKeyId, UserId};
use llm_api_storage::SealedKey;
use llm_api_upstream::{Auth, AuthScheme};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::RelayError;

/// A credential in the clear. Cannot be printed.
#[derive(Clone, Debug)]
pub struct Credential {
    kind: CredentialType,
    secret: SecretString,
}

/// A part that this type of credential consists of was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is required for this credential_type")]
pub struct IncompleteCredential {
    pub field: &'static str,
}

/// The sealed text: JSON with the parts, as the Python service wrote them.
#[derive(Deserialize)]
struct Parts {
    api_key: Option<SecretString>,
    oauth_token: Option<SecretString>,
    service_account_json: Option<SecretString>,
}

impl Credential {
    /// Takes the part that `kind` consists of; empty texts count as missing, as clients send them for unused fields.
    pub fn new(
        kind: CredentialType,
        api_key: Option<SecretString>,
        oauth_token: Option<SecretString>,
        service_account_json: Option<SecretString>,
    ) -> Result<Self, IncompleteCredential> {
        let (secret, field) = match kind {
            CredentialType::ApiKey | CredentialType::EndpointKey => (api_key, "api_key"),
            CredentialType::OauthToken => (oauth_token, "oauth_token"),
            CredentialType::ServiceAccount => (service_account_json, "service_account_json"),
        };
        let secret = secret
            .map(|secret| SecretString::from(secret.expose_secret().trim()))
            .filter(|secret| !secret.expose_secret().is_empty())
            .ok_or(IncompleteCredential { field })?;
        Ok(Self { kind, secret })
    }

    /// What is sent to the provider; `None` for a credential that must first be exchanged for another.
    pub fn auth(&self) -> Option<Auth> {
        let scheme = match self.kind {
            CredentialType::ApiKey | CredentialType::EndpointKey => AuthScheme::Key,
            CredentialType::OauthToken => AuthScheme::OauthToken,
            CredentialType::ServiceAccount => return None,
        };
        Some(Auth { scheme, secret: self.secret.clone() })
    }

    /// First and last three characters, so that people can tell their keys apart.
    pub fn masked(&self) -> String {
        if self.kind == CredentialType::ServiceAccount {
            return "service_account_json".to_owned();
        }
        let characters: Vec<char> = self.secret.expose_secret().chars().collect();
        if characters.len() < 6 {
            return "***".to_owned();
        }
        let head: String = characters.iter().take(3).collect();
        let tail: String = characters.iter().skip(characters.len() - 3).collect();
        format!("{head}...{tail}")
    }

    /// Seals for this owner, provider and origin; it opens for no other.
    pub fn seal(
        &self,
        vault: &Vault,
        id: ProviderKeyId,
        owner: UserId,
        provider: ProviderId,
        origin: &str,
    ) -> Result<Vec<u8>, RandomError> {
        let field = match self.kind {
            CredentialType::ApiKey | CredentialType::EndpointKey => "api_key",
            CredentialType::OauthToken => "oauth_token",
            CredentialType::ServiceAccount => "service_account_json",
        };
        let text = SecretString::from(serde_json::json!({ field: self.secret.expose_secret() }).to_string());
        vault.seal(&context(id, owner, provider, origin), text.expose_secret().as_bytes())
    }

    /// Opens a stored key for the origin that it is about to be sent to.
    pub(crate) fn open(vault: &Vault, owner: UserId, key: &SealedKey, origin: &str) -> Result<Auth, RelayError> {
        let unusable = || RelayError::KeyUnusable(key.provider);
        let opened = vault.open(&context(key.id, owner, key.provider, origin), &key.sealed).map_err(|error| {
            tracing::warn!(%error, key_id = %key.id, provider = %key.provider, "a stored key does not open");
            unusable()
        })?;
        let parts: Parts = serde_json::from_slice(opened.plaintext.expose_secret()).map_err(|_| unusable())?;
        match parts {
            Parts { api_key: Some(secret), .. } => Ok(Auth { scheme: AuthScheme::Key, secret }),
            Parts { oauth_token: Some(secret), .. } => Ok(Auth { scheme: AuthScheme::OauthToken, secret }),
            Parts { service_account_json: Some(_), .. } => Err(RelayError::UnsupportedCredential(key.provider)),
            Parts { .. } => Err(unusable()),
        }
    }
}

fn context(id: ProviderKeyId, owner: UserId, provider: ProviderId, origin: &str) -> SealContext<'_> {
    SealContext {
        purpose: PROVIDER_KEY,
        record: id.as_uuid(),
        owner: owner.as_uuid(),
        provider: provider.as_str(),
        origin,
    }
}
