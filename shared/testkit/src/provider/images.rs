//! Images: `OpenAI`'s `/v1/images/generations`, and Hugging Face's inference, which answers with the picture itself.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::behaviour::{Grammar as _, Refusal};
use super::openai::{Chat, error, unknown_url};
use super::{Key, ProviderRequest, Script, json_reply, reply};
use crate::serve::{Body, full};

/// One orange pixel.
pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\
    \0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\
    \0\0\0\x0cIDATx\xdac\xf8\xdf\xc0\0\0\x04\x01\x01\x80\xfb\xd7\xcb\xf1\
    \0\0\0\0IEND\xaeB`\x82";

const REFUSED: &str = "Your request was rejected as a result of our safety system.";

/// The pixel and 300 KiB behind it, which viewers ignore.
fn big() -> Vec<u8> {
    let mut bytes = PNG.to_vec();
    bytes.resize(PNG.len() + 300 * 1024, 0xa5);
    bytes
}

/// `dall-e-3` and `gpt-image-1` draw; `big-image` draws more than 300 KiB, `slow-image` waits for its release,
/// `refuses-image` finds the prompt unsafe. The models that refuse every conversation refuse here as well.
pub(super) async fn openai(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    let grammar = Chat::of(request);
    if script.judge(request, None) != Key::Good {
        return grammar.refusal(&Refusal::Key);
    }
    if request.method != http::Method::POST {
        return unknown_url(request);
    }
    if let Some(fault) = fault_of(&request.body) {
        return fault;
    }
    match grammar.model {
        "dall-e-3" | "gpt-image-1" => drawn(script, &request.body, PNG),
        "big-image" => drawn(script, &request.body, &big()),
        "slow-image" => {
            script.released().await;
            drawn(script, &request.body, PNG)
        }
        "refuses-image" => {
            let codes = [None, Some("content_policy_violation")];
            error(StatusCode::BAD_REQUEST, REFUSED, "invalid_request_error", codes)
        }
        model => Refusal::by(model).unwrap_or(Refusal::UnknownModel).answer(&grammar),
    }
}

fn fault_of(body: &Value) -> Option<Response<Body>> {
    let invalid = |message: &str, param, code| {
        Some(error(StatusCode::BAD_REQUEST, message, "invalid_request_error", [Some(param), Some(code)]))
    };
    if body["prompt"].as_str().is_none_or(str::is_empty) {
        return invalid("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter");
    }
    if body["model"] == "gpt-image-1" && !body["response_format"].is_null() {
        return invalid("Unknown parameter: 'response_format'.", "response_format", "unknown_parameter");
    }
    None
}

/// `dall-e-3` sends an address unless it is asked for the picture itself.
fn drawn(script: &Script, body: &Value, image: &[u8]) -> Response<Body> {
    let image = if body["model"] == "dall-e-3" && body["response_format"] != "b64_json" {
        json!({"url": format!("{}/elsewhere", script.origin)})
    } else {
        json!({"b64_json": STANDARD.encode(image)})
    };
    let count = body["n"].as_u64().unwrap_or(1).clamp(1, 10);
    let data: Vec<Value> = (0..count).map(|_| image.clone()).collect();
    json_reply(StatusCode::OK, &json!({"created": 1_700_000_000, "data": data}))
}

/// Any model draws; `big/image` more than 300 KiB, `slow/image` waits for its release, `refuses/image` refuses.
pub(super) async fn huggingface(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    let refused = |status, message: &str| json_reply(status, &json!({"error": message}));
    if script.judge(request, None) != Key::Good {
        return refused(StatusCode::UNAUTHORIZED, "Invalid username or password.");
    }
    let model = request.route().strip_prefix("/hf-inference/models/").unwrap_or_default();
    if model.is_empty() || request.method != http::Method::POST {
        return refused(StatusCode::NOT_FOUND, "Not Found");
    }
    if request.body["inputs"].as_str().is_none_or(str::is_empty) {
        return refused(StatusCode::BAD_REQUEST, "Error in `inputs`: field required");
    }
    match model {
        "refuses/image" => return refused(StatusCode::BAD_REQUEST, REFUSED),
        "slow/image" => script.released().await,
        _ => {}
    }
    let image = if model == "big/image" { big() } else { PNG.to_vec() };
    reply(StatusCode::OK, "image/png", full(image))
}
