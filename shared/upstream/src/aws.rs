//! What Amazon knows a caller by: a pair of keys to sign with, or an API key of Bedrock; and where its calls go.

use std::{collections::HashMap, fmt};

use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::IgnoredAny};
use url::Url;

use crate::{UpstreamError, address, sigv4::Signer};

/// The name that calls are signed for.
const SERVICE: &str = "bedrock";
const LONGEST_REGION: usize = 32;

/// Why a text is no credential for Amazon Bedrock; a sentence for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AwsCredentialError {
    #[error(
        "a credential for Amazon Bedrock is a JSON object with `region` and either `access_key_id` and \
         `secret_access_key` (and `session_token` where there is one) or `api_key`"
    )]
    NotAnObject,
    #[error("the credential for Amazon Bedrock has no `{0}`")]
    Missing(&'static str),
    #[error("the `region` of the credential for Amazon Bedrock is no region such as `us-east-1`")]
    Region,
    #[error("the credential for Amazon Bedrock has letters that cannot be sent")]
    Unsendable,
}

/// A credential with the region that it is used in.
#[derive(Clone)]
pub struct AwsCredential {
    region: Box<str>,
    access: Access,
}

#[derive(Clone)]
enum Access {
    Keys {
        id: Box<str>,
        secret: SecretString,
        session_token: Option<SecretString>,
    },
    /// Sent as it is.
    ApiKey(SecretString),
}

/// A member of the stored object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(SecretString),
    Other(IgnoredAny),
}

impl AwsCredential {
    /// Reads a JSON object with `region` and `access_key_id`, `secret_access_key`, `session_token`, or with `region` and
    /// `api_key`. The names of AWS's environment variables (`AWS_ACCESS_KEY_ID`, `AWS_BEARER_TOKEN_BEDROCK`, …) and
    /// those that its own tools print (`AccessKeyId`, …) are taken too. Of both kinds the API key is used.
    pub fn parse(text: &str) -> Result<Self, AwsCredentialError> {
        let fields: HashMap<String, Field> = serde_json::from_str(text).map_err(|_| AwsCredentialError::NotAnObject)?;
        let named = |wanted: &&str| {
            fields.iter().filter(|(name, _)| folded(name) == **wanted).find_map(|(_, field)| match field {
                Field::Text(text) if !text.expose_secret().trim().is_empty() => Some(trimmed(text)),
                Field::Text(_) | Field::Other(_) => None,
            })
        };
        let known = |names: &[&str]| names.iter().find_map(named);
        let region = known(&["region", "defaultregion"]).ok_or(AwsCredentialError::Missing("region"))?;
        let access = match known(&["apikey", "bearertokenbedrock"]) {
            Some(key) => Access::ApiKey(key),
            None => Access::Keys {
                id: known(&["accesskeyid"]).ok_or(AwsCredentialError::Missing("access_key_id"))?.expose_secret().into(),
                secret: known(&["secretaccesskey"]).ok_or(AwsCredentialError::Missing("secret_access_key"))?,
                session_token: known(&["sessiontoken"]),
            },
        };
        Self::checked(region.expose_secret(), access)
    }

    fn checked(region: &str, access: Access) -> Result<Self, AwsCredentialError> {
        // It stands in the name of the host.
        let is_region = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        let is_edge = |edge: Option<u8>| edge.is_some_and(|letter| letter.is_ascii_alphanumeric());
        let (first, last) = (region.bytes().next(), region.bytes().last());
        if region.len() > LONGEST_REGION || !region.bytes().all(is_region) || !is_edge(first) || !is_edge(last) {
            return Err(AwsCredentialError::Region);
        }
        let sendable = |text: &str| HeaderValue::from_str(text).is_ok();
        let is_sendable = match &access {
            Access::Keys { id, session_token, .. } => {
                sendable(id) && session_token.as_ref().is_none_or(|token| sendable(token.expose_secret()))
            }
            Access::ApiKey(key) => sendable(key.expose_secret()),
        };
        if !is_sendable {
            return Err(AwsCredentialError::Unsendable);
        }
        Ok(Self { region: region.into(), access })
    }

    /// Such as `us-east-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where the region's models are called, such as `https://bedrock-runtime.us-east-1.amazonaws.com`.
    pub fn runtime_url(&self) -> String {
        self.host("bedrock-runtime")
    }

    /// Where the region's models are listed, such as `https://bedrock.us-east-1.amazonaws.com`.
    pub fn control_url(&self) -> String {
        self.host("bedrock")
    }

    fn host(&self, service: &str) -> String {
        let region = self.region();
        let domain = match region {
            region if region.starts_with("cn-") => "amazonaws.com.cn",
            region if region.starts_with("eusc-") => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        format!("https://{service}.{region}.{domain}")
    }

    /// What is sent of it, and so is to be taken out of what comes back.
    pub fn sent(&self) -> Option<&SecretString> {
        match &self.access {
            Access::Keys { session_token, .. } => session_token.as_ref(),
            Access::ApiKey(key) => Some(key),
        }
    }

    /// Adds the headers that let the request pass. A signature is good for some minutes after `now`, and for this
    /// method, address and body alone: another try later needs a new one.
    pub(crate) fn add_to(
        &self,
        (method, url, body): (&Method, &Url, &[u8]),
        now: Timestamp,
        headers: &mut HeaderMap,
    ) -> Result<(), InvalidHeaderValue> {
        match &self.access {
            Access::Keys { id, secret, session_token } => {
                let signer = Signer {
                    access_key_id: id,
                    secret_access_key: secret,
                    session_token: session_token.as_ref(),
                    region: &self.region,
                    service: SERVICE,
                };
                signer.sign((method, url, body), now, headers)
            }
            Access::ApiKey(key) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for AwsCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredential").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Where a model's replies are asked for. `model` is an id or an ARN: one segment of the path either way.
pub(crate) fn converse(base_url: &str, model: &str, stream: bool) -> Result<Url, UpstreamError> {
    let action = if stream { "converse-stream" } else { "converse" };
    address::parse(&format!("{}/model/{}/{action}", base_url.trim_end_matches('/'), address::segment(model)?))
}

/// A member's name in one spelling.
fn folded(name: &str) -> String {
    let letters: String = name.chars().filter(|letter| *letter != '_').collect();
    let lower = letters.to_ascii_lowercase();
    lower.strip_prefix("aws").map_or_else(|| lower.clone(), str::to_owned)
}

fn trimmed(text: &SecretString) -> SecretString {
    text.expose_secret().trim().to_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(credential: &AwsCredential) -> HeaderMap {
        let url = converse(&credential.runtime_url(), "amazon.nova-lite-v1:0", false).expect("an address");
        let mut headers = HeaderMap::new();
        credential.add_to((&Method::POST, &url, b"{}"), Timestamp::UNIX_EPOCH, &mut headers).expect("sendable");
        headers
    }

    #[test]
    fn keys_are_known_by_any_usual_name() {
        for text in [
            r#"{"access_key_id":"AKIDX","secret_access_key":"hidden","region":"eu-west-1","session_token":"tok"}"#,
            r#"{"AWS_ACCESS_KEY_ID":"AKIDX","AWS_SECRET_ACCESS_KEY":" hidden ","AWS_SESSION_TOKEN":"tok","AWS_REGION":"eu-west-1"}"#,
            r#"{"AccessKeyId":"AKIDX","SecretAccessKey":"hidden","SessionToken":"tok","Expiration":1,"AWS_DEFAULT_REGION":"eu-west-1"}"#,
        ] {
            let credential = AwsCredential::parse(text).expect("a credential");
            assert_eq!(credential.region(), "eu-west-1");
            assert_eq!(credential.runtime_url(), "https://bedrock-runtime.eu-west-1.amazonaws.com");
            assert_eq!(credential.sent().map(ExposeSecret::expose_secret), Some("tok"));
            let headers = sent(&credential);
            let authorization = headers[AUTHORIZATION].to_str().expect("text");
            assert!(authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDX/19700101/eu-west-1/bedrock/aws4_request, \
                 SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
            ));
            assert_eq!(headers["x-amz-security-token"], "tok");
            let shown = format!("{credential:?} {headers:?}");
            assert!(!["hidden", "tok\"", "AKIDX"].iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }

    #[test]
    fn an_api_key_is_sent_as_it_is() {
        for text in [
            r#"{"api_key":"hidden","region":"us-gov-west-1"}"#,
            r#"{"AWS_BEARER_TOKEN_BEDROCK":"hidden","AWS_REGION":"us-gov-west-1","AWS_ACCESS_KEY_ID":"x"}"#,
        ] {
            let credential = AwsCredential::parse(text).expect("a credential");
            let headers = sent(&credential);
            assert_eq!(headers.len(), 1);
            assert_eq!(headers[AUTHORIZATION], "Bearer hidden");
            assert!(!format!("{credential:?} {headers:?}").contains("hidden"));
            assert_eq!(credential.sent().map(ExposeSecret::expose_secret), Some("hidden"));
        }
    }

    #[test]
    fn each_part_of_the_world_has_its_domain() {
        for (region, url) in [
            ("cn-north-1", "https://bedrock.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "https://bedrock.eusc-de-east-1.amazonaws.eu"),
            ("us-east-1", "https://bedrock.us-east-1.amazonaws.com"),
        ] {
            let text = format!(r#"{{"api_key":"k","region":"{region}"}}"#);
            assert_eq!(AwsCredential::parse(&text).expect("a credential").control_url(), url);
        }
    }

    #[test]
    fn a_text_that_is_no_credential_is_refused_without_repeating_it() {
        use AwsCredentialError::{Missing, NotAnObject, Region, Unsendable};
        for (text, error) in [
            ("secret-text", NotAnObject),
            (r#"["secret-text"]"#, NotAnObject),
            (r#"{"api_key":"secret-text"}"#, Missing("region")),
            (r#"{"api_key":"","region":"us-east-1"}"#, Missing("access_key_id")),
            (r#"{"api_key":7,"region":"us-east-1"}"#, Missing("access_key_id")),
            (r#"{"access_key_id":"secret-text","region":"us-east-1"}"#, Missing("secret_access_key")),
            (r#"{"api_key":"secret-text","region":"evil.test/"}"#, Region),
            (r#"{"api_key":"secret-text","region":"US-EAST-1"}"#, Region),
            (r#"{"api_key":"secret-text","region":"-a"}"#, Region),
            (r#"{"api_key":"secret\ntext","region":"us-east-1"}"#, Unsendable),
        ] {
            let refused = AwsCredential::parse(text).expect_err("no credential");
            assert_eq!(refused, error, "{text}");
            assert!(!format!("{refused} {refused:?}").contains("secret-text"));
        }
    }

    #[test]
    fn a_model_is_one_segment() {
        let url = |model, stream| converse("https://a.test/", model, stream).map(|url| url.to_string());
        assert_eq!(url("a.b-v1:0", false).expect("an address"), "https://a.test/model/a.b-v1%3A0/converse");
        let profile = "arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b";
        assert_eq!(
            url(profile, true).expect("an address"),
            "https://a.test/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a.b/converse-stream"
        );
        assert!(url("..", false).is_err());
    }
}
