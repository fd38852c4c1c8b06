use axum::extract::State;
use llm_api_domain::{InviteId, Timestamp, UserId};
use llm_api_storage::{Invite, Store};
use llm_api_web::{Admin, ApiError, Caller, Json};
use serde::Serialize;
use utoipa::ToSchema;

/// An invite without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteView {
    #[schema(value_type = String)]
    id: InviteId,
    #[schema(value_type = Option<String>)]
    created_by: Option<UserId>,
    /// Who registered with it last.
    #[schema(value_type = Option<String>)]
    used_by: Option<UserId>,
    grants_admin: bool,
    max_uses: i64,
    uses: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl From<Invite> for InviteView {
    fn from(invite: Invite) -> Self {
        Self {
            id: invite.id,
            created_by: invite.created_by,
            used_by: invite.last_used_by,
            grants_admin: invite.grants_admin,
            max_uses: invite.max_uses,
            uses: invite.uses,
            created_at: invite.created_at,
            expires_at: invite.expires_at,
            revoked_at: invite.revoked_at,
        }
    }
}

/// All invites, newest first.
#[utoipa::path(get, path = "/v1/users/invites", tag = "users",
    responses((status = 200, body = Vec<InviteView>), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list_invites(
    State(store): State<Store>,
    _: Caller<Admin>,
) -> Result<Json<Vec<InviteView>>, ApiError> {
    let invites = store.invites().list().await?;
    Ok(Json(invites.into_iter().map(InviteView::from).collect()))
}
