//! What each SDK is to have seen.

use llm_api_testkit::{Dialect, ProviderRequest, Speech};
use serde_json::{Value, json};

use super::models::{ANSWER, TEXT, THOUGHT, model, name};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sdk {
    PythonOpenai,
    NodeOpenai,
    PythonAnthropic,
    NodeAnthropic,
    NodeAi,
}

impl Sdk {
    pub(super) const fn script(self) -> &'static str {
        match self {
            Self::PythonOpenai => "python_openai.py",
            Self::NodeOpenai => "node_openai.mjs",
            Self::PythonAnthropic => "python_anthropic.py",
            Self::NodeAnthropic => "node_anthropic.mjs",
            Self::NodeAi => "node_ai.mjs",
        }
    }

    /// What it speaks.
    pub(super) const fn apis(self) -> &'static [&'static str] {
        match self {
            Self::PythonOpenai | Self::NodeOpenai => &["chat", "responses"],
            Self::PythonAnthropic | Self::NodeAnthropic => &["messages"],
            Self::NodeAi => &["chat", "messages"],
        }
    }

    pub(super) fn check(self, seen: &Value, asked: &[ProviderRequest]) {
        let mut wrong = Vec::new();
        for api in self.apis() {
            for dialect in Dialect::ALL {
                let seen = &seen["families"][api][name(dialect)];
                let place = format!("{api} with {dialect:?}");
                for (story, expected) in self.answers(api, dialect) {
                    if !holds(&seen[&story], &expected) {
                        wrong.push(format!("{place}, {story}: {}\n  expected: {expected}", seen[&story]));
                    }
                }
                if let Err(reason) = self.gave_back(api, dialect, asked) {
                    wrong.push(format!("{place}: {reason}"));
                }
            }
            for (story, expected) in self.troubles(api) {
                let seen = &seen["misbehaving"][api][story];
                if !holds(seen, &expected) {
                    wrong.push(format!("{api}, {story}: {seen}\n  expected: {expected}"));
                }
            }
        }
        wrong.extend(self.rest(seen));
        assert!(wrong.is_empty(), "{self:?}:\n{}", wrong.join("\n"));
    }

    /// The answers to one family's stories.
    fn answers(self, api: &str, dialect: Dialect) -> Vec<(String, Value)> {
        let cached = if dialect == Dialect::OllamaChat { 0 } else { 3 };
        let usage = json!([11, 7, cached]);
        let (ends, calls) = self.reasons(api);
        let said = |text: &str, finish: &str| json!({ "text": text, "calls": [], "finish": finish, "usage": usage });
        let answer = said(ANSWER, ends);
        let call = |city: &str| json!(["weather", { "city": city }]);
        let one = json!({
            "text": "", "thought": THOUGHT, "calls": [call("Oslo")], "finish": calls, "usage": usage, "answer": answer,
        });
        let two = json!({
            "text": "I shall look.", "calls": [call("Oslo"), call("São Paulo")], "finish": calls, "usage": usage,
            "answer": answer,
        });
        let city = json!({ "name": "Oslo", "population": 717_710 });
        let stories = [("says", said(TEXT, ends)), ("calls", one), ("parallel", two), ("object", city)];
        let ways = |(story, expected): (&str, Value)| {
            [(story.to_owned(), expected.clone()), (format!("{story}.streamed"), expected)]
        };
        stories.into_iter().flat_map(ways).collect()
    }

    /// The words for the end of an answer, and for one that calls tools.
    fn reasons(self, api: &str) -> (&'static str, &'static str) {
        match (self, api) {
            (Self::NodeAi, _) => ("stop", "tool-calls"),
            (_, "chat") => ("stop", "tool_calls"),
            (_, "responses") => ("completed", "completed"),
            _ => ("end_turn", "tool_use"),
        }
    }

    /// The requests with results brought the results, and the thoughts sealed as they were.
    fn gave_back(self, api: &str, dialect: Dialect, asked: &[ProviderRequest]) -> Result<(), String> {
        let of = |story: &str| -> Vec<String> {
            let model = model(dialect, story);
            let is_asked = |request: &&ProviderRequest| {
                request.body["model"] == model || request.path.split(['/', ':', '?']).any(|segment| segment == model)
            };
            let brought = asked.iter().filter(is_asked).filter(|request| request.brings_tool_result());
            brought.map(|request| request.body.to_string()).collect()
        };
        let thought = match dialect {
            Dialect::OpenaiChat | Dialect::OllamaChat => THOUGHT,
            _ => Speech::SEAL,
        };
        // This provider has no place for more than a text of thoughts.
        let loses_seals = self == Self::NodeAi && api == "chat";
        for (story, wanted) in [("calls", vec!["in Oslo", thought]), ("parallel", vec!["in Oslo", "in São Paulo"])] {
            let bodies = of(story);
            // Of each api two, in one piece and streamed, one api after the other.
            if bodies.len() != 2 * self.apis().len() {
                return Err(format!("{story}: {} results came", bodies.len()));
            }
            let begin = 2 * self.apis().iter().take_while(|its| **its != api).count();
            for (index, body) in bodies.iter().enumerate().skip(begin).take(2) {
                let missing = |wanted: &&&str| !body.contains(**wanted) && (!loses_seals || **wanted != thought);
                if let Some(missing) = wanted.iter().find(missing) {
                    return Err(format!("{story}: {missing:?} is missing in request {index}: {body}"));
                }
            }
        }
        Ok(())
    }

    fn troubles(self, api: &str) -> Vec<(&'static str, Value)> {
        // The AI SDK does not look for an id.
        let said = |class: &str, status: u16| json!({ "class": class, "status": status, "has_request_id": self != Self::NodeAi });
        let (first, begun) = ("You ", "You said: ");
        let class = |own: &'static str| if self == Self::NodeAi { "APICallError" } else { own };
        let mut limited = said(class("RateLimitError"), 429);
        limited["retry_after"] = "7".into();
        let broken = match (self, api) {
            (Self::NodeAi, _) => json!({ "text": begun }),
            (_, "responses") => json!({ "class": "response.failed", "status": "failed", "text": begun }),
            (Self::PythonAnthropic, _) => json!({ "class": "APIStatusError", "type": "api_error", "text": begun }),
            _ => json!({ "class": "APIError", "text": begun }),
        };
        let silent = match self {
            Self::PythonOpenai | Self::PythonAnthropic => "APITimeoutError",
            Self::NodeOpenai | Self::NodeAnthropic => "APIConnectionTimeoutError",
            Self::NodeAi => "DOMException",
        };
        vec![
            ("stranger", said(class("AuthenticationError"), 401)),
            ("unknown", said(class("NotFoundError"), 404)),
            ("refused", said(class("BadRequestError"), 400)),
            ("limited", limited),
            ("broken", broken),
            ("cancelled", json!({ "first": first, "left": true })),
            ("silent", json!({ "class": silent, "left": true })),
        ]
    }

    /// Lists, vectors and counts.
    fn rest(self, seen: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        if self != Self::NodeAi {
            let lists = |id: &str| seen["models"].as_array().is_some_and(|models| models.contains(&json!(id)));
            if !["echo", "custom:echo", "gemini-echo"].into_iter().all(lists) {
                wrong.push(format!("models: {}", seen["models"]));
            }
        }
        if matches!(self, Self::PythonAnthropic | Self::NodeAnthropic) {
            let counted = &seen["counted"];
            if counted["anthropic:claude-echo"] != 11 || counted["openai:echo"].as_i64().is_none_or(|count| count < 1) {
                wrong.push(format!("counted: {counted}"));
            }
        } else {
            let vectors = json!([[1, 0], [3, 1]]);
            for model in ["openai:echo", "google:gemini-embedding-001"] {
                if !holds(&seen["embeddings"][model], &vectors) {
                    wrong.push(format!("embeddings of {model}: {}", seen["embeddings"][model]));
                }
            }
        }
        wrong
    }
}

/// Whether all of `expected` stands in `seen`; an object may have more.
fn holds(seen: &Value, expected: &Value) -> bool {
    match (seen, expected) {
        (Value::Object(seen), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| seen.get(name).is_some_and(|seen| holds(seen, value)))
        }
        (Value::Array(seen), Value::Array(expected)) => {
            seen.len() == expected.len() && seen.iter().zip(expected).all(|(seen, expected)| holds(seen, expected))
        }
        // Python writes 1.0 where Node writes 1.
        (Value::Number(seen), Value::Number(expected)) => seen.as_f64() == expected.as_f64(),
        _ => seen == expected,
    }
}
