//! The extractor is the permission: a handler that takes `Caller<Keys>` cannot run for a token without that scope.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, header, request};
use llm_api_crypto::{TokenHash, TokenKind as SecretKind};
use llm_api_domain::{Clock, OnDisconnect, SERVICE_USER_ID, Scope, ScopeSet, TokenId, UserId};
use llm_api_storage::{Store, TokenKind};

use crate::ApiError;

/// `last_used_at` is written at most once in this time.
const LAST_USED_STEP: Duration = Duration::from_secs(60);

/// What telling who calls needs.
#[derive(Clone, Debug)]
pub struct AuthState {
    pub store: Store,
    pub clock: Clock,
    /// The hash of `LLM_API_API_KEY`, when one is set.
    pub static_key: Option<TokenHash>,
}

/// What a caller must be allowed to do.
pub trait Permission: Send {
    /// The scope that the token needs; `None` when any will do.
    const SCOPE: Option<Scope>;
    /// Whether the user must be an administrator.
    const ADMIN: bool = false;
    /// Whether the static key will do although its account is no administrator's.
    const STATIC_KEY: bool = false;
}

macro_rules! permission {
    ($(#[$doc:meta])* $name:ident, $scope:expr, $admin:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Permission for $name {
            const SCOPE: Option<Scope> = $scope;
            const ADMIN: bool = $admin;
        }
    };
}

permission!(/** Any good credential. */ Any, None, false);
permission!(/** Generate and list models. */ Generate, Some(Scope::Generate), false);
permission!(/** The caller's provider keys. */ Keys, Some(Scope::ProviderKeys), false);
permission!(/** The caller's profile, password and tokens. */ Account, Some(Scope::Account), false);
permission!(/** What administrators do. */ Admin, Some(Scope::Admin), true);

/// Watching the server: administrators, and the static key, which monitoring programs have.
#[derive(Clone, Copy, Debug)]
pub struct Operator;

impl Permission for Operator {
    const SCOPE: Option<Scope> = Some(Scope::Admin);
    const ADMIN: bool = true;
    const STATIC_KEY: bool = true;
}

/// Who calls, with a credential that is good now and allows `P`.
#[derive(Clone, Debug)]
pub struct Caller<P = Any> {
    pub user: UserId,
    pub username: Arc<str>,
    pub is_admin: bool,
    /// `None` for the static key.
    pub token: Option<TokenId>,
    pub token_kind: Option<TokenKind>,
    pub scopes: ScopeSet,
    /// What the token says of requests whose client leaves.
    pub on_disconnect: OnDisconnect,
    permission: PhantomData<P>,
}

impl Caller {
    fn service() -> Self {
        Self {
            user: SERVICE_USER_ID,
            username: Arc::from("service"),
            is_admin: false,
            token: None,
            token_kind: None,
            scopes: ScopeSet::default(),
            on_disconnect: OnDisconnect::default(),
            permission: PhantomData,
        }
    }

    fn with<P>(self) -> Caller<P> {
        let Self { user, username, is_admin, token, token_kind, scopes, on_disconnect, permission: _ } = self;
        Caller { user, username, is_admin, token, token_kind, scopes, on_disconnect, permission: PhantomData }
    }
}

/// What the caller presented, in the order that counts: `X-API-Key` wins, so a bad one is refused even beside a good
/// `Authorization` header.
enum Presented<'r> {
    ApiKey(&'r str),
    Bearer(&'r str),
}

fn presented(headers: &HeaderMap) -> Result<Presented<'_>, ApiError> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("\u{fffd}"));
    if let Some(key) = text(http::HeaderName::from_static("x-api-key")).filter(|key| !key.is_empty()) {
        return Ok(Presented::ApiKey(key));
    }
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    match bearer {
        Some(token) if !token.is_empty() => Ok(Presented::Bearer(token)),
        _ => Err(ApiError::unauthenticated("Missing authentication")),
    }
}

/// Who calls, whatever they may do.
pub(crate) async fn authenticate(headers: &HeaderMap, state: &AuthState) -> Result<Caller, ApiError> {
    let (secret, refusal) = match presented(headers)? {
        Presented::ApiKey(key) => (key, "Invalid API key"),
        Presented::Bearer(token) => (token, "Invalid or expired token"),
    };
    if state.static_key.as_ref().is_some_and(|key| *key == TokenHash::of(secret)) {
        return Ok(Caller::service());
    }
    let refused = || ApiError::unauthenticated(refusal);
    let hash = TokenHash::of_presented(&[SecretKind::Personal, SecretKind::Login], secret).ok_or_else(refused)?;
    let now = state.clock.now();
    let token = state.store.tokens().authenticate(&hash, now).await?.ok_or_else(refused)?;
    if token.last_used_at.is_none_or(|last| now.since(last) >= LAST_USED_STEP) {
        state.store.tokens().used(&hash, token.id, now);
    }
    Ok(Caller {
        user: token.user,
        username: token.username,
        is_admin: token.is_admin,
        token: Some(token.id),
        token_kind: Some(token.kind),
        scopes: token.scopes,
        on_disconnect: token.on_disconnect,
        permission: PhantomData,
    })
}

/// The outcome of [`authenticate`], where it was asked for before the handler.
#[derive(Clone, Debug)]
pub(crate) struct Known(pub(crate) Result<Caller, ApiError>);

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Caller<P>
where
    Arc<AuthState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, ApiError> {
        let known = parts.extensions.remove::<Known>();
        let caller = match known {
            Some(Known(known)) => known?,
            None => authenticate(&parts.headers, &Arc::<AuthState>::from_ref(state)).await?,
        };
        let caller = caller.with::<P>();
        // A token of the service account is not the static key.
        let is_excused = P::STATIC_KEY && caller.token.is_none();
        if P::ADMIN && !caller.is_admin && !is_excused {
            return Err(ApiError::forbidden("Admin privileges required"));
        }
        match P::SCOPE {
            Some(scope) if !caller.scopes.allows(scope) => {
                Err(ApiError::forbidden(format!("This token lacks the scope `{scope}`")))
            }
            _ => Ok(caller),
        }
    }
}
