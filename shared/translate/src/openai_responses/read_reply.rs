//! A provider's whole reply.

use serde_json::Value;

use super::wire::{
    CallItem, Content, IncompleteDetails, InputDetails, MessageItem, OutputDetails, ReasoningItem, Response,
};
use super::{OWN, annotation, wire};
use crate::whole::integer;
use crate::{Finish, Media, Part, Reply, Signature, Source, Text, Thinking, ToolCall, Unreadable, Usage};

pub(crate) fn read_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let response: Response =
        serde_json::from_slice(body).map_err(|_| Unreadable::OtherForm("the reply is no response object"))?;
    let Response { id, model, created_at, status, error, incomplete_details, output, usage, service_tier } = response;
    let (None, Some(output)) = (error, output) else {
        return Err(if error.is_some() {
            Unreadable::Provider
        } else {
            Unreadable::OtherForm("the reply is no response object")
        });
    };
    let mut parts = Vec::new();
    let mut logprobs = Vec::new();
    for item in output {
        read_item(item, &mut parts, &mut logprobs)?;
    }
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    Ok(Reply {
        id,
        model,
        created: created_at.as_ref().and_then(integer),
        parts,
        finish: finish(status.as_deref(), incomplete_details, called, refused)?,
        usage: usage.map(read_usage).unwrap_or_default(),
        logprobs: (!logprobs.is_empty()).then_some(logprobs),
        service_tier,
    })
}

/// A compatible provider may leave the status out.
pub(super) fn finish(
    status: Option<&str>,
    details: Option<IncompleteDetails>,
    called: bool,
    refused: bool,
) -> Result<Finish, Unreadable> {
    match status {
        None | Some("completed") if called => Ok(Finish::ToolCalls),
        None | Some("completed") if refused => Ok(Finish::Refusal),
        None | Some("completed") => Ok(Finish::Stop),
        Some("incomplete") => Ok(match details.and_then(|details| details.reason).as_deref() {
            None | Some("max_output_tokens") => Finish::Length,
            Some("content_filter") => Finish::ContentFilter,
            Some(reason) => Finish::Malformed(reason.to_owned()),
        }),
        Some("failed") => Err(Unreadable::Provider),
        Some("cancelled") => Ok(Finish::Malformed("cancelled".to_owned())),
        Some(_) => Err(Unreadable::OtherForm("the reply is not finished")),
    }
}

fn item<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    serde_json::from_value(value).map_err(|_| Unreadable::OtherForm("an item of the reply has another form"))
}

/// The parts that an item is made of, and the log probabilities of its texts.
pub(super) fn read_item(value: Value, parts: &mut Vec<Part>, logprobs: &mut Vec<Value>) -> Result<(), Unreadable> {
    match value.get("type").and_then(Value::as_str) {
        Some("message") => {
            for content in item::<MessageItem>(value)?.content.unwrap_or_default() {
                let Content { text, refusal, annotations, logprobs: of_text } = content;
                if let Some(text) = text {
                    let annotations = annotations.unwrap_or_default().into_iter().map(annotation::nested).collect();
                    parts.push(Part::Text(Text { text, annotations, cache: None }));
                }
                parts.extend(refusal.map(Part::Refusal));
                logprobs.extend(of_text.unwrap_or_default());
            }
        }
        Some("function_call") => parts.push(Part::ToolCall(read_call(value)?)),
        Some("reasoning") => parts.extend(read_reasoning(value)?),
        Some("image_generation_call") => parts.push(read_image(value)),
        Some(_) => parts.push(Part::Native { format: OWN, value }),
        None => return Err(Unreadable::OtherForm("an item of the reply has no type")),
    }
    Ok(())
}

/// What the model drew; one that failed stays as it is.
fn read_image(mut value: Value) -> Part {
    let kind = value.get("output_format").and_then(Value::as_str).unwrap_or("png");
    let media_type = format!("image/{kind}");
    match value.get_mut("result").map(Value::take) {
        Some(Value::String(data)) => Part::Image(Media::new(Source::Inline { media_type, data })),
        _ => Part::Native { format: OWN, value },
    }
}

pub(super) fn read_call(value: Value) -> Result<ToolCall, Unreadable> {
    let CallItem { id, call_id, name, arguments } = item(value)?;
    Ok(ToolCall {
        id: call_id.or(id).unwrap_or_default(),
        name,
        arguments: arguments.unwrap_or_default(),
        signature: None,
        cache: None,
    })
}

/// Nothing where the provider shows neither thoughts nor a seal.
pub(super) fn read_reasoning(value: Value) -> Result<Option<Part>, Unreadable> {
    let ReasoningItem { summary, content, encrypted_content } = item(value)?;
    let signature = encrypted_content.filter(|seal| !seal.is_empty()).map(|seal| Signature::new(OWN, seal));
    let texts = |list: Option<Vec<Content>>| -> Vec<String> {
        list.unwrap_or_default().into_iter().filter_map(|part| part.text).collect()
    };
    let summary = texts(summary);
    let texts = if summary.is_empty() { texts(content) } else { summary };
    Ok(match signature {
        Some(seal) if texts.is_empty() => Some(Part::RedactedThinking(seal)),
        None if texts.is_empty() => None,
        signature => Some(Part::Thinking(Thinking { text: texts.join("\n\n"), signature })),
    })
}

pub(super) fn read_usage(usage: wire::Usage) -> Usage {
    let wire::Usage { input_tokens, input_tokens_details, output_tokens, output_tokens_details, total_tokens } = usage;
    let InputDetails { cached_tokens, cache_write_tokens, audio_tokens: input_audio } =
        input_tokens_details.unwrap_or_default();
    let OutputDetails {
        reasoning_tokens,
        audio_tokens: output_audio,
        accepted_prediction_tokens,
        rejected_prediction_tokens,
    } = output_tokens_details.unwrap_or_default();
    Usage {
        input: input_tokens,
        output: output_tokens,
        total: total_tokens,
        cache_read: cached_tokens,
        cache_written: cache_write_tokens,
        cache_written_5m: None,
        cache_written_1h: None,
        reasoning: reasoning_tokens,
        input_audio,
        output_audio,
        accepted_prediction: accepted_prediction_tokens,
        rejected_prediction: rejected_prediction_tokens,
    }
}
