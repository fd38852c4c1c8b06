use axum::{extract::State, response::Response};
use http::HeaderMap;
use llm_api_relay::Relay;
use llm_api_translate::Format;
use llm_api_web::{ApiError, Endpoint, LargeBody, Requester, Wanted};

const ENDPOINT: Endpoint = Endpoint { name: "chat_completions", wanted: Wanted::Reply(Format::OpenaiChat) };

/// Complete a chat, in OpenAI's format, with a model of any provider. A provider that speaks the format gets every field
/// as it was sent, and its answer comes back as it was given; for the others both are translated.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai",
    request_body(content = Object, description = "As OpenAI documents it; `model` may be `provider:id` or an alias"),
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
    headers: HeaderMap,
    LargeBody(body): LargeBody,
) -> Result<Response, ApiError> {
    ENDPOINT.answer(&relay, subject, &headers, &body).await
}
