//! How a call to a provider can fail. Knows nothing of how we answer our own clients.

use std::{error::Error as StdError, fmt, io, time::Duration};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use llm_api_domain::Timestamp;
use llm_api_translate::Unreadable;
use secrecy::SecretString;

use crate::{BlockedAddress, Detail, detail};

/// Why a call gave no answer, or which answer it got instead. Texts are redacted: safe to log and to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No answer began: refused, reset, DNS, TLS, or an address we do not go to.
    #[error("the provider could not be reached: {reason}")]
    Unreachable { reason: UnreachableReason },
    /// Nothing had been delivered yet when the clock ran out.
    #[error("the provider did not answer in time ({phase})")]
    Timeout { phase: TimeoutPhase },
    /// 429, or 402 and the like for an account without credit.
    #[error("the provider limits requests: {detail}")]
    RateLimited {
        retry_after: Option<Duration>,
        /// Waiting does not help: the account has run dry.
        insufficient_quota: bool,
        detail: Detail,
    },
    /// 401 or 403, or what a provider answers in their place.
    #[error("the provider rejected the key ({status}): {detail}")]
    KeyRejected { status: u16, detail: Detail },
    /// Any other 4xx: the request itself is at fault.
    #[error("the provider refused the request ({status}): {detail}")]
    Refused { status: u16, detail: Detail },
    /// 5xx, or an error body under a 2xx.
    #[error("the provider failed ({status}): {detail}")]
    Failed { status: u16, detail: Detail },
    /// 3xx, markup, bad JSON, the wrong type, too large.
    #[error("the provider's answer cannot be used: {reason}")]
    BadResponse { reason: String },
    /// The answer began, then broke or stalled.
    #[error("the provider's answer broke off: {reason}")]
    Died { reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreachableReason {
    Refused,
    /// The connection closed before an answer began.
    Reset,
    Dns,
    Tls,
    /// A user-given name that leads to no public address.
    BlockedAddress,
    Other,
}

impl fmt::Display for UnreachableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "the connection closed before an answer",
            Self::Dns => "the name could not be resolved",
            Self::Tls => "no TLS connection could be made",
            Self::BlockedAddress => "the name leads to no public address",
            Self::Other => "the connection failed",
        })
    }
}

/// What was awaited when the clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutPhase {
    Connect,
    /// The head of the answer.
    FirstByte,
    /// The body of an answer that is no stream.
    Body,
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for the first byte",
            Self::Body => "reading the answer",
        })
    }
}

impl UpstreamError {
    /// What an error object inside a 2xx body or a stream's event means. Some providers put the status they mean into its
    /// `code`, others name it. `secret` is what was sent with the request.
    pub fn from_error_body(data: &[u8], secret: Option<&SecretString>) -> Self {
        let detail = Detail::parse(data, secret);
        match detail.meant_status() {
            Some(status) => Self::classify(status, None, detail).or_retry_after(data),
            None if detail.is_insufficient_quota() => Self::classify(StatusCode::TOO_MANY_REQUESTS, None, detail),
            None => Self::Failed { status: 200, detail },
        }
    }

    pub(crate) fn from_status(status: StatusCode, headers: &HeaderMap, now: Timestamp, detail: Detail) -> Self {
        let detail = detail.or_message(|| format!("HTTP {status}"));
        Self::classify(status, retry_after(headers, now), detail)
    }

    fn classify(status: StatusCode, retry_after: Option<Duration>, detail: Detail) -> Self {
        let code = status.as_u16();
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                let insufficient_quota = detail.is_insufficient_quota();
                Self::RateLimited { retry_after, insufficient_quota, detail }
            }
            StatusCode::PAYMENT_REQUIRED => Self::RateLimited { retry_after, insufficient_quota: true, detail },
            StatusCode::BAD_REQUEST if detail.is_insufficient_quota() => {
                Self::RateLimited { retry_after, insufficient_quota: true, detail }
            }
            StatusCode::BAD_REQUEST if detail.is_bad_key() => Self::KeyRejected { status: code, detail },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::KeyRejected { status: code, detail },
            _ if status.is_client_error() => Self::Refused { status: code, detail },
            _ if status.is_server_error() => Self::Failed { status: code, detail },
            _ => Self::bad(format!("unexpected status {code}")),
        }
    }

    /// Takes the time to wait from Google's error body where the headers name none.
    pub(crate) fn or_retry_after(mut self, body: &[u8]) -> Self {
        if let Self::RateLimited { retry_after: wait @ None, .. } = &mut self {
            *wait = detail::retry_delay(body);
        }
        self
    }

    /// Whether the request was refused because the conversation is longer than the model can read: a shorter one may
    /// pass. Not for a complaint about the parameter that bounds the reply.
    pub fn is_context_length(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 413 | 422, detail } if detail.says_too_long())
    }

    /// Whether the provider has more work than it can do: another one may help.
    pub fn is_overloaded(&self) -> bool {
        // 529 is Anthropic's own.
        matches!(self, Self::Failed { status: 503 | 529, .. })
    }

    /// What an answer that gives no reply means. `secret` is what was sent with the request: it is taken out.
    pub fn unreadable(error: Unreadable, data: &[u8], secret: Option<&SecretString>) -> Self {
        match error {
            Unreadable::Provider => Self::from_error_body(data, secret),
            Unreadable::OtherForm(reason) => Self::bad(reason),
            Unreadable::Blocked(reason) => Self::blocked(&reason),
        }
    }

    /// The provider's filter held the request back; its word for the reason.
    fn blocked(reason: &str) -> Self {
        let message = format!("The provider blocked the request: {reason}");
        let code = Some("content_filter".to_owned());
        Self::Refused { status: 400, detail: Detail { message, code, ..Detail::default() } }
    }

    /// For a provider that speaks no format of ours; routing keeps requests away from those.
    pub fn not_callable() -> Self {
        Self::bad("no wire format is known for it")
    }

    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::BadResponse { reason: reason.into() }
    }

    pub(crate) fn died(reason: impl Into<String>) -> Self {
        Self::Died { reason: reason.into() }
    }

    /// A failure before the head of an answer.
    pub(crate) fn before_head(error: &reqwest::Error) -> Self {
        let phase = if error.is_connect() { TimeoutPhase::Connect } else { TimeoutPhase::FirstByte };
        if error.is_timeout() {
            return Self::Timeout { phase };
        }
        let reason = causes(error).find_map(reason_of).unwrap_or(UnreachableReason::Other);
        match reason {
            UnreachableReason::Other if error.is_dns() => Self::Unreachable { reason: UnreachableReason::Dns },
            UnreachableReason::Other if !error.is_connect() => Self::bad("it is not valid HTTP"),
            reason => Self::Unreachable { reason },
        }
    }

    /// A failure while the body was read.
    pub(crate) fn in_body(error: &reqwest::Error) -> Self {
        let reason = match causes(error).find_map(reason_of) {
            Some(UnreachableReason::Reset) => "the connection closed before its end".to_owned(),
            _ => causes(error).last().map_or_else(String::new, ToString::to_string),
        };
        Self::Died { reason }
    }

    /// Whether nothing of an answer had come, so that asking once more is safe and may help.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Unreachable { reason } => match reason {
                UnreachableReason::Refused
                | UnreachableReason::Reset
                | UnreachableReason::Dns
                | UnreachableReason::Other => true,
                UnreachableReason::Tls | UnreachableReason::BlockedAddress => false,
            },
            Self::Timeout { .. }
            | Self::RateLimited { .. }
            | Self::KeyRejected { .. }
            | Self::Refused { .. }
            | Self::Failed { .. }
            | Self::BadResponse { .. }
            | Self::Died { .. } => false,
        }
    }
}

/// The chain of causes. An `io::Error` hides the error it wraps from `source`, so that is looked into as well.
pub(crate) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

fn reason_of(error: &(dyn StdError + 'static)) -> Option<UnreachableReason> {
    if error.is::<BlockedAddress>() {
        return Some(UnreachableReason::BlockedAddress);
    }
    if error.is::<rustls::Error>() {
        return Some(UnreachableReason::Tls);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
            .then_some(UnreachableReason::Reset);
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionRefused => Some(UnreachableReason::Refused),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(UnreachableReason::Reset),
        _ => None,
    }
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110), or OpenAI's `retry-after-ms`.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Timestamp::from_micros(moment.as_microsecond()).since(now))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_micros(784_111_777_000_000);
        let read = |name: &'static str, value| {
            retry_after(
                &HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]),
                now,
            )
        };
        assert_eq!(read("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_mins(1)));
        assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:40:37 GMT"), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "inf", "NaN", ""] {
            assert_eq!(read("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn error_bodies_under_a_success_are_judged_by_their_code() {
        let judged = |body: &str| UpstreamError::from_error_body(body.as_bytes(), None);
        assert!(matches!(judged(r#"{"error":{"message":"x","code":429}}"#), UpstreamError::RateLimited { .. }));
        assert!(matches!(
            judged(r#"{"error":{"message":"x","code":"400"}}"#),
            UpstreamError::Refused { status: 400, .. }
        ));
        assert!(matches!(judged(r#"{"error":{"message":"x","code":502}}"#), UpstreamError::Failed { status: 502, .. }));
        assert!(matches!(judged(r#"{"error":"x"}"#), UpstreamError::Failed { status: 200, .. }));
        let dry = judged(r#"{"error":{"message":"x","type":"insufficient_quota"}}"#);
        assert!(matches!(dry, UpstreamError::RateLimited { insufficient_quota: true, .. }));
    }

    #[test]
    fn each_familys_words_are_understood() {
        let judged = |body: &str| UpstreamError::from_error_body(body.as_bytes(), None);
        let anthropic = |kind| judged(&format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"x"}}}}"#));
        assert!(matches!(anthropic("overloaded_error"), UpstreamError::Failed { status: 529, .. }));
        assert!(anthropic("overloaded_error").is_overloaded());
        assert!(matches!(anthropic("rate_limit_error"), UpstreamError::RateLimited { insufficient_quota: false, .. }));
        assert!(matches!(anthropic("billing_error"), UpstreamError::RateLimited { insufficient_quota: true, .. }));
        assert!(matches!(anthropic("authentication_error"), UpstreamError::KeyRejected { status: 401, .. }));
        assert!(matches!(anthropic("invalid_request_error"), UpstreamError::Refused { status: 400, .. }));
        assert!(matches!(anthropic("api_error"), UpstreamError::Failed { status: 500, .. }));
        let google = judged(r#"[{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}]"#);
        assert!(google.is_overloaded(), "{google:?}");
        let wait = judged(
            r#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[
                {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#,
        );
        let expected = Some(Duration::from_millis(34_500));
        assert!(matches!(wait, UpstreamError::RateLimited { retry_after, .. } if retry_after == expected));
    }

    #[test]
    fn googles_quota_of_a_day_is_not_its_quota_of_a_minute() {
        let judged = |ids: &[&str]| {
            let violations: Vec<_> = ids.iter().map(|id| serde_json::json!({ "quotaId": id })).collect();
            let body = serde_json::json!({"error": {
                "code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}],
            }});
            match UpstreamError::from_error_body(body.to_string().as_bytes(), None) {
                UpstreamError::RateLimited { insufficient_quota, .. } => insufficient_quota,
                other => panic!("no limit: {other:?}"),
            }
        };
        let (minute, day) = ("RequestsPerMinutePerProjectPerModel", "RequestsPerDayPerProjectPerModel-FreeTier");
        assert!(!judged(&[]) && !judged(&[minute]));
        assert!(judged(&[day]) && judged(&[minute, day]));
    }

    #[test]
    fn what_a_400_may_mean_instead() {
        let judged = |body: &str| {
            let detail = Detail::parse(body.as_bytes(), None);
            UpstreamError::from_status(StatusCode::BAD_REQUEST, &HeaderMap::new(), Timestamp::from_micros(0), detail)
        };
        let google = judged(
            r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[
                {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        );
        assert!(matches!(google, UpstreamError::KeyRejected { status: 400, .. }), "{google:?}");
        let xai = judged(r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: x"}"#);
        assert!(matches!(xai, UpstreamError::KeyRejected { status: 400, .. }), "{xai:?}");
        let dry = judged(
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        );
        assert!(matches!(dry, UpstreamError::RateLimited { insufficient_quota: true, .. }), "{dry:?}");
        assert!(matches!(judged(r#"{"error":{"message":"x"}}"#), UpstreamError::Refused { status: 400, .. }));
    }

    #[test]
    fn only_refusals_and_failures_of_the_right_status_count() {
        let detail = Detail { message: "maximum context length".to_owned(), ..Detail::default() };
        for (status, expected) in [(400, true), (413, true), (422, true), (404, false), (409, false)] {
            let error = UpstreamError::Refused { status, detail: detail.clone() };
            assert_eq!(error.is_context_length(), expected, "{status}");
        }
        let failed = |status| UpstreamError::Failed { status, detail: detail.clone() };
        assert!(!failed(500).is_context_length());
        assert!(failed(503).is_overloaded() && failed(529).is_overloaded() && !failed(500).is_overloaded());
    }
}
