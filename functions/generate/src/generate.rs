use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use llm_api_domain::RequestId;
use llm_api_relay::{Relay, Subject};
use llm_api_web::{ApiError, Caller, Generate, Json, LargeJson, event_stream};

use crate::{request::GenerateRequest, response::GenerateResponse, stream};

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
    Extension(request_id): Extension<RequestId>,
    caller: Caller<Generate>,
    LargeJson(mut body): LargeJson<GenerateRequest>,
) -> Result<Response, ApiError> {
    let subject = Subject { user: caller.user, token: caller.token, request: request_id };
    let (modality, streamed, state_tokens) = (body.modality, body.stream.unwrap_or(false), body.state_tokens.take());
    let call = body.into_call(subject)?;
    if streamed {
        let events = relay.generate_stream(call).await?;
        return Ok(event_stream(events.map(move |event| stream::write(event, request_id))));
    }
    let generated = relay.generate(call).await?;
    Ok(Json(GenerateResponse::new(request_id, modality, state_tokens, generated)).into_response())
}
