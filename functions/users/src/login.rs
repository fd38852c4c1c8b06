use axum::extract::State;
use llm_api_app::AppState;
use llm_api_crypto::Verified;
use llm_api_web::{ApiError, Audit, Json, Throttle, ThrottleKey, gate_error};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    session::{LOGIN_LIFE, login_token, submitted_name},
    views::UserView,
};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Login {
    username: Option<String>,
    /// Read where `username` is missing.
    email: Option<String>,
    #[schema(value_type = String)]
    password: SecretString,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedIn {
    token: String,
    /// The same as `token`, under OAuth's name.
    access_token: String,
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    user: UserView,
}

/// Sign in with name and password; the token is good for seven days.
#[utoipa::path(post, path = "/v1/users/login", tag = "users", request_body = Login, security(()),
    responses((status = 200, body = LoggedIn), (status = 401, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody), (status = 429, body = llm_api_web::ErrorBody)))]
pub(crate) async fn login(
    State(state): State<AppState>,
    Audit(context): Audit,
    Json(body): Json<Login>,
) -> Result<Json<LoggedIn>, ApiError> {
    let username = submitted_name(body.username.as_deref(), body.email.as_deref())?;
    let name = ThrottleKey::name(username);
    state.throttles.attempt(Throttle::LoginAddress, ThrottleKey::address(context.address), context.now).await?;
    state.throttles.check(Throttle::LoginName, name, context.now).await?;

    // An unknown and a disabled user cost as much as a known one, and get the same reply.
    let users = state.auth.store.users();
    let found = users.find_for_login(username).await?.filter(|found| found.user.is_active);
    let stored = found.as_ref().and_then(|found| found.password_hash.as_deref());
    let verified = state.passwords.verify(&body.password, stored).await.map_err(gate_error)?;
    let refused = async || {
        state.throttles.failed(Throttle::LoginName, name, context.now).await;
        ApiError::unauthenticated("Invalid credentials")
    };
    let (Some(found), Verified::Yes | Verified::YesButRehash) = (found, verified) else { return Err(refused().await) };
    let rehashed = match verified {
        Verified::YesButRehash => Some(state.passwords.hash(&body.password).await.map_err(gate_error)?),
        Verified::Yes | Verified::No => None,
    };
    let (secret, token) = login_token(found.user.id, context.now)?;
    if !users.record_login(&found, rehashed.as_deref(), &token, &context).await? {
        return Err(refused().await);
    }
    Ok(Json(LoggedIn {
        token: secret.expose().to_owned(),
        access_token: secret.expose().to_owned(),
        token_type: "bearer",
        expires_in: LOGIN_LIFE.as_secs(),
        user: found.user.into(),
    }))
}
