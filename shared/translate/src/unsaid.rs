//! What of a provider's reply its caller cannot be told.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{Format, Part, Reply, Request, openai_chat};

/// A whole reply for a caller. As JSON it is its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub body: Value,
    /// What the caller's format has no place for, such as `reply.web_search_tool_result`.
    pub dropped: Vec<String>,
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body.serialize(serializer)
    }
}

/// What the writer of `format` leaves out of `reply`. Pictures and sounds are not among it: where they have no place they
/// are told of in words.
pub(crate) fn unsaid(format: Format, reply: &Reply, request: &Request) -> Vec<String> {
    let mut unsaid: Vec<String> = Vec::new();
    let mut calls = 0;
    for part in &reply.parts {
        let name = match part {
            Part::Native { format: own, value } if *own != format => name(value),
            Part::Text(text) if !text.annotations.iter().all(|source| has_place(source, format)) => "annotations",
            Part::ToolCall(_) => {
                calls += 1;
                // The older form of calls has a place for one.
                if calls == 1 || !openai_chat::wants_older_calls(request) {
                    continue;
                }
                "tool_calls"
            }
            _ => continue,
        };
        let name = format!("reply.{name}");
        if !unsaid.contains(&name) {
            unsaid.push(name);
        }
    }
    unsaid
}

/// What a provider calls a part of its own: its type, or the one member that it has.
fn name(value: &Value) -> &str {
    let kind = value.get("type").and_then(Value::as_str);
    kind.or_else(|| value.as_object()?.keys().next().map(String::as_str)).unwrap_or("part")
}

/// Whether a source can be told in a caller's format: an address on the web everywhere, a place in a document that the
/// caller gave where the format is the provider's own.
pub(crate) fn has_place(source: &Value, format: Format) -> bool {
    let is_address = || source.pointer("/url_citation/url").is_some_and(Value::is_string);
    match source.get("type").and_then(Value::as_str) {
        Some("url_citation") => is_address(),
        Some(kind) if format == Format::AnthropicMessages => kind.ends_with("_location"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Finish, Text, ToolCall, Usage};

    fn reply(parts: Vec<Part>) -> Reply {
        let (finish, usage) = (Finish::Stop, Usage::default());
        Reply { id: None, model: None, created: None, parts, finish, usage, logprobs: None, service_tier: None }
    }

    fn native(format: Format, value: Value) -> Part {
        Part::Native { format, value }
    }

    #[test]
    fn what_has_no_place_is_named_once() {
        let plain = Request::new(Format::OpenaiChat, "m");
        let parts = vec![
            native(Format::AnthropicMessages, json!({"type": "server_tool_use"})),
            native(Format::AnthropicMessages, json!({"type": "server_tool_use"})),
            native(Format::GoogleGemini, json!({"executableCode": {}})),
            native(Format::OpenaiChat, json!({"type": "audio"})),
        ];
        let of = |format| unsaid(format, &reply(parts.clone()), &plain);
        assert_eq!(of(Format::OpenaiChat), ["reply.server_tool_use", "reply.executableCode"]);
        assert_eq!(of(Format::AnthropicMessages), ["reply.executableCode", "reply.audio"]);
        assert_eq!(of(Format::OpenaiResponses).len(), 3);
    }

    #[test]
    fn places_in_documents_are_told_to_who_knows_them() {
        let plain = Request::new(Format::OpenaiChat, "m");
        let text =
            |source: Value| vec![Part::Text(Text { text: "x".to_owned(), annotations: vec![source], cache: None })];
        let page = reply(text(json!({"type": "page_location", "start_page_number": 1})));
        assert_eq!(unsaid(Format::OpenaiChat, &page, &plain), ["reply.annotations"]);
        assert_eq!(unsaid(Format::OpenaiResponses, &page, &plain), ["reply.annotations"]);
        assert!(unsaid(Format::AnthropicMessages, &page, &plain).is_empty());
        let web = reply(text(json!({"type": "url_citation", "url_citation": {"url": "https://example.com"}})));
        for caller in [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages] {
            assert!(unsaid(caller, &web, &plain).is_empty(), "{caller}");
        }
    }

    #[test]
    fn the_older_form_has_one_call() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"functions":[{"name":"f"}]}"#;
        let older = openai_chat::read_request(body.as_bytes()).expect("a request");
        let call = |id: &str| {
            let (name, arguments) = ("f".to_owned(), "{}".to_owned());
            Part::ToolCall(ToolCall { id: id.to_owned(), name, arguments, signature: None, cache: None })
        };
        let one = reply(vec![call("a")]);
        assert!(unsaid(Format::OpenaiChat, &one, &older).is_empty());
        let two = reply(vec![call("a"), call("b")]);
        assert_eq!(unsaid(Format::OpenaiChat, &two, &older), ["reply.tool_calls"]);
        assert!(unsaid(Format::OpenaiChat, &two, &Request::new(Format::OpenaiChat, "m")).is_empty());
    }

    #[test]
    fn as_json_it_is_its_body() {
        let written = Written { body: json!({"a": 1}), dropped: vec!["reply.b".to_owned()] };
        assert_eq!(serde_json::to_string(&written).expect("JSON"), r#"{"a":1}"#);
    }
}
