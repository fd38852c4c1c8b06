//! The grammar of a native stream: `model_selected`, text as it comes, one last event, `[DONE]`.

use bytes::Bytes;
use llm_api_domain::RequestId;
use llm_api_relay::{GenerateEvent, Generated};
use serde::Serialize;
use serde_json::json;

use super::{
    GenerateResponse,
    response::{CreditsStatus, Usage, some},
};
use crate::{ApiError, BaseUrl, HEARTBEAT};

const DONE: &str = "data: [DONE]\n\n";

/// The bytes of one step. Text events and the last one must carry neither `output` nor `modality`: the Dart client takes
/// an object with one of those for the complete reply.
pub(crate) fn write(event: GenerateEvent, request: RequestId, base: &BaseUrl) -> Bytes {
    match event {
        GenerateEvent::Selected(served) => data(&json!({
            "event": "model_selected",
            "request_id": request,
            "model": served.model,
            "model_name": served.model,
            "modality": served.modality,
            "provider": served.provider,
            "fallback_used": served.fallback_reason.is_some(),
            "fallback_reason": served.fallback_reason,
        })),
        GenerateEvent::Text(text) => data(&json!({ "choices": [{ "delta": { "content": text } }] })),
        GenerateEvent::Heartbeat => Bytes::from_static(HEARTBEAT),
        GenerateEvent::Finished(generated) => finished(&completed(*generated)),
        GenerateEvent::Complete(generated) => finished(&GenerateResponse::new(*generated, base)),
        GenerateEvent::Failed(error) => {
            let error = ApiError::from(error);
            finished(&json!({
                "error": { "code": error.code(), "message": error.message() },
                "request_id": request,
            }))
        }
    }
}

/// The last event of a streamed text.
fn completed(generated: Generated) -> serde_json::Value {
    json!({
        "event": "completed",
        "request_id": generated.request,
        "session_id": generated.session,
        "finish_reason": generated.finish_reason,
        "usage": Usage::from(generated.usage),
        "state_tokens": generated.state_tokens,
        "credits_status": generated.credits.map(CreditsStatus::from),
        "warnings": some(generated.warnings),
    })
}

/// One event; what cannot be written as JSON does not occur in our own types.
fn data(value: &impl Serialize) -> Bytes {
    Bytes::from(format!("data: {}\n\n", serde_json::to_string(value).unwrap_or_default()))
}

fn finished(value: &impl Serialize) -> Bytes {
    Bytes::from(format!("data: {}\n\n{DONE}", serde_json::to_string(value).unwrap_or_default()))
}
