//! Looks after requests that generate: what a repeated one gets, and what becomes of one whose client leaves.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, Method, Request};
use llm_api_domain::{OnDisconnect, Scope, UserId};
use llm_api_storage::{KeptAtMost, KeptReply};
use tower::Service as _;

use crate::{
    ApiError, AuthState, Background, Caller,
    caller::{Known, authenticate},
    idempotency::{Keeper, Key, replay},
};

/// Overrides the token's policy for one request.
pub(crate) const ON_DISCONNECT: HeaderName = HeaderName::from_static("x-llm-api-on-disconnect");

/// The routes that generate, as the router names them.
const ROUTES: [&str; 5] = ["/v1/generate", "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"];
/// The same within a session.
const IN_SESSIONS: [(&str, &str); 2] =
    [("generate", "/v1/sessions/{id}/generate"), ("regenerate", "/v1/sessions/{id}/regenerate")];

/// The route of a request that generates.
pub(crate) fn generating(method: &Method, path: &str) -> Option<&'static str> {
    if method != Method::POST {
        return None;
    }
    let Some(rest) = path.strip_prefix("/v1/sessions/") else {
        return ROUTES.into_iter().find(|route| *route == path);
    };
    let (_, what) = rest.split_once('/')?;
    IN_SESSIONS.into_iter().find(|(name, _)| *name == what).map(|(_, route)| route)
}

/// The route of an answer that the router did not give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route(pub(crate) &'static str);

/// What the attendant answers in the router's place.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    Refusal(ApiError),
    Reply(Arc<KeptReply>),
}

/// The handler behind the router of ready answers, which adds what every answer gets on its way.
pub async fn ready(mut request: Request<Body>) -> Result<Response, ApiError> {
    match request.extensions_mut().remove::<Ready>() {
        None => Err(ApiError::route_not_found()),
        Some(Ready::Refusal(error)) => Err(error),
        Some(Ready::Reply(reply)) => replay(&reply),
    }
}

/// What an attendant needs.
#[derive(Clone, Debug)]
pub struct AttendantConfig {
    pub auth: Arc<AuthState>,
    pub background: Background,
    /// Answers with what is there already; see [`ready`].
    pub ready: Router,
    /// The most bytes that the body of a generating request may have.
    pub max_body_bytes: usize,
    /// The longest that a call to a provider takes.
    pub longest_call: Duration,
    pub kept_of_user: KeptAtMost,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Attendant {
    auth: Arc<AuthState>,
    background: Background,
    ready: Router,
    keeper: Keeper,
}

/// What a caller wants beyond an answer.
struct Wishes {
    on_disconnect: OnDisconnect,
    key: Option<Key>,
}

impl Wishes {
    /// `None` for most: an answer, and an end when they leave.
    fn of(headers: &HeaderMap, caller: &Caller) -> Result<Option<Self>, ApiError> {
        let on_disconnect = match headers.get(ON_DISCONNECT) {
            None => caller.on_disconnect,
            Some(value) => {
                value.to_str().ok().and_then(OnDisconnect::from_text).ok_or_else(ApiError::invalid_on_disconnect)?
            }
        };
        let key = Key::of(headers)?;
        let is_usual = key.is_none() && on_disconnect == OnDisconnect::Cancel;
        Ok((!is_usual).then_some(Self { on_disconnect, key }))
    }
}

impl Attendant {
    pub(crate) fn new(config: AttendantConfig) -> Self {
        let AttendantConfig { auth, background, ready, max_body_bytes, longest_call, kept_of_user } = config;
        let keeper = Keeper::new(auth.store.clone(), auth.clock.clone(), max_body_bytes, longest_call, kept_of_user);
        Self { auth, background, ready, keeper }
    }

    /// Answers by `router` a request that generates.
    pub(crate) async fn answer(
        &self,
        router: &mut Router,
        route: &'static str,
        mut request: Request<Body>,
    ) -> Response {
        // Here, because a token may say what happens when its client leaves. The handler need not ask again.
        let known = authenticate(request.headers(), &self.auth).await;
        let wishes = match &known {
            // Whoever may not generate is refused by the handler.
            Ok(caller) if caller.scopes.allows(Scope::Generate) => Wishes::of(request.headers(), caller),
            Ok(_) | Err(_) => Ok(None),
        };
        match wishes {
            Ok(None) => {
                request.extensions_mut().insert(Known(known));
                call(router, request).await
            }
            // Boxed: rare, and every request would carry it.
            Ok(Some(wishes)) => Box::pin(self.attend(router, route, request, known, wishes)).await,
            Err(error) => Box::pin(self.ready(request, route, Ready::Refusal(error))).await,
        }
    }

    async fn attend(
        &self,
        router: &mut Router,
        route: &'static str,
        mut request: Request<Body>,
        known: Result<Caller, ApiError>,
        wishes: Wishes,
    ) -> Response {
        let user = known.as_ref().map(|caller| caller.user);
        let Ok(user) = user else { return call(router, request).await };
        request.extensions_mut().insert(Known(known));
        let (attendant, mut router) = (self.clone(), router.clone());
        let work = async move {
            match wishes.key {
                None => call(&mut router, request).await,
                Some(key) => attendant.keep(router, route, request, user, key).await,
            }
        };
        match wishes.on_disconnect {
            OnDisconnect::Cancel => work.await,
            OnDisconnect::Drain => {
                let background = self.background.clone();
                // Wrapped within the work: nobody may be there to take the answer.
                let work = async move { work.await.map(|body| background.outlasting(body)) };
                Box::pin(self.background.finish(work)).await.unwrap_or_else(ApiError::into_response)
            }
        }
    }

    async fn keep(
        self,
        mut router: Router,
        route: &'static str,
        request: Request<Body>,
        user: UserId,
        key: Key,
    ) -> Response {
        let (head, body) = request.into_parts();
        let asked = match self.keeper.read(&head, body, user, key).await {
            Ok(asked) => asked,
            Err(error) => {
                return self.ready(Request::from_parts(head, Body::empty()), route, Ready::Refusal(error)).await;
            }
        };
        match self.keeper.claim(&asked).await {
            Err(ready) => self.ready(Request::from_parts(head, Body::empty()), route, ready).await,
            Ok(keeping) => {
                let response = call(&mut router, Request::from_parts(head, Body::from(asked.body))).await;
                keeping.keep(response).await
            }
        }
    }

    /// What a request with a key gets while nothing may be written; `None` when there is nothing to repeat.
    pub(crate) async fn repeat(&self, route: &'static str, request: Request<Body>) -> Result<Response, Request<Body>> {
        let known = authenticate(request.headers(), &self.auth).await;
        let Ok(caller) = known else { return Err(request) };
        let key = match Key::of(request.headers()) {
            Ok(Some(key)) if caller.scopes.allows(Scope::Generate) => key,
            Ok(_) | Err(_) => return Err(request),
        };
        let (head, body) = request.into_parts();
        let asked = self.keeper.read(&head, body, caller.user, key).await;
        let rest = Request::from_parts(head, Body::empty());
        let ready = match asked {
            Ok(asked) => self.keeper.look(&asked).await,
            Err(error) => Some(Ready::Refusal(error)),
        };
        match ready {
            Some(ready) => Ok(self.ready(rest, route, ready).await),
            None => Err(rest),
        }
    }

    async fn ready(&self, mut request: Request<Body>, route: &'static str, ready: Ready) -> Response {
        request.extensions_mut().insert(ready);
        let mut response = call(&mut self.ready.clone(), request).await;
        response.extensions_mut().insert(Route(route));
        response
    }
}

/// Whether a request names a key, whatever it is.
pub(crate) fn names_key(headers: &HeaderMap) -> bool {
    headers.contains_key(Key::HEADER)
}

async fn call(router: &mut Router, request: Request<Body>) -> Response {
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_generate_are_told_by_method_and_path() {
        let post = |path| generating(&Method::POST, path);
        assert_eq!(post("/v1/generate"), Some("/v1/generate"));
        assert_eq!(post("/v1/sessions/5/generate"), Some("/v1/sessions/{id}/generate"));
        assert_eq!(post("/v1/sessions/5/regenerate"), Some("/v1/sessions/{id}/regenerate"));
        for path in
            ["/v1/sessions/5", "/v1/sessions/5/reset", "/v1/sessions", "/v1/messages/count_tokens", "/v1/models"]
        {
            assert_eq!(post(path), None, "{path}");
        }
        assert_eq!(generating(&Method::GET, "/v1/generate"), None);
    }
}
