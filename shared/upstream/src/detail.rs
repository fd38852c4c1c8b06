//! What a provider says about an error, safe to show.

use std::{fmt, time::Duration};

use http::StatusCode;
use secrecy::SecretString;
use serde_json::Value;

use crate::redact;

const MAX_MESSAGE_BYTES: usize = 2048;
const MAX_WORD_BYTES: usize = 128;
/// In the names of Google's quotas.
const PER_DAY: &str = "PerDay";

/// A provider's error in its own words: without secrets, and cut (message 2 KiB, other members 128 bytes).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    pub message: String,
    /// OpenAI's and Anthropic's `type`, Google's `status`.
    pub kind: Option<String>,
    pub param: Option<String>,
    /// Numbers are kept as text. Google's `reason` or the name of the quota that was used up, where it gives one.
    pub code: Option<String>,
}

impl Detail {
    /// Reads an error body in any usual form: `{"error":{…}}`, `{"error":"text"}`, `{"message"}`, `{"detail"}`, the same
    /// inside an array, or plain text. `secret` is what was sent with the request.
    pub fn parse(body: &[u8], secret: Option<&SecretString>) -> Self {
        let parsed = serde_json::from_slice::<Value>(body).ok();
        let Some(members) = parsed.as_ref().and_then(error_members) else {
            return Self { message: cut(redact(&plain_text(body), secret), MAX_MESSAGE_BYTES), ..Self::default() };
        };
        let own = |value: &Value| word(value).map(|text| cut(redact(&text, secret), MAX_WORD_BYTES));
        let word = |name| members.get(name).and_then(own);
        let message = message(members).unwrap_or_else(|| plain_text(body));
        Self {
            message: cut(redact(&message, secret), MAX_MESSAGE_BYTES),
            kind: word("type").or_else(|| word("status").filter(|status| status.bytes().all(is_constant))),
            param: word("param")
                .or_else(|| detailed(members, |detail| own(detail.pointer("/fieldViolations/0/field")?))),
            code: detailed(members, |detail| own(detail.get("reason")?))
                .or_else(|| detailed(members, |detail| own(used_up(detail)?)))
                .or_else(|| word("code")),
        }
    }

    /// Says `message` where the provider's answer says nothing.
    pub(crate) fn or_message(mut self, message: impl FnOnce() -> String) -> Self {
        if self.message.is_empty() {
            self.message = message();
        }
        self
    }

    /// Whether the account has run dry, which waiting does not cure.
    pub(crate) fn is_insufficient_quota(&self) -> bool {
        const WORDS: [&str; 5] = [
            "insufficient_quota",
            "insufficient_balance",
            "insufficient_credits",
            "billing_hard_limit_reached",
            "billing_error",
        ];
        // Google's quotas are for a minute or for a day.
        let for_today = self.code.as_deref().is_some_and(|code| code.contains(PER_DAY));
        // Anthropic has a sentence in place of a word.
        self.is_any(&WORDS) || for_today || self.message.contains("credit balance is too low")
    }

    /// Whether a 400 is about the key: Google's and xAI's form of a 401.
    pub(crate) fn is_bad_key(&self) -> bool {
        self.is_any(&["API_KEY_INVALID"]) || self.message.starts_with("Incorrect API key provided")
    }

    /// The status that an error inside of a stream would have had as an answer.
    pub(crate) fn meant_status(&self) -> Option<StatusCode> {
        let numbered = self.code.as_deref().and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok());
        numbered
            .or_else(|| [&self.kind, &self.code].into_iter().flatten().find_map(|word| status_of(word)))
            .filter(|status| status.is_client_error() || status.is_server_error())
    }

    /// Whether this says that the conversation is too long for the model.
    pub(crate) fn says_too_long(&self) -> bool {
        const WORDS: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];
        const PHRASES: [&str; 11] = [
            "maximum context length",
            "maximum prompt length",
            "context length",
            "context limit",
            "context size",
            "context window",
            "too many tokens",
            "prompt is too long",
            "input token count",
            "exceeds the maximum number of tokens",
            "`inputs` tokens",
        ];
        const REPLY_LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
        let about_reply = |text: &str| REPLY_LIMITS.iter().any(|name| text.starts_with(name));
        let message = self.message.to_ascii_lowercase();
        if self.param.as_deref().is_some_and(about_reply) || about_reply(message.trim_start_matches(['\'', '`', '"'])) {
            return false;
        }
        self.is_any(&WORDS) || PHRASES.iter().any(|phrase| message.contains(phrase))
    }

    fn is_any(&self, words: &[&str]) -> bool {
        [&self.kind, &self.code].into_iter().flatten().any(|word| words.contains(&word.as_str()))
    }
}

/// The status that a provider's word for an error stands for: Anthropic's, OpenAI's, then Google's.
fn status_of(word: &str) -> Option<StatusCode> {
    let status = match word {
        "invalid_request_error" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => 401,
        "billing_error" => 402,
        "permission_error" | "PERMISSION_DENIED" => 403,
        "not_found_error" | "NOT_FOUND" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "RESOURCE_EXHAUSTED" => 429,
        "api_error" | "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => 500,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        "overloaded_error" => 529,
        _ => return None,
    };
    StatusCode::from_u16(status).ok()
}

/// How long Google asks to wait: `google.rpc.RetryInfo` among the details of an error.
pub(crate) fn retry_delay(body: &[u8]) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let seconds =
        detailed(error_members(&body)?, |detail| detail.get("retryDelay")?.as_str()?.strip_suffix('s')?.parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The quota that Google names; one for the whole day before others, since that one decides when to try again.
fn used_up(detail: &Value) -> Option<&Value> {
    let violations = detail.get("violations")?.as_array()?;
    let ids = || violations.iter().filter_map(|violation| violation.get("quotaId"));
    ids().find(|id| id.as_str().is_some_and(|id| id.contains(PER_DAY))).or_else(|| ids().next())
}

/// The first of Google's details that has what is looked for.
fn detailed<T>(members: &Value, find: impl Fn(&Value) -> Option<T>) -> Option<T> {
    members.get("details")?.as_array()?.iter().find_map(find)
}

/// Google writes its words in capitals; others have other things in a member `status`.
fn is_constant(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'_'
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The value that carries the message: the error object, or the whole body where that is the error.
fn error_members(body: &Value) -> Option<&Value> {
    let body = if let Value::Array(items) = body { items.first()? } else { body };
    match body.get("error") {
        Some(error @ Value::Object(_)) => Some(error),
        _ => body.is_object().then_some(body),
    }
}

fn message(members: &Value) -> Option<String> {
    ["message", "error", "detail", "msg", "error_description"].into_iter().find_map(|name| text(members.get(name)?))
}

/// A text, the text of an object's message, or the texts of a list (`FastAPI`'s validation errors).
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Object(_) => text(value.get("message").or_else(|| value.get("msg"))?),
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().filter_map(text).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A page of markup tells a reader nothing, so it is named and not shown.
fn plain_text(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    if body.starts_with('<') { "an HTML page".to_owned() } else { body.to_owned() }
}

/// At most `max` bytes, cut between characters.
fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Detail {
        Detail::parse(body.as_bytes(), None)
    }

    #[test]
    fn every_usual_form_is_read() {
        let full = parse(r#"{"error":{"message":"no","type":"invalid_request_error","param":"top_p","code":"bad"}}"#);
        let word = |text: &str| Some(text.to_owned());
        let expected = Detail {
            message: "no".to_owned(),
            kind: word("invalid_request_error"),
            param: word("top_p"),
            code: word("bad"),
        };
        assert_eq!(full, expected);
        for body in [
            r#"{"error":"no"}"#,
            r#"{"message":"no"}"#,
            r#"{"detail":"no"}"#,
            r#"{"detail":{"message":"no"}}"#,
            r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#,
            r#"[{"error":{"message":"no"}}]"#,
            r#"{"error":{"message":"no","param":null,"code":null}}"#,
            "no\n",
        ] {
            assert_eq!(parse(body), Detail { message: "no".to_owned(), ..Detail::default() }, "{body}");
        }
        let coded = parse(r#"{"object":"error","message":"no","code":40401,"type":"NotFound"}"#);
        assert_eq!((coded.code, coded.kind), (word("40401"), word("NotFound")));
        assert_eq!(parse("<html>Bad gateway</html>").message, "an HTML page");
        assert_eq!(parse("").message, "");
        assert_eq!(parse(r#"{"status":"odd"}"#).message, r#"{"status":"odd"}"#);
    }

    #[test]
    fn long_messages_are_redacted_then_cut_between_characters() {
        let secret = SecretString::from("topsecretvalue");
        let body = format!("{}topsecretvalue", "ä".repeat(1020));
        let message = Detail::parse(body.as_bytes(), Some(&secret)).message;
        assert!(!message.contains("topsec") && message.len() <= MAX_MESSAGE_BYTES, "{message}");
        assert_eq!(parse(&"ä".repeat(3000)).message.len(), MAX_MESSAGE_BYTES);
        assert_eq!(parse(&format!("a{}", "ä".repeat(3000))).message.len(), MAX_MESSAGE_BYTES - 1);
        let echoed = Detail::parse(br#"{"error":{"message":"x","code":"topsecretvalue"}}"#, Some(&secret));
        assert_eq!(echoed.code.as_deref(), Some("[redacted]"));
    }

    #[test]
    fn googles_details_are_read() {
        let google = parse(
            r#"{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[
                {"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents"}]},
                {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        );
        let words = [google.kind, google.param, google.code].map(Option::unwrap_or_default);
        assert_eq!(words, ["INVALID_ARGUMENT", "contents", "API_KEY_INVALID"]);
        assert_eq!(parse(r#"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#).code.as_deref(), Some("404"));
        assert_eq!(parse(r#"{"message":"no","status":"failed"}"#).kind, None);
        assert_eq!(retry_delay(br#"{"error":{"details":[{"retryDelay":"soon"}]}}"#), None);
    }

    #[test]
    fn a_conversation_that_is_too_long_is_told_from_a_reply_limit() {
        for body in [
            r#"{"error":{"message":"x","code":"context_length_exceeded","param":"messages"}}"#,
            r#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error","n_ctx":4096}}"#,
            r#"{"error":{"message":"This model's maximum context length is 4097 tokens, however you requested 5000 tokens (1000 in the messages, 4000 in the completion)."}}"#,
            r#"{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            r#"{"error":{"message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}}"#,
            r#"{"error":{"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}"#,
            r#"{"error":{"message":"Please reduce: Context Window of 8192 tokens exceeded"}}"#,
            r#"{"message":"Too many tokens in the prompt"}"#,
        ] {
            assert!(parse(body).says_too_long(), "{body}");
        }
        for body in [
            r#"{"error":{"message":"max_tokens is too large: 100000. This model supports at most 16384 completion tokens","param":"max_tokens"}}"#,
            r#"{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 9. This model's maximum context length is 8 tokens"}}"#,
            r#"{"error":{"message":"`max_tokens` must be less than the context window of this model"}}"#,
            r#"{"error":{"message":"x maximum context length","param":"max_completion_tokens"}}"#,
            r#"{"error":{"message":"temperature must be at most 2"}}"#,
        ] {
            assert!(!parse(body).says_too_long(), "{body}");
        }
    }
}
