//! What a provider says about an error, safe to show.

use std::fmt;

use secrecy::SecretString;
use serde_json::Value;

use crate::redact;

const MAX_MESSAGE_BYTES: usize = 2048;
const MAX_WORD_BYTES: usize = 128;

/// A provider's error in its own words: without secrets, and cut (message 2 KiB, other members 128 bytes).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    pub message: String,
    /// OpenAI's `type`.
    pub kind: Option<String>,
    pub param: Option<String>,
    /// Numbers are kept as text.
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
        let word = |name| members.get(name).and_then(word).map(|text| cut(redact(&text, secret), MAX_WORD_BYTES));
        let message = message(members).unwrap_or_else(|| plain_text(body));
        Self {
            message: cut(redact(&message, secret), MAX_MESSAGE_BYTES),
            kind: word("type"),
            param: word("param"),
            code: word("code"),
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
        const WORDS: [&str; 4] =
            ["insufficient_quota", "insufficient_balance", "insufficient_credits", "billing_hard_limit_reached"];
        [&self.kind, &self.code].into_iter().flatten().any(|word| WORDS.contains(&word.as_str()))
    }
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
}
