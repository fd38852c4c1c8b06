//! Takes secrets out of text that a provider wrote.

use secrecy::{ExposeSecret, SecretString};

const MARK: &str = "[redacted]";

/// How well-known keys and tokens begin.
const PREFIXES: [&str; 24] = [
    "sk-",
    "sk_",
    "pk-",
    "pk_",
    "rk-",
    "rk_",
    "gsk_",
    "xai-",
    "AIza",
    "ya29.",
    "hf_",
    "fw_",
    "tgp_",
    "r8_",
    "pplx-",
    "nvapi-",
    "ghp_",
    "github_pat_",
    "glpat-",
    "eyJ",
    "AKIA",
    "lap_",
    "las_",
    "lai_",
];

/// What stands beside a key in an error message.
const KEY_WORDS: [&str; 6] = ["key", "token", "secret", "password", "authorization", "credential"];

/// How far from such a word a long run still counts as a key.
const NEAR: usize = 32;

/// `text` without `secret`, whole or cut short, and without anything that looks like a key: known prefixes, `Bearer …`,
/// masked keys, long token-like runs near the word "key".
pub fn redact(text: &str, secret: Option<&SecretString>) -> String {
    let secret = secret.map(|secret| secret.expose_secret().trim()).filter(|secret| !secret.is_empty());
    let text = match secret {
        // A shorter one would blank out ordinary words; as a whole word it is found below.
        Some(secret) if secret.len() >= 4 => text.replace(secret, MARK),
        _ => text.to_owned(),
    };
    let mut clean = String::with_capacity(text.len());
    let mut rest = 0;
    let mut after_bearer = None;
    while let Some(start) = position(&text, rest, is_token) {
        let mut end = position(&text, start, |byte| !is_token(byte)).unwrap_or(text.len());
        let gap = text.get(rest..start).unwrap_or_default();
        clean.push_str(gap);
        let run = text.get(start..end).unwrap_or_default();
        let follows_bearer =
            after_bearer == Some(rest) && gap.bytes().all(|byte| byte.is_ascii_whitespace() || byte == b':');
        let credential = if follows_bearer { credential_at(&text, start) } else { "" };
        let is_bearer_value = follows_bearer && !is_plain_word(credential);
        if is_bearer_value {
            end = start + credential.len();
        }
        if is_bearer_value || looks_like_key(run, secret) || (is_long(run) && is_near_key_word(&text, start, end)) {
            clean.push_str(MARK);
        } else {
            clean.push_str(run);
        }
        after_bearer = ["bearer", "basic"].iter().any(|word| run.eq_ignore_ascii_case(word)).then_some(end);
        rest = end;
    }
    clean.push_str(text.get(rest..).unwrap_or_default());
    clean
}

fn position(text: &str, from: usize, found: impl Fn(u8) -> bool) -> Option<usize> {
    text.as_bytes().get(from..)?.iter().position(|byte| found(*byte)).map(|at| from + at)
}

/// Keys are ASCII, so every run of these begins and ends at a character boundary.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'*' | b'+' | b'~')
}

/// What stands behind "Bearer": up to a space, a quote or a closing mark.
fn credential_at(text: &str, start: usize) -> &str {
    let end = position(text, start, ends_credential).unwrap_or(text.len());
    text.get(start..end).unwrap_or_default()
}

fn ends_credential(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(byte, b'"' | b'\'' | b'`' | b',' | b';' | b')' | b']' | b'}' | b'<')
        || !byte.is_ascii()
}

/// "Bearer token missing" and the like.
fn is_plain_word(text: &str) -> bool {
    text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.')
}

fn looks_like_key(run: &str, secret: Option<&str>) -> bool {
    let is_known = PREFIXES.iter().any(|prefix| run.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 4));
    let is_masked = run.contains("**") && run.starts_with(|first: char| first.is_ascii_alphanumeric());
    is_known || is_masked || secret.is_some_and(|secret| is_part_of(run, secret))
}

/// Whether `run` is the secret, or begins or ends as it does.
fn is_part_of(run: &str, secret: &str) -> bool {
    const ENOUGH: usize = 6;
    if run.len() < ENOUGH || secret.len() < ENOUGH {
        return run == secret;
    }
    let (run, secret) = (run.as_bytes(), secret.as_bytes());
    run.first_chunk::<ENOUGH>() == secret.first_chunk::<ENOUGH>()
        || run.last_chunk::<ENOUGH>() == secret.last_chunk::<ENOUGH>()
}

/// Long and not a word: letters with digits, or letters of both cases.
fn is_long(run: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
    let (digit, upper, lower) = (has(u8::is_ascii_digit), has(u8::is_ascii_uppercase), has(u8::is_ascii_lowercase));
    run.len() >= 16 && ((digit && (upper || lower)) || (upper && lower) || (digit && run.len() >= 24))
}

fn is_near_key_word(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let before = bytes.get(start.saturating_sub(NEAR)..start).unwrap_or_default();
    let after = bytes.get(end..(end + NEAR).min(bytes.len())).unwrap_or_default();
    [before, after].iter().any(|window| {
        KEY_WORDS.iter().any(|word| window.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sent_secret_never_appears() {
        let secret = SecretString::from("Zq8rT2vWx4Yz");
        for text in [
            "bad: Zq8rT2vWx4Yz",
            "xZq8rT2vWx4Yzx",
            "{\"Authorization\":\"Bearer Zq8rT2vWx4Yz\"}",
            "starts Zq8rT2v…",
            "ends …vWx4Yz",
            "masked Zq8r****x4Yz",
        ] {
            let clean = redact(text, Some(&secret));
            assert!(clean.contains(MARK), "{clean}");
            assert!(!clean.contains("Zq8r") && !clean.contains("x4Yz"), "{clean}");
        }
        assert_eq!(
            redact("key x1 is bad, ax1 is not", Some(&SecretString::from("x1"))),
            "key [redacted] is bad, ax1 is not"
        );
    }

    #[test]
    fn what_looks_like_a_key_is_taken_out() {
        let cases = [
            ("Incorrect API key provided: sk-proj-abc*****wxyz. See", "Incorrect API key provided: [redacted] See"),
            ("use gsk_Ab12Cd34 now", "use [redacted] now"),
            ("xai-0123456789", "[redacted]"),
            ("Authorization: Bearer abc/def+g==, next", "Authorization: Bearer [redacted], next"),
            ("authorization: bearer 0123abcd", "authorization: bearer [redacted]"),
            ("?key=AIzaSyA1234567&x=1", "?key=[redacted]&x=1"),
            ("api_key: 0123456789abcdef0123", "api_key: [redacted]"),
            ("0123456789abcdefABCDEF is not a valid API key", "[redacted] is not a valid API key"),
            ("Schlüssel „sk-äöü“, hf_abcdef…", "Schlüssel „sk-äöü“, [redacted]…"),
            ("jwt eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "jwt [redacted]"),
        ];
        for (text, clean) in cases {
            assert_eq!(redact(text, None), clean);
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "The model `llama-3.3-70b-versatile` does not exist",
            "Missing Bearer token.",
            "You must provide an API key at https://platform.openai.com/account/api-keys.",
            "req_011CSabcdefGHIJ: temperature must be <= 2",
            "größer als 4096 Tokens",
            "",
        ] {
            assert_eq!(redact(text, None), text);
        }
    }
}
