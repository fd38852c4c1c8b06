//! `OpenAI`'s Responses API.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::behaviour::{Conversation, Grammar, Refusal, Turn, act};
use super::openai::Chat;
use super::{ProviderRequest, Script};
use crate::serve::Body;

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    act(script, &Responses(request), &conversation(script, &request.body)).await
}

fn conversation(script: &Script, body: &Value) -> Conversation {
    let alone = body["input"].as_str().map(|text| vec![said("user", text.to_owned())]);
    let items = body["input"].as_array().map(Vec::as_slice).unwrap_or_default();
    let messages = items.iter().filter(|item| item["type"].as_str().is_none_or(|kind| kind == "message"));
    let turns = messages.map(|item| said(item["role"].as_str().unwrap_or_default(), text_of(&item["content"])));
    let system = body["instructions"].as_str().unwrap_or_default().to_owned();
    let model = body["model"].as_str().unwrap_or_default();
    Conversation::new(script, model, body["stream"] == true, system, alone.unwrap_or_else(|| turns.collect()))
}

fn said(role: &str, text: String) -> Turn {
    Turn { role: role.to_owned(), text, images: Vec::new() }
}

fn text_of(content: &Value) -> String {
    let parts = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let joined = || parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ");
    content.as_str().map_or_else(joined, str::to_owned)
}

struct Responses<'a>(&'a ProviderRequest);

impl Responses<'_> {
    fn response(&self, status: &str, output: &Value, usage: &Value) -> Value {
        json!({
            "id": "resp_fake", "object": "response", "created_at": 1_700_000_000, "status": status, "error": null,
            "incomplete_details": null, "instructions": self.0.body["instructions"], "max_output_tokens": null,
            "model": self.0.body["model"], "output": output, "parallel_tool_calls": true,
            "previous_response_id": null, "reasoning": { "effort": null, "summary": null }, "store": true,
            "temperature": 1.0, "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
        })
    }
}

fn message(text: &str, status: &str) -> Value {
    json!({
        "id": "msg_fake", "type": "message", "role": "assistant", "status": status,
        "content": [{ "type": "output_text", "text": text, "annotations": [], "logprobs": [] }],
    })
}

fn usage() -> Value {
    json!({
        "input_tokens": 11, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": 7,
        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 18,
    })
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

impl Grammar for Responses<'_> {
    fn whole(&self, text: &str) -> Value {
        self.response("completed", &json!([message(text, "completed")]), &usage())
    }

    fn opening(&self) -> Vec<String> {
        let begun = self.response("in_progress", &json!([]), &Value::Null);
        let item =
            json!({ "id": "msg_fake", "type": "message", "role": "assistant", "status": "in_progress", "content": [] });
        let part = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
        vec![
            event(&json!({ "type": "response.created", "sequence_number": 0, "response": begun })),
            event(&json!({ "type": "response.in_progress", "sequence_number": 1, "response": begun })),
            event(
                &json!({ "type": "response.output_item.added", "sequence_number": 2, "output_index": 0, "item": item }),
            ),
            event(&json!({
                "type": "response.content_part.added", "sequence_number": 3, "item_id": "msg_fake", "output_index": 0,
                "content_index": 0, "part": part,
            })),
        ]
    }

    fn delta(&self, text: &str) -> String {
        event(&json!({
            "type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_fake", "output_index": 0,
            "content_index": 0, "delta": text, "logprobs": [],
        }))
    }

    /// A text before its response was created would be no such stream.
    fn first(&self, text: &str) -> String {
        self.opening().concat() + &self.delta(text)
    }

    fn ending(&self) -> Vec<String> {
        let done = self.response("completed", &json!([message("", "completed")]), &usage());
        vec![event(&json!({ "type": "response.completed", "sequence_number": 9, "response": done }))]
    }

    fn broken(&self) -> String {
        "event: response.output_text.delta\ndata: {\"type\": [\n\n".to_owned()
    }

    /// As chat completions have it.
    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        Chat::of(self.0).refusal(refusal)
    }
}
