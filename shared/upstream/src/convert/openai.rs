//! OpenAI chat completions, also at Azure.

use std::borrow::Cow;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use super::{Conversation, ConvertError, Turn, image, json, parameters};

/// Members that parameters never replace.
const OWN: [&str; 4] = ["model", "messages", "stream", "stream_options"];
/// How the models begin that know the cap of the reply by its newer name alone.
const REASONING: [&str; 4] = ["o1", "o3", "o4", "gpt-5"];

#[derive(Serialize)]
struct Body<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'c str>,
    messages: Vec<Message<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    parameters: Map<String, Value>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'c> {
    System { content: &'c str },
    User { content: Content<'c> },
    Assistant { content: &'c str },
}

/// A plain string where there is no image: every provider takes that.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'c> {
    Text(&'c str),
    Parts(Vec<Part<'c>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'c> {
    Text { text: &'c str },
    ImageUrl { image_url: ImageUrl<'c> },
}

#[derive(Serialize)]
struct ImageUrl<'c> {
    url: Cow<'c, str>,
}

/// `names_model` is false for Azure, which has its own names for models, and they stand in the address.
pub(super) fn to_wire(mut conversation: Conversation<'_>, names_model: bool) -> Result<Bytes, ConvertError> {
    let mut given = std::mem::take(&mut conversation.parameters);
    parameters::drop_own(&mut given, &OWN);
    if parameters::take_json_format(&mut given)? {
        parameters::set(&mut given, "response_format", Some(json!({ "type": "json_object" })));
    }
    if names_model && REASONING.iter().any(|prefix| conversation.model.starts_with(prefix)) {
        let cap = parameters::take_max_tokens(&mut given);
        parameters::set(&mut given, "max_completion_tokens", cap);
    }
    let system = conversation.system.as_deref().filter(|text| !text.is_empty());
    let mut messages = Vec::with_capacity(conversation.turns.len() + 1);
    messages.extend(system.map(|content| Message::System { content }));
    let mut images_before = 0;
    for turn in &conversation.turns {
        messages.push(match turn {
            Turn::User { text, images } => {
                let content = content(text, images, images_before)?;
                images_before += images.len();
                Message::User { content }
            }
            Turn::Assistant { text } => Message::Assistant { content: text },
        });
    }
    Ok(json(&Body {
        model: names_model.then_some(conversation.model),
        messages,
        stream: conversation.stream.then_some(true),
        stream_options: (conversation.stream && conversation.include_usage)
            .then_some(StreamOptions { include_usage: true }),
        parameters: given,
    }))
}

fn content<'c>(text: &'c str, images: &'c [Cow<'_, str>], images_before: usize) -> Result<Content<'c>, ConvertError> {
    if images.is_empty() {
        return Ok(Content::Text(text));
    }
    let mut parts = Vec::with_capacity(images.len() + 1);
    parts.extend((!text.is_empty()).then_some(Part::Text { text }));
    for (image, number) in images.iter().zip(images_before + 1..) {
        let url = image::read(image, number)?.url();
        parts.push(Part::ImageUrl { image_url: ImageUrl { url } });
    }
    Ok(Content::Parts(parts))
}

/// The body with `model` in it, where it has none.
pub(crate) fn with_model(body: Bytes, model: &str) -> Bytes {
    #[derive(Deserialize)]
    struct Known {
        #[serde(default)]
        model: Option<IgnoredAny>,
    }
    let Ok(Known { model: None }) = serde_json::from_slice(&body) else { return body };
    let Some(members) = body.trim_ascii_start().strip_prefix(b"{") else { return body };
    let mut out = BytesMut::with_capacity(body.len() + model.len() + 16);
    out.put_slice(b"{\"model\":");
    out.put_slice(Value::from(model).to_string().as_bytes());
    if !members.trim_ascii_start().starts_with(b"}") {
        out.put_slice(b",");
    }
    out.put_slice(members);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_added_where_there_is_none() {
        let with = |body: &'static str| with_model(Bytes::from_static(body.as_bytes()), "a\"b");
        assert_eq!(with(r#" {"messages":[]}"#), r#"{"model":"a\"b","messages":[]}"#);
        assert_eq!(with("{}"), r#"{"model":"a\"b"}"#);
        for kept in [r#"{"x":1,"model":"m"}"#, "[]", "{", ""] {
            assert_eq!(with(kept), kept);
        }
    }
}
