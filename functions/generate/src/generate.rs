use axum::{extract::State, response::Response};
use llm_api_relay::Relay;
use llm_api_web::{
    ApiError, BaseUrl, LargeJson, Requester,
    native::{GenerateRequest, GenerateResponse, answer},
};

/// Generate with a model of the caller's choice, or one that the server chooses; streamed with `stream: true`.
#[utoipa::path(post, path = "/v1/generate", tag = "generate", request_body = GenerateRequest,
    responses((status = 200, description = "The reply; a `text/event-stream` when `stream` is true", body = GenerateResponse),
        (status = 400, body = llm_api_web::ErrorBody), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 413, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody),
        (status = 424, description = "The provider rejected the stored key", body = llm_api_web::ErrorBody),
        (status = 429, body = llm_api_web::ErrorBody), (status = 502, body = llm_api_web::ErrorBody),
        (status = 503, body = llm_api_web::ErrorBody), (status = 504, body = llm_api_web::ErrorBody)))]
pub(crate) async fn generate(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    base: BaseUrl,
    LargeJson(body): LargeJson<GenerateRequest>,
) -> Result<Response, ApiError> {
    let streamed = body.wants_stream();
    answer(&relay, body.into_call(subject, None)?, streamed, base).await
}
