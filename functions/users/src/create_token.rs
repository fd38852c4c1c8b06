use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use llm_api_crypto::{PlainToken, TokenKind as SecretKind};
use llm_api_domain::{OnDisconnect, Scope, ScopeSet, TokenId};
use llm_api_storage::{NewToken, Store, TokenKind};
use llm_api_web::{Account, ApiError, Audit, Caller, Json, OptionalJson, lenient_integer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::views::TokenView;

/// A hundred years: longer is as good as never.
const MAX_DAYS: i64 = 36_500;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct CreateToken {
    #[schema(max_length = 255)]
    name: Option<String>,
    /// Of `generate`, `provider_keys`, `account`, `admin`; none means all that the caller may do.
    scopes: Option<Vec<String>>,
    /// 0 or none: never.
    #[serde(default, deserialize_with = "lenient_integer")]
    #[schema(minimum = 0, maximum = 36500)]
    expires_days: Option<i64>,
    /// What becomes of a request whose client leaves before the end: `cancel`, or `drain` to let it go on; `cancel` when
    /// missing.
    #[schema(value_type = Option<String>, example = "cancel")]
    on_disconnect: Option<OnDisconnect>,
}

/// The secret, shown once: flat for the Dart client, with `info` for the Python client.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedToken {
    token: String,
    #[serde(flatten)]
    flat: TokenView,
    info: TokenView,
}

/// Make a personal token for programs.
#[utoipa::path(post, path = "/v1/users/tokens", tag = "users", request_body = CreateToken,
    responses((status = 201, body = CreatedToken), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn create_token(
    State(store): State<Store>,
    caller: Caller<Account>,
    Audit(context): Audit,
    OptionalJson(body): OptionalJson<CreateToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    if body.name.as_ref().is_some_and(|name| name.chars().count() > 255) {
        return Err(ApiError::invalid_field("name", "at most 255 characters"));
    }
    let scopes = scopes(&body.scopes.unwrap_or_default(), &caller.scopes)?;
    let days = body.expires_days.unwrap_or(0);
    if !(0..=MAX_DAYS).contains(&days) {
        return Err(ApiError::invalid_field("expires_days", "must be from 0 to 36500"));
    }
    let life = Duration::from_secs(days.unsigned_abs() * 24 * 3600);
    let secret = PlainToken::generate(SecretKind::Personal).map_err(ApiError::internal)?;
    let token = NewToken {
        id: TokenId::new(context.now),
        user: caller.user,
        kind: TokenKind::Personal,
        name: body.name,
        hash: secret.hash(),
        scopes,
        expires_at: (days > 0).then(|| context.now + life),
        on_disconnect: body.on_disconnect.unwrap_or_default(),
    };
    store.tokens().create(&token, &context.by(caller.user)).await?;
    let view = TokenView {
        id: token.id,
        name: token.name,
        scopes: token.scopes.iter().collect(),
        created_at: context.now,
        last_used_at: None,
        expires_at: token.expires_at,
        on_disconnect: token.on_disconnect,
    };
    Ok((StatusCode::CREATED, Json(CreatedToken { token: secret.expose().to_owned(), flat: view.clone(), info: view })))
}

/// What was asked for, never wider than what the caller holds; none means the same as the caller.
fn scopes(asked: &[String], held: &ScopeSet) -> Result<ScopeSet, ApiError> {
    if asked.is_empty() {
        return Ok(held.clone());
    }
    let parsed = asked.iter().map(|name| name.parse::<Scope>()).collect::<Result<Vec<_>, _>>();
    let known = Scope::ALL.map(Scope::as_str).join(", ");
    let parsed = parsed.map_err(|_| ApiError::invalid_field("scopes", format!("must be of {known}")))?;
    let scopes = ScopeSet::new(parsed);
    if !held.covers(&scopes) {
        return Err(ApiError::forbidden("A token cannot make one with more scopes than its own"));
    }
    Ok(scopes)
}
