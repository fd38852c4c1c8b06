//! Settings that stand in a secret of AWS Secrets Manager: read once, when the function starts, by one signed call.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use llm_api_app::{SecretArn, Sources};
use llm_api_domain::Clock;
use llm_api_upstream::{PlainClient, PlainError, PlainReply};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::signature::Signing;

/// AWS gives a start ten seconds, and the database needs some of them.
const PATIENCE: Duration = Duration::from_secs(4);
const KIND: &str = "application/x-amz-json-1.1";
const TARGET: &str = "secretsmanager.GetSecretValue";
const OWN_ADDRESS: &str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";

/// Why there are no settings. The texts hold nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("LLM_API_SECRETS_ARN needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which AWS Lambda sets")]
    NoCredentials,
    #[error("LLM_API_SECRETS_ARN: {place} is asked for secrets without TLS, which only this machine may be")]
    Readable { place: String },
    #[error("LLM_API_SECRETS_ARN: asking {place} for the secret failed: {source}")]
    Failed {
        place: String,
        #[source]
        source: PlainError,
    },
    #[error("LLM_API_SECRETS_ARN: {place} refuses the secret: {reason}")]
    Refused { place: String, reason: String },
    #[error(
        "LLM_API_SECRETS_ARN: the secret must be a JSON object of texts, such as {{\"LLM_API_DATABASE_URL\": \"…\"}}"
    )]
    Shape,
}

/// The variables in the secret and their values.
pub(crate) async fn read(
    arn: &SecretArn,
    sources: &Sources,
    clock: &Clock,
) -> Result<Vec<(String, SecretString)>, SecretError> {
    let client = PlainClient::new(&address(arn, sources), PATIENCE);
    // What cannot be an address may hold a password.
    let client = client.map_err(|source| SecretError::Failed { place: OWN_ADDRESS.to_owned(), source })?;
    let place = client.base_url().to_owned();
    if client.is_readable_on_the_way() {
        return Err(SecretError::Readable { place });
    }
    let reply = ask(&client, arn, sources, clock).await?;
    let reply = reply.map_err(|source| SecretError::Failed { place: place.clone(), source })?;
    if !reply.status.is_success() {
        return Err(SecretError::Refused { place, reason: refusal(&reply) });
    }
    settings(&reply)
}

/// The region's address, or the one that AWS's own tools would take in its place.
fn address(arn: &SecretArn, sources: &Sources) -> String {
    let domain = if arn.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let own = || format!("https://secretsmanager.{}.{domain}", arn.region);
    sources.aws(OWN_ADDRESS).map_or_else(own, str::to_owned)
}

async fn ask(
    client: &PlainClient,
    arn: &SecretArn,
    sources: &Sources,
    clock: &Clock,
) -> Result<Result<PlainReply, PlainError>, SecretError> {
    let secret = sources.aws("AWS_SECRET_ACCESS_KEY").map(SecretString::from).ok_or(SecretError::NoCredentials)?;
    let access_key_id = sources.aws("AWS_ACCESS_KEY_ID").ok_or(SecretError::NoCredentials)?;
    let now = Timestamp::from_second(clock.now().as_secs()).unwrap_or_default();
    let at = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (region, service) = (arn.region.as_str(), "secretsmanager");
    let signing = Signing { access_key_id, secret_access_key: &secret, region, service, at: &at };

    let host = client.base_url().split("://").nth(1).unwrap_or_default();
    let token = sources.aws("AWS_SESSION_TOKEN");
    let mut headers = vec![("content-type", KIND), ("host", host), ("x-amz-date", &*at)];
    headers.extend(token.map(|token| ("x-amz-security-token", token)));
    headers.push(("x-amz-target", TARGET));
    let body = json!({ "SecretId": arn.text }).to_string();
    let authorization = signing.authorization(&headers, body.as_bytes());

    let mut request = client.post("/").header("authorization", &authorization);
    // The client says the host by itself.
    for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
        request = request.header(name, value);
    }
    Ok(request.body(Bytes::from(body)).send().await)
}

/// The name that AWS gives to the error; for the two that happen, what to do.
fn refusal(reply: &PlainReply) -> String {
    let body = reply.json();
    let kind = body["__type"].as_str().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    match kind {
        "AccessDeniedException" => {
            "the function's role may not read it (secretsmanager:GetSecretValue, and kms:Decrypt with a key of your own)"
                .to_owned()
        }
        "ResourceNotFoundException" => "there is none of this name, or it has no value".to_owned(),
        kind if !kind.is_empty() && kind.len() < 64 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{kind} ({})", reply.status.as_u16())
        }
        _ => format!("status {}", reply.status.as_u16()),
    }
}

fn settings(reply: &PlainReply) -> Result<Vec<(String, SecretString)>, SecretError> {
    let answer: Value = reply.json();
    let text = answer["SecretString"].as_str().map(SecretString::from).ok_or(SecretError::Shape)?;
    // Not by `?`: the parser's own message quotes the text.
    let settings: BTreeMap<String, SecretString> =
        serde_json::from_str(text.expose_secret()).map_err(|_| SecretError::Shape)?;
    Ok(settings.into_iter().collect())
}
