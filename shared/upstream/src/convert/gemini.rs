//! Google's `generateContent`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Conversation, ConvertError, Role, Said, alternating, image::Image, json, parameters};

/// Members that parameters never replace.
const OWN: [&str; 7] =
    ["model", "contents", "messages", "system_instruction", "systemInstruction", "stream", "stream_options"];
/// Google's members beside `generationConfig`.
const TOP_LEVEL: [&str; 5] = ["safetySettings", "cachedContent", "tools", "toolConfig", "labels"];
/// OpenAI's names for what Google calls otherwise. What has one name at both needs no line.
const NAMES: [(&str, &str); 7] = [
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("n", "candidateCount"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    // In this order: Google's `logprobs` is a number.
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
];

#[derive(Serialize)]
struct Body<'c> {
    contents: Vec<Content<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<System<'c>>,
    #[serde(rename = "generationConfig", skip_serializing_if = "Map::is_empty")]
    generation_config: Map<String, Value>,
    #[serde(flatten)]
    top_level: Map<String, Value>,
}

#[derive(Serialize)]
struct System<'c> {
    parts: [Part<'c>; 1],
}

#[derive(Serialize)]
struct Content<'c> {
    role: &'static str,
    parts: Vec<Part<'c>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Part<'c> {
    Text(&'c str),
    InlineData(Blob<'c>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'c> {
    mime_type: Cow<'c, str>,
    data: &'c str,
}

/// Neither the model nor the wish for a stream is in the body: both stand in the address.
pub(super) fn to_wire(mut conversation: Conversation<'_>) -> Result<Bytes, ConvertError> {
    let mut given = std::mem::take(&mut conversation.parameters);
    parameters::drop_own(&mut given, &OWN);
    let top_level = TOP_LEVEL.iter().filter_map(|name| given.remove_entry(*name)).collect();
    let system = conversation.system.as_deref().filter(|text| !text.trim().is_empty());
    let said = alternating(&conversation.turns)?;
    Ok(json(&Body {
        contents: said.into_iter().map(content).collect::<Result<_, _>>()?,
        system_instruction: system.map(|text| System { parts: [Part::Text(text)] }),
        generation_config: generation_config(given)?,
        top_level,
    }))
}

fn generation_config(mut given: Map<String, Value>) -> Result<Map<String, Value>, ConvertError> {
    let own = given.remove("generationConfig");
    if parameters::take_json_format(&mut given)? {
        parameters::set(&mut given, "responseMimeType", Some("application/json".into()));
    }
    response_format(&mut given)?;
    let cap = parameters::take_max_tokens(&mut given);
    parameters::set(&mut given, "maxOutputTokens", cap);
    let stop = parameters::take_stop(&mut given)?;
    parameters::set(&mut given, "stopSequences", stop);
    for (name, theirs) in NAMES {
        let value = given.remove(name);
        parameters::set(&mut given, theirs, value);
    }
    match own {
        None => {}
        Some(Value::Object(own)) => given.extend(own),
        Some(_) => return Err(ConvertError::new("generationConfig", "It must be an object.")),
    }
    Ok(given)
}

/// OpenAI's `response_format` in Google's words.
fn response_format(given: &mut Map<String, Value>) -> Result<(), ConvertError> {
    let Some(format) = given.remove("response_format") else { return Ok(()) };
    let schema = format.pointer("/json_schema/schema").cloned();
    match format.get("type").and_then(Value::as_str) {
        Some("text") => return Ok(()),
        Some("json_object") => {}
        Some("json_schema") if schema.is_some() => parameters::set(given, "responseJsonSchema", schema),
        _ => {
            let message = "Its type must be text, json_object or json_schema, the last with a schema.";
            return Err(ConvertError::new("response_format", message));
        }
    }
    parameters::set(given, "responseMimeType", Some(json!("application/json")));
    Ok(())
}

fn content(said: Said<'_>) -> Result<Content<'_>, ConvertError> {
    let role = match said.role {
        Role::User => "user",
        Role::Assistant => "model",
    };
    Ok(Content { role, parts: said.parts.into_iter().map(part).collect::<Result<_, _>>()? })
}

fn part(part: super::Part<'_>) -> Result<Part<'_>, ConvertError> {
    match part {
        super::Part::Text(text) => Ok(Part::Text(text)),
        super::Part::Image(Image::Inline { media_type, data, .. }) => {
            Ok(Part::InlineData(Blob { mime_type: media_type, data }))
        }
        super::Part::Image(Image::Link(_)) => {
            let message = "Google's models cannot fetch an image from a link. Send the image itself, as a data URL.";
            Err(ConvertError::new("input.images", message))
        }
    }
}
