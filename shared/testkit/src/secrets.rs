//! AWS Secrets Manager with one secret, given to those who sign for it.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::serve::{Body, Loopback, full, listen, serve};

/// On a loopback port of its own. It ends when dropped.
#[derive(Debug)]
pub struct FakeSecrets {
    endpoint: String,
    _server: Loopback,
}

impl FakeSecrets {
    pub const ARN: &'static str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:llm-api-AbCdEf";
    const KEY_ID: &'static str = "ASIATESTKEY";
    const TOKEN: &'static str = "the token of the session";

    /// `secret` is what `GetSecretValue` answers as `SecretString`.
    pub async fn start(secret: impl Into<String>) -> Self {
        let listener = listen().await;
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound listener"));
        let secret: Arc<str> = secret.into().into();
        let host: Arc<str> = endpoint.trim_start_matches("http://").into();
        let server = serve(listener, move |request| answer(Arc::clone(&secret), Arc::clone(&host), request));
        Self { endpoint, _server: server }
    }

    /// What makes a function read the secret, with the credentials that AWS Lambda would set.
    pub fn envs(&self) -> [(&str, &str); 5] {
        [
            ("LLM_API_SECRETS_ARN", Self::ARN),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", Self::KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", "the-secret-of-the-role"),
            ("AWS_SESSION_TOKEN", Self::TOKEN),
        ]
    }
}

/// Signed for this service and region, with everything that is sent under the signature.
fn is_signed(headers: &HeaderMap, host: &str) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let date = says("x-amz-date");
    let begin = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}/eu-central-1/secretsmanager/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
        FakeSecrets::KEY_ID,
        date.get(..8).unwrap_or_default(),
    );
    let signature = says("authorization").strip_prefix(&begin).unwrap_or_default();
    says("host") == host
        && date.len() == "20150830T123600Z".len()
        && says("x-amz-security-token") == FakeSecrets::TOKEN
        && signature.len() == 64
        && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn answer(secret: Arc<str>, host: Arc<str>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let refused = |kind: &str| {
        // Amazon's own messages are longer, and name the caller.
        reply(StatusCode::BAD_REQUEST, &json!({ "__type": kind, "Message": "not for you" }))
    };
    let is_get = head.method == "POST"
        && head.headers.get("x-amz-target").is_some_and(|target| target == "secretsmanager.GetSecretValue");
    if !is_get {
        return refused("com.amazon.coral.service#UnknownOperationException");
    }
    if !is_signed(&head.headers, &host) {
        return refused("AccessDeniedException");
    }
    if body != json!({ "SecretId": FakeSecrets::ARN }) {
        return refused("ResourceNotFoundException");
    }
    reply(StatusCode::OK, &json!({ "ARN": FakeSecrets::ARN, "Name": "llm-api", "SecretString": &*secret }))
}

fn reply(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
