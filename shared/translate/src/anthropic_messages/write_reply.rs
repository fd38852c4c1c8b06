//! The whole message for a caller.

use serde_json::{Value, json};

use super::{OWN, SEAL_OF_CALL, citation, identifier::call_id, input_of, object};
use crate::{Finish, Part, Reply, Signature, Stamp, Text, Usage};

/// What no block can say is left out: parts that only another format knows, log probabilities. A picture or a sound that
/// the model made is told of in words.
pub(crate) fn write_reply(reply: Reply, stamp: &Stamp) -> Value {
    let Reply { id: _, model: _, created: _, parts, finish, usage, logprobs: _, service_tier } = reply;
    let refusal = parts.iter().find_map(|part| match part {
        Part::Refusal(text) => Some(text.clone()),
        _ => None,
    });
    let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let content: Vec<_> = parts.into_iter().flat_map(blocks).collect();
    let end = End::of(finish, has_calls, refusal.as_deref());
    let usage = usage_of_message(&usage, service_tier.as_deref());
    message(stamp, content, Some(end), usage)
}

/// In the order in which Anthropic has its members.
pub(super) fn message(stamp: &Stamp, content: Vec<Value>, end: Option<End>, usage: Value) -> Value {
    let end = end.unwrap_or_default();
    object([
        ("id", format!("msg_{}", stamp.id).into()),
        ("type", "message".into()),
        ("role", "assistant".into()),
        ("model", stamp.model.as_str().into()),
        ("content", content.into()),
        ("stop_reason", end.reason.into()),
        ("stop_sequence", end.sequence.into()),
        ("stop_details", end.details),
        ("container", Value::Null),
        ("usage", usage),
    ])
}

/// How a message ended; nothing of it is known while it streams.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) reason: Option<&'static str>,
    pub(super) sequence: Option<String>,
    pub(super) details: Value,
}

impl End {
    /// `has_calls`: callers go by the reason to run tools, and not every provider tells it apart.
    pub(super) fn of(finish: Finish, has_calls: bool, refusal: Option<&str>) -> Self {
        let is_refused = refusal.is_some();
        let (reason, sequence) = match finish {
            Finish::Refusal | Finish::ContentFilter => ("refusal", None),
            Finish::Stop if is_refused => ("refusal", None),
            Finish::Stop if has_calls => ("tool_use", None),
            Finish::Stop | Finish::Malformed(_) => ("end_turn", None),
            Finish::StopSequence(text) => ("stop_sequence", text),
            // The document's list of reasons has no other word for the latter.
            Finish::Length | Finish::ContextLength => ("max_tokens", None),
            Finish::ToolCalls => ("tool_use", None),
            Finish::Pause => ("pause_turn", None),
        };
        let details = match reason {
            "refusal" => json!({"type": "refusal", "category": null, "explanation": refusal}),
            _ => Value::Null,
        };
        Self { reason: Some(reason), sequence, details }
    }
}

fn blocks(part: Part) -> Vec<Value> {
    match part {
        Part::Text(text) => vec![text_block(text)],
        Part::Refusal(text) => vec![text_block(Text { text, annotations: Vec::new(), cache: None })],
        Part::Thinking(thinking) => {
            let seal = thinking.signature.map(|seal| seal.written_in(OWN)).unwrap_or_default();
            vec![thinking_block(thinking.text, seal)]
        }
        Part::RedactedThinking(seal) => vec![redacted(seal.written_in(OWN))],
        Part::ToolCall(call) => {
            let mut blocks: Vec<_> = call.signature.as_ref().map(seal_of_call).into_iter().collect();
            blocks.push(tool_use(call.id, call.name, input_of(call.arguments)));
            blocks
        }
        Part::Native { format: OWN, value } => vec![value],
        part @ (Part::Image(_) | Part::Audio(_) | Part::Video(_) | Part::File(_)) => {
            let text = |text| text_block(Text { text, annotations: Vec::new(), cache: None });
            part.in_words().into_iter().map(text).collect()
        }
        Part::ToolResult(_) | Part::Native { .. } => Vec::new(),
    }
}

/// With a list of citations also where there are none: the document wants the member, and an SDK takes no `null` there.
fn text_block(text: Text) -> Value {
    let Text { text, annotations, cache: _ } = text;
    let citations: Vec<_> = annotations.into_iter().filter_map(|source| citation::for_caller(source, &text)).collect();
    object([("type", "text".into()), ("text", text.into()), ("citations", citations.into())])
}

pub(super) fn thinking_block(text: String, seal: String) -> Value {
    object([("type", "thinking".into()), ("thinking", text.into()), ("signature", seal.into())])
}

pub(super) fn redacted(data: String) -> Value {
    object([("type", "redacted_thinking".into()), ("data", data.into())])
}

/// A call has no place for the seal on the thoughts that led to it.
pub(super) fn seal_of_call(seal: &Signature) -> Value {
    redacted(format!("{SEAL_OF_CALL}{}", seal.written_in(OWN)))
}

pub(super) fn tool_use(id: String, name: String, input: Value) -> Value {
    object([
        ("type", "tool_use".into()),
        ("id", call_id(id).into()),
        ("name", name.into()),
        ("input", input),
        ("caller", object([("type", "direct".into())])),
    ])
}

/// What a cache gave or took is counted beside `input_tokens`.
fn fresh(usage: &Usage) -> Option<i64> {
    let cached = usage.cache_read.unwrap_or(0).saturating_add(usage.cache_written.unwrap_or(0));
    usage.input.map(|input| input.saturating_sub(cached).max(0))
}

fn details(usage: &Usage) -> Value {
    usage.reasoning.map(|tokens| object([("thinking_tokens", tokens.into())])).unwrap_or_default()
}

/// With every member, as Anthropic has it; what nobody counted is `null` where that may be.
pub(super) fn usage_of_message(usage: &Usage, service_tier: Option<&str>) -> Value {
    let (five, hour) = (usage.cache_written_5m, usage.cache_written_1h);
    let written = (five.is_some() || hour.is_some() || usage.cache_written.is_some()).then(|| {
        // Those of which nothing else is known are of the usual kind.
        let rest = usage.cache_written.unwrap_or(0).saturating_sub(hour.unwrap_or(0)).max(0);
        json!({"ephemeral_5m_input_tokens": five.unwrap_or(rest), "ephemeral_1h_input_tokens": hour.unwrap_or(0)})
    });
    let tier = match service_tier {
        Some("default" | "standard") => Some("standard"),
        Some("priority") => Some("priority"),
        Some("batch") => Some("batch"),
        _ => None,
    };
    object([
        ("input_tokens", fresh(usage).unwrap_or(0).into()),
        ("cache_creation_input_tokens", usage.cache_written.into()),
        ("cache_read_input_tokens", usage.cache_read.into()),
        ("cache_creation", written.into()),
        ("output_tokens", usage.output.unwrap_or(0).into()),
        ("output_tokens_details", details(usage)),
        ("server_tool_use", Value::Null),
        ("service_tier", tier.into()),
        ("inference_geo", Value::Null),
    ])
}

/// That of a stream's end: totals.
pub(super) fn usage_of_delta(usage: &Usage) -> Value {
    object([
        ("input_tokens", fresh(usage).into()),
        ("cache_creation_input_tokens", usage.cache_written.into()),
        ("cache_read_input_tokens", usage.cache_read.into()),
        ("output_tokens", usage.output.unwrap_or(0).into()),
        ("output_tokens_details", details(usage)),
        ("server_tool_use", Value::Null),
    ])
}
