//! The API families: each has its own error body, made here from the same [`ApiError`].

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    ApiError,
    error::{ErrorBody, Parts},
};

/// Whose error format a route speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Family {
    #[default]
    Native,
    Openai,
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
        Family::Shared => {
            let ErrorBody { detail, code, request_id } = native();
            json!({ "detail": detail, "error": error(), "code": code, "request_id": request_id })
        }
    };
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = openai_status(parts.status, family);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(after) = parts.retry_after {
        // Whole seconds, rounded up: earlier would be refused again.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// The `error` object of OpenAI's format, as it stands in bodies and in streams.
pub fn openai_error(error: ApiError) -> Value {
    json!({ "error": openai_object(&error.into_parts()) })
}

fn openai_object(parts: &Parts) -> Value {
    json!({
        "message": parts.message(),
        "type": openai_type(parts.status),
        "param": parts.param,
        "code": openai_code(parts.status, &parts.code),
    })
}

/// OpenAI answers content problems with 400, never 422: its SDKs map the status to a class.
fn openai_status(status: StatusCode, family: Family) -> StatusCode {
    match (family, status) {
        (Family::Openai, StatusCode::UNPROCESSABLE_ENTITY) => StatusCode::BAD_REQUEST,
        _ => status,
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
