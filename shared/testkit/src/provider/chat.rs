//! `POST /v1/chat/completions`, by model.

use std::sync::Arc;

use async_stream::stream;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream as streams};
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::sse::{self, Events};
use super::{Presence, ProviderRequest, Script, UNICODE};
use super::{error, json_reply, redirect, rejected_key, reply};
use crate::serve::{Body, Reset, full, pieces};

const HUGE: usize = 64 * 1024 * 1024;

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    let model = request.body["model"].as_str().unwrap_or_default();
    match model {
        "html" => reply(StatusCode::OK, "text/html", full("<html><body>Welcome to nginx!</body></html>")),
        "redirect" => redirect(script),
        "rejects-key" => rejected_key(request),
        "rate-limited" => {
            let mut response = error(
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limit reached for requests",
                "requests",
                Some("rate_limit_exceeded"),
            );
            response.headers_mut().insert("retry-after", http::HeaderValue::from_static("7"));
            response
        }
        "no-quota" => error(
            StatusCode::TOO_MANY_REQUESTS,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            Some("insufficient_quota"),
        ),
        "refuses" => json_reply(
            StatusCode::BAD_REQUEST,
            &json!({"error": {
                "message": "Unsupported value: 'temperature' does not support 0.2 with this model.",
                "type": "invalid_request_error", "param": "temperature", "code": "unsupported_value",
            }}),
        ),
        "fails" => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server had an error while processing your request.",
            "server_error",
            None,
        ),
        "overloaded" => {
            error(StatusCode::SERVICE_UNAVAILABLE, "The engine is currently overloaded.", "server_error", None)
        }
        "silent" => {
            let _presence = Presence::of(script);
            std::future::pending().await
        }
        "slow-head" => {
            let presence = Presence::of(script);
            script.gate.acquire().await.expect("a semaphore that is never closed").forget();
            presence.complete();
            completed(request)
        }
        _ if request.body["stream"] == true => streamed(script, request, model),
        _ => whole(script, request, model).await,
    }
}

/// The models that differ only after the head, asked for one JSON body.
async fn whole(script: &Arc<Script>, request: &ProviderRequest, model: &str) -> Response<Body> {
    match model {
        "echo" | "no-done" => completed(request),
        "slow-stream" => {
            let presence = Presence::of(script);
            script.gate.acquire().await.expect("a semaphore that is never closed").forget();
            presence.complete();
            completed(request)
        }
        "unicode" => {
            reply(StatusCode::OK, "application/json", cut_into_bytes(completion(request, UNICODE).to_string()))
        }
        "bad-json" => reply(StatusCode::OK, "application/json", full(r#"{"id": "chatcmpl-1", "choices": [{"#)),
        "dies" => {
            let half = half_of(&completion(request, &said(request)));
            reply(
                StatusCode::OK,
                "application/json",
                pieces(stream! {
                    yield Ok(half);
                    // Lets the server send what it has before the reset.
                    yield_now().await;
                    yield Err(Reset);
                }),
            )
        }
        "stalls" => {
            let half = half_of(&completion(request, &said(request)));
            let presence = Presence::of(script);
            reply(StatusCode::OK, "application/json", pieces(streams::once(async { Ok(half) }).chain(never(presence))))
        }
        "huge" => {
            let mut response = reply(StatusCode::OK, "application/json", endless(b' '));
            response.headers_mut().insert(CONTENT_LENGTH, HUGE.into());
            response
        }
        _ => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            error(StatusCode::NOT_FOUND, &message, "invalid_request_error", Some("model_not_found"))
        }
    }
}

/// The same models, asked for a stream.
fn streamed(script: &Arc<Script>, request: &ProviderRequest, model: &str) -> Response<Body> {
    let events = Events::of(request);
    let body = match model {
        "echo" => sse::one_by_one(events.all(&said(request))),
        "unicode" => cut_into_bytes(events.all(UNICODE).concat()),
        "slow-stream" => slow(script, events.all(&said(request))),
        "no-done" => sse::one_by_one(vec![events.delta("You "), events.delta("said: ")]),
        "bad-json" => sse::one_by_one(vec![events.delta("You "), "data: {\"choices\": [\n\n".to_owned()]),
        "dies" => {
            let (first, second) = (events.delta("You "), events.delta("said: "));
            pieces(stream! {
                yield Ok(Bytes::from(first));
                yield_now().await;
                yield Ok(Bytes::from(second));
                // Lets the server send what it has before the reset.
                yield_now().await;
                yield Err(Reset);
            })
        }
        "stalls" => {
            let first = Bytes::from(events.delta("You "));
            pieces(streams::once(async { Ok(first) }).chain(never(Presence::of(script))))
        }
        "huge" => {
            let start = streams::once(async { Ok(Bytes::from_static(b"data: ")) });
            pieces(start.chain(repeated(b'x')))
        }
        _ => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            return error(StatusCode::NOT_FOUND, &message, "invalid_request_error", Some("model_not_found"));
        }
    };
    reply(StatusCode::OK, "text/event-stream", body)
}

fn completed(request: &ProviderRequest) -> Response<Body> {
    if request.body["stream"] == true {
        let events = Events::of(request).all(&said(request));
        return reply(StatusCode::OK, "text/event-stream", sse::one_by_one(events));
    }
    json_reply(StatusCode::OK, &completion(request, &said(request)))
}

fn completion(request: &ProviderRequest, content: &str) -> Value {
    json!({
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request.body["model"],
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": content, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": sse::usage(),
        "system_fingerprint": "fp_fake",
    })
}

/// What `echo` says: the last user message's text.
fn said(request: &ProviderRequest) -> String {
    let messages = request.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let last = messages.iter().rfind(|message| message["role"] == "user").map_or(&Value::Null, |m| &m["content"]);
    let text = match last {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    format!("You said: {text}")
}

/// The first event, the rest when released, and a record of the client when it leaves before that.
fn slow(script: &Arc<Script>, events: Vec<String>) -> Body {
    let presence = Presence::of(script);
    let script = Arc::clone(script);
    pieces(stream! {
        let mut events = events.into_iter();
        // The role's chunk carries no text: the first word goes with it.
        for event in events.by_ref().take(2) {
            yield Ok(Bytes::from(event));
        }
        script.gate.acquire().await.expect("a semaphore that is never closed").forget();
        for event in events {
            yield Ok(Bytes::from(event));
        }
        presence.complete();
    })
}

fn never(presence: Presence) -> impl futures_util::Stream<Item = Result<Bytes, Reset>> + Send {
    streams::once(async move {
        let _presence = presence;
        std::future::pending().await
    })
}

fn half_of(value: &Value) -> Bytes {
    let text = value.to_string();
    Bytes::from(text.into_bytes()).split_to(100)
}

/// Every byte travels alone, so no character and no line ending arrives whole.
fn cut_into_bytes(text: String) -> Body {
    let bytes = streams::iter(text.into_bytes());
    pieces(bytes.then(|byte| async move {
        yield_now().await;
        Ok(Bytes::copy_from_slice(&[byte]))
    }))
}

fn endless(byte: u8) -> Body {
    pieces(repeated(byte))
}

fn repeated(byte: u8) -> impl futures_util::Stream<Item = Result<Bytes, Reset>> + Send {
    let piece = Bytes::from(vec![byte; 64 * 1024]);
    streams::iter(std::iter::repeat_n(piece, HUGE / (64 * 1024)).map(Ok))
}
