use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use llm_api_relay::Relay;
use llm_api_translate::{estimate_tokens, read_count_request};
use llm_api_web::{ApiError, Endpoint, LargeBody, Requester, Wanted, whole_reply};
use serde::Serialize;
use utoipa::ToSchema;

const ENDPOINT: Endpoint = Endpoint { name: "count_tokens", wanted: Wanted::TokenCount };

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenCount {
    input_tokens: i64,
}

/// Count the tokens of a conversation, in Anthropic's format. Anthropic counts exactly; for the models of other
/// providers, which have no such call, the count is an estimate and the header `X-LLM-API-Estimated` says so.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "anthropic",
    request_body(content = Object, description = "As Anthropic documents it; `model` may be `provider:id` or an alias"),
    responses((status = 200, body = TokenCount,
            headers(("X-LLM-API-Estimated", description = "`true` where the count is an estimate"))),
        (status = 400, description = "Anthropic's error object", body = Object),
        (status = 401, description = "Anthropic's error object", body = Object),
        (status = 404, description = "Anthropic's error object", body = Object)))]
pub(crate) async fn count_tokens(
    State(relay): State<Relay>,
    Requester(subject): Requester,
    headers: HeaderMap,
    LargeBody(body): LargeBody,
) -> Result<Response, ApiError> {
    let call = ENDPOINT.read(subject, &headers, &body)?;
    if let Some(reply) = relay.count_tokens(call).await? {
        return Ok(whole_reply(reply));
    }
    let request =
        read_count_request(&body).map_err(|error| ApiError::bad_request(error.message).with_param(error.param))?;
    let count = TokenCount { input_tokens: estimate_tokens(&request) };
    let estimated = (HeaderName::from_static("x-llm-api-estimated"), HeaderValue::from_static("true"));
    Ok(([estimated], Json(count)).into_response())
}
