//! What the endpoints in a vendor's format share: from the client's bytes to the relay, and back in the same format.

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use llm_api_relay::{CompletionCall, CompletionEvent, CompletionReply, Relay, ServedBy, Subject};
use llm_api_translate::{Format, OnUnsupported};
use llm_api_upstream::wire::{RequestBody, Wanted};

use crate::{ApiError, HEARTBEAT, check_json, event_stream, family::error_in_stream};

/// By which a client says what becomes of members that the provider cannot be given: `refuse` (the default) or `drop`.
const UNSUPPORTED: &str = "x-llm-api-unsupported";
/// What a provider of the caller's own format is to see of the caller's headers.
const PASSED_ON: [&str; 3] = ["anthropic-beta", "anthropic-version", "openai-beta"];

/// The headers that change what a body asks for, in one order.
pub(crate) fn meaning(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &HeaderValue)> {
    let names = std::iter::once(UNSUPPORTED).chain(PASSED_ON);
    names.flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
}

/// One of the compatible endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// As usage rows name it.
    pub name: &'static str,
    pub wanted: Wanted,
}

impl Endpoint {
    /// What a client of this endpoint asks for.
    ///
    /// # Errors
    /// 400 for a body that is no request, and for a header that says nothing known.
    pub fn read(self, subject: Subject, headers: &HeaderMap, body: &Bytes) -> Result<CompletionCall, ApiError> {
        check_json(body).map_err(ApiError::bad_request)?;
        let body = RequestBody::parse(self.wanted, body)?;
        let pass_on = PASSED_ON.into_iter().flat_map(|name| {
            let name = HeaderName::from_static(name);
            headers.get_all(&name).iter().map(move |value| (name.clone(), value.clone()))
        });
        Ok(CompletionCall {
            subject,
            endpoint: self.name,
            body,
            on_unsupported: on_unsupported(headers)?,
            pass_on: pass_on.collect(),
        })
    }

    /// Answers in one piece, or with a stream where the body asks for one.
    pub async fn answer(
        self,
        relay: &Relay,
        subject: Subject,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response, ApiError> {
        let call = self.read(subject, headers, body)?;
        if !call.body.stream() {
            return Ok(whole_reply(relay.complete(call).await?));
        }
        let format = call.body.format();
        let reply = relay.complete_stream(call).await?;
        let has_failed = |event: &CompletionEvent| matches!(event, CompletionEvent::Failed { .. });
        let response = event_stream(reply.content, has_failed, move |event| write(format, subject, event));
        Ok(told(response, reply.served))
    }
}

/// The response that gives a reply in one piece.
pub fn whole_reply(reply: CompletionReply<Bytes>) -> Response {
    let response = ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], reply.content);
    told(response.into_response(), reply.served)
}

fn on_unsupported(headers: &HeaderMap) -> Result<OnUnsupported, ApiError> {
    match headers.get(UNSUPPORTED).map(HeaderValue::as_bytes) {
        None | Some(b"refuse") => Ok(OnUnsupported::Refuse),
        Some(b"drop") => Ok(OnUnsupported::Drop),
        Some(_) => {
            let message = "The header X-LLM-API-Unsupported must be `refuse` or `drop`";
            Err(ApiError::bad_request(message).with_param(Some(UNSUPPORTED.to_owned())))
        }
    }
}

/// A stream that breaks ends with an error and without the event that ends a whole one: it must not look complete.
fn write(format: Format, subject: Subject, event: CompletionEvent) -> Bytes {
    match event {
        CompletionEvent::Events(bytes) => bytes,
        CompletionEvent::Heartbeat => Bytes::from_static(HEARTBEAT),
        CompletionEvent::Failed { error, closing } => {
            closing.write(&error_in_stream(format, error.into(), &subject.request.to_string()))
        }
    }
}

/// Says who served, and how: the vendors' formats have no field for it.
fn told(mut response: Response, served: Option<ServedBy>) -> Response {
    let Some(ServedBy { provider, model, fallback_reason, dropped, headers: limits }) = served else {
        return response;
    };
    let headers = response.headers_mut();
    headers.extend(limits);
    headers.insert(HeaderName::from_static("x-llm-api-provider"), HeaderValue::from_static(provider.as_str()));
    let mut tell = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    tell("x-llm-api-model", &model);
    if let Some(reason) = fallback_reason {
        tell("x-llm-api-fallback", reason);
    }
    if !dropped.is_empty() {
        tell("x-llm-api-dropped", &dropped.join(", "));
    }
    response
}
