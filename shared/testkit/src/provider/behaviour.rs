//! What each model does, in whatever grammar it is asked.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::{MODELS, Presence, Script, UNICODE, pace, redirect, reply};
use crate::serve::{Body, full};

/// How one family writes what a model says.
pub(super) trait Grammar: Sync {
    /// The answer in one piece.
    fn whole(&self, text: &str) -> Value;

    /// The events that come before the first text.
    fn opening(&self) -> Vec<String>;

    fn delta(&self, text: &str) -> String;

    /// Finish reason, usage and end marker.
    fn ending(&self) -> Vec<String>;

    /// An event that is no JSON.
    fn broken(&self) -> String;

    fn refusal(&self, refusal: &Refusal) -> Response<Body>;

    /// The first piece of a stream that never comes to its end.
    fn first(&self, text: &str) -> String {
        self.delta(text)
    }
}

#[derive(Debug)]
pub(super) enum Refusal {
    RateLimited,
    NoQuota,
    Key,
    Parameter,
    /// In characters.
    ContextLength {
        limit: usize,
        length: usize,
    },
    UnknownModel,
    Failed,
    Overloaded,
}

impl Refusal {
    /// The models that refuse whatever they are asked.
    pub(super) fn by(model: &str) -> Option<Self> {
        Some(match model {
            "rate-limited" => Self::RateLimited,
            "no-quota" => Self::NoQuota,
            "rejects-key" => Self::Key,
            "refuses" => Self::Parameter,
            "fails" => Self::Failed,
            "overloaded" => Self::Overloaded,
            _ => return None,
        })
    }

    pub(super) fn answer(&self, grammar: &dyn Grammar) -> Response<Body> {
        let mut response = grammar.refusal(self);
        if matches!(self, Self::RateLimited) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("7"));
        }
        response
    }
}

/// What a request of any family says.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The behaviour's name.
    model: String,
    streamed: bool,
    system: String,
    turns: Vec<Turn>,
}

#[derive(Debug)]
pub(super) struct Turn {
    /// In `OpenAI`'s words: Google's `model` is an `assistant`.
    pub(super) role: String,
    pub(super) text: String,
    /// Media types; `url` for an image that is only named.
    pub(super) images: Vec<String>,
}

impl Conversation {
    pub(super) fn new(script: &Script, model: &str, streamed: bool, system: String, turns: Vec<Turn>) -> Self {
        let model = if script.is_echo(model) { "echo" } else { behaviour_of(model) };
        Self { model: model.to_owned(), streamed, system, turns }
    }

    fn refusal(&self) -> Option<Refusal> {
        if !is_known(&self.model) {
            return Some(Refusal::UnknownModel);
        }
        let limit = context_of(&self.model).unwrap_or(usize::MAX);
        let texts = self.turns.iter().map(|turn| &turn.text).chain([&self.system]);
        let length = texts.map(|text| text.chars().count()).sum();
        if length > limit {
            return Some(Refusal::ContextLength { limit, length });
        }
        Refusal::by(&self.model)
    }

    fn reply(&self) -> String {
        match self.model.as_str() {
            "unicode" => UNICODE.to_owned(),
            "counts" => listed("turns", self.turns.iter().map(|turn| &turn.role)),
            "sees-images" => listed("images", self.turns.iter().flat_map(|turn| &turn.images)),
            _ => {
                let last = self.turns.iter().rfind(|turn| turn.role == "user");
                format!("You said: {}", last.map_or("", |turn| &turn.text))
            }
        }
    }
}

/// `turns: 2 user assistant`
fn listed<'a>(what: &str, words: impl Iterator<Item = &'a String>) -> String {
    let words: Vec<&str> = words.map(String::as_str).collect();
    format!("{what}: {} {}", words.len(), words.join(" ")).trim_end().to_owned()
}

fn behaviour_of(model: &str) -> &str {
    let prefixes = ["gpt-", "claude-", "gemini-", "grok-", "deepseek-", "llama-"];
    prefixes.iter().find_map(|prefix| model.strip_prefix(prefix)).unwrap_or(model)
}

pub(super) fn is_known(behaviour: &str) -> bool {
    MODELS.contains(&behaviour) || context_of(behaviour).is_some()
}

/// How many characters a model of the name `context-N` takes.
fn context_of(behaviour: &str) -> Option<usize> {
    behaviour.strip_prefix("context-")?.parse().ok()
}

pub(super) async fn act(script: &Arc<Script>, grammar: &dyn Grammar, asked: &Conversation) -> Response<Body> {
    if let Some(refusal) = asked.refusal() {
        return refusal.answer(grammar);
    }
    match asked.model.as_str() {
        "html" => return reply(StatusCode::OK, "text/html", full("<html><body>Welcome to nginx!</body></html>")),
        "redirect" => return redirect(script),
        "silent" => {
            let _presence = Presence::of(script);
            std::future::pending::<()>().await;
        }
        "slow-head" => script.released().await,
        "slow-stream" if !asked.streamed => script.released().await,
        _ => {}
    }
    if asked.streamed { streamed(script, grammar, asked) } else { whole(script, grammar, asked) }
}

fn whole(script: &Arc<Script>, grammar: &dyn Grammar, asked: &Conversation) -> Response<Body> {
    let text = grammar.whole(&asked.reply()).to_string();
    let half = || text.chars().take(100).collect::<String>();
    let body = match asked.model.as_str() {
        "slow-whole" => pace::slow(script, Vec::new(), vec![text]),
        "unicode" => pace::cut_into_bytes(text),
        "bad-json" => full(half()),
        "dies" => pace::then_reset(vec![half()]),
        "stalls" => pace::then_nothing(script, half()),
        "huge" => pace::huge("", b' '),
        _ => full(text),
    };
    let mut response = reply(StatusCode::OK, "application/json", body);
    if asked.model == "huge" {
        response.headers_mut().insert(CONTENT_LENGTH, pace::HUGE.into());
    }
    response
}

fn streamed(script: &Arc<Script>, grammar: &dyn Grammar, asked: &Conversation) -> Response<Body> {
    let text = asked.reply();
    let deltas = || text.split_inclusive(' ').map(|word| grammar.delta(word));
    let whole = || grammar.opening().into_iter().chain(deltas()).chain(grammar.ending()).collect::<Vec<_>>();
    let two = || vec![grammar.first("You "), grammar.delta("said: ")];
    let body = match asked.model.as_str() {
        "unicode" => pace::cut_into_bytes(whole().concat()),
        "slow-stream" => {
            let mut first = whole();
            // What opens a stream carries no text: the first word goes with it.
            let rest = first.split_off(grammar.opening().len() + 1);
            pace::slow(script, first, rest)
        }
        "no-done" => pace::one_by_one(two()),
        "bad-json" => pace::one_by_one(vec![grammar.first("You "), grammar.broken()]),
        "dies" => pace::then_reset(two()),
        "stalls" => pace::then_nothing(script, grammar.first("You ")),
        "huge" => pace::huge("data: ", b'x'),
        _ => pace::one_by_one(whole()),
    };
    reply(StatusCode::OK, "text/event-stream", body)
}
