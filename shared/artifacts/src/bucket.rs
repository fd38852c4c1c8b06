//! Files in S3-compatible storage, reached by addresses that carry their own signature.

use std::time::Duration;

use bytes::Bytes;
use llm_api_domain::Clock;
use llm_api_upstream::{Client, Endpoint, EndpointError, UpstreamError};
use rusty_s3::{Credentials, S3Action, UrlStyle};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Long enough for an upload that is tried again, with clocks that differ a little.
const SIGNED_FOR: Duration = Duration::from_mins(15);
/// So that the bucket may hold other things, too.
const FOLDER: &str = "artifacts";

/// Which bucket, and how to sign for it.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    pub name: String,
    /// `None` is Amazon's own in `region`; others are asked with the bucket's name in the path.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// Of temporary credentials, as AWS Lambda has them.
    pub session_token: Option<SecretString>,
}

/// Endpoint, region and bucket name make no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketAddressError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("the bucket's name does not fit into an address")]
    Name,
}

/// A bucket that can be reached.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    clock: Clock,
    endpoint: Endpoint,
    address: rusty_s3::Bucket,
    credentials: Credentials,
}

impl Bucket {
    /// Asks nothing of the bucket yet.
    pub fn new(config: &BucketConfig, client: Client, clock: Clock) -> Result<Self, BucketAddressError> {
        let BucketConfig { name, region, access_key_id: key, .. } = config;
        // The certificate of Amazon's names covers no bucket with a dot in its name.
        let in_path = config.endpoint.is_some() || name.contains('.');
        let style = if in_path { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let base = config.endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let base = Url::parse(&base).map_err(|_| EndpointError::NotAUrl)?;
        let valid = !name.is_empty() && name.trim_matches('.') == name;
        let address = rusty_s3::Bucket::new(base, style, name.clone(), region.clone()).ok();
        let address = address.filter(|_| valid).ok_or(BucketAddressError::Name)?;
        let secret = config.secret_access_key.expose_secret();
        let credentials = match &config.session_token {
            Some(token) => Credentials::new_with_token(key, secret, token.expose_secret()),
            None => Credentials::new(key, secret),
        };
        let endpoint = Endpoint::operator(address.base_url().as_str())?;
        Ok(Self { client, clock, endpoint, address, credentials })
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), UpstreamError> {
        let key = full(key);
        let url = self.signed(&self.address.put_object(Some(&self.credentials), &key));
        self.client.put_object(&self.endpoint, url, bytes).await
    }

    /// `None` when there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, UpstreamError> {
        let key = full(key);
        let url = self.signed(&self.address.get_object(Some(&self.credentials), &key));
        self.client.get_object(&self.endpoint, url).await
    }

    /// Nothing happens when there is none.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), UpstreamError> {
        let key = full(key);
        let url = self.signed(&self.address.delete_object(Some(&self.credentials), &key));
        self.client.delete_object(&self.endpoint, url).await
    }

    fn signed<'a>(&self, action: &impl S3Action<'a>) -> Url {
        let now = jiff::Timestamp::from_second(self.clock.now().as_secs()).unwrap_or_default();
        action.sign_with_time(SIGNED_FOR, &now)
    }
}

fn full(key: &str) -> String {
    format!("{FOLDER}/{key}")
}

#[cfg(test)]
mod tests {
    use llm_api_domain::Timestamp;
    use llm_api_upstream::UpstreamConfig;

    use super::*;

    fn bucket(name: &str, endpoint: Option<&str>, token: Option<&str>) -> Result<Bucket, BucketAddressError> {
        let config = BucketConfig {
            name: name.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            region: "eu-central-1".to_owned(),
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: token.map(SecretString::from),
        };
        let client = Client::new(&UpstreamConfig::default()).expect("a client");
        // Fri, 24 May 2013, as in Amazon's own examples.
        Bucket::new(&config, client, Clock::manual(Timestamp::from_micros(1_369_353_600_000_000)))
    }

    fn address(bucket: &Bucket) -> Url {
        bucket.signed(&bucket.address.get_object(Some(&bucket.credentials), &full("57/a")))
    }

    #[test]
    fn amazons_buckets_are_hosts_and_all_others_are_paths() {
        let base = |name, endpoint| address(&bucket(name, endpoint, None).expect("valid")).as_str().to_owned();
        let cases = [
            (base("files", None), "https://files.s3.eu-central-1.amazonaws.com/artifacts/57/a?"),
            (base("my.files", None), "https://s3.eu-central-1.amazonaws.com/my.files/artifacts/57/a?"),
            (base("files", Some("http://127.0.0.1:9000")), "http://127.0.0.1:9000/files/artifacts/57/a?"),
            (base("files", Some("https://x.example/s3/")), "https://x.example/s3/files/artifacts/57/a?"),
        ];
        for (address, beginning) in cases {
            assert!(address.starts_with(beginning), "{address}");
        }
        for name in ["", ".", "..", "a b", "a/b", "a@b", "A"] {
            assert!(bucket(name, None, None).is_err(), "{name}");
        }
        assert!(bucket("files", Some("ftp://x.example"), None).is_err());
    }

    #[test]
    fn an_address_is_signed_and_shows_no_secret() {
        let signed = bucket("files", None, Some("a token")).expect("valid");
        let url = address(&signed);
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["X-Amz-Credential"], "AKIAIOSFODNN7EXAMPLE/20130524/eu-central-1/s3/aws4_request");
        assert_eq!((query["X-Amz-Date"].as_str(), query["X-Amz-Expires"].as_str()), ("20130524T000000Z", "900"));
        assert_eq!((query["X-Amz-Security-Token"].as_str(), query["X-Amz-Signature"].len()), ("a token", 64));
        let printed = format!("{signed:?}");
        assert!(!printed.contains("EXAMPLEKEY") && !printed.contains("a token"), "{printed}");
    }
}
