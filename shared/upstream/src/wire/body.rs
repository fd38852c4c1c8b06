//! A request body that is passed through: known members are read, all others keep their very text.

use std::{borrow::Cow, fmt, ops::Range};

use bytes::Bytes;
use llm_api_translate::Format;
use memchr::memchr2;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Wanted;

/// Deeper nesting is refused: not every reader behind us survives it.
const MAX_DEPTH: usize = 128;
/// More members than any API knows; keeps the search for duplicates short.
const MAX_MEMBERS: usize = 256;
const INCLUDE_USAGE: &str = "include_usage";

/// Why a body is no request that can be passed on; a sentence for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// With the parser's reason and place.
    #[error("The body is not valid JSON: {0}.")]
    Malformed(String),
    #[error("The body is nested more than {MAX_DEPTH} levels deep.")]
    TooDeep,
    #[error("The body must be a JSON object.")]
    NotAnObject,
    #[error("The body has more than {MAX_MEMBERS} members.")]
    TooManyMembers,
    #[error("The member \"model\" is missing.")]
    ModelMissing,
    #[error("The member \"model\" must be a string that is not empty.")]
    ModelNotAString,
    #[error("The member \"messages\" is missing.")]
    MessagesMissing,
    #[error("The member \"messages\" must be a list.")]
    MessagesNotAList,
    #[error("The member \"messages\" must not be empty.")]
    MessagesEmpty,
    #[error("The member \"stream\" must be true or false.")]
    StreamNotABoolean,
}

impl BodyError {
    /// The member at fault.
    pub const fn param(&self) -> Option<&'static str> {
        match self {
            Self::Malformed(_) | Self::TooDeep | Self::NotAnObject | Self::TooManyMembers => None,
            Self::ModelMissing | Self::ModelNotAString => Some("model"),
            Self::MessagesMissing | Self::MessagesNotAList | Self::MessagesEmpty => Some("messages"),
            Self::StreamNotABoolean => Some("stream"),
        }
    }
}

/// The body of a request for a model. Members keep their order and text; of duplicates the last is kept.
#[derive(Clone)]
pub struct RequestBody {
    wanted: Wanted,
    body: Bytes,
    members: Vec<(Key, Range<usize>)>,
    had_duplicates: bool,
    model: String,
    stream: bool,
    wants_usage: bool,
}

/// A member's name: where it stands in the body, or its own text where it was written with escapes.
#[derive(Clone)]
enum Key {
    At(Range<usize>),
    Escaped(Box<str>),
}

impl fmt::Debug for RequestBody {
    /// Without the messages: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("bytes", &self.body.len())
            .field("model", &self.model)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl RequestBody {
    /// Reads no more than is needed to pass the body on; what its format demands beyond that is for the provider to say.
    pub fn parse(wanted: Wanted, body: &Bytes) -> Result<Self, BodyError> {
        if is_too_deep(body) {
            return Err(BodyError::TooDeep);
        }
        let Members { list, had_duplicates } = parse_members(body)?;
        if list.len() > MAX_MEMBERS {
            return Err(BodyError::TooManyMembers);
        }
        let find = |name| list.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
        let model = model(find("model"))?;
        if wanted.has_messages() {
            check_messages(find("messages"))?;
        }
        // Nothing else streams.
        let stream = matches!(wanted, Wanted::Reply(_)) && stream(find("stream"))?;
        let counts_on_request = wanted == Wanted::Reply(Format::OpenaiChat);
        let wants_usage = !counts_on_request || find("stream_options").is_some_and(includes_usage);
        let place = |text: &str| {
            let start = text.as_ptr().addr() - body.as_ptr().addr();
            start..start + text.len()
        };
        let members = list
            .iter()
            .map(|(key, value)| match key {
                Cow::Borrowed(key) => (Key::At(place(key)), place(value.get())),
                Cow::Owned(key) => (Key::Escaped(key.as_str().into()), place(value.get())),
            })
            .collect();
        Ok(Self { wanted, body: body.clone(), members, had_duplicates, model, stream, wants_usage })
    }

    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// See [`Wanted::format`].
    pub fn format(&self) -> Format {
        self.wanted.format()
    }

    /// As it was sent.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    pub fn model(&self) -> &str {
        &self.model
    }

    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the client is to see token counts in its stream: in chat completions when it asked for them
    /// (`stream_options.include_usage`), in the other formats always.
    pub fn wants_usage(&self) -> bool {
        self.wants_usage
    }

    /// The JSON text of a top-level member.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The body for the provider: with its name for the model, and asking for token counts where a stream is wanted and
    /// `force_usage` is set. The original bytes where that changes nothing.
    pub fn to_provider(&self, model: &str, force_usage: bool) -> Bytes {
        let adds_usage = force_usage && self.stream && !self.wants_usage;
        if model == self.model && !adds_usage && !self.had_duplicates {
            return self.body.clone();
        }
        let mut out = Vec::with_capacity(self.body.len() + model.len() + 64);
        let mut object = ObjectWriter::new(&mut out);
        let mut has_options = false;
        for (key, value) in self.members() {
            match key {
                "model" => object.member(key, &quoted(model)),
                "stream_options" if adds_usage => {
                    has_options = true;
                    object.member(key, &with_usage(value));
                }
                _ => object.member(key, value),
            }
        }
        if adds_usage && !has_options {
            object.member("stream_options", &with_usage("null"));
        }
        object.end();
        out.into()
    }

    fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |range: &Range<usize>| {
            self.body.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
        };
        self.members.iter().map(move |(key, value)| match key {
            Key::At(range) => (text(range), text(value)),
            Key::Escaped(key) => (&**key, text(value)),
        })
    }
}

/// An object's members in order; of duplicates the last.
struct Members<'a> {
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
    had_duplicates: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members { list: Vec::with_capacity(16), had_duplicates: false };
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value()?;
            if let Some(earlier) = members.list.iter().position(|(known, _)| *known == name) {
                members.list.remove(earlier);
                members.had_duplicates = true;
            }
            members.list.push((name, value));
            if members.list.len() > MAX_MEMBERS {
                // Refused by the caller; the rest only has to be valid.
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            }
        }
        Ok(members)
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

fn parse_members(body: &[u8]) -> Result<Members<'_>, BodyError> {
    let malformed = |error: serde_json::Error| BodyError::Malformed(error.to_string());
    if body.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(body).map_err(malformed);
    }
    serde_json::from_slice::<IgnoredAny>(body).map_err(malformed)?;
    Err(BodyError::NotAnObject)
}

fn model(value: Option<&str>) -> Result<String, BodyError> {
    let model: String =
        serde_json::from_str(value.ok_or(BodyError::ModelMissing)?).map_err(|_| BodyError::ModelNotAString)?;
    if model.is_empty() { Err(BodyError::ModelNotAString) } else { Ok(model) }
}

fn check_messages(value: Option<&str>) -> Result<(), BodyError> {
    let inner = value.ok_or(BodyError::MessagesMissing)?.strip_prefix('[').ok_or(BodyError::MessagesNotAList)?;
    if inner.trim_ascii_start().starts_with(']') { Err(BodyError::MessagesEmpty) } else { Ok(()) }
}

fn stream(value: Option<&str>) -> Result<bool, BodyError> {
    match value {
        None | Some("null" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(BodyError::StreamNotABoolean),
    }
}

fn includes_usage(stream_options: &str) -> bool {
    serde_json::from_str::<Members<'_>>(stream_options)
        .is_ok_and(|options| options.list.iter().any(|(name, value)| name == INCLUDE_USAGE && value.get() == "true"))
}

/// `stream_options` with the wish for token counts; what is neither an object nor null stays for the provider to refuse.
fn with_usage(stream_options: &str) -> String {
    let known = match serde_json::from_str::<Option<Members<'_>>>(stream_options) {
        Ok(known) => known.map_or(Vec::new(), |known| known.list),
        Err(_) => return stream_options.to_owned(),
    };
    let mut out = Vec::with_capacity(stream_options.len() + 24);
    let mut object = ObjectWriter::new(&mut out);
    for (name, value) in known.iter().filter(|(name, _)| name != INCLUDE_USAGE) {
        object.member(name, value.get());
    }
    object.member(INCLUDE_USAGE, "true");
    object.end();
    String::from_utf8(out).unwrap_or_default()
}

/// Writes an object from names and JSON texts.
struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> ObjectWriter<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, separator: b'{' }
    }

    fn member(&mut self, name: &str, value: &str) {
        self.out.push(std::mem::replace(&mut self.separator, b','));
        self.out.extend_from_slice(quoted(name).as_bytes());
        self.out.push(b':');
        self.out.extend_from_slice(value.as_bytes());
    }

    fn end(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether brackets nest too deeply. What is no valid JSON may be judged either way: the parser refuses it.
fn is_too_deep(body: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut rest = body;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => rest = behind_string(rest),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let escaped = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escaped)..).unwrap_or_default();
        if !escaped {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAT: Wanted = Wanted::Reply(Format::OpenaiChat);

    fn parse(text: &str) -> Result<RequestBody, BodyError> {
        RequestBody::parse(CHAT, &Bytes::copy_from_slice(text.as_bytes()))
    }

    fn sent(text: &str, model: &str, force_usage: bool) -> String {
        let body = parse(text).expect("a body").to_provider(model, force_usage);
        serde_json::from_slice::<IgnoredAny>(&body).expect("still JSON");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[test]
    fn bodies_that_are_no_request_are_told_apart() {
        let cases = [
            ("[]", BodyError::NotAnObject),
            (" 7 ", BodyError::NotAnObject),
            ("null", BodyError::NotAnObject),
            (r#"{"messages":[1]}"#, BodyError::ModelMissing),
            (r#"{"model":7,"messages":[1]}"#, BodyError::ModelNotAString),
            (r#"{"model":null,"messages":[1]}"#, BodyError::ModelNotAString),
            (r#"{"model":"","messages":[1]}"#, BodyError::ModelNotAString),
            (r#"{"model":"m"}"#, BodyError::MessagesMissing),
            (r#"{"model":"m","messages":"x"}"#, BodyError::MessagesNotAList),
            (r#"{"model":"m","messages":null}"#, BodyError::MessagesNotAList),
            (r#"{"model":"m","messages":[ ]}"#, BodyError::MessagesEmpty),
            (r#"{"model":"m","messages":[1],"stream":"yes"}"#, BodyError::StreamNotABoolean),
            (r#"{"model":"m","messages":[1],"stream":1}"#, BodyError::StreamNotABoolean),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text).expect_err(text), error);
        }
        assert_eq!(BodyError::MessagesEmpty.param(), Some("messages"));
        for text in ["", "{", "<html>", r#"{"model":"m","messages":[1]} x"#, "{\"model\":\"\u{1}\"}"] {
            assert!(matches!(parse(text), Err(BodyError::Malformed(_))), "{text}");
        }
        let not_utf8 = Bytes::from_static(b"{\"model\":\"m\",\"messages\":[\"\xff\"]}");
        assert!(matches!(RequestBody::parse(CHAT, &not_utf8), Err(BodyError::Malformed(_))));
        let many = (0..300).map(|at| format!("\"k{at}\":1")).collect::<Vec<_>>().join(",");
        assert_eq!(parse(&format!("{{{many}}}")).expect_err("many"), BodyError::TooManyMembers);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested =
            |depth: usize| format!(r#"{{"model":"m","messages":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH)).expect_err("deep"), BodyError::TooDeep);
        assert_eq!(parse(&"[".repeat(1 << 20)).expect_err("deep"), BodyError::TooDeep);
        let text = format!(r#"{{"model":"m","messages":["\"{}\\"]}}"#, "[".repeat(500));
        assert!(parse(&text).is_ok(), "brackets inside a string do not nest");
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let body = parse(
            r#"{"model":"a\u0062c","messages":[{}],"stream":true,"stream_options":{"include_usage":true},"n":1e2}"#,
        )
        .expect("a body");
        assert_eq!((body.model(), body.stream(), body.wants_usage()), ("abc", true, true));
        assert_eq!((body.member("n"), body.member("m")), (Some("1e2"), None));
        let plain = parse(r#"{"model":"m","messages":[{}],"stream":null,"stream_options":7}"#).expect("a body");
        assert!(!plain.stream() && !plain.wants_usage());
    }

    #[test]
    fn only_what_is_wanted_is_asked_of_a_body() {
        let parse = |wanted, text: &'static str| RequestBody::parse(wanted, &Bytes::from_static(text.as_bytes()));
        let vectors = parse(Wanted::Embeddings, r#"{"model":"m","input":"a","stream":true}"#).expect("a body");
        assert!(!vectors.stream(), "nothing streams");
        assert_eq!(vectors.to_provider("m", true), vectors.bytes(), "so nothing is added for it");
        assert_eq!(parse(Wanted::Embeddings, r#"{"input":"a"}"#).expect_err("no model"), BodyError::ModelMissing);
        let without = r#"{"model":"m","input":"a"}"#;
        assert_eq!(parse(Wanted::TokenCount, without).expect_err("none"), BodyError::MessagesMissing);
        assert!(parse(Wanted::Reply(Format::OpenaiResponses), without).is_ok());
    }

    #[test]
    fn nothing_changed_means_the_same_bytes() {
        let text =
            "{ \"model\" : \"m\",\n \"messages\":[{}], \"stream\": true, \"stream_options\":{\"include_usage\":true} }";
        let original = Bytes::copy_from_slice(text.as_bytes());
        let body = RequestBody::parse(CHAT, &original).expect("a body");
        assert_eq!(body.to_provider("m", true).as_ptr(), original.as_ptr());
        let unstreamed = Bytes::from_static(br#"{"model":"m","messages":[{}]}"#);
        let sent = RequestBody::parse(CHAT, &unstreamed).expect("a body").to_provider("m", true);
        assert_eq!(sent.as_ptr(), unstreamed.as_ptr());
    }

    #[test]
    fn only_the_model_and_the_wish_for_usage_change() {
        let text = r#"{"seed":1.50,"big":12345678901234567890123,"model":"x","mo\u0064e":null,"messages":[ {"a":"\u00e4"} ],"stream":true}"#;
        insta::assert_snapshot!(sent(text, "a\"b", false), @r#"{"seed":1.50,"big":12345678901234567890123,"model":"a\"b","mode":null,"messages":[ {"a":"\u00e4"} ],"stream":true}"#);
        insta::assert_snapshot!(sent(text, "x", true), @r#"{"seed":1.50,"big":12345678901234567890123,"model":"x","mode":null,"messages":[ {"a":"\u00e4"} ],"stream":true,"stream_options":{"include_usage":true}}"#);
        let options = r#"{"model":"x","stream_options":{"include_usage":false,"include_obfuscation":false},"messages":[1],"stream":true}"#;
        insta::assert_snapshot!(sent(options, "x", true), @r#"{"model":"x","stream_options":{"include_obfuscation":false,"include_usage":true},"messages":[1],"stream":true}"#);
        let odd = r#"{"model":"x","stream_options":[1],"messages":[1],"stream":true}"#;
        assert_eq!(sent(odd, "x", true), odd);
        let null = r#"{"model":"x","stream_options":null,"messages":[1],"stream":true}"#;
        insta::assert_snapshot!(sent(null, "x", true), @r#"{"model":"x","stream_options":{"include_usage":true},"messages":[1],"stream":true}"#);
    }

    proptest! {
        #[test]
        fn what_is_not_ours_keeps_its_meaning(
            others in prop::collection::vec(("[a-z]{1,3}", prop_oneof!["-?[1-9][0-9]{0,30}\\.[0-9]{1,20}", "\"[^\"\\\\\\x00-\\x1f]{0,9}\"", r#"\{"a": \[null, true\]\}"#]), 0..8),
            model in ".{1,8}",
        ) {
            let others: Vec<_> = others.into_iter().map(|(name, value)| format!("{}: {value} , ", quoted(&name))).collect();
            let body = |model: &str| format!(r#"{{ {}"model":{}, "messages":[1],"stream":true }}"#, others.concat(), quoted(model));
            let expected = body(&model).replace(r#""stream":true"#, r#""stream":true,"stream_options":{"include_usage":true}"#);
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            prop_assert_eq!(read(&sent(&body("x"), &model, true)), read(&expected));
        }
    }

    #[test]
    fn of_duplicates_only_the_last_is_sent() {
        let text = r#"{"model":"first","messages":[1],"mod\u0065l":"last","messages":[2]}"#;
        assert_eq!(parse(text).expect("a body").model(), "last");
        assert_eq!(sent(text, "last", false), r#"{"model":"last","messages":[2]}"#);
        let usage = r#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#;
        assert!(!parse(usage).expect("a body").wants_usage());
    }
}
