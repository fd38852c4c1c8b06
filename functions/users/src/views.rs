//! Replies that several endpoints of this group share.

use llm_api_domain::{OnDisconnect, Scope, Timestamp, TokenId, UserId};
use llm_api_storage::{Profile, Token, User};
use serde::Serialize;
use utoipa::ToSchema;

/// A user in the replies of login and register.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    #[schema(value_type = String)]
    pub(crate) id: UserId,
    pub(crate) username: String,
    /// The same as `username`: clients of the Python service read either.
    pub(crate) email: String,
    pub(crate) display_name: Option<String>,
    pub(crate) is_admin: bool,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.username.clone(),
            username: user.username,
            display_name: user.display_name,
            is_admin: user.is_admin,
        }
    }
}

/// The caller's own profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileView {
    #[serde(flatten)]
    user: UserView,
    preferred_model: Option<String>,
    #[schema(value_type = Object)]
    preferences: serde_json::Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            created_at: profile.user.created_at,
            user: profile.user.into(),
            preferred_model: profile.preferred_model,
            // Written by us as an object; a hand-edited row is read as none.
            preferences: serde_json::from_str(&profile.preferences).unwrap_or_else(|_| serde_json::json!({})),
        }
    }
}

/// A token without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    #[schema(value_type = String)]
    pub(crate) id: TokenId,
    pub(crate) name: Option<String>,
    #[schema(value_type = Vec<String>)]
    pub(crate) scopes: Vec<Scope>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    #[schema(value_type = String, example = "cancel")]
    pub(crate) on_disconnect: OnDisconnect,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().collect(),
            created_at: token.created_at,
            last_used_at: token.last_used_at,
            expires_at: token.expires_at,
            on_disconnect: token.on_disconnect,
        }
    }
}
