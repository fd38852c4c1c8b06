//! Amazon Bedrock's Converse, by way of the translation that the compatible endpoints use.

use bytes::Bytes;
use llm_api_translate::{Format, Losses, OnUnsupported, read_request, write_request};

use super::{Conversation, ConvertError, openai};

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
