//! Azure `OpenAI`: chat completions by deployment, and the newer address below `/openai/v1`.

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::behaviour::{Grammar, Refusal, act};
use super::openai::{Chat, event};
use super::{Key, ProviderRequest, Script, json_reply};
use crate::serve::Body;

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    let path = request.route().strip_prefix("/openai/").unwrap_or_default();
    let deployment = path.strip_prefix("deployments/").and_then(|rest| rest.strip_suffix("/chat/completions"));
    let mut grammar = Azure(Chat::of(request));
    grammar.0.model = deployment.unwrap_or(grammar.0.model);
    if script.judge(request, Some("api-key")) != Key::Good {
        return grammar.refusal(&Refusal::Key);
    }
    let is_versioned = path.starts_with("v1/") || request.query("api-version").is_some_and(|date| !date.is_empty());
    match (request.method.as_str(), path) {
        _ if !is_versioned => not_found(),
        ("GET", "models" | "v1/models") => models(),
        ("POST", "v1/chat/completions") => act(script, &grammar, &grammar.0.conversation(script)).await,
        ("POST", _) if deployment.is_some() => act(script, &grammar, &grammar.0.conversation(script)).await,
        _ => not_found(),
    }
}

/// What the resource could deploy; its deployments are no part of it.
fn models() -> Response<Body> {
    let model = |id: &str| {
        json!({
            "id": id, "object": "model", "status": "succeeded", "created_at": 1_700_000_000,
            "lifecycle_status": "generally-available", "capabilities": {"chat_completion": true, "inference": true},
        })
    };
    let data = [model("gpt-4o-2024-11-20"), model("gpt-4o-mini-2024-07-18")];
    json_reply(StatusCode::OK, &json!({"object": "list", "data": data}))
}

fn not_found() -> Response<Body> {
    error(StatusCode::NOT_FOUND, "404", "Resource not found")
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    json_reply(status, &json!({"error": {"code": code, "message": message}}))
}

/// As `OpenAI`, with the verdicts of Azure's content filter, and errors of its own where its gateway refuses.
struct Azure<'a>(Chat<'a>);

fn verdicts() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}

fn prompt_verdicts() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": verdicts()}])
}

impl Grammar for Azure<'_> {
    fn whole(&self, text: &str) -> Value {
        let mut whole = self.0.whole(text);
        whole["choices"][0]["content_filter_results"] = verdicts();
        whole["prompt_filter_results"] = prompt_verdicts();
        whole
    }

    /// The first chunk tells about the prompt and has no choices.
    fn opening(&self) -> Vec<String> {
        let mut chunk = self.0.chunk(&json!([]));
        chunk["prompt_filter_results"] = prompt_verdicts();
        let mut events = vec![event(&chunk)];
        events.extend(self.0.opening());
        events
    }

    fn delta(&self, text: &str) -> String {
        self.0.delta(text)
    }

    fn ending(&self) -> Vec<String> {
        self.0.ending()
    }

    fn broken(&self) -> String {
        self.0.broken()
    }

    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        match refusal {
            Refusal::RateLimited => {
                let message = "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded \
                               call rate limit of your current pricing tier. Please retry after 7 seconds.";
                error(StatusCode::TOO_MANY_REQUESTS, "429", message)
            }
            Refusal::Key => {
                let shown = self.0.request.shown_key("api-key");
                let message = format!(
                    "Access denied due to invalid subscription key or wrong API endpoint ({shown}). Make sure to provide \
                     a valid key for an active subscription and use a correct regional API endpoint for your resource."
                );
                error(StatusCode::UNAUTHORIZED, "401", &message)
            }
            Refusal::UnknownModel => {
                let message = "The API deployment for this resource does not exist. If you created the deployment \
                               within the last 5 minutes, please wait a moment and try again.";
                error(StatusCode::NOT_FOUND, "DeploymentNotFound", message)
            }
            same => self.0.refusal(same),
        }
    }
}
