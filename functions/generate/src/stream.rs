//! The grammar of a native stream: `model_selected`, text as it comes, one last event, `[DONE]`.

use bytes::Bytes;
use llm_api_domain::{Modality, RequestId};
use llm_api_relay::GenerateEvent;
use llm_api_web::{ApiError, HEARTBEAT};
use serde_json::{Value, json};

use crate::response::Usage;

const DONE: &str = "data: [DONE]\n\n";

/// The bytes of one step. Text events must carry neither `output` nor `modality`: the Dart client takes an object with
/// one of those for the complete reply.
pub(crate) fn write(event: GenerateEvent, request_id: RequestId) -> Bytes {
    match event {
        GenerateEvent::Selected { provider, model } => data(&json!({
            "event": "model_selected",
            "model": model,
            "model_name": model,
            "modality": Modality::Text,
            "provider": provider,
            "fallback_used": false,
            "fallback_reason": null,
        })),
        GenerateEvent::Text(text) => data(&json!({ "choices": [{ "delta": { "content": text } }] })),
        GenerateEvent::Heartbeat => Bytes::from_static(HEARTBEAT),
        GenerateEvent::Finished { usage, finish_reason } => finished(&json!({
            "event": "completed",
            "request_id": request_id,
            "session_id": null,
            "finish_reason": finish_reason,
            "usage": Usage::from(usage),
        })),
        GenerateEvent::Failed(error) => {
            let error = ApiError::from(error);
            finished(&json!({
                "error": { "code": error.code(), "message": error.message() },
                "request_id": request_id,
            }))
        }
    }
}

fn data(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

fn finished(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n{DONE}"))
}
