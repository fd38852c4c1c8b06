use axum::{extract::State, response::Response};
use http::HeaderMap;
use llm_api_relay::Relay;
use llm_api_translate::Format;
use llm_api_web::{ApiError, Endpoint, LargeBody, Requester, Wanted};

const ENDPOINT: Endpoint = Endpoint { name: "messages", wanted: Wanted::Reply(Format::AnthropicMessages) };

/// Answer a conversation, in the format of Anthropic's Messages API, with a model of any provider. Anthropic's own get
/// every field as it was sent, betas included; for the others request and reply are translated.
#[utoipa::path(post, path = "/v1/messages", tag = "anthropic",
    request_body(content = Object, description = "As Anthropic documents it; `model` may be `provider:id` or an alias"),
    responses((status = 200, description = "A `message`; a `text/event-stream` of its events when `stream` is true",
            body = Object),
        (status = 400, description = "Anthropic's error object", body = Object),
        (status = 401, description = "Anthropic's error object", body = Object),
        (status = 404, description = "Anthropic's error object", body = Object),
        (status = 424, description = "The provider rejected the stored key", body = Object),
        (status = 429, description = "Anthropic's error object", body = Object),
        (status = 502, description = "The provider failed", body = Object)))]
pub(crate) async fn messages(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    headers: HeaderMap,
    LargeBody(body): LargeBody,
) -> Result<Response, ApiError> {
    ENDPOINT.answer(&relay, subject, &headers, &body).await
}
