//! `Idempotency-Key`: a request that is repeated gets the reply that the first one got (`docs/adr/0027-idempotency.md`).

mod tee;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use llm_api_domain::{Clock, RequestId, UserId};
use llm_api_storage::{Claim, Claimed, KeptAtMost, KeptReply, Store, StoreError};
use sha2::{Digest as _, Sha256};

use crate::{ApiError, attendant::Ready, completion::meaning, json::read_body};
use tee::tee;

/// The longest key, in bytes.
const MAX_KEY: usize = 255;
/// The largest body that is kept, in bytes.
const MAX_KEPT: usize = 8 * 1024 * 1024;
/// A claim without an end is nobody's so much later than the longest call to a provider ends.
const SLACK: Duration = Duration::from_secs(60);
/// Expired keys are deleted with every so many claims, and so many at once.
const SWEEP_EVERY: u32 = 64;
const SWEEP_BATCH: i64 = 100;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const REPLAY_OF: HeaderName = HeaderName::from_static("x-llm-api-replay-of");

/// Put into a response's extensions by a handler whose stream may end in order without being complete: it ends with an
/// error event. Without one, a body that ends in order is complete.
#[derive(Clone, Debug, Default)]
pub struct Completion(Arc<AtomicBool>);

impl Completion {
    /// The stream is about to end, and is not complete.
    pub fn fail(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn has_failed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A client's own name for what it asks.
#[derive(Clone, Debug)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

    /// `None` when there is none.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(Self::HEADER) else { return Ok(None) };
        let is_one = headers.get_all(Self::HEADER).iter().nth(1).is_none();
        let is_good = (1..=MAX_KEY).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
        match value.to_str() {
            Ok(text) if is_one && is_good => Ok(Some(Self(text.to_owned()))),
            Ok(_) | Err(_) => Err(ApiError::invalid_idempotency_key()),
        }
    }
}

/// A request as far as its repetition is the same one.
#[derive(Debug)]
pub(crate) struct Asked {
    claim: Claim,
    pub(crate) body: Bytes,
}

/// Claims keys and keeps replies. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    store: Store,
    clock: Clock,
    max_body_bytes: usize,
    life: Duration,
    kept_of_user: KeptAtMost,
    claims: Arc<AtomicU32>,
}

impl Keeper {
    pub(crate) fn new(
        store: Store,
        clock: Clock,
        max_body_bytes: usize,
        longest_call: Duration,
        kept_of_user: KeptAtMost,
    ) -> Self {
        Self { store, clock, max_body_bytes, life: longest_call + SLACK, kept_of_user, claims: Arc::default() }
    }

    /// Reads a request whole: what it asks is a part of what it is.
    pub(crate) async fn read(
        &self,
        head: &request::Parts,
        body: Body,
        user: UserId,
        Key(key): Key,
    ) -> Result<Asked, ApiError> {
        let body = read_body(&head.headers, body, self.max_body_bytes).await?;
        let request = head.extensions.get::<RequestId>().copied();
        let request = request.ok_or_else(|| ApiError::internal("a request came past the edge"))?;
        let (fingerprint, at) = (fingerprint(head, &body), self.clock.now());
        Ok(Asked { claim: Claim { user, key, fingerprint, request, at, life: self.life }, body })
    }

    /// Claims the key, or tells what the request gets instead.
    pub(crate) async fn claim(&self, asked: &Asked) -> Result<Keeping, Ready> {
        let keys = self.store.idempotency_keys();
        if self.claims.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY)
            && let Err(error) = keys.sweep(asked.claim.at, SWEEP_BATCH).await
        {
            tracing::warn!(%error, "expired idempotency keys could not be deleted yet");
        }
        // Made before it is known whether the key is ours: who leaves while it is claimed may have got it.
        let Self { store, clock, kept_of_user, .. } = self.clone();
        let keeping = Keeping { store, clock, kept_of_user, claim: Some(asked.claim.clone()) };
        let ready = match keys.claim(&asked.claim).await {
            Ok(claimed) => ready(claimed),
            // Frozen a moment ago: what is there can be given again.
            Err(StoreError::ReadOnly) => {
                Some(self.look(asked).await.unwrap_or_else(|| Ready::Refusal(ApiError::read_only(None))))
            }
            Err(error) => return Err(Ready::Refusal(error.into())),
        };
        let Some(ready) = ready else { return Ok(keeping) };
        keeping.let_be();
        Err(ready)
    }

    /// What a repeated request gets where no key can be claimed; `None` when it is no repeated one.
    pub(crate) async fn look(&self, asked: &Asked) -> Option<Ready> {
        let Claim { user, key, fingerprint, at, .. } = &asked.claim;
        let found = self.store.idempotency_keys().look(*user, key, fingerprint, *at).await;
        match found {
            Ok(found) => found.and_then(ready),
            Err(error) => Some(Ready::Refusal(error.into())),
        }
    }
}

/// What a repeated request has in common with the first, written as HTTP writes it: a header's value holds no line end, and an
/// empty line parts the body from what stands before it.
fn fingerprint(head: &request::Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [head.method.as_str(), " ", head.uri.path(), "\n"] {
        hash.update(part);
    }
    for (name, value) in meaning(&head.headers) {
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\n"] {
            hash.update(part);
        }
    }
    hash.update(b"\n");
    hash.update(body);
    hash.finalize().into()
}

/// `None` when the key is the caller's.
fn ready(claimed: Claimed) -> Option<Ready> {
    match claimed {
        Claimed::Mine => None,
        Claimed::Running => Some(Ready::Refusal(ApiError::idempotency_key_in_use())),
        Claimed::OtherBody => Some(Ready::Refusal(ApiError::idempotency_key_reused())),
        Claimed::Done(reply) if reply.body.is_none() => {
            Some(Ready::Refusal(ApiError::idempotency_reply_not_kept(reply.request)))
        }
        Claimed::Done(reply) => Some(Ready::Reply(Arc::new(reply))),
    }
}

/// A claimed key; released when it is dropped before its reply is kept.
#[derive(Debug)]
pub(crate) struct Keeping {
    store: Store,
    clock: Clock,
    kept_of_user: KeptAtMost,
    claim: Option<Claim>,
}

impl Keeping {
    /// The most bytes of a body that is kept.
    fn largest(&self) -> usize {
        usize::try_from(self.kept_of_user.bytes).unwrap_or(MAX_KEPT).min(MAX_KEPT)
    }

    /// Keeps the reply once it has ended, if it is a good one; else the key is free again. One that is whole already is kept
    /// before its head goes out.
    pub(crate) async fn keep(self, mut response: Response) -> Response {
        let is_error = response.extensions().get::<ApiError>().is_some();
        if is_error || !response.status().is_success() {
            self.release().await;
            return response;
        }
        let completion = response.extensions_mut().remove::<Completion>().unwrap_or_default();
        let Some(claim) = &self.claim else { return response };
        let reply = KeptReply {
            request: claim.request,
            status: response.status().as_u16(),
            content_type: text(response.headers().get(header::CONTENT_TYPE)),
            headers: kept_headers(response.headers()),
            body: None,
        };
        if response.body().size_hint().exact().is_none() {
            return response.map(|body| Body::from_stream(tee(body, self, completion, reply)));
        }
        let (head, body) = response.into_parts();
        match to_bytes(body, usize::MAX).await {
            Ok(whole) => {
                let body = (whole.len() <= self.largest()).then(|| whole.to_vec());
                self.finish(&KeptReply { body, ..reply }).await;
                Response::from_parts(head, Body::from(whole))
            }
            Err(error) => {
                self.release().await;
                ApiError::internal(error).into_response()
            }
        }
    }

    async fn finish(mut self, reply: &KeptReply) {
        let Some(claim) = &self.claim else { return };
        match self.store.idempotency_keys().finish(claim, reply, self.clock.now()).await {
            Ok(true) => {
                let user = claim.user;
                self.claim = None;
                if let Err(error) = self.store.idempotency_keys().make_room(user, self.kept_of_user).await {
                    // With the next reply it is made.
                    tracing::warn!(%error, "a user's oldest kept replies could not be given up yet");
                }
            }
            Ok(false) => {
                tracing::debug!("a reply came after its idempotency key had gone to another request");
                self.claim = None;
            }
            // The client has its reply; a repeated request generates again.
            Err(error) => tracing::warn!(%error, "a reply could not be kept for its idempotency key"),
        }
    }

    async fn release(mut self) {
        let Some(claim) = &self.claim else { return };
        let released: Result<(), StoreError> = self.store.idempotency_keys().release(claim).await;
        if released.is_ok() {
            self.claim = None;
        }
    }

    fn let_be(mut self) {
        self.claim = None;
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.store.idempotency_keys().release_later(claim);
        }
    }
}

fn text(value: Option<&HeaderValue>) -> Option<String> {
    value.and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The headers that belong to the answer; all others are written anew for each reply.
fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    const OURS: [&str; 3] = ["x-llm-api-", "openai-", "anthropic-"];
    let belongs = |name: &HeaderName| {
        OURS.iter().any(|prefix| name.as_str().starts_with(prefix))
            || *name == header::CACHE_CONTROL
            || name.as_str() == "x-accel-buffering"
    };
    let kept = headers.iter().filter(|(name, _)| belongs(name));
    kept.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(Some(value))?))).collect()
}

/// A kept reply once more, byte for byte.
pub(crate) fn replay(reply: &KeptReply) -> Result<Response, ApiError> {
    let body = Bytes::from(reply.body.clone().unwrap_or_default());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(ApiError::internal)?;
    let request = reply.request.to_string();
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        let name: HeaderName = name.parse().map_err(ApiError::internal)?;
        headers.append(name, value.parse().map_err(ApiError::internal)?);
    }
    if let Some(content_type) = &reply.content_type {
        headers.insert(header::CONTENT_TYPE, content_type.parse().map_err(ApiError::internal)?);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    headers.insert(REPLAY_OF, request.parse().map_err(ApiError::internal)?);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&[u8]]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(Key::HEADER, HeaderValue::from_bytes(value).expect("a header value"));
        }
        Key::of(&headers).map(|key| key.map(|Key(text)| text)).map_err(drop)
    }

    #[test]
    fn a_key_is_one_text_of_visible_characters() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&[b"a-Key_7!"]), Ok(Some("a-Key_7!".to_owned())));
        assert_eq!(key(&[&[b'k'; 255]]), Ok(Some("k".repeat(255))));
        for bad in
            [&[b"".as_slice()][..], &[b"two words"], &[&[b'k'; 256]], &["schl\u{fc}ssel".as_bytes()], &[b"a", b"a"]]
        {
            assert_eq!(key(bad), Err(()), "{bad:?}");
        }
    }
}
