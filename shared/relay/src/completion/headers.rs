//! What a provider tells beside its answer, in the names that the caller's SDK reads.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_api_domain::Timestamp;
use llm_api_translate::Format;

const OPENAI: &str = "x-ratelimit-";
const ANTHROPIC: &str = "anthropic-ratelimit-";
/// What is limited, and what is told of it: `x-ratelimit-limit-requests`, `anthropic-ratelimit-requests-limit`.
const LIMITED: [&str; 2] = ["requests", "tokens"];
const TOLD: [&str; 3] = ["limit", "remaining", "reset"];
/// The provider's own ids of a request, for questions to its support.
const IDS: [&str; 3] = ["x-request-id", "request-id", "x-amzn-requestid"];
const PROVIDER_REQUEST_ID: HeaderName = HeaderName::from_static("x-llm-api-provider-request-id");

/// Of `headers` that came with an answer in the format `from`, what a caller of the format `to` can read.
pub(super) fn told(headers: &HeaderMap, from: Format, to: Format, now: Timestamp) -> HeaderMap {
    let mut told = HeaderMap::new();
    if let Some(id) = IDS.iter().find_map(|name| headers.get(*name)) {
        told.insert(PROVIDER_REQUEST_ID, id.clone());
    }
    let is_anthropic = |format| format == Format::AnthropicMessages;
    if is_anthropic(from) == is_anthropic(to) {
        let limits = headers.iter().filter(|(name, _)| name.as_str().starts_with(prefix(to)));
        told.extend(limits.map(|(name, value)| (name.clone(), value.clone())));
        return told;
    }
    for limited in LIMITED {
        for word in TOLD {
            let Some(value) = headers.get(name(from, limited, word)) else { continue };
            let value = if word == "reset" { reset(value, to, now) } else { Some(value.clone()) };
            if let (Some(value), Ok(name)) = (value, HeaderName::try_from(name(to, limited, word))) {
                told.insert(name, value);
            }
        }
    }
    told
}

fn prefix(format: Format) -> &'static str {
    if format == Format::AnthropicMessages { ANTHROPIC } else { OPENAI }
}

fn name(format: Format, limited: &str, word: &str) -> String {
    match format {
        Format::AnthropicMessages => format!("{ANTHROPIC}{limited}-{word}"),
        _ => format!("{OPENAI}{word}-{limited}"),
    }
}

/// When a limit is lifted: a time at Anthropic, how long it takes (`6m0.5s`) at OpenAI.
fn reset(value: &HeaderValue, to: Format, now: Timestamp) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let text = if to == Format::AnthropicMessages {
        (now + duration(text)?).to_string()
    } else {
        let at = Timestamp::parse(text)?;
        format!("{}s", at.since(now).as_secs())
    };
    HeaderValue::try_from(text).ok()
}

/// `1h2m3.5s`, `120ms`, `8`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let unit_end = behind.find(|char: char| char.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let factor = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" | "" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn limits_are_told_in_the_callers_names() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
        let openai = headers(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "6m0.5s"),
            ("x-request-id", "req_1"),
            ("set-cookie", "secret"),
        ]);
        let same = told(&openai, Format::OpenaiChat, Format::OpenaiResponses, now);
        assert_eq!(same.len(), 4);
        assert_eq!(same["x-llm-api-provider-request-id"], "req_1");
        let other = told(&openai, Format::OpenaiChat, Format::AnthropicMessages, now);
        assert_eq!(other["anthropic-ratelimit-requests-limit"], "60");
        assert_eq!(other["anthropic-ratelimit-tokens-remaining"], "149984");
        let at = other["anthropic-ratelimit-requests-reset"].to_str().expect("text");
        assert_eq!(Timestamp::parse(at).expect("a time").since(now), Duration::from_millis(360_500));
        let anthropic = headers(&[("anthropic-ratelimit-tokens-reset", "2026-01-01T00:01:30Z")]);
        let back = told(&anthropic, Format::AnthropicMessages, Format::OpenaiChat, now);
        assert_eq!(back["x-ratelimit-reset-tokens"], "90s");
    }

    #[test]
    fn durations_are_read() {
        for (text, milliseconds) in [("1h2m3s", 3_723_000), ("120ms", 120), ("8", 8_000), ("1.5s", 1_500)] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("soon"), None);
    }
}
