//! What a function posts as its response, buffered or streamed, as the parts of an HTTP reply.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug)]
pub(super) enum Part {
    Head(StatusCode, HeaderMap),
    Chunk(Bytes),
    Failure(String),
}

/// Between the head in JSON and the body of a streamed response.
const DELIMITER: [u8; 8] = [0; 8];

pub(super) async fn forward(request: Request<Incoming>, parts: &UnboundedSender<Part>) {
    let mode = request.headers().get("lambda-runtime-function-response-mode");
    let outcome = if mode.is_some_and(|mode| mode == "streaming") {
        streamed(request.into_body(), parts).await
    } else {
        buffered(request.into_body(), parts).await
    };
    if let Err(failure) = outcome {
        // The test may have lost interest.
        let _ = parts.send(Part::Failure(failure));
    }
}

async fn buffered(body: Incoming, parts: &UnboundedSender<Part>) -> Result<(), String> {
    let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let reply: Value = serde_json::from_slice(&bytes).map_err(|error| format!("the response is no JSON: {error}"))?;
    let _ = parts.send(head(&reply)?);
    let text = reply["body"].as_str().unwrap_or_default();
    let body = if reply["isBase64Encoded"] == true {
        STANDARD.decode(text).map_err(|error| format!("the body is no base64: {error}"))?
    } else {
        text.as_bytes().to_vec()
    };
    if !body.is_empty() {
        let _ = parts.send(Part::Chunk(body.into()));
    }
    Ok(())
}

async fn streamed(mut body: Incoming, parts: &UnboundedSender<Part>) -> Result<(), String> {
    let mut prelude = Some(BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the function left in the middle: {error}"))?;
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => {
                return trailers.into_trailers().map_or(Ok(()), |trailers| failure_in(&trailers));
            }
        };
        if let Some(buffer) = &mut prelude {
            buffer.extend_from_slice(&data);
            let Some(end) = buffer.windows(DELIMITER.len()).position(|window| window == DELIMITER) else { continue };
            let head_in_json = serde_json::from_slice(&buffer[..end]);
            let _ = parts.send(head(&head_in_json.map_err(|error| format!("the prelude is no JSON: {error}"))?)?);
            data = buffer.split_off(end + DELIMITER.len()).freeze();
            prelude = None;
        }
        if !data.is_empty() {
            let _ = parts.send(Part::Chunk(data));
        }
    }
    if prelude.is_some() { Err("the response ended before its head".to_owned()) } else { Ok(()) }
}

fn failure_in(trailers: &HeaderMap) -> Result<(), String> {
    match trailers.get("lambda-runtime-function-error-type") {
        Some(kind) => Err(format!("{kind:?}: {:?}", trailers.get("lambda-runtime-function-error-body"))),
        None => Ok(()),
    }
}

fn head(reply: &Value) -> Result<Part, String> {
    let status = reply["statusCode"].as_u64().and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let status = status.ok_or_else(|| format!("no status code in {reply}"))?;
    let mut headers = HeaderMap::new();
    let single = reply["headers"].as_object().into_iter().flatten();
    for (name, value) in single {
        add(&mut headers, name, value)?;
    }
    // The gateway lets these win over the single ones of the same name.
    for (name, values) in reply["multiValueHeaders"].as_object().into_iter().flatten() {
        headers.remove(name);
        add(&mut headers, name, values)?;
    }
    for cookie in reply["cookies"].as_array().into_iter().flatten() {
        add(&mut headers, "set-cookie", cookie)?;
    }
    Ok(Part::Head(status, headers))
}

fn add(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), String> {
    let bad = || format!("a bad header: {name}: {value}");
    let parsed = HeaderName::try_from(name).map_err(|_| bad())?;
    let values = match value {
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    for value in values {
        let text = value.as_str().ok_or_else(bad)?;
        headers.append(parsed.clone(), HeaderValue::from_str(text).map_err(|_| bad())?);
    }
    Ok(())
}
