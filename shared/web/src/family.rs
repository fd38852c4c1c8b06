//! The API families: each has its own error body, made here from the same [`ApiError`].

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use llm_api_translate::Format;
use serde_json::{Value, json};

use crate::{
    ApiError,
    error::{ErrorBody, IDEMPOTENCY_KEY_REUSED, Parts},
};

/// Whose error format a route speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    #[default]
    Native,
    Openai,
    Anthropic,
    /// Read by OpenAI SDKs and by native clients alike: both forms in one body.
    Shared,
}

impl Family {
    /// By the path: so an unknown route, a bad token and a panic are told in the format of their neighbours, too.
    pub(crate) fn of(path: &str) -> Self {
        const OPENAI: [&str; 3] = ["/v1/chat/", "/v1/embeddings", "/v1/responses"];
        if OPENAI.iter().any(|prefix| path.starts_with(prefix)) {
            return Self::Openai;
        }
        if path == "/v1/messages" || path.starts_with("/v1/messages/") {
            return Self::Anthropic;
        }
        if path == "/v1/models" || path.starts_with("/v1/models/") { Self::Shared } else { Self::Native }
    }
}

/// The reply for an error: status, headers and the family's body.
pub(crate) fn render(parts: &Parts, family: Family, request_id: &str) -> Response {
    let native =
        || ErrorBody { detail: parts.detail.clone(), code: parts.code.clone(), request_id: request_id.to_owned() };
    let error = || openai_object(parts);
    let body = match family {
        Family::Native => json!(native()),
        Family::Openai => json!({ "error": error(), "code": parts.code, "request_id": request_id }),
        Family::Anthropic => anthropic_body(parts, request_id),
        Family::Shared => {
            let ErrorBody { detail, code, request_id } = native();
            json!({ "detail": detail, "error": error(), "code": code, "request_id": request_id })
        }
    };
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = vendor_status(parts, family);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(after) = parts.retry_after {
        // Whole seconds, rounded up: earlier would be refused again.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// What a stream that breaks off tells last: OpenAI's error object, or Anthropic's whole error body.
pub(crate) fn error_in_stream(format: Format, error: ApiError, request_id: &str) -> Value {
    let parts = error.into_parts();
    match format {
        Format::AnthropicMessages => anthropic_body(&parts, request_id),
        _ => openai_object(&parts),
    }
}

fn anthropic_body(parts: &Parts, request_id: &str) -> Value {
    json!({ "type": "error", "error": anthropic_object(parts), "code": parts.code, "request_id": request_id })
}

fn anthropic_object(parts: &Parts) -> Value {
    json!({ "type": anthropic_type(parts.status), "message": parts.message() })
}

/// <https://docs.anthropic.com/en/api/errors>
fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn openai_object(parts: &Parts) -> Value {
    json!({
        "message": parts.message(),
        "type": openai_type(parts.status),
        "param": parts.param,
        "code": openai_code(parts.status, &parts.code),
    })
}

/// OpenAI and Anthropic answer content problems with 400, not 422: their SDKs map the status to a class.
fn vendor_status(parts: &Parts, family: Family) -> StatusCode {
    match (family, parts.status) {
        (Family::Openai | Family::Anthropic, StatusCode::UNPROCESSABLE_ENTITY)
            if parts.code != IDEMPOTENCY_KEY_REUSED =>
        {
            StatusCode::BAD_REQUEST
        }
        (_, status) => status,
    }
}

fn openai_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::FORBIDDEN => "permission_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

fn openai_code(status: StatusCode, code: &str) -> String {
    match (status, code) {
        (StatusCode::UNAUTHORIZED, _) => "invalid_api_key".to_owned(),
        _ => code.to_owned(),
    }
}
