//! The credential of a call, and the headers that carry it.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use llm_api_domain::{Timestamp, WireFamily};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{AwsCredential, Detail, UpstreamError};

/// What kind of secret a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    Key,
    OauthToken,
}

/// What a provider knows us by.
#[derive(Clone)]
pub struct Auth {
    pub scheme: AuthScheme,
    pub secret: SecretString,
}

impl Auth {
    pub fn key(secret: impl Into<SecretString>) -> Self {
        Self { scheme: AuthScheme::Key, secret: secret.into() }
    }

    pub fn oauth_token(secret: impl Into<SecretString>) -> Self {
        Self { scheme: AuthScheme::OauthToken, secret: secret.into() }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

const ANTHROPIC_VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
/// Anthropic takes OAuth tokens only from callers that name this.
const ANTHROPIC_OAUTH: (&str, &str) = ("anthropic-beta", "oauth-2025-04-20");

/// The headers by which one family knows a caller. Never a part of a URL: those end up in logs.
pub(crate) struct AuthHeaders {
    credential: Option<(HeaderName, HeaderValue)>,
    /// Signs each try anew.
    signed: Option<Box<AwsCredential>>,
    fixed: &'static [(&'static str, &'static str)],
}

impl AuthHeaders {
    /// For servers that want no credential.
    pub(crate) const NONE: Self = Self { credential: None, signed: None, fixed: &[] };

    pub(crate) fn new(family: WireFamily, auth: Option<&Auth>) -> Result<Self, UpstreamError> {
        if let (WireFamily::AmazonBedrock, Some(auth)) = (family, auth)
            && let Ok(signed) = AwsCredential::parse(auth.secret.expose_secret())
        {
            return Ok(Self { credential: None, signed: Some(Box::new(signed)), fixed: &[] });
        }
        let credential = auth.map(|auth| credential(family, auth)).transpose().map_err(|_| unsendable())?;
        let fixed: &[_] = match (family, auth.map(|auth| auth.scheme)) {
            (WireFamily::AnthropicMessages, Some(AuthScheme::OauthToken)) => &[ANTHROPIC_VERSION, ANTHROPIC_OAUTH],
            (WireFamily::AnthropicMessages, Some(AuthScheme::Key) | None) => &[ANTHROPIC_VERSION],
            (
                WireFamily::OpenaiChat
                | WireFamily::AzureOpenai
                | WireFamily::GoogleGemini
                | WireFamily::AmazonBedrock
                | WireFamily::Unsupported,
                _,
            ) => &[],
        };
        Ok(Self { credential, signed: None, fixed })
    }

    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = &self.credential {
            headers.insert(name, value.clone());
        }
        for (name, value) in self.fixed {
            headers.insert(*name, HeaderValue::from_static(value));
        }
    }

    /// Adds what depends on the request itself, where the provider wants that.
    pub(crate) fn sign(
        &self,
        (method, url, body): (&Method, &Url, &[u8]),
        now: Timestamp,
        headers: &mut HeaderMap,
    ) -> Result<(), UpstreamError> {
        let Some(credential) = &self.signed else { return Ok(()) };
        let now = jiff::Timestamp::from_microsecond(now.as_micros()).map_err(|_| unsendable())?;
        credential.add_to((method, url, body), now, headers).map_err(|_| unsendable())
    }

    /// Adds a header of the caller's: their version of an API in place of ours, their betas beside ours, and never a
    /// credential.
    pub(crate) fn pass_on(&self, headers: &mut HeaderMap, name: &HeaderName, value: &HeaderValue) {
        match name.as_str() {
            "anthropic-version" => drop(headers.insert(name, value.clone())),
            _ if self.credential.as_ref().is_some_and(|(own, _)| own == name) => {}
            _ => drop(headers.append(name, value.clone())),
        }
    }
}

fn credential(family: WireFamily, auth: &Auth) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
    let secret = auth.secret.expose_secret();
    let own_header = match (auth.scheme, family) {
        // A key of Bedrock's own is a bearer token; what is signed has none of these.
        (AuthScheme::OauthToken, _)
        | (AuthScheme::Key, WireFamily::OpenaiChat | WireFamily::AmazonBedrock | WireFamily::Unsupported) => None,
        (AuthScheme::Key, WireFamily::AzureOpenai) => Some("api-key"),
        (AuthScheme::Key, WireFamily::AnthropicMessages) => Some("x-api-key"),
        (AuthScheme::Key, WireFamily::GoogleGemini) => Some("x-goog-api-key"),
    };
    let (name, mut value) = match own_header {
        Some(name) => (HeaderName::from_static(name), HeaderValue::from_str(secret)?),
        None => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {secret}"))?),
    };
    value.set_sensitive(true);
    Ok((name, value))
}

/// A key that fits into no header would be rejected by every provider.
fn unsendable() -> UpstreamError {
    let message = "The key has characters that cannot be sent.".to_owned();
    UpstreamError::KeyRejected { status: 401, detail: Detail { message, ..Detail::default() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(family: WireFamily, auth: Option<&Auth>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        AuthHeaders::new(family, auth).expect("sendable").add_to(&mut headers);
        for (name, value) in &headers {
            assert_eq!(value.is_sensitive(), !name.as_str().starts_with("anthropic-"), "{name}");
        }
        let shown = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect()
    }

    #[test]
    fn each_family_has_its_own_headers() {
        const VERSION: &str = "anthropic-version: 2023-06-01";
        type Lines = &'static [&'static str];
        let cases: [(WireFamily, Lines, Lines, Lines); 4] = [
            (WireFamily::OpenaiChat, &["authorization: Bearer k"], &["authorization: Bearer t"], &[]),
            (WireFamily::AzureOpenai, &["api-key: k"], &["authorization: Bearer t"], &[]),
            (WireFamily::GoogleGemini, &["x-goog-api-key: k"], &["authorization: Bearer t"], &[]),
            (
                WireFamily::AnthropicMessages,
                &["x-api-key: k", VERSION],
                &["authorization: Bearer t", VERSION, "anthropic-beta: oauth-2025-04-20"],
                &[VERSION],
            ),
        ];
        let (key, token) = (Auth::key("k"), Auth::oauth_token("t"));
        for (family, with_key, with_token, without) in cases {
            assert_eq!(sent(family, Some(&key)), with_key);
            assert_eq!(sent(family, Some(&token)), with_token);
            assert_eq!(sent(family, None), without);
        }
    }

    #[test]
    fn a_secret_is_neither_printed_nor_bent() {
        assert!(!format!("{:?}", Auth::key("hidden")).contains("hidden"));
        for family in [WireFamily::OpenaiChat, WireFamily::GoogleGemini] {
            let refused = AuthHeaders::new(family, Some(&Auth::key("line\nbreak"))).err();
            assert!(matches!(refused, Some(UpstreamError::KeyRejected { .. })));
        }
    }
}
