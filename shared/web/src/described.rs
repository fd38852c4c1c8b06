//! The headers that many routes share, in the document that describes the API.

use http::Method;
use utoipa::openapi::{
    ObjectBuilder, OpenApi, RefOr, Required, Type,
    header::HeaderBuilder,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
};

use crate::{attendant::generating, family::Family};

/// A header's name, and what it says.
type Told = (&'static str, &'static str);

/// Of requests that generate.
const KEY: Told = (
    "Idempotency-Key",
    "1 to 255 visible ASCII characters of your own: sent again with the same key, a request gets the reply of the first one",
);
const ON_DISCONNECT: Told = (
    "X-LLM-API-On-Disconnect",
    "What happens when you leave: `cancel` ends the request, `drain` lets it go on; without it, what your token says",
);
/// Of requests that may be translated.
const UNSUPPORTED: Told = (
    "X-LLM-API-Unsupported",
    "What happens to members that the provider cannot be given: `refuse` (without it, too) or `drop`",
);

const REPLAYED: [Told; 2] = [
    ("Idempotency-Replayed", "`true` where this is the reply of an earlier request with the same key"),
    ("X-LLM-API-Replay-Of", "The id of that request"),
];
const SERVED: [Told; 4] = [
    ("X-LLM-API-Provider", "Who answered; missing in a stream that began before that was known"),
    ("X-LLM-API-Model", "The provider's name of its model; missing in a stream that began before that was known"),
    ("X-LLM-API-Fallback", "Why it was not the first choice; missing where it was"),
    ("X-LLM-API-Provider-Request-Id", "The provider's own id of the request, where it gave one"),
];
const DROPPED: Told = (
    "X-LLM-API-Dropped",
    "What of the request the provider was not given, and what of its reply this format has no place for (`reply.…`); \
     missing where all was carried. In a stream what has no place is named by comments (`: x-llm-api-dropped: …`)",
);
const ANTHROPICS_ID: Told =
    ("request-id", "The id of the request, where Anthropic's SDKs look for it; the same as `X-Request-ID`");

const IN_USE: &str = "The first request with this `Idempotency-Key` still runs, or its reply was not kept";
const REUSED: &str = "The `Idempotency-Key` was used for another request";

/// Routes whose requests are translated where the provider does not speak their format.
const TRANSLATED: [&str; 3] = ["/v1/chat/completions", "/v1/responses", "/v1/messages"];

/// Names these headers at each route of `document` that reads or sends them.
pub fn describe_headers(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let Some(operation) = &mut item.post else { continue };
        if generating(&Method::POST, path).is_some() {
            read(operation, KEY, None);
            read(operation, ON_DISCONNECT, Some(["cancel", "drain"]));
            send(operation, REPLAYED);
            refuse(operation, "409", IN_USE);
            refuse(operation, "422", REUSED);
        }
        if TRANSLATED.contains(&path.as_str()) {
            read(operation, UNSUPPORTED, Some(["refuse", "drop"]));
            send(operation, [DROPPED]);
        }
        match Family::of(path) {
            Family::Openai => send(operation, SERVED),
            Family::Anthropic => {
                send(operation, SERVED);
                send(operation, [ANTHROPICS_ID]);
            }
            Family::Native | Family::Shared => {}
        }
    }
}

/// A header of its requests.
fn read(operation: &mut Operation, (name, about): Told, words: Option<[&str; 2]>) {
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(words);
    let parameter: Parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_default().push(parameter.into());
}

/// Headers of its replies.
fn send<const N: usize>(operation: &mut Operation, headers: [Told; N]) {
    let Some(RefOr::T(reply)) = operation.responses.responses.get_mut("200") else { return };
    for (name, about) in headers {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build();
        reply.headers.insert(name.to_owned(), header.into());
    }
}

/// A refusal with the body that its other ones have.
fn refuse(operation: &mut Operation, status: &str, about: &str) {
    let responses = &mut operation.responses.responses;
    let Some(RefOr::T(like)) = responses.get("400") else { return };
    let mut refusal = like.clone();
    about.clone_into(&mut refusal.description);
    responses.entry(status.to_owned()).or_insert(refusal.into());
}
