use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use llm_api_relay::{GenerateCall, Relay};

use super::{GenerateResponse, stream};
use crate::{ApiError, BaseUrl, Json, event_stream};

/// Generates, and answers in one piece or with a stream.
pub async fn answer(relay: &Relay, call: GenerateCall, streamed: bool, base: BaseUrl) -> Result<Response, ApiError> {
    if streamed {
        let request = call.subject.request;
        let events = relay.generate_stream(call).await?;
        return Ok(event_stream(events.map(move |event| stream::write(event, request, &base))));
    }
    let generated = relay.generate(call).await?;
    Ok(Json(GenerateResponse::new(generated, &base)).into_response())
}
