use axum::extract::State;
use llm_api_domain::{Timestamp, UserId};
use llm_api_storage::{Store, User};
use llm_api_web::{Admin, ApiError, Caller, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const MOST: u32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// At most so many, up to 500; 500 when missing.
    limit: Option<u32>,
    /// How many to pass over.
    offset: Option<u32>,
}

/// A user as administrators see one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    #[schema(value_type = String)]
    id: UserId,
    username: String,
    display_name: Option<String>,
    is_admin: bool,
    is_active: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<Timestamp>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            is_admin: user.is_admin,
            is_active: user.is_active,
            created_at: user.created_at,
            last_login_at: user.last_login_at,
        }
    }
}

/// Everybody with an account, newest first.
#[utoipa::path(get, path = "/v1/admin/users", tag = "admin", params(UsersQuery),
    responses((status = 200, body = Vec<UserView>), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn list_users(
    State(store): State<Store>,
    _: Caller<Admin>,
    Query(query): Query<UsersQuery>,
) -> Result<Json<Vec<UserView>>, ApiError> {
    let limit = query.limit.unwrap_or(MOST).clamp(1, MOST);
    let users = store.users().list(i64::from(limit), i64::from(query.offset.unwrap_or(0))).await?;
    Ok(Json(users.into_iter().map(UserView::from).collect()))
}
