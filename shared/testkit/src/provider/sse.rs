//! Chat completion chunks as OpenAI streams them.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::ProviderRequest;
use crate::serve::{Body, pieces};

/// Makes the events of one stream.
pub(super) struct Events {
    model: Value,
    with_usage: bool,
}

impl Events {
    pub(super) fn of(request: &ProviderRequest) -> Self {
        Self {
            model: request.body["model"].clone(),
            with_usage: request.body["stream_options"]["include_usage"] == true,
        }
    }

    /// Role, the text word by word, finish reason, usage if it was asked for, `[DONE]`.
    pub(super) fn all(&self, text: &str) -> Vec<String> {
        let mut events = vec![self.choice(&json!({"role": "assistant", "content": "", "refusal": null}), None)];
        events.extend(text.split_inclusive(' ').map(|word| self.delta(word)));
        events.push(self.choice(&json!({}), Some("stop")));
        if self.with_usage {
            let mut chunk = self.chunk();
            chunk["usage"] = usage();
            events.push(event(&chunk));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    pub(super) fn delta(&self, text: &str) -> String {
        self.choice(&json!({"content": text}), None)
    }

    fn choice(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        let mut chunk = self.chunk();
        chunk["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
        event(&chunk)
    }

    fn chunk(&self) -> Value {
        let mut chunk = json!({
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": self.model,
            "system_fingerprint": "fp_fake",
            "choices": [],
        });
        if self.with_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}

pub(super) fn usage() -> Value {
    json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

/// Each event is a write of its own.
pub(super) fn one_by_one(events: Vec<String>) -> Body {
    pieces(stream::iter(events).then(|event| async move {
        tokio::task::yield_now().await;
        Ok(Bytes::from(event))
    }))
}
