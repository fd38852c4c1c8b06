use axum::extract::State;
use http::StatusCode;
use llm_api_app::AppState;
use llm_api_crypto::{TokenHash, TokenKind, check_new_password};
use llm_api_domain::{UserId, UsernameProblem, check_username};
use llm_api_storage::{NewUser, RegisterOutcome};
use llm_api_web::{ApiError, Audit, Json, Throttle, ThrottleKey, gate_error};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    session::{LOGIN_LIFE, login_token, submitted_name},
    views::UserView,
};

/// Of a name to show, in characters.
const MAX_NAME: usize = 255;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Register {
    username: Option<String>,
    /// Read where `username` is missing.
    email: Option<String>,
    #[schema(value_type = String, min_length = 12)]
    password: SecretString,
    #[schema(value_type = Option<String>)]
    invite_token: Option<SecretString>,
    #[schema(max_length = 255)]
    display_name: Option<String>,
}

/// The new account, signed in: flat for clients that read a user, with `user` and `token` for those that read a login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registered {
    #[serde(flatten)]
    account: UserView,
    token: String,
    access_token: String,
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    user: UserView,
}

/// Make an account, with an invite where this server requires one.
#[utoipa::path(post, path = "/v1/users/register", tag = "users", request_body = Register, security(()),
    responses((status = 201, body = Registered), (status = 400, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody), (status = 429, body = llm_api_web::ErrorBody)))]
pub(crate) async fn register(
    State(state): State<AppState>,
    Audit(context): Audit,
    Json(body): Json<Register>,
) -> Result<(StatusCode, Json<Registered>), ApiError> {
    let address = ThrottleKey::address(context.address);
    state.throttles.check(Throttle::RegisterAddress, address, context.now).await?;
    let username = submitted_name(body.username.as_deref(), body.email.as_deref())?.to_owned();
    check_username(&username).map_err(refused_name)?;
    if body.display_name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME) {
        return Err(ApiError::invalid_field("display_name", "at most 255 characters"));
    }
    check_new_password(&username, body.password.expose_secret())
        .map_err(|problem| ApiError::invalid_field("password", problem.to_string()))?;

    let refuse = async |reason: &str| {
        state.throttles.failed(Throttle::RegisterAddress, address, context.now).await;
        ApiError::bad_request(format!("Registration failed. {reason}"))
    };
    let bad_invite = "The invite is missing, unknown, used, revoked or expired.";
    let invite = body.invite_token.as_ref().filter(|invite| !invite.expose_secret().is_empty());
    let invite = match invite {
        Some(invite) => {
            let hash = TokenHash::of_presented(&[TokenKind::Invite], invite.expose_secret().trim());
            let Some(hash) = hash else { return Err(refuse(bad_invite).await) };
            Some(*hash.as_bytes())
        }
        None if state.config.invite_required => return Err(refuse(bad_invite).await),
        None => None,
    };

    let default_name = username.split('@').next().unwrap_or_default().to_owned();
    let user = NewUser {
        id: UserId::new(context.now),
        password_hash: state.passwords.hash(&body.password).await.map_err(gate_error)?,
        display_name: Some(body.display_name.filter(|name| !name.trim().is_empty()).unwrap_or(default_name)),
        username,
        is_admin: false,
    };
    let (secret, token) = login_token(user.id, context.now)?;
    let account = |is_admin| UserView {
        id: user.id,
        username: user.username.clone(),
        email: user.username.clone(),
        display_name: user.display_name.clone(),
        is_admin,
    };
    match state.auth.store.users().register(user.clone(), invite, &token, &context).await? {
        RegisterOutcome::InviteRefused => Err(refuse(bad_invite).await),
        RegisterOutcome::NameTaken => Err(refuse("The name is taken.").await),
        RegisterOutcome::Registered { is_admin } => {
            if invite.is_none() {
                // Nothing else bounds registrations that need no invite.
                state.throttles.failed(Throttle::RegisterAddress, address, context.now).await;
            }
            let reply = Registered {
                account: account(is_admin),
                token: secret.expose().to_owned(),
                access_token: secret.expose().to_owned(),
                token_type: "bearer",
                expires_in: LOGIN_LIFE.as_secs(),
                user: account(is_admin),
            };
            Ok((StatusCode::CREATED, Json(reply)))
        }
    }
}

fn refused_name(problem: UsernameProblem) -> ApiError {
    let message = match problem {
        UsernameProblem::Empty => "username or email is required",
        UsernameProblem::TooLong => "at most 255 characters",
        UsernameProblem::ControlCharacter => "control characters are not allowed",
    };
    ApiError::invalid_field("username", message)
}
