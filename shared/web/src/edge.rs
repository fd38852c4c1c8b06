//! The outermost layer: request id, client address, the limit on requests in flight, errors written in the caller's
//! family, security headers, one log line.

use std::{
    any::Any,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError, Extension, Router,
    body::{Body, Bytes, HttpBody},
    extract::MatchedPath,
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use llm_api_domain::{Clock, RequestId};
use llm_api_storage::{Freeze, Store};
use llm_api_telemetry::{ServerRequest, Telemetry};
use tower::Service;
use tracing::Instrument as _;

use crate::{
    ApiError, ClientAddress, PeerAddress, TrustedProxies,
    attendant::{Attendant, AttendantConfig, Route, generating, names_key},
    base_url::Reached,
    family::{Family, render},
    requester::ChosenId,
    told_body::ToldBody,
};

/// The router with its edge. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Edge {
    router: Router,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    clock: Clock,
    store: Store,
    frozen: Router,
    attendant: Attendant,
    trusted_proxies: TrustedProxies,
    /// The address that links in replies begin with, where the operator says it.
    public_url: Option<Arc<str>>,
    /// The most requests that there may be at once.
    max_in_flight: usize,
    telemetry: Telemetry,
}

/// What an edge needs beside the router.
#[derive(Debug)]
pub struct EdgeConfig {
    pub clock: Clock,
    pub store: Store,
    /// Answers in the router's place what would change something while the operator has frozen the database; see
    /// [`read_only`].
    pub frozen: Router,
    /// Who looks after requests that generate.
    pub attendant: AttendantConfig,
    pub trusted_proxies: TrustedProxies,
    /// The address that links in replies begin with, where the operator says it.
    pub public_url: Option<String>,
    /// The most requests that there may be at once.
    pub max_in_flight: usize,
    pub telemetry: Telemetry,
}

impl<B> Service<Request<B>> for Edge
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let edge = self.clone();
        Box::pin(async move { Ok(edge.answer(request.map(Body::new)).await) })
    }
}

impl Edge {
    pub fn new(router: Router, config: EdgeConfig) -> Self {
        let EdgeConfig { clock, store, frozen, attendant, trusted_proxies, public_url, max_in_flight, telemetry } =
            config;
        let public_url = public_url.map(Arc::from);
        let attendant = Attendant::new(attendant);
        let state = State { clock, store, frozen, attendant, trusted_proxies, public_url, max_in_flight, telemetry };
        Self { router, state: Arc::new(state) }
    }

    /// The client's own id, else a new one. Only the usual form with hyphens counts: some proxies put another one there
    /// for every request, and a client's own id costs a look into the database.
    fn request_id(&self, request: &mut Request<Body>) -> RequestId {
        let own = request.headers().get(REQUEST_ID).filter(|value| value.len() == uuid::fmt::Hyphenated::LENGTH);
        let own: Option<RequestId> = own.and_then(|value| value.to_str().ok()?.parse().ok());
        if own.is_some() {
            request.extensions_mut().insert(ChosenId);
        }
        own.unwrap_or_else(|| RequestId::new(self.state.clock.now()))
    }

    fn reached(&self, peer: Option<PeerAddress>, request: &Request<Body>) -> Reached {
        if let Some(url) = &self.state.public_url {
            return Reached::At(Arc::clone(url));
        }
        let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let proxy = peer.map(|PeerAddress(peer)| peer);
        Reached::Over { https: https || self.state.trusted_proxies.says_https(proxy, request.headers()) }
    }

    async fn answer(mut self, mut request: Request<Body>) -> Response {
        let telemetry = self.state.telemetry.clone();
        let watched = telemetry.request(request.method(), request.version(), request.headers());
        let id = self.request_id(&mut request);
        let peer = request.extensions().get::<PeerAddress>().copied();
        let reached = self.reached(peer, &request);
        request.extensions_mut().insert(reached);
        let address = peer.map(|PeerAddress(peer)| self.state.trusted_proxies.client(peer, request.headers()));
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(ClientAddress(address));
        let family = Family::of(request.uri().path());
        let span = match watched.trace() {
            None => tracing::info_span!("request", request_id = %id),
            Some(trace) => {
                request.extensions_mut().insert(trace);
                tracing::info_span!("request", request_id = %id, trace_id = %trace)
            }
        };

        // Given back when the response's head is ready, or the request is dropped.
        let place = telemetry.metrics().enter();
        let mut response = if place.before() >= self.state.max_in_flight {
            ApiError::overloaded("The server has as many requests as it can take", Duration::from_secs(1))
                .into_response()
        } else {
            let answered = AssertUnwindSafe(route(&mut self.router, &self.state, request))
                .catch_unwind()
                .instrument(span.clone())
                .await;
            answered.unwrap_or_else(|payload| panicked(payload.as_ref()))
        };
        drop(place);

        // The pattern, never the path: people paste secrets into paths, too.
        let route = response.extensions_mut().remove::<MatchedPath>();
        let route_of_ours = response.extensions_mut().remove::<Route>().map(|Route(route)| route);
        let mut response = span.in_scope(|| write_error(response, family, id));
        finish_headers(response.headers_mut(), id, family);
        let route = route.as_ref().map(MatchedPath::as_str).or(route_of_ours);
        let status = response.status();
        span.in_scope(|| tell(&watched, route, status));
        match telemetry.answered(watched, route, status) {
            Some(told_at_end) => response.map(|body| Body::new(ToldBody::new(body, told_at_end))),
            None => response,
        }
    }
}

fn tell(watched: &ServerRequest, route: Option<&str>, status: StatusCode) {
    let (method, route, status) = (watched.method(), route.unwrap_or("unmatched"), status.as_u16());
    let milliseconds = watched.elapsed().as_secs_f64() * 1000.0;
    tracing::info!(%method, route, status, milliseconds, "answered");
}

/// Lets the edge learn which route answered, for its log line and the figures; only the router knows.
pub fn telling_its_route(router: Router) -> Router {
    router.layer(from_fn(tell_route))
}

async fn tell_route(route: Option<Extension<MatchedPath>>, request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(Extension(route)) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// By the router, or in its place for a change while the database is frozen.
async fn route(router: &mut Router, state: &State, mut request: Request<Body>) -> Response {
    let freeze = match request.method().is_safe() {
        true => None,
        false => state.store.freezes().recent().await,
    };
    let generating = generating(request.method(), request.uri().path());
    let answered = match (freeze, generating) {
        (None, None) => router.call(request).await,
        (None, Some(route)) => return state.attendant.answer(router, route, request).await,
        (Some(freeze), generating) => {
            if let Some(route) = generating.filter(|_| names_key(request.headers())) {
                request = match Box::pin(state.attendant.repeat(route, request)).await {
                    Ok(response) => return response,
                    Err(request) => request,
                };
            }
            request.extensions_mut().insert(freeze);
            state.frozen.clone().call(request).await
        }
    };
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The answer to every change while the database is frozen.
pub async fn read_only(freeze: Option<Extension<Arc<Freeze>>>) -> ApiError {
    ApiError::read_only(freeze.as_ref().and_then(|Extension(freeze)| freeze.reason.as_deref()))
}

/// Writes the body of an [`ApiError`] that a handler or an extractor answered with, and logs its cause.
fn write_error(mut response: Response, family: Family, id: RequestId) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let parts = error.into_parts();
    if let Some(cause) = &parts.cause {
        let mut causes = Vec::new();
        let mut source = cause.source();
        while let Some(error) = source {
            causes.push(error.to_string());
            source = error.source();
        }
        let status = parts.status.as_u16();
        if parts.status.is_server_error() {
            tracing::error!(status, code = %parts.code, cause = %cause, causes = causes.join(": "), "a request failed");
        } else {
            tracing::info!(status, code = %parts.code, cause = %cause, "a request was refused");
        }
    }
    let headers = std::mem::take(response.headers_mut());
    let mut written = render(&parts, family, &id.to_string());
    for (name, value) in headers {
        // What a layer inside added stays; what describes the empty body goes.
        if let Some(name) = name.filter(|name| *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE) {
            written.headers_mut().append(name, value);
        }
    }
    written
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where Anthropic's SDKs look for it.
const ANTHROPICS_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

fn finish_headers(headers: &mut HeaderMap, id: RequestId, family: Family) {
    let mut text = uuid::Uuid::encode_buffer();
    let text = id.as_uuid().hyphenated().encode_lower(&mut text);
    if let Ok(value) = HeaderValue::from_str(text) {
        if family == Family::Anthropic {
            headers.insert(ANTHROPICS_REQUEST_ID, value.clone());
        }
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The fallback for unknown paths.
pub async fn not_found() -> ApiError {
    ApiError::route_not_found()
}

/// The fallback for known paths and other methods.
pub async fn method_not_allowed() -> ApiError {
    ApiError::method_not_allowed()
}

/// One broken request is a 500, never a dead connection.
fn panicked(payload: &(dyn Any + Send)) -> Response {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    ApiError::internal(message).into_response()
}
