//! A stream as the Dart and the Python client hear it; they agree in all but how they parse a complete reply.

use llm_api_testkit::HttpReply;
use serde_json::Value;

use super::shape::Shape;

/// What a client makes of one event.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Selected {
        model: Value,
        name: Value,
        fallback_used: bool,
        fallback_reason: Value,
    },
    Text(String),
    /// An object that the client takes for the whole reply, in place of any text before it.
    Complete(Value),
}

/// Everything up to `[DONE]`; the `error` of an error event as `Err`. Other objects are ignored, as by the clients.
pub(super) async fn hear(reply: HttpReply, whole: &Shape) -> Result<Vec<Heard>, Value> {
    let status = reply.status;
    let text = reply.text().await;
    assert_eq!(status, 200, "{text}");
    let mut heard = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if line.trim() == "[DONE]" {
            return Ok(heard);
        }
        let event: Value = serde_json::from_str(line).expect("one line of JSON");
        if event["event"] == "model_selected" {
            heard.push(Heard::Selected {
                model: event["model"].clone(),
                name: event["model_name"].clone(),
                fallback_used: event["fallback_used"].as_bool().expect("true or false"),
                fallback_reason: event["fallback_reason"].clone(),
            });
        } else if !event["error"].is_null() {
            return Err(event["error"].clone());
        } else if !event["output"].is_null() || !event["modality"].is_null() {
            heard.push(Heard::Complete(whole.read(event)));
        } else if let Some(content) = event["choices"][0]["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
            heard.push(Heard::Text(content.to_owned()));
        }
    }
    panic!("the stream ended without [DONE]: {text}");
}

/// The text that stands in the chat at the end, after the model was named and as long as no complete reply came.
pub(super) fn shown(heard: Vec<Heard>) -> String {
    let mut heard = heard.into_iter();
    assert!(matches!(heard.next(), Some(Heard::Selected { .. })), "the model is named first");
    let text = |event| match event {
        Heard::Text(text) => Some(text),
        Heard::Selected { .. } => None,
        Heard::Complete(reply) => panic!("taken for a complete reply: {reply}"),
    };
    heard.filter_map(text).collect()
}
