//! The functions in the vendors' formats with models of three vendors behind them, and those who speak these formats.

use http::Method;
use llm_api_domain::UserId;
use llm_api_storage::Request;
use llm_api_testkit::{Database, LambdaReply, LambdaStream};
use serde_json::{Value, json};

use super::{Function, STREAM, installation, store_key_for};
use crate::support::Site;

/// A greeting answered by `echo`.
pub(super) const ANSWER: &str = "You said: Hello";

/// One model of each vendor; which of them shares the caller's format differs.
pub(super) fn models(behaviour: &str) -> [String; 3] {
    [format!("openai:{behaviour}"), format!("anthropic:claude-{behaviour}"), format!("google:gemini-{behaviour}")]
}

/// A format that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Chat,
    Responses,
    Messages,
}

impl Caller {
    pub(super) const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    /// As usage rows name it.
    pub(super) const fn endpoint(self) -> &'static str {
        match self {
            Self::Chat => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }

    pub(super) fn hello(self, model: &str, stream: bool) -> Value {
        let messages = json!([{ "role": "user", "content": "Hello" }]);
        let mut body = match self {
            Self::Chat => json!({ "messages": messages }),
            Self::Responses => json!({ "input": "Hello" }),
            Self::Messages => json!({ "max_tokens": 64, "messages": messages }),
        };
        body["model"] = model.into();
        if stream {
            body["stream"] = true.into();
        }
        body
    }

    /// The text of a whole reply, or of a stream by its deltas.
    pub(super) fn text(self, reply: &LambdaReply, stream: bool) -> String {
        if stream { self.streamed_text(&data(&reply.text())) } else { self.whole_text(&reply.json()) }
    }

    fn whole_text(self, reply: &Value) -> String {
        let joined = |parts: &Value| -> String {
            parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
        };
        match self {
            Self::Chat => reply["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
            Self::Messages => joined(&reply["content"]),
            Self::Responses => {
                reply["output"].as_array().into_iter().flatten().map(|item| joined(&item["content"])).collect()
            }
        }
    }

    fn streamed_text(self, data: &[Value]) -> String {
        let delta = |event: &Value| {
            let delta = match self {
                Self::Chat => &event["choices"][0]["delta"]["content"],
                Self::Responses => &event["delta"],
                Self::Messages => &event["delta"]["text"],
            };
            delta.as_str().map(str::to_owned)
        };
        data.iter().filter_map(delta).collect()
    }

    /// Whether a stream says that it is whole.
    pub(super) fn is_whole(self, text: &str) -> bool {
        let last = data(text).pop().unwrap_or_default();
        match self {
            Self::Chat => last == "[DONE]",
            Self::Responses => last["type"] == "response.completed",
            Self::Messages => last["type"] == "message_stop",
        }
    }

    /// The `error` of a body, after a look at its form.
    pub(super) fn error(self, reply: &LambdaReply) -> Value {
        let body = reply.json();
        let error = &body["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{body}");
        if self == Self::Messages {
            assert_eq!((&body["type"], &body["request_id"]), (&json!("error"), &json!(reply.header("request-id"))));
        } else {
            assert!(error.get("param").is_some() && error.get("code").is_some(), "{body}");
        }
        error.clone()
    }

    /// The header by which its SDKs show the token.
    pub(super) fn shown(self, token: &str) -> (&'static str, String) {
        match self {
            Self::Chat | Self::Responses => ("authorization", format!("Bearer {token}")),
            Self::Messages => ("x-api-key", token.to_owned()),
        }
    }

    /// Asks as its SDKs do.
    pub(super) async fn ask(
        self,
        function: &Function,
        token: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> LambdaReply {
        let (name, shown) = self.shown(token);
        let headers = [&[(name, &*shown), ("content-type", "application/json")], more].concat();
        function.invoke(Method::POST, self.path(), &headers, &body.to_string()).await
    }

    /// The same up to the reply's head, which must be a good one.
    pub(super) async fn begin(
        self,
        function: &Function,
        token: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> LambdaStream {
        let (name, shown) = self.shown(token);
        let headers = [&[(name, &*shown), ("content-type", "application/json")], more].concat();
        let stream = function.runtime.begin(&Method::POST, self.path(), &headers, &body.to_string()).await;
        assert_eq!(stream.status, 200, "{:?} {}", stream.failure, function.process.stderr());
        stream
    }
}

/// What a stream's events carry; a text for what is no JSON.
pub(super) fn data(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
}

/// An installation, Ada with keys for three vendors, and a function for each of two formats' vendors.
pub(super) struct Crew {
    pub(super) site: Site,
    pub(super) ada: String,
    pub(super) user: UserId,
    pub(super) users: Function,
    openai: Function,
    anthropic: Function,
}

impl Crew {
    /// The functions stream, as they are deployed.
    pub(super) async fn start(database: Database) -> Self {
        let (site, ada, users) = installation(database, &[]).await;
        let keys = Function::start(&site, "provider-keys", &[]).await;
        for provider in ["openai", "anthropic", "google"] {
            store_key_for(&keys, &ada, provider).await;
        }
        let me = users.call(Method::GET, "/v1/users/me", &ada, Value::Null).await.json();
        let user = me["id"].as_str().expect("an id").parse().expect("a UUID");
        let (openai, anthropic) = Self::pair(&site, &STREAM).await;
        Self { site, ada, user, users, openai, anthropic }
    }

    async fn pair(site: &Site, mode: &[(&str, &str)]) -> (Function, Function) {
        (Function::start(site, "openai", mode).await, Function::start(site, "anthropic", mode).await)
    }

    /// The same people with other processes.
    pub(super) async fn relieved(&mut self, mode: &[(&str, &str)]) -> (Function, Function) {
        let (openai, anthropic) = Self::pair(&self.site, mode).await;
        (std::mem::replace(&mut self.openai, openai), std::mem::replace(&mut self.anthropic, anthropic))
    }

    pub(super) fn function(&self, caller: Caller) -> &Function {
        match caller {
            Caller::Chat | Caller::Responses => &self.openai,
            Caller::Messages => &self.anthropic,
        }
    }

    pub(super) async fn ask(&self, caller: Caller, body: &Value) -> LambdaReply {
        caller.ask(self.function(caller), &self.ada, &[], body).await
    }

    /// Sends a body to any path of the function for `caller`.
    pub(super) async fn post(&self, caller: Caller, path: &str, body: Value) -> LambdaReply {
        self.function(caller).call(Method::POST, path, &self.ada, body).await
    }

    /// The usage row behind a reply; it must be there already.
    pub(super) async fn row(&self, reply: &LambdaReply) -> Request {
        let id = reply.header("x-request-id").to_owned();
        self.site.rows(self.user).await.into_iter().find(|row| row.id.to_string() == id).expect("a usage row")
    }

    /// How often providers were asked anything so far.
    pub(super) fn asked(&self) -> usize {
        self.site.provider.requests().len()
    }

    pub(super) async fn set_alias(&self, name: &str, targets: &[&str]) {
        let (path, body) = (format!("/v1/users/aliases/{name}"), json!({ "targets": targets }));
        let reply = self.users.call(Method::PUT, &path, &self.ada, body).await;
        assert!(reply.status.is_success(), "{}", reply.text());
    }
}
