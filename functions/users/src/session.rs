//! A login token: made by registering and by signing in alike.

use std::time::Duration;

use llm_api_crypto::{PlainToken, TokenKind as SecretKind};
use llm_api_domain::{OnDisconnect, ScopeSet, Timestamp, TokenId, UserId};
use llm_api_storage::{NewToken, TokenKind};
use llm_api_web::ApiError;

/// How long a login lasts.
pub(crate) const LOGIN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The secret, shown once, and the row to store.
pub(crate) fn login_token(user: UserId, now: Timestamp) -> Result<(PlainToken, NewToken), ApiError> {
    let secret = PlainToken::generate(SecretKind::Login).map_err(ApiError::internal)?;
    let row = NewToken {
        id: TokenId::new(now),
        user,
        kind: TokenKind::Login,
        name: Some("session".to_owned()),
        hash: secret.hash(),
        scopes: ScopeSet::default(),
        expires_at: Some(now + LOGIN_LIFE),
        on_disconnect: OnDisconnect::Cancel,
    };
    Ok((secret, row))
}

/// The name that a client gave, as `username` or as `email`; the first one wins.
pub(crate) fn submitted_name<'a>(username: Option<&'a str>, email: Option<&'a str>) -> Result<&'a str, ApiError> {
    let given = |name: Option<&'a str>| name.map(str::trim).filter(|name| !name.is_empty());
    given(username).or(given(email)).ok_or_else(|| ApiError::invalid_field("username", "username or email is required"))
}
