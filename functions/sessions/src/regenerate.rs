use axum::{extract::State, response::Response};
use llm_api_relay::Relay;
use llm_api_web::{
    ApiError, BaseUrl, OptionalJson, Path, Requester,
    native::{GenerateResponse, RegenerateRequest, answer, session_id},
};

/// Ask for the last exchange of a session once more. Its reply is replaced once the new one is whole.
#[utoipa::path(post, path = "/v1/sessions/{id}/regenerate", tag = "sessions", params(("id" = String, Path)),
    request_body = Option<RegenerateRequest>,
    responses((status = 200, description = "The reply; a `text/event-stream` when `stream` is true", body = GenerateResponse),
        (status = 400, body = llm_api_web::ErrorBody), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody),
        (status = 424, body = llm_api_web::ErrorBody), (status = 429, body = llm_api_web::ErrorBody),
        (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn regenerate(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    base: BaseUrl,
    Path(id): Path<String>,
    OptionalJson(body): OptionalJson<RegenerateRequest>,
) -> Result<Response, ApiError> {
    let streamed = body.wants_stream();
    let call = relay.regeneration(body.into_call(subject, session_id(&id)?)?).await?;
    answer(&relay, call, streamed, base).await
}
