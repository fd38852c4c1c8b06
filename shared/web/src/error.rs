//! [`ApiError`]: the public list of what can go wrong, and the parts a reply is made of.
//!
//! The body is written by the edge, which knows the request id and the caller's API family; an internal cause is
//! logged there, once, and never sent.

use std::{borrow::Cow, error::Error as StdError, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use llm_api_crypto::GateError;
use llm_api_domain::RequestId;
use llm_api_storage::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// One problem of a request's content, in the form that clients of the Python service read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A word for programs, for example `missing`.
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    pub kind: Cow<'static, str>,
    /// Where: `body` and the path of the field.
    #[schema(example = json!(["body", "password"]))]
    pub loc: Vec<String>,
    pub msg: String,
}

/// What stands under `detail`: a sentence, a code with a sentence, or a list of problems.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Detail {
    Text(String),
    Coded { code: Cow<'static, str>, message: String },
    Problems(Vec<Problem>),
}

/// The body of every error in the native family.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    pub detail: Detail,
    #[schema(example = "not_found")]
    pub code: Cow<'static, str>,
    /// The id that stands in the log, too.
    pub request_id: String,
}

/// The one problem with content that every family tells by 422.
pub(crate) const IDEMPOTENCY_KEY_REUSED: &str = "idempotency_key_reused";

/// What an endpoint answers when it does not succeed.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Parts>);

#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) detail: Detail,
    /// The field at fault, as OpenAI's errors name it.
    pub(crate) param: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// For the log alone.
    pub(crate) cause: Option<Arc<dyn StdError + Send + Sync>>,
}

impl ApiError {
    fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: Detail) -> Self {
        Self(Box::new(Parts { status, code: code.into(), detail, param: None, retry_after: None, cause: None }))
    }

    fn text(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, code, Detail::Text(message.into()))
    }

    /// A refusal with a code that clients tell apart: `detail` is `{code, message}`.
    pub fn coded(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        Self::new(status, code.clone(), Detail::Coded { code, message: message.into() })
    }

    pub(crate) fn invalid_idempotency_key() -> Self {
        let message = "Idempotency-Key must be one text of 1 to 255 visible ASCII characters";
        Self::coded(StatusCode::BAD_REQUEST, "invalid_idempotency_key", message)
    }

    pub(crate) fn invalid_on_disconnect() -> Self {
        let message = "X-LLM-API-On-Disconnect must be `cancel` or `drain`";
        Self::coded(StatusCode::BAD_REQUEST, "invalid_on_disconnect", message)
    }

    /// 409: the first request with this key still runs.
    pub(crate) fn idempotency_key_in_use() -> Self {
        let message = "A request with this Idempotency-Key is still running; try again when it has ended";
        Self::coded(StatusCode::CONFLICT, "idempotency_key_in_use", message)
            .with_retry_after(Some(Duration::from_secs(1)))
    }

    /// 422, for OpenAI's SDKs as well: sent as it is, this request can never succeed.
    pub(crate) fn idempotency_key_reused() -> Self {
        let message = "This Idempotency-Key was used for another request; a new request needs a key of its own";
        Self::coded(StatusCode::UNPROCESSABLE_ENTITY, IDEMPOTENCY_KEY_REUSED, message)
    }

    /// 409: it has succeeded, but its reply cannot be given again.
    pub(crate) fn idempotency_reply_not_kept(request: RequestId) -> Self {
        let message = format!(
            "Request {request} with this Idempotency-Key has succeeded, but its reply is not kept: it is larger than 8 MiB, or \
             later ones have taken its room"
        );
        Self::coded(StatusCode::CONFLICT, "idempotency_reply_not_kept", message)
    }

    /// 410: it was there, and will not come back.
    pub fn gone(what: &str) -> Self {
        Self::text(StatusCode::GONE, "expired", format!("{what} expired"))
    }

    /// 400 with a plain sentence.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 400 with a plain sentence and a code of its own.
    pub(crate) fn bad_state(code: &'static str, message: impl Into<String>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401 with one of the sentences that clients know.
    pub fn unauthenticated(message: &'static str) -> Self {
        Self::text(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::text(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404 `<what> not found`; also for what belongs to somebody else.
    pub fn not_found(what: &str) -> Self {
        Self::text(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
    }

    /// 404 for a session: the caller has none with that id.
    pub fn session_not_found(id: &str) -> Self {
        Self::text(StatusCode::NOT_FOUND, "session_not_found", format!("Session '{id}' not found"))
    }

    /// 404 for a model. The sentence stands alone under `detail`: clients tell it from a lost session by its words.
    pub(crate) fn model_not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::text(StatusCode::NOT_FOUND, code, message).with_param(Some("model".to_owned()))
    }

    /// 422 with a list of problems.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let param = problems.first().and_then(|problem| problem.loc.get(1..).map(|path| path.join(".")));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", Detail::Problems(problems))
            .with_param(param.filter(|path| !path.is_empty()))
    }

    /// 422 for one field of the body.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![Problem {
            kind: Cow::Borrowed("value_error"),
            loc: vec!["body".to_owned(), field.to_owned()],
            msg: message.into(),
        }])
    }

    pub fn too_large(limit: usize) -> Self {
        let limit =
            if limit >= 1024 * 1024 { format!("{} MiB", limit / 1024 / 1024) } else { format!("{limit} bytes") };
        Self::text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("The request body is larger than {limit}"),
        )
    }

    pub fn unsupported_media_type() -> Self {
        let message = "Compressed request bodies are not accepted; send the body without Content-Encoding";
        Self::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 429 for our own limits.
    pub fn too_many_requests(message: &'static str, retry_after: Duration) -> Self {
        Self::text(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).with_retry_after(Some(retry_after))
    }

    /// 503 because this server is busy; trying again soon makes sense.
    pub fn overloaded(message: &'static str, retry_after: Duration) -> Self {
        Self::text(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).with_retry_after(Some(retry_after))
    }

    pub(crate) fn route_not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "not_found", "Not Found")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::text(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
    }

    /// 500. The cause goes to the log.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let message = "Something went wrong on our side; the request id tells the operator where to look";
        let mut error = Self::text(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message);
        error.0.cause = Some(Arc::from(cause.into()));
        error
    }

    #[must_use]
    pub fn with_param(mut self, param: Option<String>) -> Self {
        self.0.param = param;
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    #[must_use]
    pub(crate) fn with_cause(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code for programs.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// One sentence for people, whatever form `detail` has.
    pub fn message(&self) -> String {
        self.0.message()
    }

    pub(crate) fn into_parts(self) -> Parts {
        *self.0
    }
}

impl Parts {
    pub(crate) fn message(&self) -> String {
        match &self.detail {
            Detail::Text(message) | Detail::Coded { message, .. } => message.clone(),
            Detail::Problems(problems) => {
                let sentences: Vec<String> =
                    problems.iter().map(|problem| format!("{}: {}", problem.loc.join("."), problem.msg)).collect();
                sentences.join("; ")
            }
        }
    }
}

impl IntoResponse for ApiError {
    /// An empty reply that carries the error for the edge to write.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// How long a client waits before it tries again while the operator moves the data: a freeze takes minutes.
const FREEZE_RETRY: Duration = Duration::from_secs(10);

impl ApiError {
    /// A write while the operator has frozen the database.
    pub fn read_only(reason: Option<&str>) -> Self {
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let message = format!("Nothing can be changed at the moment, only read: maintenance{reason}; try again later");
        Self::text(StatusCode::SERVICE_UNAVAILABLE, "read_only", message).with_retry_after(Some(FREEZE_RETRY))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Closed => {
                let message = "The database does not answer at the moment; try again shortly";
                Self::text(StatusCode::SERVICE_UNAVAILABLE, "db_unavailable", message)
                    .with_retry_after(Some(Duration::from_secs(1)))
                    .with_cause(error)
            }
            StoreError::ReadOnly => Self::read_only(None),
            StoreError::Full(_) => {
                let message = "The server has no space left to store this; its operator has to make room";
                Self::text(StatusCode::INSUFFICIENT_STORAGE, "storage_full", message).with_cause(error)
            }
            StoreError::Corrupt { .. } | StoreError::Internal(_) => Self::internal(error),
        }
    }
}

/// What a client sees when a password could not be checked or hashed.
pub fn gate_error(error: GateError) -> ApiError {
    match error {
        GateError::Busy { retry_after } => {
            ApiError::overloaded("Too many people are signing in at the moment; try again shortly", retry_after)
        }
        GateError::PasswordTooLong => ApiError::invalid_field("password", "at most 1024 bytes"),
        GateError::Random(_) | GateError::Failed => ApiError::internal(error),
    }
}
