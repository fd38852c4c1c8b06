use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, header};
use llm_api_domain::ProviderId;
use llm_api_relay::{ChatCall, ChatEvent, Relay};
use llm_api_upstream::wire::openai::ChatBody;
use llm_api_web::{ApiError, HEARTBEAT, LargeBody, Requester, check_json, event_stream, openai_error};

/// Complete a chat, in OpenAI's format: the provider gets every field as it was sent, and its answer comes back as it
/// was given.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai",
    request_body(content = Object, description = "As OpenAI documents it; `model` may be `provider:id`"),
    responses((status = 200, description = "A `chat.completion`; a `text/event-stream` of chunks when `stream` is true",
            body = Object),
        (status = 400, description = "OpenAI's error object", body = Object),
        (status = 401, description = "OpenAI's error object", body = Object),
        (status = 404, description = "OpenAI's error object", body = Object),
        (status = 424, description = "The provider rejected the stored key", body = Object),
        (status = 429, description = "OpenAI's error object", body = Object),
        (status = 502, description = "The provider failed", body = Object)))]
pub(crate) async fn chat_completions(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    LargeBody(body): LargeBody,
) -> Result<Response, ApiError> {
    check_json(&body).map_err(ApiError::bad_request)?;
    let body = ChatBody::parse(&body)?;
    if body.stream() {
        let reply = relay.chat_stream(ChatCall { subject, body }).await?;
        let response = event_stream(reply.content.map(write));
        return Ok(served_by(response, reply.provider, &reply.model));
    }
    let reply = relay.chat(ChatCall { subject, body }).await?;
    let response = ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], reply.content);
    Ok(served_by(response.into_response(), reply.provider, &reply.model))
}

/// A stream that breaks ends with an error event and without `[DONE]`: it must not look complete.
fn write(event: ChatEvent) -> Bytes {
    match event {
        ChatEvent::Events(bytes) => bytes,
        ChatEvent::Heartbeat => Bytes::from_static(HEARTBEAT),
        ChatEvent::Failed(error) => Bytes::from(format!("data: {}\n\n", openai_error(error.into()))),
    }
}

/// Says who served: the compatible format has no field for it.
fn served_by(mut response: Response, provider: ProviderId, model: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-llm-api-provider"), HeaderValue::from_static(provider.as_str()));
    if let Ok(model) = HeaderValue::from_str(model) {
        headers.insert(HeaderName::from_static("x-llm-api-model"), model);
    }
    response
}
