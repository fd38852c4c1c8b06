//! What came instead of what should have come, in one line, and what to do about it.

use llm_api_upstream::{PlainError, PlainReply, UnreachableReason};
use serde_json::Value;

/// Longer texts tell nothing more.
const MOST: usize = 300;

/// An unexpected reply: its status, its code, its sentence, and a remedy where one is known.
pub(super) fn unexpected(reply: &PlainReply) -> String {
    let status = reply.status.as_u16();
    if reply.status.is_redirection() {
        let place = reply.header("location").unwrap_or("somewhere");
        return format!("{status}: it redirects to {}; give the address where it really is", cut(place));
    }
    let body = reply.json();
    let code = body["code"].as_str().unwrap_or_default();
    let said = match sentence(&body) {
        Some(sentence) => cut(&sentence),
        None if body.is_object() => cut(&body.to_string()),
        // A page of a proxy, most of the time.
        None => format!("{} bytes of {}", reply.body.len(), reply.header("content-type").unwrap_or("no type")),
    };
    let code = if code.is_empty() { String::new() } else { format!(" {code}") };
    let remedy = remedy(status, body["code"].as_str()).map(|remedy| format!("; {remedy}")).unwrap_or_default();
    format!("{status}{code}: {said}{remedy}")
}

/// No reply at all.
pub(super) fn unanswered(error: &PlainError) -> String {
    let remedy = match error {
        PlainError::Unreachable(UnreachableReason::Refused) => "is the server running, and the port right?",
        PlainError::Unreachable(UnreachableReason::Dns) => "is the name right, and its DNS record there?",
        PlainError::Unreachable(_) => "is the address right, and the server's log quiet?",
        PlainError::Tls(_) => {
            "look at the certificate of the proxy in front of the server: its names, its dates, its chain"
        }
        PlainError::Timeout(_) => "is a firewall in between, or the server overloaded? --timeout allows more",
        PlainError::Died(_) => "look at the logs of the server and of the proxy in front of it",
        PlainError::BadAnswer(_) => "is this the address of llm-api?",
        PlainError::Unusable(_) => return error.to_string(),
    };
    format!("{}; {remedy}", cut(&error.to_string()))
}

/// What an error's body or event says to people, in any of our formats.
pub(super) fn sentence(body: &Value) -> Option<String> {
    let problems = || {
        let problems: Vec<String> = body["detail"]
            .as_array()?
            .iter()
            .filter_map(|problem| problem["msg"].as_str().map(str::to_owned))
            .collect();
        (!problems.is_empty()).then(|| problems.join(", "))
    };
    [&body["detail"], &body["detail"]["message"], &body["error"]["message"], &body["error"]]
        .into_iter()
        .find_map(|text| text.as_str().map(str::to_owned))
        .or_else(problems)
}

fn remedy(status: u16, code: Option<&str>) -> Option<&'static str> {
    Some(match (status, code) {
        (_, Some("unauthenticated")) => "the token is unknown, expired or revoked",
        (_, Some("forbidden")) => "use a token of somebody who may, with enough scopes",
        (_, Some("provider_key_rejected")) => "replace the provider's key",
        (_, Some("provider_key_unusable")) => "run `llm-api keys verify` on the server",
        (_, Some("insufficient_quota")) => "the account at the provider has run dry",
        (_, Some("upstream_unreachable" | "upstream_timeout")) => {
            "can the server reach the provider? `llm-api doctor` on it tries"
        }
        (_, Some("upstream_error" | "upstream_bad_response" | "upstream_interrupted")) => {
            "the provider fails; try another one with --provider or --model"
        }
        (_, Some("db_unavailable")) => "run `llm-api doctor` on the server",
        (_, Some("storage_full")) => "make room on the server's disk or database",
        (_, Some("read_only")) => "it is frozen (`llm-api thaw` ends that), or was until a second ago",
        (_, Some("internal_error")) => "the server's log knows more, by the request id",
        (404, None) => "is this the address of llm-api, with its path?",
        (404, Some("not_found")) => "an older llm-api, or a proxy that does not pass this path on?",
        (413, _) => "a proxy in front of the server bounds request bodies",
        (429, _) => "wait a moment and try again",
        (502..=504, None) => "the proxy does not reach the server; look at the logs of both",
        _ => return None,
    })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_of_every_format_are_read() {
        for (body, expected) in [
            (json!({ "detail": "No" }), Some("No")),
            (json!({ "detail": { "code": "x", "message": "No" } }), Some("No")),
            (json!({ "error": { "message": "No" } }), Some("No")),
            (json!({ "error": "No" }), Some("No")),
            (json!({ "detail": [{ "msg": "too short" }, { "msg": "too plain" }] }), Some("too short, too plain")),
            (json!({}), None),
        ] {
            assert_eq!(sentence(&body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("ä"), "ä");
        assert_eq!(cut(&"ä".repeat(301)), format!("{}…", "ä".repeat(300)));
    }
}
