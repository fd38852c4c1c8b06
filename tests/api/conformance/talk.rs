//! A transcript of requests and replies, in which only what differs from run to run is replaced: ids and secrets by their
//! number, ports by a word. Times stay, because the clock is the test's; each must be in UTC and say so.

use std::fmt::Write as _;

use http::Method;
use llm_api_domain::Timestamp;
use llm_api_testkit::{HttpReply, HttpRequest, Person, TestApp};
use serde_json::Value;

/// Wider values are written over several lines.
const WIDTH: usize = 110;

/// With members by name, whatever order they came in.
fn in_order(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

/// The same for the JSON in a line of an event.
fn event_in_order(line: &str) -> String {
    let json = line.strip_prefix("data: ").and_then(|data| serde_json::from_str(data).ok());
    json.map_or_else(|| line.to_owned(), |json| format!("data: {}", in_order(json)))
}

pub(super) struct Talk<'a> {
    app: &'a TestApp,
    token: String,
    /// What was replaced, in the order of appearance.
    replaced: Vec<String>,
    told: String,
}

impl<'a> Talk<'a> {
    pub(super) fn new(app: &'a TestApp, person: &Person) -> Self {
        Self { app, token: person.token.clone(), replaced: Vec::new(), told: String::new() }
    }

    pub(super) fn of_a_stranger(app: &'a TestApp) -> Self {
        Self { app, token: String::new(), replaced: Vec::new(), told: String::new() }
    }

    /// From now on somebody else asks; an empty token is a stranger's.
    pub(super) fn go_on_as(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    fn request(&self, method: Method, path: &str) -> HttpRequest {
        let request = self.app.http().request(method, path);
        if self.token.is_empty() { request } else { request.bearer(&self.token) }
    }

    pub(super) async fn get(&mut self, path: &str) -> Value {
        let request = self.request(Method::GET, path);
        self.tell(&format!("GET {path}"), request.send().await).await
    }

    pub(super) async fn delete(&mut self, path: &str) -> Value {
        let request = self.request(Method::DELETE, path);
        self.tell(&format!("DELETE {path}"), request.send().await).await
    }

    /// POST without a body.
    pub(super) async fn post_nothing(&mut self, path: &str) -> Value {
        let request = self.request(Method::POST, path);
        self.tell(&format!("POST {path}"), request.send().await).await
    }

    pub(super) async fn post(&mut self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, body).await
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, body: Value) -> Value {
        let asked = format!("{method} {path} {}", in_order(body.clone()));
        let request = self.request(method, path).json(body);
        self.tell(&asked, request.send().await).await
    }

    /// Any request; `asked` stands in the transcript for it.
    pub(super) async fn tell(&mut self, asked: &str, reply: HttpReply) -> Value {
        let status = reply.status.as_u16();
        let retry_after = match reply.header("retry-after") {
            "" => String::new(),
            seconds => format!(", retry after {seconds} s"),
        };
        let text = reply.text().await;
        let asked = self.replace(asked);
        let body = if let Ok(body) = serde_json::from_str::<Value>(&text) {
            let body = self.cleaned(in_order(body));
            laid_out(&body, 0)
        } else {
            let lines: Vec<String> = text.trim_end().lines().map(event_in_order).collect();
            self.replace(&lines.join("\n"))
        };
        let _ = write!(self.told, "> {}\n{status}{retry_after}\n{body}\n\n", asked.trim_end());
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(super) fn told(&self) -> &str {
        self.told.trim_end()
    }

    fn cleaned(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => self.replace(&text).into(),
            Value::Array(items) => items.into_iter().map(|item| self.cleaned(item)).collect(),
            Value::Object(members) => members.into_iter().map(|(name, member)| (name, self.cleaned(member))).collect(),
            other => other,
        }
    }

    fn replace(&mut self, text: &str) -> String {
        assert_utc(text);
        let mut clean = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((word, length)) = self.word_for(rest) {
                clean.push_str(&word);
                rest = rest.get(length..).unwrap_or_default();
            } else {
                clean.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        clean
    }

    /// What stands for the beginning of `text`, and how long that is.
    fn word_for(&mut self, text: &str) -> Option<(String, usize)> {
        const SECRETS: [&str; 3] = ["lap_", "las_", "lai_"];
        const PORT: &str = "127.0.0.1:";
        const SIGNATURE: &str = "signature=";
        let run = |from: usize, is_part: fn(char) -> bool| {
            let rest = text.get(from..).unwrap_or_default();
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        };
        if text.get(..36).is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()) {
            return Some((self.numbered("id", &text[..36]), 36));
        }
        if let Some(secret) = SECRETS.iter().find(|secret| text.starts_with(**secret)) {
            let length = secret.len() + run(secret.len(), |c| c.is_ascii_alphanumeric());
            return Some((self.numbered(secret.trim_end_matches('_'), &text[..length]), length));
        }
        if text.starts_with(SIGNATURE) {
            let length = run(SIGNATURE.len(), |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '='));
            return Some((format!("{SIGNATURE}[signature]"), SIGNATURE.len() + length));
        }
        let digits = text.starts_with(PORT).then(|| run(PORT.len(), |c| c.is_ascii_digit()))?;
        Some((format!("{PORT}[port]"), PORT.len() + digits))
    }

    fn numbered(&mut self, kind: &str, text: &str) -> String {
        let known = self.replaced.iter().position(|other| other == text);
        let number = known.unwrap_or_else(|| {
            self.replaced.push(text.to_owned());
            self.replaced.len() - 1
        });
        format!("[{kind} {}]", number + 1)
    }
}

/// A text that is a time must say that it is UTC: clients take a time without a zone for their own.
fn assert_utc(text: &str) {
    let is_date = text.get(..11).is_some_and(|date| {
        date.bytes().zip(*b"0000-00-00T").all(|(byte, form)| byte == form || (form == b'0' && byte.is_ascii_digit()))
    });
    if is_date && text.len() < 40 {
        let time = serde_json::from_value::<Timestamp>(text.into());
        assert!(text.ends_with('Z') && time.is_ok(), "a time that is not plainly UTC: {text}");
    }
}

fn laid_out(value: &Value, depth: usize) -> String {
    let short = value.to_string();
    if short.len() + 2 * depth <= WIDTH {
        return short;
    }
    let inner = "  ".repeat(depth + 1);
    let outer = "  ".repeat(depth);
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("{inner}{}", laid_out(item, depth + 1))).collect();
            format!("[\n{}\n{outer}]", items.join(",\n"))
        }
        Value::Object(members) => {
            let member =
                |(name, member): (&String, &Value)| format!("{inner}{:?}: {}", name, laid_out(member, depth + 1));
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{\n{}\n{outer}}}", members.join(",\n"))
        }
        _ => short,
    }
}

#[test]
fn a_time_must_say_that_it_is_utc() {
    assert_utc("2026-11-22T12:00:00.000000Z");
    assert_utc("2026-11-22 is a date");
    for local in ["2026-11-22T12:00:00.000000", "2026-11-22T12:00:00+00:00"] {
        assert!(std::panic::catch_unwind(|| assert_utc(local)).is_err(), "{local}");
    }
}
