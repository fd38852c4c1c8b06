//! What of a provider's reply its caller cannot be told.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::loss::printable;
use crate::{Event, Format, Part, Reply, Request, openai_chat};

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

/// No reply has more kinds of parts; a provider that names more is not followed.
const MOST_NAMES: usize = 48;

/// Collects what the writer of a format leaves out, each kind once. Pictures and sounds are not among it: where they have
/// no place they are told of in words.
#[derive(Debug)]
pub(crate) struct Unsaid {
    format: Format,
    /// The older form of calls has a place for one.
    single_call: bool,
    calls: usize,
    names: Vec<String>,
}

impl Unsaid {
    pub(crate) fn new(format: Format, request: &Request) -> Self {
        Self { format, single_call: openai_chat::wants_older_calls(request), calls: 0, names: Vec::new() }
    }

    pub(crate) fn part(&mut self, part: &Part) {
        match part {
            Part::Native { format, value } => self.native(*format, value),
            Part::Text(text) => text.annotations.iter().for_each(|source| self.source(source)),
            Part::ToolCall(_) => self.call(),
            _ => {}
        }
    }

    /// As much of it as an event has: what is left out since the call before.
    pub(crate) fn event(&mut self, event: &Event) -> &[String] {
        let known = self.names.len();
        match event {
            Event::Native { format, value } => self.native(*format, value),
            Event::Annotation(source) => self.source(source),
            Event::ToolCall { .. } => self.call(),
            _ => {}
        }
        self.names.get(known..).unwrap_or_default()
    }

    fn native(&mut self, own: Format, value: &Value) {
        if own != self.format {
            self.add(name(value));
        }
    }

    fn source(&mut self, source: &Value) {
        if !has_place(source, self.format) {
            self.add("annotations");
        }
    }

    fn call(&mut self) {
        self.calls += 1;
        if self.calls > 1 && self.single_call {
            self.add("tool_calls");
        }
    }

    fn add(&mut self, name: &str) {
        let name = printable(&format!("reply.{name}"));
        if self.names.len() < MOST_NAMES && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// What the writer of `format` leaves out of `reply`.
pub(crate) fn unsaid(format: Format, reply: &Reply, request: &Request) -> Vec<String> {
    let mut unsaid = Unsaid::new(format, request);
    reply.parts.iter().for_each(|part| unsaid.part(part));
    unsaid.names
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
    fn a_name_is_fit_for_a_header_and_there_are_not_too_many() {
        let plain = Request::new(Format::OpenaiChat, "m");
        let odd = |n: usize| native(Format::GoogleGemini, json!({"type": format!("x\r\ndata: {n}")}));
        let named = unsaid(Format::OpenaiChat, &reply((0..100).map(odd).collect()), &plain);
        assert_eq!((named.len(), named[0].as_str()), (MOST_NAMES, "reply.x\\u{d}\\u{a}data: 0"));
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
