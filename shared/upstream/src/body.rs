//! Reads an answer that is no stream, within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use crate::{TimeoutPhase, UpstreamError};

/// What bounds the reading of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_bytes: usize,
    /// The longest silence.
    pub(crate) idle: Duration,
    /// When the whole call must be over.
    pub(crate) deadline: Instant,
}

/// The whole body. One that arrives in a single chunk is not copied.
pub(crate) async fn read(response: &mut reqwest::Response, limits: Limits) -> Result<Bytes, UpstreamError> {
    let declared = response.content_length().unwrap_or(0);
    if declared > limits.max_bytes as u64 {
        return Err(too_large(limits));
    }
    let Some(first) = next_chunk(response, limits).await? else { return Ok(Bytes::new()) };
    if first.len() > limits.max_bytes {
        return Err(too_large(limits));
    }
    let Some(second) = next_chunk(response, limits).await? else { return Ok(first) };
    let mut body = BytesMut::with_capacity(usize::try_from(declared).unwrap_or(0).max(first.len() + second.len()));
    body.extend_from_slice(&first);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if body.len() + bytes.len() > limits.max_bytes {
            return Err(too_large(limits));
        }
        body.extend_from_slice(&bytes);
        chunk = next_chunk(response, limits).await?;
    }
    Ok(body.freeze())
}

/// As much of an error's body as is worth reading; what breaks or stalls on the way is no further error.
pub(crate) async fn read_some(response: &mut reqwest::Response, limits: Limits) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(bytes)) = next_chunk(response, limits).await {
        let room = limits.max_bytes - body.len();
        body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
        if bytes.len() >= room {
            break;
        }
    }
    body.freeze()
}

async fn next_chunk(response: &mut reqwest::Response, limits: Limits) -> Result<Option<Bytes>, UpstreamError> {
    let due = limits.deadline.min(Instant::now() + limits.idle);
    match timeout_at(due, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(UpstreamError::in_body(&error)),
        Err(_) => Err(UpstreamError::Timeout { phase: TimeoutPhase::Body }),
    }
}

fn too_large(limits: Limits) -> UpstreamError {
    UpstreamError::bad(format!("it is larger than {} bytes", limits.max_bytes))
}
