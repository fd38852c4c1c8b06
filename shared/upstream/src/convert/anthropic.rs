//! Anthropic Messages.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Conversation, ConvertError, Part, Role, Said, alternating, image::Image, json, parameters};

/// Members that parameters never replace; the last has no meaning here.
const OWN: [&str; 5] = ["model", "messages", "system", "stream", "stream_options"];
/// Anthropic wants a cap; this is what the old service sent.
const DEFAULT_MAX_TOKENS: i64 = 4096;

#[derive(Serialize)]
struct Body<'c> {
    model: &'c str,
    max_tokens: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'c str>,
    messages: Vec<Message<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(flatten)]
    parameters: Map<String, Value>,
}

#[derive(Serialize)]
struct Message<'c> {
    role: &'static str,
    content: Content<'c>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'c> {
    Text(&'c str),
    Blocks(Vec<Block<'c>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Block<'c> {
    Text { text: &'c str },
    Image { source: Source<'c> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Source<'c> {
    Base64 { media_type: Cow<'c, str>, data: &'c str },
    Url { url: &'c str },
}

pub(super) fn to_wire(mut conversation: Conversation<'_>) -> Result<Bytes, ConvertError> {
    let mut given = std::mem::take(&mut conversation.parameters);
    parameters::drop_own(&mut given, &OWN);
    if parameters::take_json_format(&mut given)? {
        let message = "Anthropic's models have no JSON format. Ask for JSON in the prompt, and leave format out.";
        return Err(ConvertError::new("format", message));
    }
    let stop = parameters::take_stop(&mut given)?;
    parameters::set(&mut given, "stop_sequences", stop);
    let max_tokens = parameters::take_max_tokens(&mut given).unwrap_or_else(|| DEFAULT_MAX_TOKENS.into());
    let said = alternating(&conversation.turns)?;
    Ok(json(&Body {
        model: conversation.model,
        max_tokens,
        system: conversation.system.as_deref().filter(|text| !text.trim().is_empty()),
        messages: said.into_iter().map(message).collect(),
        stream: conversation.stream.then_some(true),
        parameters: given,
    }))
}

fn message(said: Said<'_>) -> Message<'_> {
    let role = match said.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content = match said.parts.as_slice() {
        [Part::Text(text)] => Content::Text(text),
        _ => Content::Blocks(said.parts.into_iter().map(block).collect()),
    };
    Message { role, content }
}

fn block(part: Part<'_>) -> Block<'_> {
    match part {
        Part::Text(text) => Block::Text { text },
        Part::Image(Image::Link(url)) => Block::Image { source: Source::Url { url } },
        Part::Image(Image::Inline { media_type, data, .. }) => {
            Block::Image { source: Source::Base64 { media_type, data } }
        }
    }
}
