//! Whatever is written keeps the official schemas of OpenAI and Anthropic: bodies for their APIs, replies and each event
//! of a stream for their SDKs.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use llm_api_translate::Format;
use serde_json::{Value, json};

use crate::{golden::CALLERS, replies, requests, streams};

/// The documents, by the names that `tests/schemas/check.py` has for them, and the schemas in them.
const fn request_schema(target: Format) -> Option<(&'static str, &'static str)> {
    match target {
        Format::OpenaiChat => Some(("openai", "CreateChatCompletionRequest")),
        Format::OpenaiResponses => Some(("openai", "CreateResponse")),
        Format::AnthropicMessages => Some(("anthropic", "CreateMessageParams")),
        _ => None,
    }
}

fn reply_schema(caller: Format) -> (&'static str, &'static str) {
    match caller {
        Format::OpenaiChat => ("openai", "CreateChatCompletionResponse"),
        Format::OpenaiResponses => ("openai", "Response"),
        _ => ("anthropic", "Message"),
    }
}

/// Of one event of a stream; errors in it have schemas of their own.
fn event_schema(caller: Format, event: &Value) -> (&'static str, &'static str) {
    match caller {
        Format::OpenaiChat if event.get("error").is_some() => ("openai", "ErrorResponse"),
        Format::OpenaiChat => ("openai", "CreateChatCompletionStreamResponse"),
        Format::OpenaiResponses => ("openai", "ResponseStreamEvent"),
        _ if event["type"] == "error" => ("anthropic", "ErrorResponse"),
        _ => ("anthropic", "MessageStreamEvent"),
    }
}

fn case(place: &str, (document, schema): (&str, &str), value: &Value) -> Value {
    json!({"place": place, "document": document, "schema": schema, "value": value})
}

/// The document knows what a model said, given back, only with the labels that OpenAI's store gave it. The API takes it
/// without them: so OpenAI's own agent for the command line sends it.
fn labelled(mut body: Value) -> Value {
    for item in body.get_mut("input").and_then(Value::as_array_mut).into_iter().flatten() {
        let is_said = item["type"] == "message" && item["role"] == "assistant";
        if is_said {
            item["status"] = json!("completed");
            for part in
                item["content"].as_array_mut().into_iter().flatten().filter(|part| part["type"] == "output_text")
            {
                for list in ["annotations", "logprobs"] {
                    let part = part.as_object_mut().expect("a part");
                    part.entry(list).or_insert_with(|| json!([]));
                }
            }
        }
        if is_said || item["type"] == "reasoning" {
            item["id"] = json!("given");
        }
    }
    body
}

fn of_requests(cases: &mut Vec<Value>) {
    for (feature, callers) in requests::outcomes() {
        for (caller, targets) in callers {
            for (target, outcome) in targets {
                // What comes from the same format is the sender's own, whatever it says.
                let body = outcome.body().filter(|_| caller != target);
                if let (Some(schema), Some(body)) = (request_schema(target), body) {
                    let place = format!("request {feature} from {} to {}", caller.name(), target.name());
                    cases.push(case(&place, schema, &labelled(body.clone())));
                }
            }
        }
    }
}

fn of_replies(cases: &mut Vec<Value>) {
    for provider in Format::ALL {
        for caller in CALLERS {
            let place = |kind: &str, name: &str| format!("{kind} {name} of {} for {}", provider.name(), caller.name());
            for name in replies::of(provider) {
                let reply = replies::written(provider, &name, caller).body;
                cases.push(case(&place("reply", &name), reply_schema(caller), &reply));
            }
            for name in streams::of(provider) {
                let stream = streams::written(&streams::recorded(provider, &name), caller);
                for (number, event) in streams::chunks(&stream).iter().enumerate() {
                    let place = format!("{} event {number}", place("stream", &name));
                    cases.push(case(&place, event_schema(caller, event), event));
                }
            }
        }
    }
}

#[test]
fn what_is_written_keeps_the_official_schemas() {
    let mut cases = Vec::new();
    of_requests(&mut cases);
    of_replies(&mut cases);
    assert!(cases.len() > 1_000, "{}", cases.len());
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/schemas/run");
    let mut child =
        Command::new(checker).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tests/schemas/run");
    // It reads all before it writes.
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(Value::Array(cases).to_string().as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    let faults = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && faults.is_empty(), "{} {faults}", output.status);
}
