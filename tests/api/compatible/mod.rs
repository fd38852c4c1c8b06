//! The endpoints in a vendor's format, with models of every provider: what passes through, what is translated, who is
//! asked, and how a failure is told.

mod breaking;
mod counting;
mod embeddings;
mod naming;
mod passing;
mod refusing;
mod routing;
mod schemas;
mod translating;

use llm_api_testkit::{HttpReply, Person, TestApp};
use serde_json::{Value, json};

/// A format that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Chat,
    Responses,
    Messages,
}

impl Caller {
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    /// As usage rows name it.
    pub(crate) const fn endpoint(self) -> &'static str {
        match self {
            Self::Chat => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }

    /// A greeting for `model`.
    pub(crate) fn hello(self, model: &str) -> Value {
        self.says(model, "Hello")
    }

    pub(crate) fn says(self, model: &str, text: &str) -> Value {
        match self {
            Self::Chat => json!({ "model": model, "messages": [{ "role": "user", "content": text }] }),
            Self::Responses => json!({ "model": model, "input": text }),
            Self::Messages => {
                json!({ "model": model, "max_tokens": 64, "messages": [{ "role": "user", "content": text }] })
            }
        }
    }

    pub(crate) async fn ask(self, app: &TestApp, person: &Person, body: Value) -> HttpReply {
        app.post(self.path(), &person.token, body).await
    }

    pub(crate) async fn ask_streamed(self, app: &TestApp, person: &Person, mut body: Value) -> HttpReply {
        body["stream"] = true.into();
        self.ask(app, person, body).await
    }

    /// The text of a whole reply.
    pub(crate) fn text(self, reply: &Value) -> String {
        let joined = |parts: &Value| -> String {
            parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
        };
        match self {
            Self::Chat => reply["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
            Self::Messages => joined(&reply["content"]),
            Self::Responses => {
                let items = reply["output"].as_array().into_iter().flatten();
                items.filter(|item| item["type"] == "message").map(|item| joined(&item["content"])).collect()
            }
        }
    }

    /// Prompt and reply tokens of a whole reply.
    pub(crate) fn counts(self, reply: &Value) -> (i64, i64) {
        let usage = &reply["usage"];
        let [prompt, answer] = match self {
            Self::Chat => ["prompt_tokens", "completion_tokens"],
            Self::Responses | Self::Messages => ["input_tokens", "output_tokens"],
        };
        let count = |name: &str| usage[name].as_i64().unwrap_or_else(|| panic!("{name} in {reply}"));
        (count(prompt), count(answer))
    }

    /// The text of a stream, by its deltas.
    pub(crate) fn streamed_text(self, events: &[Value]) -> String {
        let delta = |event: &Value| match self {
            Self::Chat => event["choices"][0]["delta"]["content"].as_str().map(str::to_owned),
            Self::Responses if event["type"] == "response.output_text.delta" => {
                event["delta"].as_str().map(str::to_owned)
            }
            Self::Messages if event["type"] == "content_block_delta" => {
                event["delta"]["text"].as_str().map(str::to_owned)
            }
            Self::Responses | Self::Messages => None,
        };
        events.iter().filter_map(delta).collect()
    }

    /// Whether the stream's last event says that it is whole.
    pub(crate) fn is_whole(self, data: &[String]) -> bool {
        let last = data.last().map_or("", String::as_str);
        match self {
            Self::Chat => last == "[DONE]",
            Self::Responses => last.contains("\"response.completed\"") || last.contains("\"response.incomplete\""),
            Self::Messages => last.contains("\"message_stop\""),
        }
    }

    /// The sentence of an error body, after a look at its form.
    pub(crate) fn message(self, body: &Value) -> String {
        let error = &body["error"];
        match self {
            Self::Chat | Self::Responses => {
                assert!(
                    error["type"].is_string() && error.get("param").is_some() && error.get("code").is_some(),
                    "{body}"
                );
            }
            Self::Messages => {
                assert_eq!(body["type"], "error", "{body}");
                assert!(error["type"].is_string() && body["request_id"].is_string(), "{body}");
            }
        }
        error["message"].as_str().unwrap_or_else(|| panic!("a sentence: {body}")).to_owned()
    }
}

/// The events of a stream, but for `[DONE]`.
pub(crate) fn parsed(data: &[String]) -> Vec<Value> {
    let events = data.iter().filter(|line| *line != "[DONE]");
    events.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"))).collect()
}
