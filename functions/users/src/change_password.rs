use axum::extract::State;
use llm_api_app::AppState;
use llm_api_crypto::{Verified, check_new_password};
use llm_api_web::{Account, ApiError, Audit, Caller, Json, Throttle, ThrottleKey, gate_error};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ChangePassword {
    #[schema(value_type = String)]
    current_password: SecretString,
    #[schema(value_type = String, min_length = 12)]
    new_password: SecretString,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    changed: bool,
}

/// Set a new password. Every other login of the caller ends; personal tokens go on.
#[utoipa::path(post, path = "/v1/users/change-password", tag = "users", request_body = ChangePassword,
    responses((status = 200, body = Changed), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody),
        (status = 429, body = llm_api_web::ErrorBody)))]
pub(crate) async fn change_password(
    State(state): State<AppState>,
    caller: Caller<Account>,
    Audit(context): Audit,
    Json(body): Json<ChangePassword>,
) -> Result<Json<Changed>, ApiError> {
    // A stolen token must not be good for guessing the password.
    state.throttles.attempt(Throttle::LoginAddress, ThrottleKey::address(context.address), context.now).await?;
    let name = ThrottleKey::name(&caller.username);
    state.throttles.check(Throttle::LoginName, name, context.now).await?;
    check_new_password(&caller.username, body.new_password.expose_secret())
        .map_err(|problem| ApiError::invalid_field("new_password", problem.to_string()))?;

    let users = state.auth.store.users();
    let stored = users.get_for_login(caller.user).await?.and_then(|user| user.password_hash);
    let verified = state.passwords.verify(&body.current_password, stored.as_deref()).await.map_err(gate_error)?;
    let refused = || ApiError::bad_request("The password was not changed: the current password is wrong");
    let (Some(stored), Verified::Yes | Verified::YesButRehash) = (stored, verified) else {
        state.throttles.failed(Throttle::LoginName, name, context.now).await;
        return Err(refused());
    };
    let hash = state.passwords.hash(&body.new_password).await.map_err(gate_error)?;
    let context = context.by(caller.user);
    if !users.change_password(caller.user, &stored, &hash, caller.token, &context).await? {
        return Err(refused());
    }
    Ok(Json(Changed { changed: true }))
}
