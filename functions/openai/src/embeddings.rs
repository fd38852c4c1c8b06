use axum::{extract::State, response::Response};
use http::HeaderMap;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Endpoint, LargeBody, Requester, Wanted};

const ENDPOINT: Endpoint = Endpoint { name: "embeddings", wanted: Wanted::Embeddings };

/// Make embeddings, in OpenAI's format.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai",
    request_body(content = Object, description = "As OpenAI documents it; `model` may be `provider:id` or an alias"),
    responses((status = 200, description = "A `list` of embeddings", body = Object),
        (status = 400, description = "OpenAI's error object", body = Object),
        (status = 401, description = "OpenAI's error object", body = Object),
        (status = 404, description = "OpenAI's error object", body = Object),
        (status = 424, description = "The provider rejected the stored key", body = Object),
        (status = 429, description = "OpenAI's error object", body = Object),
        (status = 502, description = "The provider failed", body = Object)))]
pub(crate) async fn embeddings(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    headers: HeaderMap,
    LargeBody(body): LargeBody,
) -> Result<Response, ApiError> {
    ENDPOINT.answer(&relay, subject, &headers, &body).await
}
