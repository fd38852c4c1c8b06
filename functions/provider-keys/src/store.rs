use axum::extract::State;
use http::StatusCode;
use llm_api_domain::{CredentialType, ProviderId, ProviderKeyId};
use llm_api_relay::{Credential, Relay};
use llm_api_storage::{KeyStatus, NewProviderKey, Store};
use llm_api_upstream::{AwsCredential, Endpoint, UpstreamError};
use llm_api_web::{ApiError, Audit, Caller, Json, Keys};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::view::ProviderKeyView;

/// Empty texts count as missing: clients send them for fields that a credential does not have.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct StoreKey {
    #[schema(example = "openai")]
    provider: String,
    /// `api_key` when not given.
    #[schema(example = "api_key")]
    credential_type: Option<String>,
    #[schema(value_type = Option<String>)]
    api_key: Option<SecretString>,
    /// The address of your own endpoint, for providers that have none of their own.
    #[schema(example = "https://llm.example.com/v1")]
    endpoint: Option<String>,
    #[schema(value_type = Option<String>)]
    oauth_token: Option<SecretString>,
    #[schema(value_type = Option<String>)]
    service_account_json: Option<SecretString>,
}

/// Store the caller's key for a provider, in place of an earlier one. It is tried once, and `status` tells the result.
#[utoipa::path(post, path = "/v1/users/provider-keys", tag = "provider-keys", request_body = StoreKey,
    responses((status = 201, body = ProviderKeyView), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn store(
    State(store): State<Store>,
    State(relay): State<Relay>,
    caller: Caller<Keys>,
    Audit(context): Audit,
    Json(body): Json<StoreKey>,
) -> Result<(StatusCode, Json<ProviderKeyView>), ApiError> {
    let provider = provider(&body.provider)?;
    let kind = credential_type(body.credential_type.as_deref())?;
    let base_url = match provider {
        ProviderId::Bedrock => Some(bedrock_url(body.endpoint, body.api_key.as_ref())?),
        _ => base_url(provider, kind, body.endpoint)?,
    };
    let credential = Credential::new(kind, body.api_key, body.oauth_token, body.service_account_json)
        .map_err(|missing| ApiError::bad_request(missing.to_string()))?;
    let endpoint = relay
        .providers()
        .endpoint(provider, base_url.as_deref())
        .map_err(|error| ApiError::bad_request(format!("endpoint: {error}")))?;
    // A provider without an address is one that we cannot call: its key is kept, and goes nowhere.
    let origin = endpoint.as_ref().map_or_else(|| "none".to_owned(), |endpoint| endpoint.origin_text().to_owned());
    let (status, detail) = probe(&relay, provider, endpoint.as_ref(), &credential).await;

    let id = ProviderKeyId::new(context.now);
    let sealed = credential.seal(relay.vault(), id, caller.user, provider, &origin).map_err(ApiError::internal)?;
    let key = NewProviderKey {
        id,
        user: caller.user,
        provider,
        credential_type: kind,
        base_url,
        origin,
        sealed,
        masked_key: credential.masked(),
        status,
        status_detail: detail,
        checked_at: (status != KeyStatus::Unchecked).then_some(context.now),
    };
    let stored = store.provider_keys().put(&key, &context.by(caller.user)).await?;
    Ok((StatusCode::CREATED, Json(stored.into())))
}

fn provider(name: &str) -> Result<ProviderId, ApiError> {
    match name.trim().parse::<ProviderId>() {
        Ok(provider) if provider.takes_stored_key() => Ok(provider),
        Ok(_) => Err(ApiError::bad_request("provider: local is the operator's own server and needs no key")),
        Err(_) => {
            let known: Vec<&str> =
                ProviderId::ALL.into_iter().filter(|p| p.takes_stored_key()).map(ProviderId::as_str).collect();
            Err(ApiError::invalid_field("provider", format!("must be one of {}", known.join(", "))))
        }
    }
}

fn credential_type(name: Option<&str>) -> Result<CredentialType, ApiError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(CredentialType::default()) };
    CredentialType::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
        let known = CredentialType::ALL.map(CredentialType::as_str).join(", ");
        ApiError::invalid_field("credential_type", format!("must be one of {known}"))
    })
}

/// The user's own endpoint, where this provider and credential have one.
fn base_url(provider: ProviderId, kind: CredentialType, endpoint: Option<String>) -> Result<Option<String>, ApiError> {
    let endpoint = endpoint.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let required = kind == CredentialType::EndpointKey || provider == ProviderId::Custom;
    match endpoint {
        None if required => Err(ApiError::bad_request("endpoint is required for this provider or credential_type")),
        Some(_) if !required && provider.default_base_url().is_some() => {
            let message = format!("endpoint: {provider} has its own address; store an own endpoint as provider custom");
            Err(ApiError::bad_request(message))
        }
        endpoint => Ok(endpoint),
    }
}

/// The address of the region that stands in the credential; a key alone needs the address beside it.
fn bedrock_url(endpoint: Option<String>, api_key: Option<&SecretString>) -> Result<String, ApiError> {
    if let Some(endpoint) = endpoint.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
        return Ok(endpoint);
    }
    let credential = AwsCredential::parse(api_key.map_or("", |key| key.expose_secret()));
    credential
        .map(|credential| credential.runtime_url())
        .map_err(|error| ApiError::bad_request(format!("api_key: {error}")))
}

async fn probe(
    relay: &Relay,
    provider: ProviderId,
    endpoint: Option<&Endpoint>,
    credential: &Credential,
) -> (KeyStatus, Option<String>) {
    let Some(endpoint) = endpoint.filter(|_| Relay::can_call(provider)) else {
        return (KeyStatus::Unchecked, Some(format!("This version cannot call {provider} yet; the key is kept")));
    };
    let Some(auth) = credential.auth() else {
        return (KeyStatus::Unchecked, Some("A service account is kept, but cannot be used to generate".to_owned()));
    };
    match relay.probe(provider, endpoint, &auth).await {
        Ok(_) if !provider.lists_models_by_key() => {
            (KeyStatus::Unchecked, Some("The key is tried when it is used first".to_owned()))
        }
        // Azure lists no deployments.
        Ok(0) => (KeyStatus::Valid, Some("The provider accepts the key".to_owned())),
        Ok(models) => (KeyStatus::Valid, Some(format!("The provider lists {models} models"))),
        Err(error @ UpstreamError::KeyRejected { .. }) => (KeyStatus::Rejected, Some(error.to_string())),
        // Some servers have no list of models: the key may still be good.
        Err(UpstreamError::Refused { status: 404 | 405, .. }) => {
            (KeyStatus::Unchecked, Some("The provider has no list of models to try the key with".to_owned()))
        }
        Err(error) => (KeyStatus::Unreachable, Some(error.to_string())),
    }
}
