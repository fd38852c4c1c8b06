use axum::{extract::State, response::Response};
use http::HeaderMap;
use llm_api_relay::Relay;
use llm_api_translate::Format;
use llm_api_web::{ApiError, Endpoint, LargeBody, Requester, Wanted};

const ENDPOINT: Endpoint = Endpoint { name: "responses", wanted: Wanted::Reply(Format::OpenaiResponses) };

/// Make a response, in the format of OpenAI's Responses API, with a model of any provider. What only OpenAI can do,
/// such as going on from a response that it stored, is refused by name elsewhere.
#[utoipa::path(post, path = "/v1/responses", tag = "openai",
    request_body(content = Object, description = "As OpenAI documents it; `model` may be `provider:id` or an alias"),
    responses((status = 200, description = "A `response`; a `text/event-stream` of its events when `stream` is true",
            body = Object),
        (status = 400, description = "OpenAI's error object", body = Object),
        (status = 401, description = "OpenAI's error object", body = Object),
        (status = 404, description = "OpenAI's error object", body = Object),
        (status = 424, description = "The provider rejected the stored key", body = Object),
        (status = 429, description = "OpenAI's error object", body = Object),
        (status = 502, description = "The provider failed", body = Object)))]
pub(crate) async fn responses(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    headers: HeaderMap,
    LargeBody(body): LargeBody,
) -> Result<Response, ApiError> {
    ENDPOINT.answer(&relay, subject, &headers, &body).await
}
