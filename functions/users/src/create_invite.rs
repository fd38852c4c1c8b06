use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use llm_api_crypto::{PlainToken, TokenKind};
use llm_api_domain::{InviteId, Timestamp};
use llm_api_storage::{NewInvite, Store};
use llm_api_web::{Admin, ApiError, Audit, Caller, Json, OptionalJson, lenient_integer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const DEFAULT_DAYS: i64 = 7;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct CreateInvite {
    /// How many people may register with it; 1 when not given.
    #[serde(default, deserialize_with = "lenient_integer")]
    #[schema(minimum = 1, maximum = 1000)]
    max_uses: Option<i64>,
    /// 7 when not given.
    #[serde(default, deserialize_with = "lenient_integer")]
    #[schema(minimum = 1, maximum = 365)]
    expires_days: Option<i64>,
    /// Whether who registers with it becomes an administrator.
    grants_admin: Option<bool>,
}

/// The secret, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedInvite {
    invite_token: String,
    #[schema(value_type = String)]
    id: InviteId,
    max_uses: i64,
    grants_admin: bool,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Make an invite.
#[utoipa::path(post, path = "/v1/users/invites", tag = "users", request_body = CreateInvite,
    responses((status = 201, body = CreatedInvite), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn create_invite(
    State(store): State<Store>,
    caller: Caller<Admin>,
    Audit(context): Audit,
    OptionalJson(body): OptionalJson<CreateInvite>,
) -> Result<(StatusCode, Json<CreatedInvite>), ApiError> {
    let max_uses = body.max_uses.unwrap_or(1);
    if !(1..=1000).contains(&max_uses) {
        return Err(ApiError::invalid_field("max_uses", "must be from 1 to 1000"));
    }
    let days = body.expires_days.unwrap_or(DEFAULT_DAYS);
    if !(1..=365).contains(&days) {
        return Err(ApiError::invalid_field("expires_days", "must be from 1 to 365"));
    }
    let secret = PlainToken::generate(TokenKind::Invite).map_err(ApiError::internal)?;
    let invite = NewInvite {
        id: InviteId::new(context.now),
        hash: secret.hash(),
        created_by: Some(caller.user),
        grants_admin: body.grants_admin.unwrap_or(false),
        max_uses,
        expires_at: context.now + Duration::from_secs(days.unsigned_abs() * 24 * 3600),
    };
    store.invites().create(&invite, &context.by(caller.user)).await?;
    let reply = CreatedInvite {
        invite_token: secret.expose().to_owned(),
        id: invite.id,
        max_uses,
        grants_admin: invite.grants_admin,
        expires_at: invite.expires_at,
    };
    Ok((StatusCode::CREATED, Json(reply)))
}
