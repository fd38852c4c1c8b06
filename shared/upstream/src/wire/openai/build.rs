use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

/// Members that extra parameters never replace.
const OWN: [&str; 4] = ["model", "messages", "stream", "stream_options"];

/// Builds the body of a chat completion.
#[derive(Clone)]
pub struct ChatRequest<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: Option<bool>,
    include_usage: bool,
    parameters: Map<String, Value>,
}

impl fmt::Debug for ChatRequest<'_> {
    /// Without the messages: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("model", &self.model)
            .field("messages", &self.messages.len())
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// One message of a conversation.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Message<'a>(Kind<'a>);

impl fmt::Debug for Message<'_> {
    /// Without the text: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match &self.0 {
            Kind::System { .. } => "system",
            Kind::User { .. } => "user",
            Kind::Assistant { .. } => "assistant",
        };
        f.debug_tuple("Message").field(&role).finish()
    }
}

#[derive(Clone, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Kind<'a> {
    System { content: Cow<'a, str> },
    User { content: Content<'a> },
    Assistant { content: Cow<'a, str> },
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Clone, Serialize)]
struct ImageUrl<'a> {
    url: Cow<'a, str>,
}

impl<'a> Message<'a> {
    pub fn system(text: impl Into<Cow<'a, str>>) -> Self {
        Self(Kind::System { content: text.into() })
    }

    pub fn assistant(text: impl Into<Cow<'a, str>>) -> Self {
        Self(Kind::Assistant { content: text.into() })
    }

    /// `images` are URLs, also `data:` ones. Without any, the content is a plain string, which every provider takes.
    pub fn user<I>(text: impl Into<Cow<'a, str>>, images: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'a, str>>,
    {
        let text = text.into();
        let mut images = images.into_iter().peekable();
        if images.peek().is_none() {
            return Self(Kind::User { content: Content::Text(text) });
        }
        let text = (!text.is_empty()).then_some(Part::Text { text });
        let images = images.map(|url| Part::ImageUrl { image_url: ImageUrl { url: url.into() } });
        Self(Kind::User { content: Content::Parts(text.into_iter().chain(images).collect()) })
    }
}

impl<'a> ChatRequest<'a> {
    pub fn new(model: &'a str) -> Self {
        Self { model, messages: Vec::new(), stream: None, include_usage: false, parameters: Map::new() }
    }

    #[must_use]
    pub fn message(mut self, message: Message<'a>) -> Self {
        self.messages.push(message);
        self
    }

    /// Asks for a stream, with the token counts in its last chunk where `include_usage` is set.
    #[must_use]
    pub fn stream(mut self, include_usage: bool) -> Self {
        self.stream = Some(true);
        self.include_usage = include_usage;
        self
    }

    /// Parameters to send on as they are; `model`, `messages`, `stream` and `stream_options` among them are left out.
    #[must_use]
    pub fn parameters(mut self, parameters: Map<String, Value>) -> Self {
        self.parameters = parameters.into_iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
        self
    }

    /// The body.
    pub fn to_bytes(&self) -> Bytes {
        #[derive(Serialize)]
        struct StreamOptions {
            include_usage: bool,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            model: &'a str,
            messages: &'a [Message<'a>],
            #[serde(skip_serializing_if = "Option::is_none")]
            stream: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            stream_options: Option<StreamOptions>,
            #[serde(flatten)]
            parameters: &'a Map<String, Value>,
        }
        let body = Body {
            model: self.model,
            messages: &self.messages,
            stream: self.stream,
            stream_options: self.include_usage.then_some(StreamOptions { include_usage: true }),
            parameters: &self.parameters,
        };
        // Strings, numbers and string keys always have a JSON form.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &ChatRequest<'_>) -> String {
        String::from_utf8(request.to_bytes().to_vec()).expect("text")
    }

    #[test]
    fn a_conversation_becomes_a_body() {
        let parameters: Map<String, Value> =
            serde_json::from_str(r#"{"temperature":0.5,"model":"evil","stream":false,"stop":["x"]}"#)
                .expect("an object");
        let request = ChatRequest::new("gpt-4o")
            .message(Message::system("Be \"brief\"."))
            .message(Message::user("Hello", std::iter::empty::<&str>()))
            .message(Message::assistant("Hi"))
            .message(Message::user("What is this?", ["data:image/png;base64,AAAA"]))
            .stream(true)
            .parameters(parameters);
        insta::assert_snapshot!(text(&request), @r#"{"model":"gpt-4o","messages":[{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi"},{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"stream":true,"stream_options":{"include_usage":true},"stop":["x"],"temperature":0.5}"#);
    }

    #[test]
    fn nothing_is_sent_that_was_not_asked_for() {
        let request = ChatRequest::new("m").message(Message::user("", ["https://example.com/a.png"]));
        insta::assert_snapshot!(text(&request), @r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#);
        insta::assert_snapshot!(text(&ChatRequest::new("m").stream(false)), @r#"{"model":"m","messages":[],"stream":true}"#);
    }
}
