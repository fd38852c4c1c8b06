use axum::response::{IntoResponse as _, Response};
use llm_api_relay::{GenerateCall, GenerateEvent, Relay};

use super::{GenerateResponse, stream};
use crate::{ApiError, BaseUrl, Json, event_stream};

/// Generates, and answers in one piece or with a stream.
pub async fn answer(relay: &Relay, call: GenerateCall, streamed: bool, base: BaseUrl) -> Result<Response, ApiError> {
    if streamed {
        let request = call.subject.request;
        let events = relay.generate_stream(call).await?;
        let has_failed = |event: &GenerateEvent| matches!(event, GenerateEvent::Failed(_));
        return Ok(event_stream(events, has_failed, move |event| stream::write(event, request, &base)));
    }
    let generated = relay.generate(call).await?;
    Ok(Json(GenerateResponse::new(generated, &base)).into_response())
}
