use axum::{extract::State, response::Response};
use llm_api_relay::Relay;
use llm_api_web::{
    ApiError, BaseUrl, LargeJson, Path, Requester,
    native::{GenerateRequest, GenerateResponse, answer, session_id},
};

/// Generate in a session: what was said before is sent along, and the exchange is stored.
#[utoipa::path(post, path = "/v1/sessions/{id}/generate", tag = "sessions", params(("id" = String, Path)),
    request_body = GenerateRequest,
    responses((status = 200, description = "The reply; a `text/event-stream` when `stream` is true", body = GenerateResponse),
        (status = 400, body = llm_api_web::ErrorBody), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody),
        (status = 424, body = llm_api_web::ErrorBody), (status = 429, body = llm_api_web::ErrorBody),
        (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn generate(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    base: BaseUrl,
    Path(id): Path<String>,
    LargeJson(body): LargeJson<GenerateRequest>,
) -> Result<Response, ApiError> {
    let streamed = body.wants_stream();
    answer(&relay, body.into_call(subject, Some(session_id(&id)?))?, streamed, base).await
}
