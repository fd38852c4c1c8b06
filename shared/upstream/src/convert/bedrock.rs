//! Amazon Bedrock's Converse, by way of the translation that the compatible endpoints use.

use bytes::Bytes;
use llm_api_domain::TokenUsage;
use llm_api_translate::{
    Event, Finish, Format, Losses, OnUnsupported, Part, Usage, read_reply, read_request, write_request,
};

use super::{Conversation, ConvertError, Step, openai};
use crate::wire::openai::{Completion, CompletionError};

pub(super) fn to_wire(conversation: Conversation<'_>) -> Result<Bytes, ConvertError> {
    let model = conversation.model.to_owned();
    let body = openai::to_wire(conversation, true)?;
    let request = read_request(Format::OpenaiChat, &body)
        .map_err(|error| ConvertError::new(error.param.as_deref().unwrap_or("body"), error.message))?;
    let mut losses = Losses::new(Format::BedrockConverse, OnUnsupported::Refuse);
    let body = write_request(Format::BedrockConverse, request, &model, &mut losses)
        .map_err(|error| ConvertError::new(&error.param, error.message))?;
    Ok(super::json(&body))
}

pub(crate) fn completion(body: &[u8]) -> Result<Completion, CompletionError> {
    let reply = read_reply(Format::BedrockConverse, body).map_err(|error| match error {
        llm_api_translate::Unreadable::Provider => CompletionError::Provider,
        llm_api_translate::Unreadable::OtherForm(_) | llm_api_translate::Unreadable::Blocked(_) => {
            CompletionError::NoChoices
        }
    })?;
    let texts = reply.parts.into_iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text),
        _ => None,
    });
    Ok(Completion {
        text: texts.collect(),
        finish_reason: Some(finish_reason(&reply.finish).to_owned()),
        usage: Some(totals(&reply.usage)),
        model: reply.model,
    })
}

/// What an event adds to the steps of a stream.
pub(super) fn step(step: &mut Step, event: Event) {
    match event {
        Event::Text(text) => step.text.get_or_insert_default().push_str(&text),
        Event::Usage(usage) => step.usage = Some(totals(&usage)),
        Event::Finish(finish) => step.finish_reason = Some(finish_reason(&finish).to_owned()),
        Event::End => step.is_last = true,
        _ => {}
    }
}

/// Neutral counts as we keep them.
pub fn totals(usage: &Usage) -> TokenUsage {
    TokenUsage {
        prompt_tokens: usage.input,
        completion_tokens: usage.output,
        total_tokens: usage.sum(),
        cached_tokens: usage.cache_read,
        reasoning_tokens: usage.reasoning,
    }
}

/// In OpenAI's words.
fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Length | Finish::ContextLength => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter | Finish::Refusal => "content_filter",
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause | Finish::Malformed(_) => "stop",
    }
}
